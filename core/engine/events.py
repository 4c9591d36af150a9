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

from core.domain.bars import Bars, FloatArray, IntArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import CodeArray, Signals
from core.engine import curve, kernels, measures
from core.engine.compiled import loop
from core.engine.curve import BLOCK, LOW, SHARES, add_returns, extremes_of, fold
from core.engine.kernels import (
    CLOSE_LONG,
    CLOSE_SHORT,
    DROPPED_LOT,
    ENTRIES,
    FLAT,
    HOLD,
    LONG,
    REJECTED,
    REJECTIONS,
    SCALED,
    SCALED_CASH,
    SHORT,
    Charges,
    Config,
    asked_size,
    fee_of,
    fitted,
    worse,
)
from core.engine.measures import (
    ENTRY,
    ENTRY_BAR,
    EXIT,
    EXIT_BAR,
    MAE,
    MFE,
    PNL,
    QUANTITY,
    RISK,
    TRADE_FEES,
    TRADE_SLIPPAGE,
    Workspace,
)

# The rules this way knows. Whatever else may be switched must stand as it does by default, so that
# a rule added to the engine sends its lanes through the general kernel until somebody adds it here.
_OPTIONS = frozenset(
    {
        "initial_cash",
        "account_currency",  # these three act by what bars bring with them
        "fx",
        "funding",
        "sizing",
        "size",
        "size_ref",
        "lot_size",
        "multiplier",
        "initial_margin",
        "on_insufficient",
        "allow_short",
        "fill_on_touch",
        "seed",
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
        "slippage_points",
        "per_trade",
        "half_spread_bps",
        "tick",
        "fill_probability",
    }
)
_SIGNALS = frozenset({"codes", "conflicts", "entry_kind"})
SPAN = 16  # bars whose extremes are known together
_RING = 4096  # bars whose shares are kept until they are added
WIDE = 32  # bars that are marked together: fewer, and LLVM takes them one by one
_ONES = 0x0101010101010101


class Prices(NamedTuple):
    """Columns of the bars; extremes as the bits of their floats, whose order is the same.

    `highs` and `lows` are those of every SPAN bars, one after the other.
    """

    open: FloatArray
    close: FloatArray
    high: IntArray
    low: IntArray
    highs: IntArray
    lows: IntArray


def prices_of(bars: Bars) -> Prices:
    """Make columns ready, with the extremes of every SPAN bars."""
    high, low = bars.high.view(np.int64), bars.low.view(np.int64)
    return Prices(bars.open, bars.close, high, low, *_extremes_of_spans(high, low))


@njit(cache=True, nogil=True)
def _extremes_of_spans(high: IntArray, low: IntArray) -> tuple[IntArray, IntArray]:
    whole = len(high) // SPAN
    highs, lows = np.empty(whole, dtype=np.int64), np.empty(whole, dtype=np.int64)
    for k in range(whole):
        above, below = high[k * SPAN : k * SPAN + SPAN], low[k * SPAN : k * SPAN + SPAN]
        top, bottom = above[0], below[0]
        for j in range(SPAN):
            top, bottom = max(top, above[j]), min(bottom, below[j])
        highs[k], lows[k] = top, bottom
    return highs, lows


class Ledger(NamedTuple):
    """Memory of one thread.

    `rows` are those `decisions` found; `seen` their closes, and the opens after them. `steps` and
    `since` say what cash and quantity were, and from which bar on. `share`, of equity that is held,
    goes round.
    """

    rows: IntArray
    steps: FloatArray
    since: IntArray
    seen: FloatArray
    equity: FloatArray
    share: FloatArray


def ledger_for(bars: int) -> Ledger:
    """Make the memory a lane of so many bars needs.

    A decision changes the account twice at most: out of a position, and in when that succeeds.
    """
    return Ledger(
        np.empty(bars + 10, dtype=np.int64),
        np.empty((2, 2 * bars + 2)),
        np.empty(2 * bars + 2, dtype=np.int64),
        np.empty((2, bars)),
        np.empty(bars),
        np.empty(_RING + WIDE),
    )


class Outcome(NamedTuple):
    """What the loop found; unless it is `done`, the account was ruined."""

    done: bool
    trades: int
    fills: int
    gross: float
    held: int


