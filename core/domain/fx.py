"""What one currency is worth in another, and since when that is known (R17)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.errors import DataProblem

US_PER_DAY = 86_400_000_000
MOST_DAYS_OLD = 7
"""Older rates do not count: the market they come from was closed no longer than that."""

CURRENCY = re.compile(r"^[A-Z]{3,5}$")
"""Codes as in ISO 4217, and those of coins (`USDT`)."""


@dataclass(frozen=True, eq=False)
class FxRates:
    """Rates of one currency in that of an account, shape (K,) per column.

    Attributes:
        series: Symbol they were read from, for people.
        currency, account: What is converted, and into what.
        known: From when each rate is known, int64 microseconds UTC, strictly increasing.
        rate: Units of `account` for one of `currency`, float64, above 0.
    """

    series: str
    currency: str
    account: str
    known: npt.NDArray[np.int64]
    rate: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check shapes, order and values once, then freeze the columns."""
        if self.known.shape != self.rate.shape or self.known.ndim != 1:
            raise DataProblem(
                f"rates of {self.series} have shape {self.rate.shape}",
                expected=f"{self.known.shape}, one for each time",
            )
        if not bool(np.all(self.known[1:] > self.known[:-1])):
            raise DataProblem(f"rates of {self.series} are not strictly increasing in time")
        if not bool(((self.rate > 0) & np.isfinite(self.rate)).all()):
            raise DataProblem(
                f"{self.series} has rates that are not above 0", expected="positive numbers"
            )
        self.known.flags.writeable = self.rate.flags.writeable = False

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of what is converted into what, and of both columns."""
        digest = hashlib.sha256(f"{self.series}|{self.currency}|{self.account}|".encode())
        digest.update(self.known.tobytes())
        digest.update(self.rate.tobytes())
        return digest.hexdigest()

    def between(self, first: int, last: int) -> FxRates:
        """Give the rates that hold at some time from `first` to `last`, both inclusive."""
        left = max(int(np.searchsorted(self.known, first, side="right")) - 1, 0)
        right = int(np.searchsorted(self.known, last, side="right"))
        rows = slice(left, max(left, right))
        return replace(self, known=self.known[rows].copy(), rate=self.rate[rows].copy())

    @property
    def words(self) -> str:
        """What is converted by what, for people."""
        return f"{self.currency} to {self.account} by {self.series}"

    def at(self, times: npt.NDArray[np.int64], *, aged: bool = False) -> npt.NDArray[np.float64]:
        """Look up the latest rate known at each time, shape (T,).

        Args:
            times: Microseconds UTC.
            aged: Whether a rate of any age will do.

        Raises:
            DataProblem: there is none yet, or it has been known for more than `MOST_DAYS_OLD` days.
        """
        place = np.searchsorted(self.known, times, side="right") - 1
        if not len(self.known) or bool((place < 0).any()):
            first = "none" if not len(self.known) else f"the first one at {_when(self.known[0])}"
            when = times[np.argmin(place)] if len(times) else 0
            raise DataProblem(
                f"no rate of {self.words} is known at {_when(when)}: the series has {first}",
                hint="import earlier rates, or begin the run later",
            )
        age = times - self.known[place]
        if not aged and bool((age > MOST_DAYS_OLD * US_PER_DAY).any()):
            row = int(np.argmax(age > MOST_DAYS_OLD * US_PER_DAY))
            raise DataProblem(
                f"the latest rate of {self.words} known at {_when(times[row])} is that of "
                f"{_when(self.known[place[row]])}",
                expected=f"one at most {MOST_DAYS_OLD} days old",
                hint="import the rates that are missing, or run over dates that have them",
            )
        found: npt.NDArray[np.float64] = self.rate[place]
        return found


def _when(moment: np.int64 | int) -> str:
    return f"{np.datetime64(int(moment), 'us').astype('datetime64[s]')} UTC"
