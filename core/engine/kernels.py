"""The bar loop for one symbol, rule by rule in the order of docs/engine_rules.md.

Everything here is plain Python over arrays and scalars. `run_scalar` is the compiled form of
`run_scalar_python`; the two give the same bits, and the plain one is what a debugger steps through.

Prices of a short position are handled with their sign turned (`side * price`), so that down is
always the adverse direction and one line serves both sides. Turning a sign is exact.

Legend of short names: o h l c prices of the bar, q signed quantity, s side of a new position,
f_ fraction, px price, ref the price before slippage, n a number of lots.
"""

from __future__ import annotations

from math import inf, nan
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from core.domain.bars import FloatArray, Int32Array, IntArray
from core.domain.signals import CodeArray
from core.domain.simulation import BoolArray, ReasonArray
from core.engine.compiled import loop

# Flags of a bar.
SESSION_LAST, SQUARE_OFF_DUE, NO_ENTRY, SESSION_FIRST, LAST_BAR = 1, 2, 4, 8, 16
# Units of a protective level.
PERCENT, POINTS, PRICE = 0, 1, 2
NEVER = -(2**31)  # no session
# How a position was opened in this bar: what its high and low may prove (rules R5 and R6).
BEFORE, AT_OPEN, BY_LIMIT, BY_STOP, AT_CLOSE = 0, 1, 2, 3, 4
# Outcomes of an attempt to open.
OPENED, SCALED, REJECTED, DROPPED, SIZELESS = 0, 1, 2, 3, 4
# Intent codes, as in core.domain.signals.Code.
LONG, SHORT, FLAT, HOLD, CLOSE_LONG, CLOSE_SHORT = 1, -1, 0, 2, 3, -3
# Reasons, as in core.domain.simulation.Reason.
EXIT_SIGNAL, REVERSE, STOP, STOP_GAP, TARGET, TARGET_GAP = 2, 3, 4, 5, 6, 7
TRAIL, MAX_BARS, SQUARE_OFF, DAILY_TARGET, DAILY_LOSS = 8, 9, 10, 11, 12
MARGIN, RUIN, DELIST, END, REBALANCE = 13, 14, 15, 16, 17
DRAWDOWN = 19
# What a size counts (R3); lots are units by now.
EQUITY_SHARE, UNITS, MONEY, RISK_SHARE, VOLATILITY = range(5)
# Columns of the trade table.
QUANTITY, ENTRY, EXIT, PNL, FEES_IN, FEES_OUT, SLIP_IN, SLIP_OUT, MAE, MFE, RISK = range(11)
ENTRY_BAR, EXIT_BAR, ENTRY_SEQ, EXIT_SEQ = range(4)
# Rows and columns of the fee table.
BUY, SELL = 0, 1
FIXED, PER_UNIT, RATE, MINIMUM, CAP_RATE, CAP, TAXED = range(7)
CHARGE_RATE, CHARGE_UNIT, SIDE_UNIT, SIDE_CAP = 7, 8, 9, 10
ROUNDED, BOTH_RATE, SIDE_RATE = 11, 12, 13
# How charges of one side are rounded.
UNROUNDED, CENT_UP, CENT_NEAREST = 0, 1, 2
# Slots of the counter array.
ENTRIES, DROPPED_LOT, SCALED_CASH, REJECTIONS, EXPIRED, BLOCKED, AMBIGUOUS = range(7)
LIMITED, VOLUME_CAPPED, MARGIN_CALLS, UNSIZED = 7, 8, 9, 10
COUNTERS = 11
# Slots of what a session, and a row of losses, remember (R14).
DAY_PNL, DAY_POINTS, DAY_ENTRIES = range(3)
LOSSES, COOL_UNTIL = range(2)


class Charges(NamedTuple):
    """What a fill costs; see `CostModel`.

    `fees[period, BUY or SELL]` is a row of fee coefficients; the period of bar t is
    `period[t * period_step]`, step 0 where fees never change. `plain` says that RATE is all there
    is in it: the rest of the sum would add 0 and take a third of a trade's time. `rounds` is None
    for a kernel that never rounds charges, which leaves the code of that out.
    """

    fees: FloatArray
    period: IntArray
    period_step: int
    per_trade: float
    slip: float
    slip_points: float
    tick: float
    multiplier: float
    plain: bool
    rounds: bool | None = None


class Limits(NamedTuple):
    """Rules of R14, and what they remember.

    `day`, shape (3,), is of the session; `streak`, shape (S, 2), of each symbol's losses in a row.
    """

    day: FloatArray
    streak: IntArray
    target: float
    loss: float
    in_points: bool
    flatten: bool
    entries: int
    cooldown: int
    losses: int


