"""How big entries are where more than one number of the run says so (R3).

Kernels are given nothing of it where a size is the run's own, in percent, units or lots.
"""

from __future__ import annotations

from math import nan, sqrt

import numpy as np

from core.domain.bars import Bars, FloatArray
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.engine import kernels
from core.engine.compiled import loop
from core.engine.convert import check_column, has_limits, locked
from core.errors import InvalidInput, StrategyFailed

KINDS = {
    "percent_of_equity": kernels.EQUITY_SHARE,
    "units": kernels.UNITS,
    "lots": kernels.UNITS,
    "value": kernels.MONEY,
    "risk": kernels.RISK_SHARE,
    "vol_target": kernels.VOLATILITY,
}
PLAIN = frozenset({"percent_of_equity", "units", "lots"})
_UNKNOWN = locked(np.array([nan]))


def check_sizes(signals: Signals, options: EngineOptions, total: int) -> None:
    """Check that sizes of `total` rows make sense, and that risk has something to end it.

    Raises:
        InvalidInput: size is share of equity at risk, and the signals have neither stop nor trail.
        StrategyFailed: sizes of the wrong kind or shape, negative or infinite.
    """
    is_open = options.sizing == "risk" and signals.stop is None and signals.trail is None
    if is_open and bool(np.any(np.abs(signals.codes) == 1)):
        raise InvalidInput(
            "sizing is risk, and the strategy gives neither a stop nor a trail",
            expected="signals with stop or trail, which end what is risked, or another sizing",
            field="options.sizing",
        )
    size = signals.size
    if size is None:
        return
    if isinstance(size, np.ndarray) and size.ndim:
        check_column("sizes", size, np.float64, total)
    elif not np.isscalar(size) or isinstance(size, bool | str | bytes | complex):
        raise StrategyFailed(
            f"size is {size!r:.40}", expected=f"a number, or an array of shape ({total},)"
        )
    values = np.atleast_1d(np.asarray(size, dtype=np.float64))
    wrong = np.isinf(values) | (values < 0.0)
    if bool(wrong.any()):
        row = int(np.argmax(wrong))
        where = f" at bar {row}" if len(values) == total and np.ndim(size) else ""
        raise StrategyFailed(
            f"size is {values[row]:g}{where}",
            expected="numbers of 0 or more, NaN for the size of the run",
        )


def own_size(options: EngineOptions) -> float:
    """Give the run's size, lots in units."""
    return scale_of(options) * float(options.size)


def scale_of(options: EngineOptions) -> float:
    """Say by what a size is multiplied: units of a lot, else 1."""
    return float(options.lot_size) if options.sizing == "lots" else 1.0


def volatility_of(bars: Bars, options: EngineOptions) -> FloatArray:
    """Give the annual volatility known at each close, NaN where it is not asked for or not known.

    The deviation (of a sample) of the returns between the last `volatility_bars` + 1 closes, splits
    taken out, times the root of the bars a year of the market's calendar.

    Returns:
        Shape (T,), or (1,) where the sizing is another; NaN before there are so many returns.
    """
    if options.sizing != "vol_target":
        return _UNKNOWN
    closes = bars.close
    if bars.split is not None:
        closes = closes * np.multiply.accumulate(bars.split)
    found = np.full(len(bars), nan)
    root = sqrt(bars.market.bars_per_year(bars.timeframe))
    returns = closes[1:] / closes[:-1] - 1.0
    rolling_volatility(returns, options.volatility_bars, root, found)
    return locked(found)


@loop
def rolling_volatility(returns: FloatArray, count: int, root: float, found: FloatArray) -> None:
    """Fill `found`, shape (T,), from row `count` on; `returns[t - 1]` is that of row t."""
    for t in range(count, len(found)):
        total = squares = 0.0
        for i in range(t - count, t):
            total = total + returns[i]
        mean = total / count
        for i in range(t - count, t):
            away = returns[i] - mean
            squares = squares + away * away
        found[t] = np.sqrt(squares / (count - 1)) * root


def sizes_for(
    signals: Signals, options: EngineOptions, volatility: FloatArray, total: int
) -> kernels.Sizes | None:
    """Give the scalar kernel the sizes of signals that were checked; None where cfg says it all.

    Under rules of R14 they are always given: that kernel is slower by the rules, and another one
    that knows them but no sizes would have to be compiled.

    Args:
        signals: Of `total` rows.
        options: Account and fill rules.
        volatility: From `volatility_of`.
        total: Number of rows.

    Raises:
        InvalidInput, StrategyFailed: as `check_sizes`.
    """
    if signals.size is None and options.sizing in PLAIN and not has_limits(options):
        return None
    check_sizes(signals, options, total)
    values, is_by_row = _UNKNOWN, 0
    if signals.size is not None:
        values = np.asarray(signals.size, dtype=np.float64) * scale_of(options)
        is_by_row = 1 if values.ndim else 0
    return kernels.Sizes(
        kind=KINDS[options.sizing],
        own=own_size(options),
        value=locked(values.reshape(-1)),
        step=is_by_row,
        volatility=volatility,
        volatility_step=1 if options.sizing == "vol_target" else 0,
    )
