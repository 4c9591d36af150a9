"""Every metric of one symbol's run in one compiled pass, for sweeps and for whoever is in a hurry.

`core.analytics` is the definition, one readable function per metric; this is the same arithmetic
over the same arrays in one call, without a temporary per metric. Sums over sessions and trades are
those of numpy (pairwise) to the last bit; sums over bars are pairwise in blocks.

What is undefined is NaN, and its reason an index into `REASON_CODES`; 0 where a number stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erfc, floor, inf, isfinite, nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from core.analytics import returns
from core.analytics.benchmark import PAIRS_AT_LEAST
from core.analytics.combine import opening_of, worth_of
from core.analytics.ratios import SHARPE_AT_LEAST, TAIL_AT_LEAST, Z_95
from core.analytics.summary import badges
from core.analytics.undefined import NOISE
from core.domain.bars import Bars, FloatArray, IntArray
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES, METRICS, REASONS, Metrics
from core.domain.options import EngineOptions
from core.domain.simulation import Simulation
from core.engine.compiled import loop
from core.engine.curve import (
    BLOCK,
    RETURNS,
    SQUARES,
    SUMS,
    add_returns,
    again,
    deepest,
    extremes_of,
    fold,
    worst_by_bar,
    worst_drawdown,
)

ReasonRow = npt.NDArray[np.uint8]

REASON_CODES = ("", *REASONS)

# A row of metrics, in the order of METRICS.
# fmt: off
(
    FINAL_EQUITY, NET_PROFIT, TOTAL_RETURN, CAGR, VOLATILITY, SHARPE, SHARPE_SE, PSR, MIN_TRL,
    SESSIONS, SHARPE_BAR, SORTINO, MAX_DRAWDOWN, CALMAR, ULCER_INDEX, UPI, OMEGA, TAIL_RATIO,
    VAR_95, CVAR_95, SKEWNESS, KURTOSIS, UNDERWATER_LONGEST, UNDERWATER_CURRENT, UNDERWATER_MEAN,
    RECOVERY_FACTOR, ALPHA, ALPHA_T, BETA, BETA_T, CORRELATION, TRACKING_ERROR, INFO_RATIO,
    EXPOSURE, GROSS_EXPOSURE, TURNOVER, TRADES, OPEN_TRADES, WIN_RATE, PROFIT_FACTOR, EXPECTANCY,
    EXPECTANCY_PCT, EXPECTANCY_R, PAYOFF, AVERAGE_WIN, AVERAGE_LOSS, BEST_TRADE, WORST_TRADE, SQN,
    SQN100, WIN_STREAK, LOSS_STREAK, BARS_MEDIAN, BARS_MEAN, BARS_MAX, DURATION_MEDIAN,
    DURATION_MEAN, DURATION_MAX, MAE_MEAN, MFE_MEAN, MAE_R, MFE_R, AMBIGUOUS_PCT, FEES, SLIPPAGE,
    TOTAL_COSTS, COST_SHARE, BREAKEVEN_BPS, DIVIDENDS, BORROW, CARRY, FUNDING,
    INTEREST,
) = range(73)
# fmt: on
WIDTH = INTEREST + 1
# Reasons, as in REASON_CODES.
(
    DEFINED, NO_DATA, NO_TRADES, NO_CLOSED_TRADES, TOO_FEW_TRADES, TOO_SHORT, TOO_FEW_PAIRS,
    FLAT_BENCHMARK, EXACT_FIT, ZERO_VARIANCE,
    NO_DOWNSIDE, NO_EXCESS, NO_DRAWDOWN, NO_LOSSES, NO_WINS, NO_STOP, NO_GROSS_PROFIT, NO_COSTS,
    ZERO_DENOMINATOR, NOT_FINITE, RUINED, NOT_COMPUTED,
) = range(22)  # fmt: skip
# Rows of the trade table.
QUANTITY, ENTRY, EXIT, PNL, TRADE_FEES, TRADE_SLIPPAGE, MAE, MFE, RISK = range(9)
TRADE_ROWS = RISK + 1
ENTRY_BAR, EXIT_BAR = 0, 1
_SHY = 0.01  # share of the squares that may be lost to the mean
STACK = 64  # halves of halves of any length
_PAIRWISE = 128  # as in numpy: up to here a sum is not halved


class Calendar(NamedTuple):
    """What metrics need of the bars, the same for every lane; see `core.analytics.account`.

    `shared` are the sessions the benchmark has too, shape (P,). `levels` is what it was worth
    before the first and at the end of each, shape (P + 1,); the first is NaN where the benchmark
    begins later. `risk_free` is the rate of a year, `session_rate`, `bar_rate` and `free` are what
    it earns in a session, in a bar, and in the span that ends with each of `shared`, shape (P,).
    """

    ts: IntArray
    ends: IntArray
    years: float
    per_year: float
    bars_per_year: float
    shared: IntArray
    levels: FloatArray
    risk_free: float
    session_rate: float
    bar_rate: float
    free: FloatArray


class Figures(NamedTuple):
    """What the bar loop counted on its way.

    `drawdown` is the worst, at most 0, or NaN if nobody looked; `gross` the mean gross exposure,
    `held` the number of bars with a position. `folded` says that blocks are filled already,
    `notional` what fills were worth, NaN if every trade has one fill at either end.
    """

    start: float
    multiplier: float
    drawdown: float
    gross: float
    held: int
    fills: int
    ambiguous: int
    ruined: bool
    folded: bool
    notional: float


class Workspace(NamedTuple):
    """Memory a measurement scribbles on; nothing in it outlives the call.

    `daily`: shape (D,). `sessions`: (5, D). `trades`: (4, 2 N) for up to N trades. `blocks`:
    (2, T / BLOCK + 1). `sums`: (SUMS, BLOCK). `stack`: (STACK, 5).
    """

    daily: FloatArray
    sessions: FloatArray
    trades: FloatArray
    blocks: FloatArray
    sums: FloatArray
    stack: FloatArray


def calendar_of(bars: Bars, benchmark: Bars | None = None, risk_free: float = 0.0) -> Calendar:
    """Find what metrics need of at least one bar.

    Args:
        bars: Of the run.
        benchmark: Bars to buy and hold instead; None for those of the run.
        risk_free: Effective rate a year that ratios are in excess of.
    """
    ends = returns.session_ends(bars.session)
    years = returns.years_between(int(bars.ts[0]), returns.end_of(bars))
    per_year = returns.periods_per_year(
        bars.timeframe,
        periods=len(ends),
        years=years,
        nominal=bars.market.sessions_per_year,
    )
    shared = np.arange(len(ends))
    levels = np.append(1.0, worth_of(bars)[ends] / opening_of(bars))
    if benchmark is not None:
        benchmark = benchmark.between(int(bars.session[0]), int(bars.session[-1]))
        other = returns.session_ends(benchmark.session)
        _, shared, theirs = np.intersect1d(
            bars.session[ends],
            benchmark.session[other],
            assume_unique=True,
            return_indices=True,
        )
        before = np.nan
        if len(shared) and shared[0] == 0:
            first = int(theirs[0])
            before = opening_of(benchmark, int(other[first - 1]) + 1 if first else 0)
        levels = np.append(before, worth_of(benchmark)[other[theirs]])
    bars_per_year = per_year * len(bars) / len(ends)
    return Calendar(
        bars.ts,
        ends,
        years,
        per_year,
        bars_per_year,
        shared,
        levels,
        risk_free,
        returns.risk_free_return(risk_free, per_year),
        returns.risk_free_return(risk_free, bars_per_year),
        returns.risk_free_returns(risk_free, per_year, np.diff(shared, prepend=-1)),
    )


def workspace(bars: int, sessions: int, trades: int) -> Workspace:
    """Make memory for runs of so many bars, sessions and at most so many trades."""
    return Workspace(
        np.empty(sessions),
        np.empty((5, sessions)),
        np.empty((4, 2 * trades)),
        np.empty((2, bars // BLOCK + 1)),
        np.empty((SUMS, BLOCK)),
        np.empty((STACK, 5)),
    )


@register_jitable
def _put(out: FloatArray, why: ReasonRow, slot: int, value: float) -> None:
    if isfinite(value):
        out[slot] = value + 0.0  # -0.0 is 0.0 to everybody who reads it
        why[slot] = DEFINED
    else:
        out[slot] = nan
        why[slot] = NOT_FINITE


@register_jitable
def _deny(out: FloatArray, why: ReasonRow, slot: int, reason: int) -> None:
    out[slot] = nan
    why[slot] = reason


@register_jitable
def _leaf_sum(x: FloatArray, start: int, count: int) -> float:
    if count < 8:
        few = 0.0
        for i in range(start, start + count):
            few += x[i]
        return few
    a, b, c, d = x[start], x[start + 1], x[start + 2], x[start + 3]
    e, f, g, h = x[start + 4], x[start + 5], x[start + 6], x[start + 7]
    rest = start + count - count % 8
    for i in range(start + 8, rest, 8):
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
        e += x[i + 4]
        f += x[i + 5]
        g += x[i + 6]
        h += x[i + 7]
    total: float = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(rest, start + count):
        total += x[i]
    return total


# Compiled on its own: it is called from everywhere.
@loop
def pairwise_sum(x: FloatArray, count: int, stack: FloatArray) -> float:
    """Sum the first `count` values in the order, and hence with the bits, of `numpy.sum`.

    Halves are summed and then added. (A function that calls itself would say it in three lines,
    but numba 0.68 crashes when it loads one from its cache.)

    Args:
        x: Shape (N,), N at least `count`.
        count: At most 2**53.
        stack: Shape (STACK, 5), overwritten: parts that wait to be summed, by their first row,
            size and depth, and sums that wait for their other half, with their depth.
    """
    if count <= _PAIRWISE:
        return _leaf_sum(x, 0, count)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0.0, count, 0.0
    to_do, finished = 1, 0
    while to_do > 0:
        to_do -= 1
        start, size, depth = int(stack[to_do, 0]), int(stack[to_do, 1]), stack[to_do, 2]
        if size > _PAIRWISE:
            half = size // 2
            half -= half % 8
            for first, part in ((start + half, size - half), (start, half)):
                stack[to_do, 0], stack[to_do, 1], stack[to_do, 2] = first, part, depth + 1.0
                to_do += 1
            continue
        total = _leaf_sum(x, start, size)
        while finished > 0 and stack[finished - 1, 4] == depth:
            finished -= 1
            total = stack[finished, 3] + total
            depth -= 1.0
        stack[finished, 3], stack[finished, 4] = total, depth
        finished += 1
    whole: float = stack[0, 3]
    return whole


@register_jitable
def _select(x: FloatArray, start: int, count: int, rank: int) -> float:
    """Partition x[start:count] so that the value of `rank` stands in its place; returns it.

    Smaller values come before it, the others after. Everything before `start` is at most as great.
    """
    low, high = start, count - 1
    while low < high:
        # The median of three, by value: no chance is involved.
        a, b, c = x[low], x[(low + high) // 2], x[high]
        pivot = max(min(a, b), min(max(a, b), c))
        # Without a branch per value: the swap is made always, the border moves where it should.
        border = low
        for i in range(low, high + 1):
            value = x[i]
            x[i] = x[border]
            x[border] = value
            border += value < pivot
        if rank < border:
            high = border - 1
            continue
        equal = border
        for i in range(border, high + 1):
            value = x[i]
            x[i] = x[equal]
            x[equal] = value
            equal += value == pivot
        if rank < equal:
            break
        low = equal
    found: float = x[rank]
    return found


@register_jitable
def _quantile(x: FloatArray, start: int, count: int, q: float) -> float:
    """Interpolate the q-quantile (type 7) of x[:count]; x[:start] are its least values."""
    place = (count - 1) * q
    row = floor(place)
    low = _select(x, start, count, row)
    if row + 1 == count:
        return low
    above = inf
    for i in range(row + 1, count):
        above = min(above, x[i])
    return low + (above - low) * (place - row)


@register_jitable
def _median(x: FloatArray, count: int) -> float:
    upper = count // 2
    high = _select(x, 0, count, upper)
    if count % 2 == 1:
        return (high + high) / 2.0
    low = x[0]
    for i in range(1, upper):
        low = max(low, x[i])
    middle: float = (low + high) / 2.0
    return middle


@register_jitable
def _spread_is_noise(x: FloatArray, count: int) -> bool:
    low, high = x[0], x[0]
    for i in range(1, count):
        low = min(low, x[i])
        high = max(high, x[i])
    is_noise: bool = high - low <= NOISE * max(1.0, -low, high)
    return is_noise


@register_jitable
def _mean_and_deviation(
    x: FloatArray, count: int, squares: FloatArray, work: Workspace
) -> tuple[float, float, bool]:
    """Mean, sample deviation, and whether the values are constant; of at least two."""
    mean = pairwise_sum(x, count, work.stack) / count
    for i in range(count):
        away = x[i] - mean
        squares[i] = away * away
    deviation = sqrt(pairwise_sum(squares, count, work.stack) / (count - 1))
    suspect = deviation <= 10.0 * NOISE * max(1.0, abs(mean))
    return mean, deviation, suspect and _spread_is_noise(x, count)


@register_jitable
def _growth(start: float, end: float, cal: Calendar) -> tuple[float, int]:
    """CAGR and the reason why there is none."""
    if len(cal.ends) <= 1 or cal.years <= 0.0:
        return nan, TOO_SHORT
    if end <= 0.0:
        return -1.0, DEFINED
    growth = (end / start) ** (1.0 / cal.years)
    return (nan, TOO_SHORT) if growth == inf else (growth - 1.0, DEFINED)


@register_jitable
def _of_sessions(
    equity: FloatArray,
    cal: Calendar,
    fig: Figures,
    out: FloatArray,
    why: ReasonRow,
    daily: FloatArray,
    work: Workspace,
    drawdown: float,
) -> None:
    """Everything that stands on one equity per session."""
    ends = cal.ends
    total = len(ends)
    values, extra, closes = work.sessions[0], work.sessions[1], work.sessions[2]
    lived = 0
    previous = fig.start
    for d in range(total):
        closes[d] = equity[ends[d]]
        daily[d] = 0.0
        if previous > 0.0:
            lived = d + 1
            daily[d] = closes[d] / previous - 1.0
        previous = closes[d] if previous > 0.0 else previous
    traded = fig.fills > 0
    root = sqrt(cal.per_year)
    _put(out, why, SESSIONS, float(lived))

    mean, deviation, constant = 0.0, 0.0, True
    if lived >= 2:
        mean, deviation, constant = _mean_and_deviation(daily, lived, extra, work)
        _put(out, why, VOLATILITY, deviation * root)
    else:
        _deny(out, why, VOLATILITY, TOO_SHORT)

    reason = DEFINED
    if not traded:
        reason = NO_TRADES
    elif lived < 2:
        reason = TOO_SHORT
    if reason != DEFINED:
        for slot in (
            SHARPE, SHARPE_SE, PSR, MIN_TRL, SORTINO, OMEGA, TAIL_RATIO, SKEWNESS, KURTOSIS,
        ):  # fmt: skip
            _deny(out, why, slot, reason)
    else:
        excess = mean - cal.session_rate
        # The moments of analytics decide by the population's deviation whether they are constant.
        for i in range(lived):
            away = daily[i] - mean
            values[i] = away * away
        second = pairwise_sum(values, lived, work.stack) / lived
        for i in range(lived):
            extra[i] = values[i] * (daily[i] - mean)
        third = pairwise_sum(extra, lived, work.stack) / lived
        for i in range(lived):
            values[i] = values[i] * values[i]
        fourth = pairwise_sum(values, lived, work.stack) / lived
        flat = sqrt(second) <= 10.0 * NOISE * max(1.0, abs(mean)) and _spread_is_noise(daily, lived)
        if constant:
            _deny(out, why, SHARPE, ZERO_VARIANCE)
        elif lived < SHARPE_AT_LEAST:
            _deny(out, why, SHARPE, TOO_SHORT)
        else:
            _put(out, why, SHARPE, excess / deviation * root)
        if flat:
            for slot in (SHARPE_SE, PSR, MIN_TRL, SKEWNESS, KURTOSIS):
                _deny(out, why, slot, ZERO_VARIANCE)
        else:
            skew, kurt = third / second**1.5, fourth / second**2
            _put(out, why, SKEWNESS, skew)
            _put(out, why, KURTOSIS, kurt)
            if lived < SHARPE_AT_LEAST:
                for slot in (SHARPE_SE, PSR, MIN_TRL):
                    _deny(out, why, slot, TOO_SHORT)
            else:
                ratio = excess / sqrt(second * lived / (lived - 1))
                variance = max(0.0, 1.0 - skew * ratio + (kurt - 1.0) * ratio * ratio / 4.0)
                _put(out, why, SHARPE_SE, root * sqrt(variance / (lived - 1)))
                _of_track_record(ratio, variance, lived, out, why)
        for i in range(lived):
            below = min(daily[i] - cal.session_rate, 0.0)
            extra[i] = min(daily[i], 0.0)
            values[i] = below * below
        downside = sqrt(pairwise_sum(values, lived, work.stack) / lived)
        if downside <= NOISE:
            _deny(out, why, SORTINO, NO_DOWNSIDE)
        else:
            _put(out, why, SORTINO, excess / downside * root)
        losses = -pairwise_sum(extra, lived, work.stack)
        if losses <= NOISE:
            _deny(out, why, OMEGA, NO_DOWNSIDE)
        else:
            for i in range(lived):
                extra[i] = max(daily[i], 0.0)
            _put(out, why, OMEGA, pairwise_sum(extra, lived, work.stack) / losses)

    for i in range(lived):
        values[i] = daily[i]
    low = _quantile(values, 0, lived, 0.05) if lived > 0 else 0.0
    if lived < TAIL_AT_LEAST:
        _deny(out, why, VAR_95, TOO_SHORT)
        _deny(out, why, CVAR_95, TOO_SHORT)
    else:
        _put(out, why, VAR_95, -low)
        beyond, count = 0.0, 0
        for i in range(lived):
            if values[i] <= low:
                beyond += values[i]
                count += 1
        _put(out, why, CVAR_95, -(beyond / count))
    if traded and lived >= 2:
        if abs(low) <= NOISE:
            _deny(out, why, TAIL_RATIO, ZERO_DENOMINATOR)
        else:
            high = _quantile(values, floor((lived - 1) * 0.05), lived, 0.95)
            _put(out, why, TAIL_RATIO, abs(high) / abs(low))

    peak = fig.start
    longest, current, spells, under = 0, 0, 0, 0
    for d in range(total):
        peak = max(peak, closes[d])
        fall = closes[d] / peak - 1.0
        extra[d] = fall * fall
        if fall < -NOISE:
            spells += current == 0
            current += 1
            under += 1
            longest = max(longest, current)
        else:
            current = 0
    _put(out, why, UNDERWATER_LONGEST, float(longest))
    _put(out, why, UNDERWATER_CURRENT, float(current))
    if spells == 0:
        _deny(out, why, UNDERWATER_MEAN, NO_DRAWDOWN)
    else:
        _put(out, why, UNDERWATER_MEAN, under / spells)

    growth, reason = _growth(fig.start, equity[-1], cal)
    ulcer = sqrt(pairwise_sum(extra, total, work.stack) / total)
    _put(out, why, MAX_DRAWDOWN, drawdown)
    if reason == DEFINED:
        _put(out, why, CAGR, growth)
    else:
        _deny(out, why, CAGR, reason)
    if not traded:
        reason = NO_TRADES
    if reason != DEFINED:
        _deny(out, why, CALMAR, reason)
        _deny(out, why, UPI, reason)
    else:
        if abs(drawdown) <= NOISE:
            _deny(out, why, CALMAR, NO_DRAWDOWN)
        else:
            _put(out, why, CALMAR, growth / abs(drawdown))
        if ulcer <= NOISE:
            _deny(out, why, UPI, NO_DRAWDOWN)
        else:
            _put(out, why, UPI, (growth - cal.risk_free) / ulcer)
    mean_equity = pairwise_sum(closes, total, work.stack) / total
    if total <= 1:
        _deny(out, why, ULCER_INDEX, TOO_SHORT)
        _deny(out, why, TURNOVER, TOO_SHORT)
    else:
        _put(out, why, ULCER_INDEX, ulcer)
        if mean_equity <= 0.0:
            _deny(out, why, TURNOVER, RUINED)
        else:
            _put(out, why, TURNOVER, 0.5 * out[TURNOVER] / mean_equity / cal.years)
    _of_benchmark(cal, fig, lived, out, why, work)


@register_jitable
def _of_track_record(
    ratio: float, variance: float, count: int, out: FloatArray, why: ReasonRow
) -> None:
    """How sure it is that the ratio is above 0, and from how many sessions on it would be."""
    if variance <= NOISE:
        _deny(out, why, PSR, ZERO_DENOMINATOR)
    else:
        z = ratio * sqrt(count - 1) / sqrt(variance)
        _put(out, why, PSR, 0.5 * erfc(-z / sqrt(2.0)))
    if ratio <= NOISE:
        _deny(out, why, MIN_TRL, NO_EXCESS)
    else:
        _put(out, why, MIN_TRL, 1.0 + variance * (Z_95 / ratio) ** 2)


@register_jitable
def _of_benchmark(
    cal: Calendar, fig: Figures, lived: int, out: FloatArray, why: ReasonRow, work: Workspace
) -> None:
    """Everything that stands on pairs of returns, the account's and the benchmark's."""
    own, other, closes = work.sessions[0], work.sessions[1], work.sessions[2]
    apart, squares = work.sessions[3], work.sessions[4]
    mine, theirs = fig.start, cal.levels[0]
    count, covered = 0, 0
    for i in range(len(cal.shared)):
        d = cal.shared[i]
        if d >= lived:
            break
        if theirs == theirs:
            own[count] = closes[d] / mine - 1.0
            other[count] = cal.levels[i + 1] / theirs - 1.0
            count += 1
            covered = d - cal.shared[0] + (cal.levels[0] == cal.levels[0])
        mine, theirs = closes[d], cal.levels[i + 1]
    for i in range(count):
        apart[i] = own[i] - other[i]
    root = sqrt(cal.per_year * count / covered) if count > 0 else 0.0
    too_few = TOO_FEW_PAIRS

    mean, deviation, constant = 0.0, 0.0, True
    if count >= 2:
        mean, deviation, constant = _mean_and_deviation(apart, count, squares, work)
        _put(out, why, TRACKING_ERROR, deviation * root)
    else:
        too_few = TOO_SHORT if lived < 2 else TOO_FEW_PAIRS
        _deny(out, why, TRACKING_ERROR, too_few)
    if fig.fills == 0:
        for slot in (ALPHA, ALPHA_T, BETA, BETA_T, CORRELATION, INFO_RATIO):
            _deny(out, why, slot, NO_TRADES)
        return
    if count < SHARPE_AT_LEAST:
        too_few = TOO_SHORT if lived < SHARPE_AT_LEAST else TOO_FEW_PAIRS
        _deny(out, why, INFO_RATIO, too_few)
    elif constant:
        _deny(out, why, INFO_RATIO, ZERO_VARIANCE)
    else:
        _put(out, why, INFO_RATIO, mean / deviation * root)
    reason = DEFINED
    if count < PAIRS_AT_LEAST:
        reason = TOO_SHORT if lived < PAIRS_AT_LEAST else TOO_FEW_PAIRS
    elif _spread_is_noise(other, count):
        reason = FLAT_BENCHMARK
    if reason != DEFINED:
        for slot in (ALPHA, ALPHA_T, BETA, BETA_T, CORRELATION):
            _deny(out, why, slot, reason)
        return
    is_constant = _spread_is_noise(own, count)
    if cal.risk_free != 0.0:
        later = int(cal.levels[0] != cal.levels[0])  # then the first of `shared` begins a span
        for i in range(count):
            own[i] -= cal.free[i + later]
            other[i] -= cal.free[i + later]
        is_constant = is_constant or _spread_is_noise(own, count)
        if _spread_is_noise(other, count):
            for slot in (ALPHA, ALPHA_T, BETA, BETA_T, CORRELATION):
                _deny(out, why, slot, FLAT_BENCHMARK)
            return
    own_mean = pairwise_sum(own, count, work.stack) / count
    other_mean = pairwise_sum(other, count, work.stack) / count
    for i in range(count):
        own[i] -= own_mean
        other[i] -= other_mean
        squares[i] = other[i] * other[i]
        apart[i] = own[i] * other[i]
    other_square = pairwise_sum(squares, count, work.stack)
    slope = pairwise_sum(apart, count, work.stack) / other_square
    for i in range(count):
        rest = own[i] - slope * other[i]
        squares[i] = rest * rest
        apart[i] = own[i] * own[i]
    spread = sqrt(pairwise_sum(squares, count, work.stack) / (count - 2))
    own_square = pairwise_sum(apart, count, work.stack)
    intercept = own_mean - slope * other_mean
    _put(out, why, ALPHA, intercept * (cal.per_year * count / covered))
    _put(out, why, BETA, slope)
    if spread <= NOISE:
        _deny(out, why, ALPHA_T, EXACT_FIT)
        _deny(out, why, BETA_T, EXACT_FIT)
    else:
        share = other_mean * other_mean / other_square
        _put(out, why, ALPHA_T, intercept / (spread * sqrt(1.0 / count + share)))
        _put(out, why, BETA_T, slope / spread * sqrt(other_square))
    if is_constant:
        _deny(out, why, CORRELATION, ZERO_VARIANCE)
    else:
        fit = slope * sqrt(other_square / own_square)
        _put(out, why, CORRELATION, max(-1.0, min(1.0, fit)))


@register_jitable
def _of_bars(
    equity: FloatArray,
    cal: Calendar,
    fig: Figures,
    out: FloatArray,
    why: ReasonRow,
    work: Workspace,
) -> float:
    """Everything that stands on the equity of every bar; returns the worst drawdown."""
    total = len(equity)
    lived = total
    if fig.ruined:
        lived = 0
        while lived < total and equity[lived] > 0.0:
            lived += 1
        lived = min(lived + 1, total)
    blocks, sums = work.blocks, work.sums
    count = (lived + BLOCK - 1) // BLOCK
    if not fig.folded:
        bits = equity.view(np.int64)
        sums[:] = 0.0
        for k in range(count):
            first = k * BLOCK
            size = min(BLOCK, lived - first)
            previous = equity[first - 1] if k > 0 else fig.start
            add_returns(equity[first : first + size], previous, size, sums)
            if not fig.ruined:
                extremes_of(bits[first : first + size], size, blocks, k)
    drawdown = fig.drawdown
    if drawdown != drawdown:
        if fig.ruined:
            drawdown = worst_by_bar(equity, fig.start)
        else:
            drawdown = worst_drawdown(equity, fig.start, blocks, count)

    reason = DEFINED
    if fig.fills == 0:
        reason = NO_TRADES
    elif lived < 2:
        reason = TOO_SHORT
    else:
        mean, squares = fold(sums[RETURNS]) / lived, fold(sums[SQUARES])
        lost = lived * mean * mean
        away = squares - lost
        if lost >= _SHY * squares:
            # What is left would not be exact enough; seldom: returns are mostly far from constant.
            mean, away, low, high = again(equity[:lived], fig.start)
            if high - low <= NOISE * max(1.0, -low, high):
                reason = ZERO_VARIANCE
        deviation = sqrt(away / (lived - 1))
        if reason == DEFINED and lived < SHARPE_AT_LEAST:
            reason = TOO_SHORT
        if reason == DEFINED:
            excess = mean - cal.bar_rate
            _put(out, why, SHARPE_BAR, excess / deviation * sqrt(cal.bars_per_year))
    if reason != DEFINED:
        _deny(out, why, SHARPE_BAR, reason)

    fall = 0.0
    if drawdown < -NOISE:
        if fig.ruined:
            peak = fig.start
            for t in range(total):
                peak = max(peak, equity[t])
                fall = max(fall, peak - equity[t])
        else:
            fall = deepest(equity, fig.start, blocks, count)
    if fig.fills == 0:
        _deny(out, why, RECOVERY_FACTOR, NO_TRADES)
    elif fall == 0.0:
        _deny(out, why, RECOVERY_FACTOR, NO_DRAWDOWN)
    else:
        _put(out, why, RECOVERY_FACTOR, (equity[-1] - fig.start) / fall)
    return drawdown if drawdown < -NOISE else 0.0


@register_jitable
def _of_trades(
    table: FloatArray,
    bars: IntArray,
    count: int,
    cal: Calendar,
    fig: Figures,
    out: FloatArray,
    why: ReasonRow,
    work: Workspace,
) -> None:
    """Everything that stands on closed trades."""
    closed = count
    if count > 0 and bars[EXIT_BAR, count - 1] < 0:
        closed = count - 1
    _put(out, why, TRADES, float(closed))
    _put(out, why, OPEN_TRADES, float(count - closed))
    if closed == 0:
        reason = NO_CLOSED_TRADES if fig.fills > 0 else NO_TRADES
        for slot in range(WIN_RATE, AMBIGUOUS_PCT + 1):
            _deny(out, why, slot, reason)
        return
    pnl, squares, values, results = table[PNL], work.trades[0], work.trades[1], work.trades[2]
    stakes = work.trades[3]

    wins, losses, won, lost_in_a_row, win_streak, loss_streak, with_risk = 0, 0, 0, 0, 0, 0, 0
    best, worst = -inf, inf
    for i in range(closed):
        result = pnl[i] / (abs(table[QUANTITY, i]) * table[ENTRY, i] * fig.multiplier)
        results[i] = result
        best, worst = max(best, result), min(worst, result)
        # Without a branch: which trades win nobody can foresee.
        is_win, is_loss = pnl[i] > 0.0, pnl[i] < 0.0
        wins += is_win
        losses += is_loss
        won, lost_in_a_row = (won + 1) * is_win, (lost_in_a_row + 1) * is_loss
        win_streak = max(win_streak, won)
        loss_streak = max(loss_streak, lost_in_a_row)
    for i in range(closed):
        if table[RISK, i] > 0.0:
            put_in = abs(table[QUANTITY, i]) * table[ENTRY, i] * fig.multiplier
            values[with_risk] = pnl[i] / table[RISK, i]
            stakes[with_risk] = put_in / table[RISK, i]
            with_risk += 1
    _put(out, why, WIN_RATE, wins / closed)
    _put(out, why, BEST_TRADE, best)
    _put(out, why, WORST_TRADE, worst)
    _put(out, why, WIN_STREAK, float(win_streak))
    _put(out, why, LOSS_STREAK, float(loss_streak))
    _put(out, why, EXPECTANCY, pairwise_sum(pnl, closed, work.stack) / closed)
    _put(out, why, EXPECTANCY_PCT, pairwise_sum(results, closed, work.stack) / closed)
    _put(out, why, MAE_MEAN, pairwise_sum(table[MAE], closed, work.stack) / closed)
    _put(out, why, MFE_MEAN, pairwise_sum(table[MFE], closed, work.stack) / closed)
    _put(out, why, AMBIGUOUS_PCT, fig.ambiguous / closed)
    if with_risk == 0:
        for slot in (EXPECTANCY_R, MAE_R, MFE_R):
            _deny(out, why, slot, NO_STOP)
    else:
        _put(out, why, EXPECTANCY_R, pairwise_sum(values, with_risk, work.stack) / with_risk)
        for slot, row in ((MAE_R, MAE), (MFE_R, MFE)):
            known = 0
            for i in range(closed):
                if table[RISK, i] > 0.0:
                    squares[known] = table[row, i] * stakes[known]
                    known += 1
            _put(out, why, slot, pairwise_sum(squares, known, work.stack) / known)

    if closed == 1:
        _deny(out, why, SQN, TOO_FEW_TRADES)
        _deny(out, why, SQN100, TOO_FEW_TRADES)
    else:
        units = values if with_risk == closed else results
        mean, deviation, constant = _mean_and_deviation(units, closed, squares, work)
        if constant:
            _deny(out, why, SQN, ZERO_VARIANCE)
            _deny(out, why, SQN100, ZERO_VARIANCE)
        else:
            _put(out, why, SQN, sqrt(closed) * mean / deviation)
            _put(out, why, SQN100, sqrt(min(closed, 100)) * mean / deviation)

    # numpy sums the wins alone for their mean, and zeros among them for the profit factor.
    gained, lost = 0, 0
    for i in range(closed):
        squares[gained] = pnl[i]
        gained += pnl[i] > 0.0
        values[lost] = pnl[i]
        lost += pnl[i] < 0.0
    average_win = pairwise_sum(squares, gained, work.stack) / max(gained, 1)
    average_loss = pairwise_sum(values, lost, work.stack) / max(lost, 1)
    if wins == 0:
        _deny(out, why, AVERAGE_WIN, NO_WINS)
    else:
        _put(out, why, AVERAGE_WIN, average_win)
    if losses == 0:
        _deny(out, why, AVERAGE_LOSS, NO_LOSSES)
        _deny(out, why, PAYOFF, NO_LOSSES)
        _deny(out, why, PROFIT_FACTOR, NO_LOSSES)
    else:
        _put(out, why, AVERAGE_LOSS, average_loss)
        if wins == 0:
            _deny(out, why, PAYOFF, NO_WINS)
        else:
            _put(out, why, PAYOFF, average_win / -average_loss)
        for i in range(closed):
            squares[i] = max(pnl[i], 0.0)
            values[i] = min(pnl[i], 0.0)
        gross = pairwise_sum(squares, closed, work.stack)
        _put(out, why, PROFIT_FACTOR, gross / -pairwise_sum(values, closed, work.stack))

    held, most = 0, 0
    for i in range(closed):
        length = bars[EXIT_BAR, i] - bars[ENTRY_BAR, i]
        held += length
        most = max(most, length)
        values[i] = float(length)
        squares[i] = (cal.ts[bars[EXIT_BAR, i]] - cal.ts[bars[ENTRY_BAR, i]]) / 1e6
    longest = 0.0
    for i in range(closed):
        longest = max(longest, squares[i])
    _put(out, why, BARS_MEAN, held / closed)
    _put(out, why, BARS_MAX, float(most))
    _put(out, why, BARS_MEDIAN, _median(values, closed))
    _put(out, why, DURATION_MEAN, pairwise_sum(squares, closed, work.stack) / closed)
    _put(out, why, DURATION_MAX, longest)
    _put(out, why, DURATION_MEDIAN, _median(squares, closed))


@register_jitable
def _of_costs(
    end: float, table: FloatArray, bars: IntArray, count: int, fig: Figures,
    out: FloatArray, why: ReasonRow, work: Workspace,
) -> None:  # fmt: skip
    """What was paid; leaves the notional in the place of the turnover, which needs it."""
    traded = work.trades[3]
    size = 0
    for i in range(count):
        traded[size] = abs(table[QUANTITY, i]) * table[ENTRY, i]
        size += 1
        if bars[EXIT_BAR, i] >= 0:
            traded[size] = abs(table[QUANTITY, i]) * table[EXIT, i]
            size += 1
    notional = fig.notional
    if notional != notional:
        notional = pairwise_sum(traded, size, work.stack) * fig.multiplier
    fees = pairwise_sum(table[TRADE_FEES], count, work.stack)
    slippage = pairwise_sum(table[TRADE_SLIPPAGE], count, work.stack)
    costs = fees + slippage
    gross = end - fig.start + costs
    if abs(gross) <= NOISE * (fig.start + abs(end) + costs):
        gross = 0.0
    _put(out, why, FEES, fees)
    _put(out, why, SLIPPAGE, slippage)
    _put(out, why, TOTAL_COSTS, costs)
    if fig.fills == 0:
        _deny(out, why, COST_SHARE, NO_TRADES)
        _deny(out, why, BREAKEVEN_BPS, NO_TRADES)
    else:
        if gross <= 0.0:
            _deny(out, why, COST_SHARE, NO_GROSS_PROFIT)
        else:
            _put(out, why, COST_SHARE, costs / gross)
        if notional == 0.0:
            _deny(out, why, BREAKEVEN_BPS, NO_TRADES)
        else:
            _put(out, why, BREAKEVEN_BPS, 1e4 * gross / notional)
    out[TURNOVER] = notional


def measure_python(
    equity: FloatArray,
    table: FloatArray,
    bars: IntArray,
    count: int,
    cal: Calendar,
    fig: Figures,
    out: FloatArray,
    why: ReasonRow,
    daily: FloatArray,
    work: Workspace,
) -> None:
    """Measure a run of one symbol; fill `out`, `why` and `daily`.

    Args:
        equity: At each close, shape (T,), at least one.
        table: Shape (9, N or more): QUANTITY to RISK of each trade, in order of entry.
        bars: Shape (2, N or more): bars of entry and exit; the last may be open, -1.
        count: N.
        cal: Of the bars.
        fig: What the loop counted.
        out: Shape (WIDTH,).
        why: Shape (WIDTH,).
        daily: Returns of sessions, shape (D,); 0 after ruin.
        work: Big enough.
    """
    end = equity[-1]
    _put(out, why, FINAL_EQUITY, end)
    _put(out, why, NET_PROFIT, end - fig.start)
    _put(out, why, TOTAL_RETURN, end / fig.start - 1.0)
    _put(out, why, EXPOSURE, fig.held / len(equity))
    _put(out, why, GROSS_EXPOSURE, fig.gross)
    for slot in (DIVIDENDS, BORROW, CARRY, FUNDING, INTEREST):  # the scalar driver knows none
        _put(out, why, slot, 0.0)
    _of_costs(end, table, bars, count, fig, out, why, work)
    _of_trades(table, bars, count, cal, fig, out, why, work)
    drawdown = _of_bars(equity, cal, fig, out, why, work)
    _of_sessions(equity, cal, fig, out, why, daily, work, drawdown)


# Every divisor is checked, or what it gives is not finite and becomes a reason.
measure = loop(measure_python)


class Measured(NamedTuple):
    """A row of metrics, why some are NaN, and the returns of sessions."""

    row: FloatArray
    why: ReasonRow
    daily: FloatArray


def measure_run(simulation: Simulation, calendar: Calendar | None = None) -> Measured:
    """Measure one symbol's run.

    Args:
        simulation: Of at least one bar.
        calendar: Of its bars, with their benchmark; None where that is the symbol itself.

    Returns:
        What `core.analytics.summary.summarise` finds, in the order of `METRICS`.
    """
    trades, cal = simulation.trades, calendar or calendar_of(simulation.bars)
    fills = simulation.fills
    traded = np.abs(fills.quantity) * fills.price
    if fills.fx is not None:
        traded = traded * fills.fx
    count = len(trades)
    table = np.empty((TRADE_ROWS, count))
    table[:] = (
        trades.quantity,
        # Of what was put in, in the account's currency.
        trades.entry_price if trades.fx is None else trades.entry_price * trades.fx,
        trades.exit_price,
        trades.pnl,
        trades.fees,
        trades.slippage,
        trades.mae,
        trades.mfe,
        trades.risk,
    )
    bars = np.empty((2, count), dtype=np.int64)
    bars[:] = trades.entry_bar, trades.exit_bar
    figures = Figures(
        start=simulation.initial_cash,
        multiplier=simulation.multiplier,
        drawdown=simulation.max_drawdown,
        gross=simulation.gross_exposure,
        held=int(np.count_nonzero(simulation.held)),
        fills=len(fills),
        ambiguous=simulation.counters.ambiguous_bars,
        ruined=simulation.ruined,
        folded=False,
        notional=float(traded.sum()) * simulation.multiplier,
    )
    row, why = np.empty(WIDTH), np.empty(WIDTH, dtype=np.uint8)
    work = workspace(len(simulation.bars), len(cal.ends), count)
    measure(simulation.equity, table, bars, count, cal, figures, row, why, work.daily, work)
    row[[DIVIDENDS, BORROW, CARRY]] = simulation.dividends, simulation.borrow, simulation.carry
    row[[FUNDING, INTEREST]] = simulation.funding, simulation.interest
    return Measured(row, why, work.daily)


def summarise_run(
    simulation: Simulation,
    *,
    options: EngineOptions,
    costs: CostModel,
    synthetic: bool = False,
    benchmark: Bars | None = None,
) -> Metrics:
    """Measure one symbol's run: what `core.analytics.summary.summarise` gives, in a third the time.

    Args:
        simulation: Of at least one bar.
        options: As the engine was given; decide badges and the risk-free rate.
        costs: Likewise, badges only.
        synthetic: Whether the prices came from a generator.
        benchmark: What to measure against; None for the symbol itself.
    """
    calendar = calendar_of(simulation.bars, benchmark, options.risk_free)
    found = measure_run(simulation, calendar)
    values, reasons = values_of(found.row, found.why)
    return Metrics(
        values=values,
        reasons=reasons,
        counters={name: getattr(simulation.counters, name) for name in COUNTER_NAMES},
        badges=badges(
            values,
            is_short=calendar.years < 1.0,
            is_ruined=simulation.ruined,
            is_stopped=simulation.stopped,
            options=options,
            costs=costs,
            synthetic=synthetic,
        ),
    )


def values_of(row: FloatArray, why: ReasonRow) -> tuple[dict[str, float | None], dict[str, str]]:
    """Give a row as the domain does: None where undefined, and the reasons of these."""
    reasons = {name: REASON_CODES[code] for name, code in zip(METRICS, why, strict=True) if code}
    values = {
        name: None if name in reasons else value
        for name, value in zip(METRICS, row.tolist(), strict=True)
    }
    return values, reasons


SLOTS: Mapping[str, int] = {name: slot for slot, name in enumerate(METRICS)}