class Config(NamedTuple):
    """Account and fill rules as numbers; see `EngineOptions`.

    `at_close`: protection looks at closes only.
    """

    cash: float
    fill_at_close: bool
    delay: int
    percent: bool
    size: float
    size_at_fill: bool
    lot: float
    margin: float
    reject: bool
    shorts: bool
    touch: bool
    intraday: bool
    close_at_end: bool
    max_bars: int
    ttl: int
    at_close: bool


class Sizes(NamedTuple):
    """How big entries are, where `Config` does not say it all (R3).

    `value[row * step]` counts in `kind`, NaN for `own`; `volatility[row * volatility_step]` is
    annual, NaN where it is not known.
    """

    kind: int
    own: float
    value: FloatArray
    step: int
    volatility: FloatArray
    volatility_step: int


class Protection(NamedTuple):
    """One protective level per row: `value[row * step]`, step 0 for a constant."""

    value: FloatArray
    step: int
    unit: int


@register_jitable
def down(number: float) -> float:
    """Round down to a whole number, however large: an integer would run over."""
    return float(np.floor(number))


@register_jitable
def worse(px: float, direction: float, charges: Charges) -> float:
    """Fill price of a market or stop order that buys (+1) or sells (-1) at `px` (R4)."""
    if direction > 0:
        px = px * (1.0 + charges.slip) + charges.slip_points
        if charges.tick > 0:
            px = float(np.ceil(px / charges.tick - 1e-9)) * charges.tick
    else:
        px = max(px * (1.0 - charges.slip) - charges.slip_points, 0.0)
        if charges.tick > 0:
            px = down(px / charges.tick + 1e-9) * charges.tick
    return px


@register_jitable
def fee_of(quantity: float, px: float, t: int, side: float, charges: Charges) -> float:
    """Fee of an order of `quantity` units (unsigned) at `px` in bar `t`; side is +1 to buy."""
    row = charges.fees[charges.period[t * charges.period_step], BUY if side > 0 else SELL]
    value = quantity * px * charges.multiplier
    if charges.plain:
        rate_only: float = row[RATE] * value
        return rate_only
    fee = row[FIXED] + row[PER_UNIT] * quantity + row[RATE] * value
    fee = max(fee, row[MINIMUM])
    if row[CAP_RATE] < inf:
        fee = min(fee, row[CAP_RATE] * value)
    fee = min(fee, row[CAP]) * row[TAXED]
    total: float = fee + charged(quantity, value, row, charges.rounds)
    return total


@register_jitable
def charged(quantity: float, value: float, row: FloatArray, rounds: bool | None) -> float:
    """What others than the broker take of an order; without `rounds` nothing is in whole cents."""
    sold = min(row[SIDE_UNIT] * quantity, row[SIDE_CAP])
    taken = row[CHARGE_RATE] * value + row[CHARGE_UNIT] * quantity
    if rounds is not None:  # noqa: SIM102 - the compiler leaves out what hangs on None alone
        if row[ROUNDED] != UNROUNDED:
            taken = row[BOTH_RATE] * value + row[CHARGE_UNIT] * quantity
            taken = taken + to_cents(row[SIDE_RATE] * value, row[ROUNDED])
            sold = to_cents(sold, row[ROUNDED])
    both: float = taken + sold
    return both


@register_jitable
def to_cents(money: float, how: float) -> float:
    """Round a charge to hundredths, up or to the nearest."""
    if how == CENT_UP:
        return float(np.ceil(money * 100.0 - 1e-9)) / 100.0
    return down(money * 100.0 + 0.5 + 1e-9) / 100.0


@register_jitable
def need_of(
    quantity: float, px: float, t: int, side: float, margin: float, charges: Charges
) -> float:
    """Cash an entry of `quantity` units takes, fee included (R9)."""
    return quantity * px * charges.multiplier * margin + fee_of(quantity, px, t, side, charges)


@register_jitable
def asked_size(equity: float, ref: float, multiplier: float, cfg: Config) -> float:
    """Quantity an entry asks for, before lots and cash (R3)."""
    return (cfg.size / 100.0) * equity / (ref * multiplier) if cfg.percent else cfg.size


@register_jitable
def raw_size(
    kind: int,
    size: float,
    equity: float,
    ref: float,
    distance: float,
    volatility: float,
    multiplier: float,
) -> float:
    """Quantity a size asks for, before lots and cash (R3); NaN where it cannot be told.

    `distance` is that from the entry to its stop, above 0 where the stop is on the right side.
    """
    if kind == UNITS:
        return size
    if kind == MONEY:
        return size / (ref * multiplier)
    if kind == RISK_SHARE:
        return (size / 100.0) * equity / (distance * multiplier) if 0.0 < distance < inf else nan
    if kind == VOLATILITY:
        return (size / 100.0) * equity / (volatility * ref * multiplier) if volatility > 0 else nan
    return (size / 100.0) * equity / (ref * multiplier)


