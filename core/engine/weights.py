"""Moving positions to weights: reductions one by one, increases all at once (R9, R21)."""

from __future__ import annotations

from math import nan

from numba.extending import register_jitable

from core.engine.dealing import (
    before_impact,
    buy,
    capped,
    equity_at,
    first_premium,
    free_at,
    fx_at_close,
    guard,
    leave,
    may_not_enter,
    premium_of,
    price_at,
    sell_down,
    splits_since,
    whole,
)
from core.engine.desk import MOST_ROUNDS, Desk
from core.engine.kernels import (
    AT_CLOSE,
    AT_OPEN,
    DAY_ENTRIES,
    DROPPED_LOT,
    EXIT_SIGNAL,
    EXPIRED,
    NEVER,
    REBALANCE,
    REJECTIONS,
    REVERSE,
    SCALED_CASH,
    fee_of,
)


@register_jitable
def take_weights(desk: Desk, r: int) -> None:
    """Make row `r` of the weights pending, with the symbols' last closes."""
    book = desk.book
    for s in range(len(book)):
        weight = desk.wanted.weights[r, s]
        last = desk.rows.grid[r, s].mark
        if weight == weight and last == last:
            book[s].weight = weight
            book[s].weight_row = r
            book[s].weight_price = last
            book[s].acted = book[s].refused = 0


@register_jitable
def wish_of(desk: Desk, t: int, s: int, closing: bool) -> float:
    """Signed quantity that a pending weight wants; NaN if what is held is near enough."""
    book, cfg = desk.book, desk.cfg
    weight, q = book[s].weight, book[s].q
    if weight < 0.0 and book[s].shorts == 0:
        if book[s].refused == 0:
            desk.out.counters[REJECTIONS] += 1
        book[s].refused = 1
        return 0.0
    if weight == 0.0:
        return 0.0
    px = book[s].weight_price / splits_since(desk, book[s].weight_row, t, s)
    if cfg.size_at_fill:
        equity = equity_at(desk, t, closing) / book[s].fx
        px = price_at(desk, t, s, closing)
    else:
        row = book[s].weight_row
        equity = equity_at(desk, t, True) if row == t else desk.equity[row]
        equity = equity / fx_at_close(desk, row, s)
    if equity <= 0.0:
        return 0.0
    mult = desk.charges.multiplier
    if desk.extra.band > 0.0 and abs(weight - q * px * mult / equity) <= desk.extra.band:
        return nan
    size = whole(abs(weight * equity / (px * mult)), cfg.lot)
    return size if weight > 0.0 else -size


@register_jitable
def drops_out(desk: Desk, s: int, wish: float) -> bool:
    """Whether a pending weight of a flat symbol opens nothing; counts less than a lot."""
    book = desk.book
    if wish != 0.0:
        return False
    if book[s].weight != 0.0 and book[s].refused == 0:
        desk.out.counters[DROPPED_LOT] += 1
    book[s].weight = nan
    return True


@register_jitable
def lower_to_weight(desk: Desk, t: int, s: int, closing: bool) -> None:
    """Do what a pending weight asks for but increases; note in `rises` whether it may want one."""
    book, cfg = desk.book, desk.cfg
    book[s].rises = 0
    weight = book[s].weight
    if weight != weight or book[s].left_over != 0:
        return
    since = desk.rows.grid[book[s].weight_row, s].session
    if since == NEVER:  # absent there
        since = desk.rows.day[book[s].weight_row]
    if cfg.intraday and since < desk.rows.grid[t, s].session:
        if weight != 0.0:
            desk.out.counters[EXPIRED] += 1
        book[s].weight = nan
        return
    wish, q = wish_of(desk, t, s, closing), book[s].q
    book[s].acted = 1
    if wish != wish:
        book[s].weight = nan
        return
    if q == 0.0:
        book[s].rises = not drops_out(desk, s, wish)
        return
    ref = price_at(desk, t, s, closing)
    if wish * q < 0.0:
        leave(desk, t, s, ref, False, REVERSE, False)
        book[s].rises = book[s].q == 0.0
    elif abs(wish) < abs(q):
        size = abs(q) - abs(wish) if wish != 0.0 else abs(q)
        room = whole(book[s].room, cfg.lot)
        if size <= room:
            book[s].weight = nan
        size = min(size, room)
        if size > 0.0:
            sell_down(desk, t, s, size, ref, False, REBALANCE if wish != 0.0 else EXIT_SIGNAL)
    else:
        book[s].rises = 1