def words_of(codes: CodeArray) -> IntArray:
    """Give codes without gaps eight at a time, but for the last few."""
    return codes[: len(codes) // 8 * 8].view(np.int64)


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


@loop
def decisions(codes: CodeArray, words: IntArray, rows: IntArray) -> int:
    """Find the rows whose code is not that of the row before; -1 if a code is not known.

    Args:
        codes: Of T bars, at least one.
        words: The same codes, eight in one.
        rows: Shape (T + 10,); the first row is always one of them, and after the last stands T.

    Returns:
        How many there are.
    """
    total = len(codes)
    rows[0] = 0
    count = 1
    alike = (int(codes[0]) & 0xFF) * _ONES
    for w in range(len(words)):
        if words[w] == alike:
            continue
        for row in range(max(8 * w, 1), 8 * w + 8):  # without a branch per row
            rows[count] = row
            count += codes[row] != codes[row - 1]
        alike = (int(codes[8 * w + 7]) & 0xFF) * _ONES
    for row in range(max(8 * len(words), 1), total):
        rows[count] = row
        count += codes[row] != codes[row - 1]
    rows[count] = total
    strange = False
    for i in range(count):
        code = codes[rows[i]]
        strange |= (code < CLOSE_SHORT) | (code > CLOSE_LONG) | (code == -HOLD)
    return -1 if strange else count


@register_jitable
def _extremes(prices: Prices, begin: int, end: int) -> tuple[int, int]:
    """Find the least low and the greatest high of the bars from `begin` to before `end`."""
    low, high = prices.low[begin], prices.high[begin]
    t = begin + 1
    while t < end and t % SPAN != 0:
        low, high = min(low, prices.low[t]), max(high, prices.high[t])
        t += 1
    while t + SPAN <= end:
        low, high = min(low, prices.lows[t // SPAN]), max(high, prices.highs[t // SPAN])
        t += SPAN
    while t < end:
        low, high = min(low, prices.low[t]), max(high, prices.high[t])
        t += 1
    return low, high


@register_jitable
def _trade(
    prices: Prices,
    codes: CodeArray,
    stretches: int,
    cfg: Config,
    charges: Charges,
    columns: FloatArray,
    places: IntArray,
    counts: IntArray,
    ledger: Ledger,
) -> tuple[int, int, int]:
    """Go from decision to decision; returns trades, fills, and how often the account changed.

    From bar `since[i]` on cash is `steps[0, i]` and the quantity `steps[1, i]`, from the first
    change on, which is the beginning.
    """
    rows, steps, since, seen = ledger.rows, ledger.steps, ledger.since, ledger.seen
    mult = charges.multiplier
    total = len(codes)
    cash, q, way, side = cfg.cash, 0.0, 0, 0.0
    trades, fills, changes = 0, 0, 1
    since[0], steps[0, 0], steps[1, 0] = 0, cash, 0.0
    # Fetched together, and not each when it is needed: the memory answers many at once.
    for i in range(stretches):
        seen[0, i] = prices.close[rows[i]]
        seen[1, i] = prices.open[min(rows[i] + 1, total - 1)]
    for i in range(stretches):
        row, end = rows[i], min(rows[i + 1], total - 1)
        while row < end:
            t = row + 1
            code = codes[row]
            enters = code == LONG or code == SHORT
            if way == 0:
                if not enters:
                    break
            elif code != FLAT and code != 3 * way and code != -way:
                break
            cl, op = seen[0, i], seen[1, i]
            if row > rows[i]:  # an order that failed is given again
                cl, op = prices.close[row], prices.open[t]
            marked = cash + q * cl * mult
            if q != 0.0:
                px = worse(op, -side, charges)
                size = abs(q)
                fee = fee_of(size, px, t, -q, charges) + charges.per_trade
                cash = cash - -q * px * mult
                cash = cash - fee
                entry = columns[ENTRY, trades]
                columns[EXIT, trades] = px
                columns[PNL, trades] = (px - entry) * q * mult - columns[TRADE_FEES, trades] - fee
                columns[TRADE_FEES, trades] += fee
                columns[TRADE_SLIPPAGE, trades] += abs(px - op) * size * mult
                places[EXIT_BAR, trades] = t
                trades += 1
                fills += 1
                q, way = 0.0, 0
            if enters:
                if code == SHORT and not cfg.shorts:
                    counts[REJECTIONS] += end - row  # and so on in every row of this stretch
                    row = end
                else:
                    s = float(code)
                    px = worse(op, s, charges)
                    base, at = (cash, px) if cfg.size_at_fill else (marked, cl)
                    size, outcome = 0.0, REJECTED
                    if 0.0 < px < inf:
                        raw = asked_size(base, at, mult, cfg)
                        size, outcome = fitted(raw, px, cfg.margin, cash, t, s, cfg, charges)
                    if outcome >= REJECTED:
                        counts[REJECTIONS if outcome == REJECTED else DROPPED_LOT] += 1
                    else:
                        counts[ENTRIES] += 1
                        if outcome == SCALED:
                            counts[SCALED_CASH] += 1
                        fee = fee_of(size, px, t, s, charges)
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
            if q != 0.0 or steps[1, changes - 1] != 0.0:
                since[changes], steps[0, changes], steps[1, changes] = t, cash, q
                changes += 1
            if way != 0 or not enters:
                break
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
    prices: Prices, columns: FloatArray, places: IntArray, trades: int, pair: FloatArray
) -> int:
    """Fill MAE and MFE of every trade; returns the number of bars with a position."""
    total = len(prices.open)
    held, before = 0, -1
    bits = pair.view(np.int64)
    for i in range(trades):
        first, last = places[ENTRY_BAR, i], places[EXIT_BAR, i]
        end = last if last >= 0 else total
        bits[0], bits[1] = _extremes(prices, first, end)
        low, high = pair[0], pair[1]
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
    total: int,
    cfg: Config,
    charges: Charges,
    ledger: Ledger,
    changes: int,
    work: Workspace,
) -> tuple[float, bool]:
    """Fill equity, blocks and sums; returns summed gross exposure and whether equity is above 0."""
    equity, share, steps, since = ledger.equity, ledger.share, ledger.steps, ledger.since
    bits = equity.view(np.int64)
    mult = charges.multiplier
    sums, blocks, shares = work.sums, work.blocks, work.sums[SHARES]
    sums[:] = 0.0
    previous, folded = cfg.cash, 0  # bars whose blocks are done
    change, begin = 0, 0
    since[changes] = total
    while begin < total:
        while since[change + 1] <= begin:
            change += 1
        end = min(since[change + 1], begin + _RING // 4, (begin // _RING + 1) * _RING)
        cash, q = steps[0, change], steps[1, change]
        for at in range(begin, end, WIDE):
            slot = at % _RING
            if at + WIDE > total:
                for t in range(at, end):
                    value = q * close[t] * mult
                    equity[t] = cash + value
                    share[t % _RING] = abs(value) / equity[t]
                break
            # Too far, perhaps: the next stretch mends it. Slices, so that no index can be
            # negative: only then are bars taken side by side.
            prices = close[at : at + WIDE]
            money, part = equity[at : at + WIDE], share[slot : slot + WIDE]
            for j in range(WIDE):
                value = q * prices[j] * mult
                marked = cash + value
                money[j] = marked
                part[j] = abs(value) / marked
        begin = end
        while folded + BLOCK <= begin or (begin == total and folded < total):
            size = min(BLOCK, total - folded)
            k = folded // BLOCK
            extremes_of(bits[folded : folded + size], size, blocks, k)
            if not blocks[LOW, k] > 0.0:
                return 0.0, False
            add_returns(equity[folded : folded + size], previous, size, sums)
            previous = equity[folded + size - 1]
            slot = folded % _RING
            part = share[slot : slot + size]
            for j in range(size):
                shares[j] += part[j]
            folded += BLOCK
    return fold(shares), True


@register_jitable
def _run(
    prices: Prices,
    codes: CodeArray,
    stretches: int,
    cfg: Config,
    charges: Charges,
    columns: FloatArray,
    places: IntArray,
    counts: IntArray,
    ledger: Ledger,
    work: Workspace,
) -> Outcome:
    trades, fills, changes = _trade(
        prices, codes, stretches, cfg, charges, columns, places, counts, ledger
    )
    gross, alive = _mark(prices.close, len(codes), cfg, charges, ledger, changes, work)
    held = _excursions(prices, columns, places, trades, ledger.share) if alive else 0
    return Outcome(alive, trades, fills, gross, held)


def _cached(sources: str) -> Any:
    # numba looks at this file alone when it decides whether its cache is stale; what a closure
    # holds is part of the key, and so the files this one takes functions from are.
    @loop
    def run_events(
        prices: Prices,
        codes: CodeArray,
        stretches: int,
        cfg: Config,
        charges: Charges,
        columns: FloatArray,
        places: IntArray,
        counts: IntArray,
        ledger: Ledger,
        work: Workspace,
    ) -> Outcome:
        if len(sources) == 0:
            raise ValueError
        return _run(prices, codes, stretches, cfg, charges, columns, places, counts, ledger, work)

    return run_events


run_events = _cached(
    hashlib.sha256(
        b"".join(Path(str(room.__file__)).read_bytes() for room in (curve, kernels, measures))
    ).hexdigest()
)