@register_jitable
def fitted(
    raw: float,
    px: float,
    margin: float,
    cash: float,
    t: int,
    side: float,
    cfg: Config,
    charges: Charges,
) -> tuple[float, int]:
    """Whole lots of `raw` (R3) that `cash` covers at `px` (R9), and what happened to the order."""
    if cfg.lot > 0:
        n = down(raw / cfg.lot + 1e-9)
        if n < 1:
            return 0.0, DROPPED
        if margin == 0:
            return n * cfg.lot, OPENED
        per_unit, fixed = _linear(px, t, side, margin, charges)
        least = max(1.0, n * 2.0**-52)  # where floats can no longer count lots one by one
        guess = down((cash - fixed) / (per_unit * cfg.lot))
        # Whether cash covers the order is a coin toss that no processor foresees: both answers
        # are made, and one of them chosen without a branch.
        is_covered = need_of(n * cfg.lot, px, t, side, margin, charges) <= cash
        is_largest = (
            (guess >= least)
            & (guess <= n - least)
            & (need_of(guess * cfg.lot, px, t, side, margin, charges) <= cash)
            & (need_of((guess + least) * cfg.lot, px, t, side, margin, charges) > cash)
        )
        if is_covered | (is_largest & (not cfg.reject)):
            return (n if is_covered else guess) * cfg.lot, OPENED if is_covered else SCALED
        if cfg.reject:
            return 0.0, REJECTED
        # The largest n that fits; need grows with n. The linear part of the fee gave the first
        # guess, which is nearly always the answer; from there strides double until it is enclosed.
        fits, over, stride = 0.0, n, least
        middle = guess
        while over - fits > least:
            middle = min(max(middle, fits + least), over - least)
            if not fits < middle < over:
                break
            if need_of(middle * cfg.lot, px, t, side, margin, charges) <= cash:
                fits = middle
                middle = fits + stride if over == n else down((fits + over) / 2)
            else:
                over = middle
                middle = over - stride if fits == 0 else down((fits + over) / 2)
            stride = 2.0 * stride
        return (fits * cfg.lot, SCALED) if fits >= 1 else (0.0, REJECTED)
    if not raw > 0:
        return 0.0, DROPPED
    if margin == 0:
        return raw, OPENED
    if need_of(raw, px, t, side, margin, charges) <= cash:
        return raw, OPENED
    if cfg.reject:
        return 0.0, REJECTED
    per_unit, fixed = _linear(px, t, side, margin, charges)
    quantity = (cash - fixed) / per_unit
    if not quantity > 0:
        return 0.0, REJECTED
    if need_of(quantity, px, t, side, margin, charges) > cash * (1.0 + 1e-12):
        fee = fee_of(quantity, px, t, side, charges)
        quantity = (cash - fee) / (px * charges.multiplier * margin)
        if not quantity > 0:
            return 0.0, REJECTED
    return quantity, SCALED


@register_jitable
def _linear(px: float, t: int, side: float, margin: float, charges: Charges) -> tuple[float, float]:
    """Cash per unit and per order of an entry whose fee meets neither a minimum nor a cap."""
    row = charges.fees[charges.period[t * charges.period_step], BUY if side > 0 else SELL]
    value = px * charges.multiplier
    per_unit = value * margin + (row[PER_UNIT] + value * row[RATE]) * row[TAXED]
    per_unit = per_unit + value * row[CHARGE_RATE] + (row[CHARGE_UNIT] + row[SIDE_UNIT])
    return per_unit, row[FIXED] * row[TAXED]


@register_jitable
def is_limited(limits: Limits | None, is_halted: bool, t: int, symbol: int) -> bool:
    """Whether a day limit, the trades of a day or a cooldown refuses an entry in bar `t` (R14)."""
    if limits is None:
        return False
    if is_halted or t <= limits.streak[symbol, COOL_UNTIL]:
        return True
    if limits.entries > 0 and limits.day[DAY_ENTRIES] >= limits.entries:
        return True
    result = limits.day[DAY_POINTS] if limits.in_points else limits.day[DAY_PNL]
    return not limits.flatten and (result >= limits.target or result <= -limits.loss)


@register_jitable
def remember(limits: Limits, pnl: float, points: float, t: int, symbol: int) -> None:
    """Book a closed trade in the session's sums and in the row of losses (R14)."""
    streak = limits.streak
    limits.day[DAY_PNL] += pnl
    limits.day[DAY_POINTS] += points
    if pnl < 0.0:
        streak[symbol, LOSSES] += 1
        if limits.cooldown > 0 and streak[symbol, LOSSES] >= limits.losses:
            streak[symbol, COOL_UNTIL] = t + limits.cooldown
            streak[symbol, LOSSES] = 0
    else:
        streak[symbol, LOSSES] = 0


