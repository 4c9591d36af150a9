"""A quicker way through the rules for lanes of plain market orders.

Where nothing can happen between two decisions - no level inside the bar, no session, no time limit
- the loop need not look at every bar. It goes from decision to decision, and what is needed of the
bars between, equity and extremes, is arithmetic that the processor does four bars at a time. Same
operations on the same numbers in the same order as in `kernels.run_scalar`, hence the same bits.
"""

from __future__ import annotations

from dataclasses import fields
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.extending import register_jitable

from core.domain.bars import Bars, FloatArray, IntArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import CodeArray, Signals
from core.domain.simulation import BoolArray
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
    Calendar,
    Figures,
    Workspace,
    measure,
)
from core.engine.sizes import PLAIN

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
        "volatility_bars",
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
_SIGNALS = tuple(
    (each.name, each.default)
    for each in fields(Signals)
    if each.name not in {"codes", "conflicts", "entry_kind"}
)
SPAN = 16  # bars whose extremes are known together
_NO_LOW, _NO_HIGH = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_RING = 1024  # bars whose shares are kept until they are added
WIDE = 32  # bars that are marked together: fewer, and LLVM takes them one by one
_ONES = 0x0101010101010101


class Prices(NamedTuple):
    """Columns of the bars, and extremes as the bits of their floats, whose order is the same.

    Spans are SPAN bars each, the last filled up with extremes that change nothing. Row t of
    `edges` holds low and high from the beginning of a span to before bar t, and from bar t to the
    end of its span. `spans[k, i]` holds those of 2**(k - 1) spans from span i on, of none for k
    = 0; the widest that fit n spans twice, overlapping, are `spans[level[n]]`.
    """

    open: FloatArray
    close: FloatArray
    low: IntArray
    high: IntArray
    edges: IntArray
    spans: IntArray
    level: IntArray


def prices_of(bars: Bars) -> Prices:
    """Make columns ready, with their extremes."""
    low, high = bars.low.view(np.int64), bars.high.view(np.int64)
    return Prices(bars.open, bars.close, *_extremes_of_spans(low, high))