@register_jitable
def need_for_weight(desk: Desk, t: int, s: int) -> float:
    """Cash that an increase by `trial` takes, in the account's currency (R9)."""
    extra, book = desk.extra, desk.book
    size, px = book[s].trial, book[s].price
    side = 1.0 if book[s].wish > 0.0 else -1.0
    if extra.delta > 0.0:
        premium = first_premium(extra, px)
        if book[s].q != 0.0:
            premium = premium_of(extra, book[s].entry, px, side)
        value = size * premium * desk.levy.multiplier
        return float(value + fee_of(size, premium, t, side, desk.levy))
    value = size * px * desk.charges.multiplier * desk.cfg.margin
    return float((value + fee_of(size, px, t, side, desk.charges)) * book[s].fx)


@register_jitable
def wants_more(
    desk: Desk, t: int, s: int, halted: bool, openings: int, closing: bool
) -> tuple[float, float]:
    """Signed increase a pending weight asks for, after refusals and volume, and its price.

    0 if there is none; what volume cut off stays pending.
    """
    book, counters = desk.book, desk.out.counters
    wish, q = wish_of(desk, t, s, closing), book[s].q
    if wish != wish or (q == 0.0 and drops_out(desk, s, wish)) or abs(wish) <= abs(q):
        book[s].weight = nan
        return 0.0, 0.0
    side = 1.0 if wish > 0.0 else -1.0
    px = before_impact(desk, t, s, price_at(desk, t, s, closing), side)
    desk.limits.day[DAY_ENTRIES] += openings
    refused = may_not_enter(desk, t, s, side, halted, closing)
    desk.limits.day[DAY_ENTRIES] -= openings
    if not refused:
        stop, target, _ = guard(desk, t, book[s].weight_row, s, px, side)
        is_void = stop >= side * px or target <= side * px
        if not px > 0.0 or (q == 0.0 and is_void):
            counters[REJECTIONS] += 1
            refused = True
    if refused:
        book[s].weight = nan
        return 0.0, 0.0
    full = abs(wish) - abs(q)
    size = capped(desk, s, full)
    if size == full:
        book[s].is_done = 1
    return side * size, px


@register_jitable
def raise_to_weights(desk: Desk, t: int, halted: bool, closing: bool) -> None:
    """Buy what weights want more of; all increases share the free cash by one factor (R9)."""
    book, cfg, counters = desk.book, desk.cfg, desk.out.counters
    symbols = len(book)
    wanted, openings = 0, 0
    total = 0.0
    for s in range(symbols):
        book[s].wish = 0.0
        if book[s].rises == 0 or book[s].weight != book[s].weight:
            continue
        book[s].rises = 0
        book[s].is_done = 0
        book[s].wish, book[s].price = wants_more(desk, t, s, halted, openings, closing)
        if book[s].wish == 0.0:
            continue
        wanted += 1
        openings += book[s].q == 0.0
        book[s].trial = abs(book[s].wish)
        total = total + need_for_weight(desk, t, s)
    if wanted == 0:
        return
    if cfg.margin > 0.0:
        share(desk, t, total, closing)
    for s in range(symbols):
        wish = book[s].wish
        if wish == 0.0:
            continue
        size = book[s].trial
        if not size > 0.0:
            counters[REJECTIONS] += 1
        else:
            side = 1.0 if wish > 0.0 else -1.0
            ref = price_at(desk, t, s, closing)
            manner = AT_CLOSE if closing else AT_OPEN
            bought = buy(desk, t, s, book[s].weight_row, side, size, ref, manner, False)
            if bought and size < abs(wish):
                counters[SCALED_CASH] += 1
        if book[s].is_done != 0:
            book[s].weight = nan


@register_jitable
def share(desk: Desk, t: int, total: float, closing: bool) -> None:
    """Shrink increases by one factor until `total`, the cash they need, is there (R9)."""
    book, cfg = desk.book, desk.cfg
    free = free_at(desk, t, closing)
    factor = 1.0
    rounds = 0
    while total > (free if cfg.reject else free * (1.0 + 1e-12)):
        rounds += 1
        factor = factor * free / total
        if rounds > MOST_ROUNDS or cfg.reject or factor <= 0.0:
            factor = 0.0
        total = 0.0
        bought = False
        for s in range(len(book)):
            if book[s].wish != 0.0:
                book[s].trial = whole(abs(book[s].wish) * factor, cfg.lot) if factor > 0.0 else 0.0
                if book[s].trial > 0.0:
                    bought = True
                    total = total + need_for_weight(desk, t, s)
        if not bought:
            break