@register_jitable
def level_of(value: float, unit: int, px: float, s: float, toward: float) -> float:
    """Signed level that protects a fill at `px`; `toward` is -1 for stops, +1 for targets."""
    if unit == PERCENT:
        return s * (px * (1.0 + toward * s * (value / 100.0)))
    if unit == POINTS:
        return s * (px + toward * s * value)
    return s * value


def run_scalar_python(
    o: FloatArray,
    h: FloatArray,
    l: FloatArray,  # noqa: E741 - o h l c is the field's own notation
    c: FloatArray,
    session: Int32Array,
    flags: ReasonArray,
    codes: CodeArray,
    entry_px: FloatArray,
    entry_is_stop: bool,
    stops: Protection,
    targets: Protection,
    trails: Protection,
    limits: Limits | None,
    sizes: Sizes | None,
    cfg: Config,
    charges: Charges,
    equity: FloatArray,
    since: IntArray,
    steps: FloatArray,
    held: BoolArray,
    trade_f: FloatArray,
    trade_i: IntArray,
    trade_reason: ReasonArray,
    trade_ambiguous: BoolArray,
    counters: IntArray,
) -> tuple[int, int, int, bool]:
    """Run one symbol; fill the output arrays in place.

    Args:
        entry_px: Shape (T,) or (0,) when no row rests.
        equity, held: Shape (T,).
        since, steps: Shape (T + 1,) and (2, T + 1): from bar `since[i]` on cash is `steps[0, i]`
            and the quantity `steps[1, i]`, from the first on, which is the beginning.
        trade_f, trade_i: Shape (N, 11) and (N, 4), N of at least 2 T + 1.
        limits: None where no rule of R14 is in use, which leaves its code out.
        sizes: None where `cfg` says how big entries are, likewise.

    Returns:
        Number of trades, number of fills, how often cash or quantity changed, ruined.
    """
    total = len(o)
    rests_exist = len(entry_px) > 0
    mult = charges.multiplier
    cash = cfg.cash
    q = 0.0
    changes = 0
    since[0], steps[0, 0], steps[1, 0] = 0, cash, q
    way, side = 0, 0.0  # the direction held, as a code and as a factor
    # `trigger` is what the favourable price must exceed: the target, or just below it for a touch.
    stop, target, trigger, best, trail = -inf, inf, inf, 0.0, nan
    trail_unit = trails.unit
    trailed = False
    worst_seen, best_seen = 0.0, 0.0
    trades, fills = 0, 0
    ruined = False
    adverse, favourable, signed = 0.0, 0.0, 0.0
    leave_bar = total  # by max_bars
    pending = -1  # row of a resting order that outlives its first bar
    day_start = cfg.cash
    halted, halt_reason = NEVER, 0  # the session a day limit has ended
    # Most bars of most runs only carry a position on, or wait for one. Loops of their own take
    # them; `calm_until` is 0 while flat and where a rule could act on any bar.
    calm_until = 0
    simple_rows = not (rests_exist or cfg.fill_at_close or cfg.intraday)
    may_be_calm = simple_rows or (
        cfg.intraday and cfg.delay == 0 and not (cfg.fill_at_close or rests_exist)
    )
    may_idle = not cfg.fill_at_close and limits is None
    if limits is not None:
        may_be_calm = may_be_calm and not limits.flatten

    t = -1
    while t + 1 < total:
        t += 1
        if t < calm_until:
            t, worst_seen, best_seen = _carried(
                t, min(calm_until, total), h, l, c, flags, codes, cash, q, way, stop, trigger, mult,
                cfg.delay, worst_seen, best_seen, equity, held,
            )  # fmt: skip
        elif may_idle and q == 0.0 and pending < 0:
            t = _idled(t, codes, cfg.delay, cash, equity, held)
        if t == total:
            break
        op, hi, lo, cl = o[t], h[t], l[t], c[t]
        flag = flags[t]
        opened = BEFORE
        was_held = q != 0.0
        if limits is not None:  # noqa: SIM102 - alone, so that numba leaves out what is under it
            if flag & SESSION_FIRST:
                day_start = equity[t - 1] if t > 0 else cfg.cash
                limits.day[DAY_PNL] = limits.day[DAY_POINTS] = limits.day[DAY_ENTRIES] = 0.0

        # The acting row.
        row = t - 1 - cfg.delay
        code = HOLD
        rests = False
        lives_on = False
        if row >= 0:
            code = codes[row]
            if not (simple_rows or (code == HOLD and pending < 0)):
                if code == HOLD:
                    row = pending
                    code = codes[row]
                elif pending >= 0:
                    counters[EXPIRED] += 1
                pending = -1
                if rests_exist and (code == LONG or code == SHORT):
                    rests = entry_px[row] == entry_px[row]
                    lives_on = rests and t < row + cfg.delay + cfg.ttl
                    if cfg.intraday and flag & SESSION_LAST:
                        lives_on = False
                if cfg.fill_at_close and not rests:
                    code = HOLD
                elif cfg.intraday and session[row] != session[t]:
                    if code == LONG or code == SHORT:
                        counters[EXPIRED] += 1
                    code = HOLD
                elif rests and code == SHORT and not cfg.shorts:
                    counters[REJECTIONS] += 1
                    code = HOLD
                elif rests and flag & NO_ENTRY:
                    counters[BLOCKED] += 1
                    code = HOLD

        if was_held:
            adverse, favourable, signed = lo, hi, cl
            if side < 0:
                adverse, favourable, signed = -hi, -lo, -cl
        stopped_out = False
        # Steps 1 and 2: gaps, forced exits, signal exits, all at the open.
        if was_held:
            reason = 0
            at_limit = False
            at_open = side * op
            if at_open <= stop and not cfg.at_close:
                reason = STOP_GAP
            elif at_open > trigger and not cfg.at_close:
                reason = TARGET_GAP
                at_limit = True
            elif halted == session[t]:
                reason = halt_reason
            elif cfg.intraday and flag & SQUARE_OFF_DUE and not cfg.fill_at_close:
                reason = SQUARE_OFF
            elif t >= leave_bar:
                reason = MAX_BARS
            elif code != HOLD:
                if code == FLAT or code == 3 * way:
                    reason = EXIT_SIGNAL
                elif code == -way and not rests:
                    reason = REVERSE
            if reason != 0:
                px = op if at_limit else worse(op, -side, charges)
                cash = _close(
                    cash, q, px, op, min(worst_seen, side * px), best_seen,
                    reason, t, fills, trades, trade_f, trade_i, trade_reason, limits, charges,
                )  # fmt: skip
                fills += 1
                trades += 1
                q, calm_until = 0.0, 0

        # Steps 3 and 4: entries at the open, then resting ones.
        if code == LONG or code == SHORT:
            if q != 0.0:
                if rests and code == -way:
                    if lives_on:
                        pending = row
                    else:
                        counters[EXPIRED] += 1
            elif code == SHORT and not cfg.shorts:
                counters[REJECTIONS] += 1
            elif flag & NO_ENTRY:
                counters[BLOCKED] += 1
            else:
                s = float(code)
                ref = op
                at_limit = False
                opened = AT_OPEN
                if rests:
                    ref = entry_px[row]
                    signed_open, signed_ref = s * op, s * ref
                    if entry_is_stop:
                        if signed_open >= signed_ref:
                            ref = op
                        elif (hi if s > 0 else -lo) >= signed_ref:
                            opened = BY_STOP
                        else:
                            opened = BEFORE
                    else:
                        at_limit = True
                        reach = lo if s > 0 else -hi
                        if signed_open < signed_ref or (cfg.touch and signed_open <= signed_ref):
                            ref = op
                        elif reach < signed_ref or (cfg.touch and reach <= signed_ref):
                            opened = BY_LIMIT
                        else:
                            opened = BEFORE
                if opened == BEFORE:
                    if lives_on:
                        pending = row
                    else:
                        counters[EXPIRED] += 1
                elif is_limited(limits, halted == session[t], t, 0):
                    opened = BEFORE
                    counters[LIMITED] += 1
                else:
                    px = ref if at_limit else worse(ref, s, charges)
                    base, at = (cash, px) if cfg.size_at_fill else (equity[row], c[row])
                    aim = entry_px[row] if rests and not cfg.size_at_fill else at
                    q, cash, stop, target, trail = _enter(
                        row, s, px, ref, base, at, aim, cash, t, fills, trades, stops, targets,
                        trails, trade_f, trade_i, trade_ambiguous, counters, limits, sizes, cfg,
                        charges,
                    )  # fmt: skip
                    if q == 0.0:
                        opened = BEFORE
                    else:
                        way, side, fills = code, s, fills + 1
                        trigger = np.nextafter(target, -inf) if cfg.touch else target
                        leave_bar = t + cfg.max_bars if cfg.max_bars > 0 else total
                        calm_until = leave_bar if may_be_calm and trail != trail else 0
                        best, trailed = s * px, False
                        worst_seen = best_seen = best

        # Step 5: protection inside the bar.
        if opened != BEFORE:
            adverse, favourable, signed = lo, hi, cl
            if side < 0:
                adverse, favourable, signed = -hi, -lo, -cl
        low, high = adverse, favourable
        if cfg.at_close:
            low, high = signed, signed
        if q != 0.0 and (low <= stop or high > trigger or trail == trail):
            beyond = high > trigger
            reason = 0
            ambiguous = False
            level = 0.0
            if low <= stop:
                ambiguous = beyond or (opened == BY_STOP and signed > stop)
                reason = TRAIL if trailed else STOP
                level = stop
            elif beyond and (opened != BY_LIMIT or signed > trigger):
                reason = TARGET
                level = target
            else:
                ambiguous = beyond
                if trail == trail:
                    best = max(best, signed if opened == BY_LIMIT else high)
                    moved = best - trail
                    if trail_unit == PERCENT:
                        moved = best * (1.0 - side * (trail / 100.0))
                    moved = max(stop, moved)
                    if signed <= moved:
                        reason = TRAIL
                        level = moved
                    else:
                        ambiguous = ambiguous or (low <= moved and moved > stop)
                        trailed = trailed or moved > stop
                        stop = moved
            if ambiguous:
                counters[AMBIGUOUS] += 1
                trade_ambiguous[trades] = True
            if reason != 0:
                ref = cl if cfg.at_close else side * level
                px = ref if reason == TARGET and not cfg.at_close else worse(ref, -side, charges)
                cash = _close(
                    cash, q, px, ref, min(worst_seen, side * px), best_seen,
                    reason, t, fills, trades, trade_f, trade_i, trade_reason, limits, charges,
                )  # fmt: skip
                fills += 1
                trades += 1
                q, calm_until = 0.0, 0
                stopped_out = True

        # Step 6: orders at the close, the session's end, the end of data.
        if q != 0.0 and cfg.fill_at_close and cfg.intraday and flag & SQUARE_OFF_DUE:
            px = worse(cl, -side, charges)
            cash = _close(
                cash, q, px, cl, min(worst_seen, side * px), best_seen,
                SQUARE_OFF, t, fills, trades, trade_f, trade_i, trade_reason, limits, charges,
            )  # fmt: skip
            fills += 1
            trades += 1
            q, calm_until = 0.0, 0
        if cfg.fill_at_close and t - cfg.delay >= 0:
            row = t - cfg.delay
            code = codes[row]
            entering = rests_exist and (code == LONG or code == SHORT)
            if entering and entry_px[row] == entry_px[row]:
                code = HOLD
            if code != HOLD and pending >= 0:
                counters[EXPIRED] += 1
                pending = -1
            if code != HOLD and cfg.intraday and session[row] != session[t]:
                if code == LONG or code == SHORT:
                    counters[EXPIRED] += 1
                code = HOLD
            if q != 0.0 and (code == FLAT or code == 3 * way or code == -way):
                px = worse(cl, -side, charges)
                cash = _close(
                    cash, q, px, cl, min(worst_seen, side * px), best_seen,
                    REVERSE if code == -way else EXIT_SIGNAL,
                    t, fills, trades, trade_f, trade_i, trade_reason, limits, charges,
                )  # fmt: skip
                fills += 1
                trades += 1
                q, calm_until = 0.0, 0
            if q == 0.0 and (code == LONG or code == SHORT):
                over = flag & NO_ENTRY or (cfg.intraday and flag & SESSION_LAST)
                if code == SHORT and not cfg.shorts:
                    counters[REJECTIONS] += 1
                elif over or stopped_out:
                    counters[BLOCKED] += 1
                elif is_limited(limits, halted == session[t], t, 0):
                    counters[LIMITED] += 1
                else:
                    s = float(code)
                    px = worse(cl, s, charges)
                    base, at = cash, px
                    if not cfg.size_at_fill:
                        base, at = (equity[row] if row < t else cash), c[row]
                    q, cash, stop, target, trail = _enter(
                        row, s, px, cl, base, at, at, cash, t, fills, trades, stops, targets,
                        trails, trade_f, trade_i, trade_ambiguous, counters, limits, sizes, cfg,
                        charges,
                    )  # fmt: skip
                    if q != 0.0:
                        opened = AT_CLOSE
                        way, side, fills = code, s, fills + 1
                        trigger = np.nextafter(target, -inf) if cfg.touch else target
                        leave_bar = t + cfg.max_bars if cfg.max_bars > 0 else total
                        calm_until = leave_bar if may_be_calm and trail != trail else 0
                        best, trailed = s * px, False
                        worst_seen = best_seen = best
        if q != 0.0 and (cfg.intraday or cfg.close_at_end):
            reason = 0
            if cfg.intraday and flag & SESSION_LAST:
                reason = SQUARE_OFF
            elif cfg.close_at_end and t == total - 1:
                reason = END
            if reason != 0:
                px = worse(cl, -side, charges)
                cash = _close(
                    cash, q, px, cl, min(worst_seen, side * px), best_seen,
                    reason, t, fills, trades, trade_f, trade_i, trade_reason, limits, charges,
                )  # fmt: skip
                fills += 1
                trades += 1
                q, calm_until = 0.0, 0

        # Step 7: mark, excursions, ruin.
        held[t] = was_held | (opened != BEFORE)
        marked = cash + q * cl * mult
        if marked <= 0.0:
            if q != 0.0:
                px = worse(cl, -side, charges)
                cash = _close(
                    cash, q, px, cl, min(worst_seen, side * px), best_seen,
                    RUIN, t, fills, trades, trade_f, trade_i, trade_reason, limits, charges,
                )  # fmt: skip
                fills += 1
                trades += 1
                q, calm_until = 0.0, 0
            marked = cash
            ruined = True
        if q != 0.0 and opened != AT_CLOSE:
            worst_seen = min(worst_seen, signed if opened == BY_STOP else adverse)
            best_seen = max(best_seen, signed if opened == BY_LIMIT else favourable)
        if limits is not None:  # noqa: SIM102 - likewise
            if limits.flatten and halted != session[t] and not ruined:
                result = marked - day_start
                if limits.in_points:
                    result = limits.day[DAY_POINTS]
                    if q != 0.0:
                        result += side * (cl - trade_f[trades, ENTRY])
                if result >= limits.target:
                    halted, halt_reason = session[t], DAILY_TARGET
                elif result <= -limits.loss:
                    halted, halt_reason = session[t], DAILY_LOSS
        equity[t] = marked
        if cash != steps[0, changes] or q != steps[1, changes]:
            changes += t > 0
            since[changes], steps[0, changes], steps[1, changes] = t, cash, q
        if ruined:
            for rest in range(t + 1, total):
                equity[rest] = cash
                held[rest] = False
            break

    if q != 0.0:
        _record_exit(
            q, c[total - 1], 0.0, 0.0, worst_seen, best_seen,
            0, -1, -1, trades, trade_f, trade_i, trade_reason, mult,
        )  # fmt: skip
        trades += 1
    return trades, fills, changes + 1, ruined


