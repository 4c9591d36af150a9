"""A quicker way through the rules for lanes of plain market orders.

Where nothing can happen between two decisions - no level inside the bar, no session, no time limit
- the loop need not look at every bar. It goes from decision to decision, and what is needed of the
bars between, equity and extremes, is arithmetic that the processor does four bars at a time. Same
operations on the same numbers in the same order as in `kernels.run_scalar`, hence the same bits.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from math import inf, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import register_jitable

from core.domain.bars import FloatArray, IntArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import CodeArray, Signals
from core.engine import kernels, measures
from core.engine.kernels import (
    DROPPED_LOT,
    ENTRIES,
    FLAT,
    LONG,
    REJECTED,
    REJECTIONS,
    SCALED,
    SCALED_CASH,
    SHORT,
    Config,
    fee_of,
    sized,
    worse,
)
from core.engine.measures import (
    BLOCK,
    ENTRY,
    ENTRY_BAR,
    EXIT,
    EXIT_BAR,
    LOW,
    MAE,
    MFE,
    PNL,
    QUANTITY,
    RISK,
    TRADE_FEES,
    TRADE_SLIPPAGE,
    block_of,
    extremes_of,
)

# The rules this way knows. Whatever else may be switched must stand as it does by default, so that
# a rule added to the engine sends its lanes through the general kernel until somebody adds it here.
_OPTIONS = frozenset(
    {
        "initial_cash",
        "sizing",
        "size",
        "size_ref",
        "lot_size",
        "multiplier",
        "initial_margin",
        "on_insufficient",
        "allow_short",
        "fill_on_touch",
        "square_off",
    }
)
_COSTS = frozenset(
    {
        "name",
        "fixed",
        "per_unit",
        "bps",
        "minimum",
        "maximum_rate",
        "maximum",
        "commission_tax",
        "charge_bps",
        "charge_per_unit",
        "buy_charge_bps",
        "sell_charge_bps",
        "sell_charge_per_unit",
        "sell_charge_maximum",
        "changes",
        "slippage_bps",
        "half_spread_bps",
        "tick",
    }
)
_SIGNALS = frozenset({"codes", "conflicts", "entry_kind"})
_HOLDS = 0x0202020202020202  # eight rows of HOLD
_ONES = 0x0101010101010101


class Prices(NamedTuple):
    """Columns of the bars; extremes as the bits of their floats, whose order is the same."""

    open: FloatArray
    close: FloatArray
    high: IntArray
    low: IntArray


class Outcome(NamedTuple):
    """What the loop found: `done` is false if the account was ruined and nothing else holds."""

    done: bool
    trades: int
    fills: int
    gross: float
    held: int


def rules_allow(options: EngineOptions, costs: CostModel) -> bool:
    """Say whether decisions and fills are all that can happen under these rules."""
    return _as_by_default(options, _OPTIONS) and _as_by_default(costs, _COSTS)


def signals_allow(signals: Signals) -> bool:
    """Say whether a lane asks for market orders only."""
    return all(
        _is_plainly(getattr(signals, each.name), each.default)
        for each in fields(signals)
        if each.name not in _SIGNALS
    )


def _as_by_default(rules: EngineOptions | CostModel, known: frozenset[str]) -> bool:
    declared: dict[str, Any] = type(rules).model_fields
    return all(
        _is_plainly(getattr(rules, name), each.default)
        for name, each in declared.items()
        if name not in known
    )


def _is_plainly(value: object, default: object) -> bool:
    if isinstance(value, (bool, int, float, str)):
        return value == default
    return value is default


@register_jitable
def _next_decision(codes: CodeArray, words: IntArray, row: int, way: int) -> int:
    """Find the first row from `row` on that means something to who holds `way`."""
    total = len(codes)
    quiet = _ONES * way if way >= 0 else -1
    while row < total:
        if row % 8 == 0:
            while row + 8 <= total and (words[row // 8] == quiet or words[row // 8] == _HOLDS):
                row += 8
            if row >= total:
                break
        code = codes[row]
        if way == 0:
            if code == LONG or code == SHORT:
                return row
        elif code == FLAT or code == 3 * way or code == -way:
            return row
        row += 1
    return total


@register_jitable
def _extremes(prices: Prices, begin: int, end: int) -> tuple[int, int]:
    low, high = prices.low[begin], prices.high[begin]
    for t in range(begin + 1, end):
        low = min(low, prices.low[t])
        high = max(high, prices.high[t])
    return low, high


@register_jitable
def _trade(
    prices: Prices,
    codes: CodeArray,
    words: IntArray,
    cfg: Config,
    columns: FloatArray,
    places: IntArray,
    counts: IntArray,
    steps: FloatArray,
    since: IntArray,
) -> tuple[int, int, int]:
    """Go from decision to decision; returns trades, fills, and how often the account changed.

    From bar `since[i]` on cash is `steps[0, i]` and the quantity `steps[1, i]`.
    """
    mult = cfg.multiplier
    total = len(codes)
    cash, q, way, side = cfg.cash, 0.0, 0, 0.0
    trades, fills, changes = 0, 0, 1
    since[0], steps[0, 0], steps[1, 0] = 0, cash, 0.0
    row = 0
    while True:
        row = _next_decision(codes, words, row, way)
        t = row + 1
        if t >= total:
            break
        code = codes[row]
        op = prices.open[t]
        marked = cash + q * prices.close[row] * mult
        if q != 0.0:
            px = worse(op, -side, cfg.slip, cfg.tick)
            size = abs(q)
            fee = fee_of(size, px, t, -q, cfg)
            cash = cash - -q * px * mult
            cash = cash - fee
            entry = columns[ENTRY, trades]
            columns[EXIT, trades] = px
            columns[PNL, trades] = (px - entry) * q * mult - columns[TRADE_FEES, trades] - fee
            columns[TRADE_FEES, trades] = columns[TRADE_FEES, trades] + fee
            slip = abs(px - op) * size * mult
            columns[TRADE_SLIPPAGE, trades] = columns[TRADE_SLIPPAGE, trades] + slip
            places[EXIT_BAR, trades] = t
            trades += 1
            fills += 1
            q, way = 0.0, 0
        if code == LONG or code == SHORT:
            if code == SHORT and not cfg.shorts:
                counts[REJECTIONS] += 1
            else:
                s = float(code)
                px = worse(op, s, cfg.slip, cfg.tick)
                base, at = (cash, px) if cfg.size_at_fill else (marked, prices.close[row])
                size, outcome = 0.0, REJECTED
                if 0.0 < px < inf:
                    size, outcome = sized(base, at, px, cash, t, s, cfg)
                if outcome >= REJECTED:
                    counts[REJECTIONS if outcome == REJECTED else DROPPED_LOT] += 1
                else:
                    counts[ENTRIES] += 1
                    if outcome == SCALED:
                        counts[SCALED_CASH] += 1
                    fee = fee_of(size, px, t, s, cfg)
                    q = s * size
                    cash = cash - q * px * mult
                    cash = cash - fee
                    columns[QUANTITY, trades] = q
                    columns[ENTRY, trades] = px
                    columns[TRADE_FEES, trades] = fee
                    columns[TRADE_SLIPPAGE, trades] = abs(px - op) * size * mult
                    columns[RISK, trades] = nan
                    places[ENTRY_BAR, trades] = t
                    fills += 1
                    way, side = int(code), s
        since[changes], steps[0, changes], steps[1, changes] = t, cash, q
        changes += 1
        row += 1
    if q != 0.0:
        px = prices.close[total - 1]
        columns[EXIT, trades] = px
        entry = columns[ENTRY, trades]
        columns[PNL, trades] = (px - entry) * q * mult - columns[TRADE_FEES, trades] - 0.0
        places[EXIT_BAR, trades] = -1
        trades += 1
    return trades, fills, changes


@register_jitable
def _excursions(
    prices: Prices, columns: FloatArray, places: IntArray, trades: int, bits: IntArray
) -> int:
    """Fill MAE and MFE of every trade; returns the number of bars with a position."""
    total = len(prices.close)
    held, before = 0, -1
    as_price = bits.view(np.float64)
    for i in range(trades):
        first, last = places[ENTRY_BAR, i], places[EXIT_BAR, i]
        end = last if last >= 0 else total
        bits[0], bits[1] = _extremes(prices, first, end)
        low, high = as_price[0], as_price[1]
        px, leave = columns[ENTRY, i], columns[EXIT, i]
        if columns[QUANTITY, i] > 0:
            worst, best, entry = min(px, low), max(px, high), px
            if last >= 0:
                worst = min(worst, leave)
        else:
            worst, best, entry = min(-px, -high), max(-px, -low), -px
            if last >= 0:
                worst = min(worst, -leave)
        columns[MAE, i] = min((worst - entry) / px, 0.0)
        columns[MFE, i] = max((best - entry) / px, 0.0)
        held += end - first + (last >= 0) - (first == before)
        before = last
    return held


@register_jitable
def _mark(
    close: FloatArray,
    steps: FloatArray,
    since: IntArray,
    changes: int,
    cfg: Config,
    equity: FloatArray,
    blocks: FloatArray,
    lanes: FloatArray,
    share: FloatArray,
) -> tuple[float, bool]:
    """Fill equity and its blocks; returns summed gross exposure and whether it stayed above 0."""
    total = len(close)
    bits = equity.view(np.int64)
    mult = cfg.multiplier
    gross, previous = 0.0, cfg.cash
    change = 0
    for k in range((total + BLOCK - 1) // BLOCK):
        first = k * BLOCK
        last = min(first + BLOCK, total)
        t = first
        is_held = False
        while t < last:
            while change + 1 < changes and since[change + 1] <= t:
                change += 1
            end = last
            if change + 1 < changes:
                end = min(last, since[change + 1])
            cash, q = steps[0, change], steps[1, change]
            if q == 0.0:
                for i in range(t, end):
                    equity[i] = cash
                    share[i - first] = 0.0
            else:
                is_held = True
                for i in range(t, end):
                    value = q * close[i] * mult
                    marked = cash + value
                    equity[i] = marked
                    share[i - first] = abs(value) / marked
            t = end
        if is_held:
            # One after the other, as the definition says; adding a 0 changes nothing.
            for i in range(last - first):
                gross += share[i]
        extremes_of(bits[first:last], last - first, blocks, k)
        if not blocks[LOW, k] > 0.0:
            return gross, False
        block_of(equity[first:last], previous, last - first, blocks, k, lanes)
        previous = equity[last - 1]
    return gross, True


@register_jitable
def _run(
    prices: Prices,
    codes: CodeArray,
    words: IntArray,
    cfg: Config,
    equity: FloatArray,
    columns: FloatArray,
    places: IntArray,
    counts: IntArray,
    steps: FloatArray,
    since: IntArray,
    share: FloatArray,
    blocks: FloatArray,
    lanes: FloatArray,
) -> Outcome:
    trades, fills, changes = _trade(
        prices, codes, words, cfg, columns, places, counts, steps, since
    )
    gross, alive = _mark(prices.close, steps, since, changes, cfg, equity, blocks, lanes, share)
    held = _excursions(prices, columns, places, trades, since) if alive else 0
    return Outcome(alive, trades, fills, gross, held)


def _cached(sources: str) -> Any:
    # numba looks at this file alone when it decides whether its cache is stale; what a closure
    # holds is part of the key, and so the files this one takes functions from are.
    @njit(cache=True, nogil=True, error_model="numpy")
    def run_events(
        prices: Prices,
        codes: CodeArray,
        words: IntArray,
        cfg: Config,
        equity: FloatArray,
        columns: FloatArray,
        places: IntArray,
        counts: IntArray,
        steps: FloatArray,
        since: IntArray,
        share: FloatArray,
        blocks: FloatArray,
        lanes: FloatArray,
    ) -> Outcome:
        if len(sources) == 0:
            raise ValueError
        return _run(
            prices, codes, words, cfg, equity, columns, places, counts, steps, since, share,
            blocks, lanes,
        )  # fmt: skip

    return run_events


run_events = _cached(
    hashlib.sha256(
        b"".join(Path(str(room.__file__)).read_bytes() for room in (kernels, measures))
    ).hexdigest()
)
