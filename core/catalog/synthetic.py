"""Made prices with the clock of an index future's market: for demonstrations and benchmarks.

Sessions of 375 one-minute bars, 09:15-15:29 India time, on weekdays. Returns have fat tails, a
volatility that persists from day to day and is higher near the opening and the close; sessions
open with a gap. Nothing in them can be predicted. There is no volume: none was traded.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from core.catalog.sessions import US_PER_MINUTE, day_number
from core.domain.bars import US_PER_DAY, FloatArray, IntArray

SYMBOL: Final = "SYNTH-NIFTY"
MARKET: Final = "XNSE"
SESSIONS: Final = 250
FIRST_SESSION: Final = date(2024, 1, 1)
SEED: Final = 20_240_101

BARS: Final = 375
_OPENS: Final = 9 * 60 + 15
_TICK: Final = 0.05
_LEVEL: Final = 21_700.0
_DAILY: Final = 0.008
_GAP: Final = 0.0035
_PERSISTENCE: Final = 0.92
_FREEDOM: Final = 5


def minute_csv(sessions: int = SESSIONS, *, seed: int = SEED) -> bytes:
    """Write the sessions as CSV; the same arguments give the same bytes.

    Args:
        sessions: Number of sessions from the first of January 2024 on.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    open_, high, low, close = _prices(rng, sessions)
    days = np.repeat(_weekdays(sessions), BARS)
    minutes = np.tile(np.arange(_OPENS, _OPENS + BARS), sessions)
    local = pl.Series(days * US_PER_DAY + minutes * US_PER_MINUTE).cast(pl.Datetime("us"))
    frame = pl.DataFrame(
        {
            "timestamp": local.dt.strftime("%Y-%m-%dT%H:%M:%S+05:30"),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
        }
    )
    return frame.write_csv(float_precision=2).encode()


def _weekdays(count: int) -> IntArray:
    first = day_number(FIRST_SESSION)
    days = np.arange(first, first + 2 * count + 7)
    return days[(days + 3) % 7 < 5][:count]  # noqa: PLR2004 - Saturday and Sunday are 5 and 6


def _prices(
    rng: np.random.Generator, sessions: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    deviation = _daily_deviation(rng, sessions)[:, None] / np.sqrt(BARS) * _shape()
    fat = rng.standard_t(_FREEDOM, (sessions, BARS)) / np.sqrt(_FREEDOM / (_FREEDOM - 2))
    steps = 1.0 + deviation * fat
    steps[:, 0] *= 1.0 + _GAP * rng.standard_normal(sessions)
    close = (_LEVEL * np.cumprod(steps.ravel())).reshape(sessions, BARS)
    before = np.concatenate(([_LEVEL], close.ravel()[:-1])).reshape(sessions, BARS)
    opened = before.copy()
    opened[:, 0] = close[:, 0] * (1.0 + deviation[:, 0] * rng.standard_normal(sessions))
    reach = np.abs(rng.standard_normal((2, sessions, BARS))) * deviation * 0.6 * before
    high = np.maximum(opened, close) + reach[0]
    low = np.minimum(opened, close) - reach[1]
    on_tick = (np.rint(price.ravel() / _TICK) * _TICK for price in (opened, high, low, close))
    return next(on_tick), next(on_tick), next(on_tick), next(on_tick)


def _daily_deviation(rng: np.random.Generator, sessions: int) -> FloatArray:
    level = np.empty(sessions)
    now = 0.0
    for day, shock in enumerate(rng.standard_normal(sessions)):
        now = _PERSISTENCE * now + 0.12 * shock
        level[day] = now
    return _DAILY * np.maximum(0.4, 1.0 + level)


def _shape() -> FloatArray:
    minute = np.arange(BARS)
    opening, closing = 25.0 / (25.0 + minute), 20.0 / (20.0 + minute[::-1])
    weight: FloatArray = 0.7 + 1.6 * opening**2 + 0.8 * closing**2
    weight /= np.sqrt(np.mean(weight**2))
    return weight