@register_jitable
def _carried(
    t: int,
    until: int,
    h: FloatArray,
    l: FloatArray,  # noqa: E741 - as above
    c: FloatArray,
    flags: ReasonArray,
    codes: CodeArray,
    cash: float,
    q: float,
    way: int,
    stop: float,
    trigger: float,
    mult: float,
    delay: int,
    worst: float,
    best: float,
    equity: FloatArray,
    held: BoolArray,
) -> tuple[int, float, float]:
    """Carry a position on over bars in which nothing can happen.

    Returns:
        The first bar in which something may, at most `until`; worst and best signed price.
    """
    for u in range(t, until):
        code = codes[u - 1 - delay]
        adverse, favourable = l[u], h[u]
        if way < 0:
            adverse, favourable = -h[u], -l[u]
        marked = cash + q * c[u] * mult
        if not (
            adverse > stop
            and favourable <= trigger
            and (code == HOLD or code == way)
            and flags[u] == 0
            and marked > 0.0
        ):
            return u, worst, best
        worst = min(worst, adverse)
        best = max(best, favourable)
        held[u] = True
        equity[u] = marked
    return until, worst, best


@register_jitable
def _idled(
    t: int, codes: CodeArray, delay: int, cash: float, equity: FloatArray, held: BoolArray
) -> int:
    """Go on without a position to the next bar whose acting row asks for one."""
    for u in range(t, len(codes)):
        row = u - 1 - delay
        if row >= 0 and (codes[row] == LONG or codes[row] == SHORT):
            return u
        held[u] = False
        equity[u] = cash
    return len(codes)