@njit(cache=True, nogil=True)
def _extremes_of_spans(
    low: IntArray, high: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    total = len(low)
    count = (total + SPAN - 1) // SPAN
    level = np.zeros(count + 1, dtype=np.int64)
    for n in range(1, count + 1):
        level[n] = level[n // 2] + 1
    lows, highs = np.full(count * SPAN, _NO_LOW), np.full(count * SPAN, _NO_HIGH)
    # Element by element: where slices are assigned numba compiles the words of an error too.
    for t in range(total):
        lows[t], highs[t] = low[t], high[t]
    edges = np.empty((total + 1, 4), dtype=np.int64)
    spans = np.empty((level[count] + 1, count + 2, 2), dtype=np.int64)
    edges[0, 0], edges[0, 1], edges[total, 2], edges[total, 3] = (
        _NO_LOW, _NO_HIGH, _NO_LOW, _NO_HIGH,
    )  # fmt: skip
    for i in range(len(spans)):
        for k in range(count + 2):
            spans[i, k, 0], spans[i, k, 1] = _NO_LOW, _NO_HIGH
    for k in range(count):
        below, above = _NO_LOW, _NO_HIGH
        for t in range(k * SPAN, min(k * SPAN + SPAN, total)):
            below, above = min(below, low[t]), max(above, high[t])
            edges[t + 1, 0], edges[t + 1, 1] = below, above
        spans[1, k, 0], spans[1, k, 1] = below, above
        below, above = _NO_LOW, _NO_HIGH
        for t in range(min(k * SPAN + SPAN, total) - 1, k * SPAN - 1, -1):
            below, above = min(below, low[t]), max(above, high[t])
            edges[t, 2], edges[t, 3] = below, above
    for i in range(2, len(spans)):
        half = 1 << (i - 2)
        for k in range(count - half):
            spans[i, k, 0] = min(spans[i - 1, k, 0], spans[i - 1, k + half, 0])
            spans[i, k, 1] = max(spans[i - 1, k, 1], spans[i - 1, k + half, 1])
    return lows, highs, edges, spans, level


class Ledger(NamedTuple):
    """Memory of one thread.

    `rows` are those `decisions` found; `seen` their closes, and the opens after them. `steps` and
    `since` say what cash and quantity were, and from which bar on. `share`, of equity that is held,
    goes round. `reach` holds the extremes of trades, as bits, and which trades are short.
    """

    rows: IntArray
    steps: FloatArray
    since: IntArray
    seen: FloatArray
    equity: FloatArray
    share: FloatArray
    reach: IntArray


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
        np.empty((2 * bars + 2, 3), dtype=np.int64),
    )


class Results(NamedTuple):
    """Where lanes write what they came to; row `into[i]` is that of lane i.

    `done` says of lane i whether it has a row. It has none after ruin, and where its codes are not
    known. `counters` are in the order of `slots`.
    """

    metrics: FloatArray
    why: npt.NDArray[np.uint8]
    daily: npt.NDArray[np.float32]
    counters: IntArray
    into: IntArray
    done: BoolArray
    slots: IntArray


def rules_allow(options: EngineOptions, costs: CostModel) -> bool:
    """Say whether decisions and fills are all that can happen under these rules."""
    is_plain = options.sizing in PLAIN  # other sizes are the general kernel's
    return is_plain and _as_by_default(options, _OPTIONS) and _as_by_default(costs, _COSTS)


def signals_allow(signals: Signals) -> bool:
    """Say whether a lane asks for market orders only."""
    return all(_is_plainly(getattr(signals, name), default) for name, default in _SIGNALS)


def _as_by_default(rules: EngineOptions | CostModel, known: frozenset[str]) -> bool:
    declared: dict[str, Any] = type(rules).model_fields
    return all(
        _is_plainly(getattr(rules, name), each.get_default(call_default_factory=True))
        for name, each in declared.items()
        if name not in known
    )


def _is_plainly(value: object, default: object) -> bool:
    if isinstance(value, (bool, int, float, str, dict)):
        return value == default
    return value is default


@loop
def decisions(codes: CodeArray, words: IntArray, rows: IntArray, spare: IntArray) -> int:
    """Find the rows whose code is not that of the row before; -1 if a code is not known.

    Args:
        codes: Of T bars, at least one.
        words: The same codes, eight in one.
        rows: Shape (T + 10,); the first row is always one of them, and after the last stands T.
        spare: Shape (T / 8 + 1,), overwritten.

    Returns:
        How many there are.
    """
    total = len(codes)
    # Neither loop has a branch: where a code changes nobody can foresee.
    changing = 0
    alike = (int(codes[0]) & 0xFF) * _ONES
    for w in range(len(words)):
        word = words[w]
        spare[changing] = w
        changing += word != alike
        alike = ((word >> 56) & 0xFF) * _ONES
    rows[0] = 0
    count = 1
    for i in range(changing):
        first = 8 * spare[i]
        for row in range(max(first, 1), first + 8):
            rows[count] = row
            count += codes[row] != codes[row - 1]
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
def _extremes(prices: Prices, places: IntArray, trades: int, reach: IntArray) -> None:
    """Put the least low and the greatest high of every trade into the first columns of `reach`.

    First all trades as if they began and ended in two spans, then those that did not: without a
    branch the processor fetches what many trades need at once.
    """
    total = len(prices.open)
    edges, spans = prices.edges, prices.spans
    short = 0
    for i in range(trades):
        first, last = places[ENTRY_BAR, i], places[EXIT_BAR, i]
        end = last if last >= 0 else total
        left, right = first // SPAN, (end - 1) // SPAN
        level = prices.level[max(right - left - 1, 0)]
        near, far = left + 1, right - ((1 << level) >> 1)
        below = min(spans[level, near, 0], spans[level, far, 0])
        above = max(spans[level, near, 1], spans[level, far, 1])
        reach[i, 0] = min(below, edges[first, 2], edges[end, 0])
        reach[i, 1] = max(above, edges[first, 3], edges[end, 1])
        reach[short, 2] = i
        short += left == right
    for k in range(short):
        i = reach[k, 2]
        first, last = places[ENTRY_BAR, i], places[EXIT_BAR, i]
        begin = first // SPAN * SPAN
        inner, outer = first - begin, (last if last >= 0 else total) - begin
        lows, highs = prices.low[begin : begin + SPAN], prices.high[begin : begin + SPAN]
        below, above = _NO_LOW, _NO_HIGH
        for j in range(SPAN):
            low, high = lows[j], highs[j]
            is_in = (j >= inner) & (j < outer)
            below = min(below, low if is_in else _NO_LOW)
            above = max(above, high if is_in else _NO_HIGH)
        reach[i, 0], reach[i, 1] = below, above


@register_jitable
def _excursions(
    prices: Prices, columns: FloatArray, places: IntArray, trades: int, reach: IntArray
) -> int:
    """Fill MAE and MFE of every trade; returns the number of bars with a position."""
    total = len(prices.open)
    held, before = 0, -1
    _extremes(prices, places, trades, reach)
    seen = reach.view(np.float64)
    for i in range(trades):
        first, last = places[ENTRY_BAR, i], places[EXIT_BAR, i]
        low, high = seen[i, 0], seen[i, 1]
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
        held += (last if last >= 0 else total) - first + (last >= 0) - (first == before)
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


@loop
def run_lanes(
    prices: Prices,
    block: CodeArray,
    words: IntArray,
    count: int,
    cfg: Config,
    charges: Charges,
    cal: Calendar,
    columns: FloatArray,
    places: IntArray,
    counts: IntArray,
    ledger: Ledger,
    work: Workspace,
    results: Results,
) -> None:
    """Trade and measure lanes, one after the other.

    Args:
        prices: Of T bars.
        block: Codes, shape (N, 8 or more bytes a row): of each lane the first T.
        words: The same, eight codes in one.
        count: Lanes, at most N.
        cfg: Account and fill rules.
        charges: Fees and price concession.
        cal: Of the bars.
        columns: Shape (TRADE_ROWS, 2 T + 2), overwritten.
        places: Shape (2, 2 T + 2), overwritten.
        counts: Shape (COUNTERS,), overwritten.
        ledger: Of this thread.
        work: Of this thread.
        results: What is filled.
    """
    total = len(prices.close)
    for lane in range(count):
        codes = block[lane, :total]
        results.done[lane] = False
        counts[:] = 0
        stretches = decisions(codes, words[lane, : total // 8], ledger.rows, ledger.since)
        if stretches < 0:
            continue
        trades, fills, changes = _trade(
            prices, codes, stretches, cfg, charges, columns, places, counts, ledger
        )
        gross, alive = _mark(prices.close, total, cfg, charges, ledger, changes, work)
        if not alive:
            continue
        held = _excursions(prices, columns, places, trades, ledger.reach)
        row = results.into[lane]
        measure(
            ledger.equity, columns, places, trades, cal,
            Figures(
                start=cfg.cash, multiplier=charges.multiplier, drawdown=nan, gross=gross / total,
                held=held, fills=fills, ambiguous=0, ruined=False, folded=True, notional=nan,
            ),
            results.metrics[row], results.why[row], work.daily, work,
        )  # fmt: skip
        for d in range(len(work.daily)):  # as float32
            results.daily[row, d] = work.daily[d]
        for i in range(len(results.slots)):
            slot = results.slots[i]
            results.counters[row, i] = counts[slot] if slot >= 0 else 0
        results.done[lane] = True
