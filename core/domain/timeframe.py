"""The lengths of bar a user may ask for."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from core.errors import InvalidInput

_SECONDS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "10m": 600,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "1d": 86_400,
    "1w": 604_800,
}


class Timeframe(StrEnum):
    """Bar length. `1m` is a minute, `1M` a calendar month."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M10 = "10m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"
    MN1 = "1M"

    @property
    def seconds(self) -> int | None:
        """Length in seconds; None for a month, which has no fixed length."""
        return _SECONDS.get(self.value)

    @property
    def is_intraday(self) -> bool:
        """Whether several bars make one session."""
        return self.seconds is not None and self.seconds < _SECONDS["1d"]

    def after(self, ts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Give the moment one length after each label, microseconds UTC, shape (T,)."""
        if self.seconds is not None:
            return ts + self.seconds * 1_000_000
        months = ts.astype("datetime64[us]").astype("datetime64[M]")
        following: npt.NDArray[np.int64] = (months + 1).astype("datetime64[us]").astype(np.int64)
        return following

    @classmethod
    def parse(cls, text: str) -> Timeframe:
        """Read a timeframe as users write it (`1d`, `1D`, `1min`, `daily`).

        Raises:
            InvalidInput: the text names no known timeframe.
        """
        aliases = {"1min": "1m", "5min": "5m", "15min": "15m", "30min": "30m", "60m": "1h"}
        aliases |= {"1H": "1h", "4H": "4h", "1D": "1d", "1W": "1w", "daily": "1d", "minute": "1m"}
        wanted = aliases.get(text.strip(), text.strip())
        try:
            return cls(wanted)
        except ValueError:
            known = ", ".join(cls)
            raise InvalidInput(
                f"timeframe {text!r} is not known", expected=f"one of {known}", field="timeframe"
            ) from None