@register_jitable
def _levels(
    row: int, px: float, s: float, stops: Protection, targets: Protection, trails: Protection
) -> tuple[float, float, float]:
    """Signed stop and target of a fill at `px`, and its trailing distance (NaN: none)."""
    stop, target = -inf, inf
    value = stops.value[row * stops.step]
    if value == value:
        stop = level_of(value, stops.unit, px, s, -1.0)
    value = targets.value[row * targets.step]
    if value == value:
        target = level_of(value, targets.unit, px, s, 1.0)
    trail = trails.value[row * trails.step]
    if trail == trail:
        stop = max(stop, level_of(trail, trails.unit, px, s, -1.0))
    return stop, target, trail


@register_jitable
def _sized(
    row: int,
    s: float,
    base: float,
    at: float,
    aim: float,
    stops: Protection,
    targets: Protection,
    trails: Protection,
    sizes: Sizes,
    multiplier: float,
) -> float:
    """Quantity a row asks for by its own size or that of the run; NaN where it cannot be told."""
    size = sizes.value[row * sizes.step]
    if size != size:
        size = sizes.own
    distance = nan
    if sizes.kind == RISK_SHARE:
        stop, _, _ = _levels(row, aim, s, stops, targets, trails)
        distance = s * aim - stop
    volatility = sizes.volatility[row * sizes.volatility_step]
    return raw_size(sizes.kind, size, base, at, distance, volatility, multiplier)


