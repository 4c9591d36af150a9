"""Bars: checked market rows of one symbol, as columns.

A bar is labelled by the time it opens, in microseconds since 1970 UTC. Rows are sorted and unique.
Columns are float64 and read-only; a missing volume is NaN, a missing price cannot occur.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.domain.detail import Detail
from core.domain.fx import FxRates
from core.domain.market import Market
from core.domain.timeframe import Timeframe
from core.errors import DataProblem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]

US_PER_DAY = 86_400_000_000
Adjust = Literal["split", "raw", "total_return"]
"""Terms of prices: put on those after every split, as traded, or less dividends too (R15)."""

NO_ACTION = {"dividend": 0.0, "split": 1.0, "funding": 0.0}
"""Columns of corporate actions and funding, and what they hold where nothing happens."""

_US_PER_MINUTE = 60_000_000


@dataclass(frozen=True, eq=False)
class Bars:
    """Market rows of one symbol at one timeframe, shape (T,) per column.

    Attributes:
        ts: Opening time, int64 microseconds UTC, strictly increasing.
        session: Session date as days since 1970 in the market's zone, int32, non-decreasing.
        minute: Minute of the local day at which the bar opens (0 for daily and longer), int32.
        open, high, low, close: Prices, float64, positive, low <= open and close <= high.
        volume: float64, NaN where the source has none.
        dividend: Cash per unit for whoever held it before this bar, the first of an ex-date; 0
            where there is none. None for a source without dividends.
        split: New units per old one at the opening of this bar, 1 where there is none. None where
            prices do not jump by splits.
        detail: Finer bars inside these, None where none were asked for. Not part of the hashes.
        funding: Share of its value that a long position held from before this bar pays, and a short
            one receives: the sum of the rates of all times after the opening of the bar before and
            up to that of this one (R17). None for a source without funding.
        fx: Rates into the currency of the account; None where prices are in it. Not part of
            `data_hash`: they have a series of their own.
    """

    symbol: str
    timeframe: Timeframe
    market: Market
    ts: IntArray
    session: Int32Array
    minute: Int32Array
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    dividend: FloatArray | None = None
    split: FloatArray | None = None
    detail: Detail | None = None
    funding: FloatArray | None = None
    fx: FxRates | None = None

    def __post_init__(self) -> None:
        """Check shapes and order once, then freeze the columns."""
        length = len(self.ts)
        names = ("session", "minute", "open", "high", "low", "close", "volume")
        for name in (*names, *self._actions):
            column = getattr(self, name)
            if column.shape != (length,):
                raise DataProblem(
                    f"column {name} of {self.symbol} has shape {column.shape}",
                    expected=f"({length},), the shape of ts",
                )
            column.flags.writeable = False
        self.ts.flags.writeable = False
        if self.detail is not None and len(self.detail.first) != length + 1:
            raise DataProblem(f"finer bars of {self.symbol} are grouped by other bars")
        if length > 1 and not bool(np.all(self.ts[1:] > self.ts[:-1])):
            raise DataProblem(f"bars of {self.symbol} are not strictly increasing in time")
        inside = (self.low <= np.minimum(self.open, self.close)) & (
            self.high >= np.maximum(self.open, self.close)
        )
        if not bool((inside & (self.low > 0)).all()):
            row = int(np.argmin(inside & (self.low > 0)))
            raise DataProblem(
                f"bar {row} of {self.symbol} is not a bar: open {self.open[row]}, high "
                f"{self.high[row]}, low {self.low[row]}, close {self.close[row]}",
                expected="positive prices with low <= open, close <= high",
                hint="import the file again: the importer lists such rows and leaves them out",
            )

        self._check_actions()

    @property
    def _actions(self) -> tuple[str, ...]:
        return tuple(name for name in NO_ACTION if getattr(self, name) is not None)

    def _check_actions(self) -> None:
        if self.dividend is not None and not bool(
            ((self.dividend >= 0) & np.isfinite(self.dividend)).all()
        ):
            raise DataProblem(
                f"{self.symbol} has dividends that are negative or no number",
                expected="cash per unit, 0 where there is none",
            )
        if self.split is not None and not bool(((self.split > 0) & np.isfinite(self.split)).all()):
            raise DataProblem(
                f"{self.symbol} has split ratios that are not above 0",
                expected="new units per old one, 1 where there is none",
            )
        if self.funding is not None and not bool((np.abs(self.funding) < 1).all()):
            raise DataProblem(
                f"{self.symbol} has funding rates that are no shares of a position's value",
                expected="between -1 and 1, such as 0.0001 for 0.01%, 0 where there is none",
            )

    @property
    def has_splits(self) -> bool:
        """Whether prices jump by a split somewhere."""
        return self.split is not None and bool((self.split != 1).any())

    @property
    def has_dividends(self) -> bool:
        """Whether a dividend is paid somewhere."""
        return self.dividend is not None and bool((self.dividend != 0).any())

    @property
    def has_funding(self) -> bool:
        """Whether funding is paid somewhere."""
        return self.funding is not None and bool((self.funding != 0).any())

    @cached_property
    def over(self) -> IntArray:
        """When each bar is over, microseconds UTC, shape (T,).

        A day, week or month is over when its dates are; a shorter bar after its length, or at the
        close of its market's session, should that come first.
        """
        if not self.timeframe.is_intraday:
            return self.timeframe.after(self.ts)
        length = np.full(len(self), (self.timeframe.seconds or 0) * 1_000_000, dtype=np.int64)
        if self.market.closes is not None:
            closes = self.market.closes.hour * 60 + self.market.closes.minute
            left = (closes - self.minute.astype(np.int64)) * _US_PER_MINUTE
            length = np.where(left > 0, np.minimum(length, left), length)
        ends: IntArray = self.ts + length
        return ends

    def __len__(self) -> int:
        """Number of bars."""
        return len(self.ts)

    def head(self, count: int) -> Bars:
        """Give the first bars; all of them where there are no more than `count`."""
        return self._rows(0, min(count, len(self)))

    def between(self, first: int, last: int) -> Bars:
        """Give the bars of the sessions from `first` to `last`, both inclusive."""
        left = int(np.searchsorted(self.session, first, side="left"))
        right = int(np.searchsorted(self.session, last, side="right"))
        return self._rows(left, max(left, right))

    def where(self, kept: npt.NDArray[np.bool_]) -> Bars:
        """Give the bars that are kept, shape (T,), without finer ones."""
        columns = ("ts", "session", "minute", "open", "high", "low", "close", "volume")
        names = (*columns, *self._actions)
        return replace(self, **{name: getattr(self, name)[kept] for name in names}, detail=None)

    def _rows(self, left: int, right: int) -> Bars:
        if (left, right) == (0, len(self)):
            return self
        columns = ("ts", "session", "minute", "open", "high", "low", "close", "volume")
        names = (*columns, *self._actions)
        cut = {name: getattr(self, name)[left:right].copy() for name in names}
        detail = None if self.detail is None else self.detail.part(left, right)
        return replace(self, **cut, detail=detail)

    @cached_property
    def year_hashes(self) -> dict[int, str]:
        """SHA-256 of the column bytes, per calendar year (UTC) of the bars used."""
        if not len(self):
            return {}
        years = self.ts.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
        edges = np.flatnonzero(np.diff(years)) + 1
        hashes: dict[int, str] = {}
        for rows in np.split(np.arange(len(self)), edges):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            digest = hashlib.sha256(f"{self.symbol}|{self.timeframe}|{self.market.code}".encode())
            for column in (self.ts, self.open, self.high, self.low, self.close, self.volume):
                digest.update(np.ascontiguousarray(column[part]).tobytes())
            # Years without any keep the hash they have always had.
            for name in self._actions:
                values = getattr(self, name)[part]
                if bool((values != NO_ACTION[name]).any()):
                    digest.update(name.encode())
                    digest.update(np.ascontiguousarray(values).tobytes())
            hashes[int(years[rows[0]])] = digest.hexdigest()
        return hashes

    @cached_property
    def data_hash(self) -> str:
        """One hash over all years: what a run says it was computed from."""
        digest = hashlib.sha256()
        for year, value in sorted(self.year_hashes.items()):
            digest.update(f"{year}:{value};".encode())
        return digest.hexdigest()
