"""Money and fills of the general driver: what an account has, and what an order does to it."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
from numba.extending import register_jitable

from core.engine.desk import CASH, ENTRY_REASON, LEAST_PREMIUM, SPLIT, Desk, Extra, Out
from core.engine.kernels import (
    AT_CLOSE,
    BLOCKED,
    DAY_ENTRIES,
    DROPPED_LOT,
    ENTRIES,
    LIMITED,
    MONEY,
    NO_ENTRY,
    PERCENT,
    REJECTED,
    REJECTIONS,
    RISK_SHARE,
    SCALED,
    SCALED_CASH,
    SESSION_LAST,
    UNSIZED,
    VOLUME_CAPPED,
    Charges,
    down,
    fee_of,
    fitted,
    is_limited,
    level_of,
    raw_size,
    remember,
    worse,
)


@register_jitable
def premium_of(extra: Extra, entry: float, px: float, side: float) -> float:
    """Premium of an option entered at index price `entry`, with the index at `px` (R18)."""
    first = 0.4 * entry * extra.volatility * extra.root_years
    return max(first + extra.delta * side * (px - entry), LEAST_PREMIUM)


@register_jitable
def first_premium(extra: Extra, px: float) -> float:
    """Premium at an opening (R18)."""
    return 0.4 * px * extra.volatility * extra.root_years


@register_jitable(forceinline=True)
def at_open(desk: Desk, t: int, s: int) -> float:
    """Open of a symbol with a bar, else its last close."""
    px: float = desk.rows.grid[t, s].o
    return px if px == px else float(desk.rows.grid[t, s].mark)


@register_jitable(forceinline=True)
def price_at(desk: Desk, t: int, s: int, closing: bool) -> float:
    """Price a symbol is valued at in steps 0 to 4, or from step 6 on."""
    return float(desk.rows.grid[t, s].mark) if closing else at_open(desk, t, s)


@register_jitable(forceinline=True)
def equity_at(desk: Desk, t: int, closing: bool) -> float:
    """Cash and positions, added in order of symbols."""
    total = float(desk.account[CASH])
    book = desk.book
    for s in range(len(book)):
        if book[s].q != 0.0:
            value = book[s].q * price_at(desk, t, s, closing) * desk.charges.multiplier
            total = total + value * book[s].fx
    return total


@register_jitable
def free_at(desk: Desk, t: int, closing: bool) -> float:
    """Cash that entries may take (R9)."""
    free = equity_at(desk, t, closing)
    book = desk.book
    for s in range(len(book)):
        if book[s].q != 0.0:
            px = price_at(desk, t, s, closing)
            if desk.extra.delta > 0.0:
                side = 1.0 if book[s].q > 0 else -1.0
                px = premium_of(desk.extra, book[s].entry, px, side)
                free = free - abs(book[s].q) * px * desk.levy.multiplier
            else:
                value = abs(book[s].q) * px * desk.charges.multiplier * book[s].fx
                free = free - value * desk.cfg.margin
    return free


@register_jitable
def whole(raw: float, lot: float) -> float:
    """Whole lots of an unsigned quantity, rounded toward zero; 0 where it is negative."""
    if lot > 0.0 and raw < inf:
        raw = down(raw / lot + 1e-9) * lot
    return max(raw, 0.0)


@register_jitable
def filled(desk: Desk, t: int, s: int, ref: float, direction: float, size: float) -> float:
    """Price of a market or stop fill of `size` units, impact included (R4)."""
    if not desk.extra.moves_prices:
        return worse(ref, direction, desk.charges)
    more = ref * desk.rows.grid[t, s].impact * sqrt(size)
    share_cost = 0.0
    if desk.extra.share_impact > 0.0:
        volume = desk.rows.grid[t, s].v
        share = min(size / volume, 0.025) if volume > 0.0 else 0.025
        share_cost = ref * desk.extra.share_impact * (share * share)
    return moved_by(desk.charges, slip_of(desk, t, s), ref, direction, more, share_cost)


@register_jitable
def slip_of(desk: Desk, t: int, s: int) -> float:
    """Points of slippage by the range of the bars before (R4)."""
    slips = desk.rows.slips
    return float(slips.value[t * slips.step, s * slips.step])


@register_jitable(forceinline=True)
def before_impact(desk: Desk, t: int, s: int, ref: float, direction: float) -> float:
    """Price of a market or stop fill of hardly anything (R4)."""
    if not desk.extra.moves_prices:
        return worse(ref, direction, desk.charges)
    return moved_by(desk.charges, slip_of(desk, t, s), ref, direction, 0.0, 0.0)


@register_jitable
def moved_by(
    charges: Charges, slip: float, ref: float, direction: float, more: float, share_cost: float
) -> float:
    """Price of a fill that also pays what prices moved of late, and two parts of impact."""
    tick = charges.tick
    if direction > 0:
        px = ref * (1.0 + charges.slip) + charges.slip_points + slip + more + share_cost
        if tick > 0:
            px = float(np.ceil(px / tick - 1e-9)) * tick
    else:
        px = ref * (1.0 - charges.slip) - charges.slip_points - slip - more - share_cost
        px = max(px, 0.0)
        if tick > 0:
            px = down(px / tick + 1e-9) * tick
    return float(px)


@register_jitable
def record(
    out: Out, t: int, s: int, quantity: float, px: float, fee: float, slip: float, reason: int,
    fx: float,
) -> None:  # fmt: skip
    """Append to the fill table."""
    n = out.counts[1]
    out.fills[n].quantity = quantity
    out.fills[n].price = px
    out.fills[n].fee = fee
    out.fills[n].slippage = slip
    out.fills[n].row = t
    out.fills[n].symbol = s
    out.fills[n].reason = reason
    out.fills[n].fx = fx
    out.counts[1] = n + 1


@register_jitable
def sell_down(
    desk: Desk, t: int, s: int, size: float, ref: float, at_limit: bool, reason: int
) -> None:
    """Close `size` units of a position, all or some, at the price that `ref` becomes."""
    book, out, charges = desk.book, desk.out, desk.charges
    q = book[s].q
    side = 1.0 if q > 0 else -1.0
    px = ref if at_limit else filled(desk, t, s, ref, -side, size)
    is_whole = size == abs(q)
    dq = q if is_whole else side * size
    trade = book[s].trade
    entry, fx = book[s].entry, book[s].fx
    if desk.extra.delta > 0.0:
        fee = fee_of(size, premium_of(desk.extra, entry, px, side), t, -side, desk.levy)
    else:
        fee = fee_of(size, px, t, -side, charges)
    if is_whole:
        fee = fee + charges.per_trade
    if reason == SPLIT:
        fee = 0.0
    fee = fee * fx
    account = desk.account
    account[CASH] = account[CASH] - -dq * px * charges.multiplier * fx
    account[CASH] = account[CASH] - fee
    slip = abs(px - ref) * size * charges.multiplier * fx
    record(out, t, s, -dq, px, fee, slip, reason, fx)
    row = out.trades[trade]
    gone = row.left
    row.exit = px if gone == 0.0 else (row.exit * gone + px * size) / (gone + size)
    row.left = gone + size
    row.gross = row.gross + (px * fx - book[s].paid) * dq * charges.multiplier
    row.fees_out = row.fees_out + fee
    row.slip_out = row.slip_out + slip
    book[s].room = book[s].room - size
    if not is_whole:
        book[s].q = q - dq
        return
    signed = side * entry
    row.pnl = row.gross - row.fees_in - row.fees_out
    row.mae = min((min(book[s].worst_seen, side * px) - signed) / entry, 0.0)
    row.mfe = max((book[s].best_seen - signed) / entry, 0.0)
    row.exit_row = t
    row.reason = reason
    book[s].q = 0.0
    book[s].left_over = 0
    book[s].cut = nan
    points = row.exit - row.entry if side > 0 else row.entry - row.exit
    remember(desk.limits, row.pnl, points, desk.rows.grid[t, s].number, s)


@register_jitable
def leave(
    desk: Desk, t: int, s: int, ref: float, at_limit: bool, reason: int, insists: bool
) -> None:
    """Leave a position as far as volume allows (R10); who insists goes on at the next open."""
    book = desk.book
    size = abs(book[s].q)
    room = whole(book[s].room, desk.cfg.lot)
    if size > room:
        size = room
        if insists:
            book[s].left_over = reason
    if size > 0.0:
        sell_down(desk, t, s, size, ref, at_limit, reason)


@register_jitable
def splits_since(desk: Desk, row: int, t: int, s: int) -> float:
    """By what a price of an earlier row is divided to be on the terms of row `t` (R15)."""
    terms = desk.rows.terms
    at = s * terms.step
    return float(terms.value[t * terms.step, at] / terms.value[row * terms.step, at])


@register_jitable
def fx_at_close(desk: Desk, row: int, s: int) -> float:
    """Rate at the close of a row (R17)."""
    rates = desk.rows.fx_close
    return float(rates.value[row * rates.step, s * rates.step])


@register_jitable
def guard(
    desk: Desk, t: int, row: int, s: int, px: float, side: float
) -> tuple[float, float, float]:
    """Signed stop and target of an entry at `px`, and its trailing distance (NaN: none)."""
    ratio = splits_since(desk, row, t, s)
    stops, targets, trails = desk.guards.stop, desk.guards.target, desk.guards.trail
    stop, target = -inf, inf
    value = stops.value[row * stops.step, s * stops.step]
    if value == value:
        if desk.book[s].stop_unit != PERCENT:
            value = value / ratio
        stop = level_of(value, desk.book[s].stop_unit, px, side, -1.0)
    value = targets.value[row * targets.step, s * targets.step]
    if value == value:
        if desk.book[s].target_unit != PERCENT:
            value = value / ratio
        target = level_of(value, desk.book[s].target_unit, px, side, 1.0)
    trail = trails.value[row * trails.step, s * trails.step]
    if trail == trail:
        if desk.book[s].trail_unit != PERCENT:
            trail = trail / ratio
        stop = max(stop, level_of(trail, desk.book[s].trail_unit, px, side, -1.0))
    return stop, target, trail


@register_jitable
def buy(
    desk: Desk, t: int, s: int, row: int, side: float, size: float, ref: float, manner: int,
    at_limit: bool,
) -> bool:  # fmt: skip
    """Open or add `size` units at what `ref` becomes; False if volume or a level forbids it."""
    book, out, charges = desk.book, desk.out, desk.charges
    counters = out.counters
    px = ref if at_limit else filled(desk, t, s, ref, side, size)
    held, fx = abs(book[s].q), book[s].fx
    average = px if held == 0.0 else (book[s].entry * held + px * size) / (held + size)
    stop, target, trail = guard(desk, t, row, s, average, side)
    if held > 0.0 and book[s].trail == book[s].trail:
        stop = max(stop, book[s].stop)
    if not (px > 0.0 and stop < side * px and target > side * px):
        counters[REJECTIONS] += 1
        return False
    if desk.extra.delta > 0.0:
        premium = first_premium(desk.extra, px)
        if held > 0.0:
            premium = premium_of(desk.extra, book[s].entry, px, side)
        fee = fee_of(size, premium, t, side, desk.levy)
    else:
        fee = fee_of(size, px, t, side, charges)
    fee = fee * fx
    account = desk.account
    dq = side * size
    account[CASH] = account[CASH] - dq * px * charges.multiplier * fx
    account[CASH] = account[CASH] - fee
    slip = abs(px - ref) * size * charges.multiplier * fx
    record(out, t, s, dq, px, fee, slip, ENTRY_REASON, fx)
    book[s].room = book[s].room - size
    risk = abs(px - side * stop) * size * charges.multiplier * fx if stop > -inf else nan
    if held == 0.0:
        counters[ENTRIES] += 1
        desk.limits.day[DAY_ENTRIES] += 1.0
        trade = out.counts[0]
        out.counts[0] = trade + 1
        book[s].trade = trade
        new = out.trades[trade]
        new.gross = new.left = new.fees_out = new.slip_out = 0.0
        new.quantity = dq
        new.entry = px
        new.paid = px * fx
        book[s].paid = px * fx
        new.fees_in = fee
        new.slip_in = slip
        new.risk = risk
        new.entry_row = t
        new.exit_row = -1
        new.symbol = s
        new.reason = 0
        new.ambiguous = 0
        book[s].since = desk.rows.grid[t, s].number
        book[s].opened = manner
        book[s].adds = 0
        book[s].left_over = 0
        book[s].cut = nan
        book[s].best = side * px
        book[s].worst_seen = inf
        book[s].best_seen = -inf
        book[s].trailed = 0
        book[s].last_mark = px
        book[s].last_day = desk.rows.grid[t, s].session
    else:
        held_row = out.trades[book[s].trade]
        bought = abs(held_row.quantity)
        held_row.entry = (held_row.entry * bought + px * size) / (bought + size)
        held_row.paid = (held_row.paid * bought + px * fx * size) / (bought + size)
        book[s].paid = (book[s].paid * held + px * fx * size) / (held + size)
        held_row.quantity = held_row.quantity + dq
        held_row.fees_in = held_row.fees_in + fee
        held_row.slip_in = held_row.slip_in + slip
        held_row.risk = held_row.risk + risk
        book[s].adds += 1
    book[s].entry = average
    book[s].q = book[s].q + dq
    book[s].stop = stop
    book[s].target = target
    book[s].trigger = np.nextafter(target, -inf) if desk.cfg.touch else target
    book[s].trail = trail
    return True


@register_jitable
def enter(
    desk: Desk, t: int, s: int, row: int, side: float, ref: float, manner: int, at_limit: bool
) -> bool:
    """Enter by a side code: levels, size (R3), cash (R9), volume (R10), in this order."""
    book, cfg, charges, extra = desk.book, desk.cfg, desk.charges, desk.extra
    counters = desk.out.counters
    closing = manner == AT_CLOSE
    px = ref if at_limit else before_impact(desk, t, s, ref, side)
    held = abs(book[s].q)
    stop, target, _ = guard(desk, t, row, s, px, side)
    if held == 0.0 and not (px > 0.0 and stop < side * px and target > side * px):
        counters[REJECTIONS] += 1
        return False
    raw = asked(desk, t, s, row, side, px, closing)
    if raw != raw:
        counters[UNSIZED] += 1
        return False
    raw = whole(raw, cfg.lot)
    if not raw > 0.0:
        counters[DROPPED_LOT] += 1
        return False
    raw = capped(desk, s, raw)
    if not raw > 0.0:
        return False
    free = free_at(desk, t, closing) / book[s].fx
    if extra.delta > 0.0:
        premium = first_premium(extra, px)
        if held > 0.0:
            premium = premium_of(extra, book[s].entry, px, side)
        margin = 1.0 if cfg.margin > 0.0 else 0.0
        size, outcome = fitted(raw, premium, margin, free, t, side, cfg, desk.levy)
    else:
        size, outcome = fitted(raw, px, cfg.margin, free, t, side, cfg, charges)
    if outcome >= REJECTED:
        counters[REJECTIONS] += 1
        return False
    if not buy(desk, t, s, row, side, size, ref, manner, at_limit):
        return False
    if outcome == SCALED:
        counters[SCALED_CASH] += 1
    return True


@register_jitable
def asked(desk: Desk, t: int, s: int, row: int, side: float, px: float, closing: bool) -> float:
    """Quantity an entry asks for, before lots and cash (R3); NaN where it cannot be told."""
    sizes, at = desk.sizes, px
    aim = at
    if desk.cfg.size_at_fill:
        fx = desk.book[s].fx
        equity = equity_at(desk, t, closing)
    else:
        fx = fx_at_close(desk, row, s)
        equity = equity_at(desk, t, True) if closing and row == t else desk.equity[row]
        ratio = splits_since(desk, row, t, s)
        at = desk.rows.grid[row, s].c / ratio
        aim = at
        if len(desk.wanted.entry_px) > 0:
            level = desk.wanted.entry_px[row, s]
            if level == level:
                aim = level / ratio
    size = sizes.value.value[row * sizes.value.step, s * sizes.value.step]
    if size != size:
        size = sizes.own
    if sizes.kind == MONEY:
        size = size / fx
    distance = nan
    if sizes.kind == RISK_SHARE:
        stop, _, _ = guard(desk, t, row, s, aim, side)
        distance = side * aim - stop
    step = sizes.volatility.step
    volatility = sizes.volatility.value[row * step, s * step]
    return float(
        raw_size(sizes.kind, size, equity / fx, at, distance, volatility, desk.charges.multiplier)
    )


@register_jitable
def capped(desk: Desk, s: int, size: float) -> float:
    """What volume leaves of an entry (R10)."""
    room = whole(desk.book[s].room, desk.cfg.lot)
    if size > room:
        desk.out.counters[VOLUME_CAPPED] += 1
        return room
    return size


@register_jitable
def may_not_enter(desk: Desk, t: int, s: int, side: float, halted: bool, closing: bool) -> bool:
    """Count and refuse an entry that the session or the day forbids (R9, R13, R14, R20)."""
    cfg, counters = desk.cfg, desk.out.counters
    flag = desk.rows.grid[t, s].day_flags
    if side < 0 and desk.book[s].shorts == 0:
        counters[REJECTIONS] += 1
        return True
    ends = closing and cfg.intraday and flag & SESSION_LAST
    if flag & NO_ENTRY or ends or (closing and desk.book[s].stopped_out != 0):
        counters[BLOCKED] += 1
        return True
    if is_limited(desk.limits, halted, desk.rows.grid[t, s].number, s):
        counters[LIMITED] += 1
        return True
    return False