@register_jitable(forceinline=True)  # two places call it; LLVM alone would not, at 3 ns a bar
def _enter(
    row: int,
    s: float,
    px: float,
    ref: float,
    base: float,
    at: float,
    aim: float,
    cash: float,
    t: int,
    fill: int,
    trade: int,
    stops: Protection,
    targets: Protection,
    trails: Protection,
    trade_f: FloatArray,
    trade_i: IntArray,
    trade_ambiguous: BoolArray,
    counters: IntArray,
    limits: Limits | None,
    sizes: Sizes | None,
    cfg: Config,
    charges: Charges,
) -> tuple[float, float, float, float, float]:
    """Open a position at `px`, of the size that `base` money gives at the price `at`.

    `aim` is the entry from which a stop is so far away as the size counts on.

    Returns:
        Signed quantity, 0 if the order was dropped or rejected; cash; signed stop and target;
        trailing distance.
    """
    stop, target, trail = _levels(row, px, s, stops, targets, trails)
    size, outcome = 0.0, REJECTED
    if px > 0.0 and stop < s * px and target > s * px:
        if sizes is None:
            raw = asked_size(base, at, charges.multiplier, cfg)
        else:
            raw = _sized(row, s, base, at, aim, stops, targets, trails, sizes, charges.multiplier)
        if raw == raw:
            size, outcome = fitted(raw, px, cfg.margin, cash, t, s, cfg, charges)
        else:
            outcome = SIZELESS
    if outcome >= REJECTED:
        refused = REJECTIONS if outcome == REJECTED else DROPPED_LOT
        counters[UNSIZED if outcome == SIZELESS else refused] += 1
        return 0.0, cash, stop, target, trail
    counters[ENTRIES] += 1
    if limits is not None:
        limits.day[DAY_ENTRIES] += 1.0
    if outcome == SCALED:
        counters[SCALED_CASH] += 1
    fee = fee_of(size, px, t, s, charges)
    q = s * size
    cash = cash - q * px * charges.multiplier
    cash = cash - fee
    trade_f[trade, QUANTITY] = q
    trade_f[trade, ENTRY] = px
    trade_f[trade, FEES_IN] = fee
    trade_f[trade, SLIP_IN] = abs(px - ref) * size * charges.multiplier
    trade_f[trade, RISK] = abs(px - s * stop) * size * charges.multiplier if stop > -inf else nan
    trade_i[trade, ENTRY_BAR] = t
    trade_i[trade, ENTRY_SEQ] = fill
    trade_ambiguous[trade] = False
    return q, cash, stop, target, trail


@register_jitable
def _close(
    cash: float,
    q: float,
    px: float,
    ref: float,
    worst: float,
    best: float,
    reason: int,
    t: int,
    fill: int,
    trade: int,
    trade_f: FloatArray,
    trade_i: IntArray,
    trade_reason: ReasonArray,
    limits: Limits | None,
    charges: Charges,
) -> float:
    """Take the proceeds of an exit and finish its trade row; returns the cash."""
    size = abs(q)
    fee = fee_of(size, px, t, -q, charges) + charges.per_trade
    cash = cash - -q * px * charges.multiplier
    cash = cash - fee
    slip = abs(px - ref) * size * charges.multiplier
    _record_exit(
        q, px, fee, slip, worst, best,
        reason, t, fill, trade, trade_f, trade_i, trade_reason, charges.multiplier,
    )  # fmt: skip
    if limits is not None:
        points = px - trade_f[trade, ENTRY] if q > 0 else trade_f[trade, ENTRY] - px
        remember(limits, trade_f[trade, PNL], points, t, 0)
    return cash


@register_jitable
def _record_exit(
    q: float,
    px: float,
    fee: float,
    slip: float,
    worst: float,
    best: float,
    reason: int,
    t: int,
    fill: int,
    trade: int,
    trade_f: FloatArray,
    trade_i: IntArray,
    trade_reason: ReasonArray,
    mult: float,
) -> None:
    entry = trade_f[trade, ENTRY]
    signed_entry = entry if q > 0 else -entry
    trade_f[trade, EXIT] = px
    trade_f[trade, PNL] = (px - entry) * q * mult - trade_f[trade, FEES_IN] - fee
    trade_f[trade, FEES_OUT] = fee
    trade_f[trade, SLIP_OUT] = slip
    trade_f[trade, MAE] = min((worst - signed_entry) / entry, 0.0)
    trade_f[trade, MFE] = max((best - signed_entry) / entry, 0.0)
    trade_i[trade, EXIT_BAR] = t
    trade_i[trade, EXIT_SEQ] = fill
    trade_reason[trade] = reason


run_scalar = loop(run_scalar_python)


@loop
def all_known(codes: CodeArray) -> bool:
    """Whether every code is one of 1, -1, 0, 2, 3 and -3."""
    strange = False
    for code in codes:
        strange |= (code < CLOSE_SHORT) | (code > CLOSE_LONG) | (code == -HOLD)
    return not strange
