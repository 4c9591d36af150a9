"""The steps of a bar for one symbol of an account, in the order of docs/engine_rules.md."""

from __future__ import annotations

from math import inf, nan

import numpy as np
from numba.extending import register_jitable

from core.engine.dealing import enter, leave, may_not_enter, sell_down, splits_since, whole
from core.engine.desk import (
    BORROW,
    CARRY,
    CASH,
    CONFLICTS,
    DETAIL_CONFLICTS,
    DETAIL_MISSING,
    DIVIDENDS,
    ENTRY_LIMIT,
    FUNDING,
    INTEREST,
    MISSED_LIMITS,
    MISSING,
    SPLIT,
    TARGET_LIMIT,
    Desk,
)
from core.engine.kernels import (
    AMBIGUOUS,
    AT_CLOSE,
    AT_OPEN,
    BEFORE,
    BLOCKED,
    BY_LIMIT,
    BY_STOP,
    CLOSE_LONG,
    EXIT_SIGNAL,
    EXPIRED,
    FLAT,
    HOLD,
    LONG,
    MARGIN,
    MAX_BARS,
    NO_ENTRY,
    PERCENT,
    REJECTIONS,
    REVERSE,
    SESSION_LAST,
    SHORT,
    SQUARE_OFF,
    SQUARE_OFF_DUE,
    STOP,
    STOP_GAP,
    TARGET,
    TARGET_GAP,
    TRAIL,
)


@register_jitable
def choose_row(desk: Desk, t: int, s: int) -> None:
    """Find the acting row of a symbol and what is left of its intent (R2, R20)."""
    book, cfg, rows, counters = desk.book, desk.cfg, desk.rows, desk.out.counters
    n = rows.grid[t, s].number
    row, code = -1, HOLD
    rests = lives_on = False
    if n - 1 - cfg.delay >= 0:
        row = rows.row_of[n - 1 - cfg.delay, s]
        code = int(desk.wanted.codes[row, s])
        if code == HOLD:
            if book[s].pending >= 0:
                row = book[s].pending
                code = int(desk.wanted.codes[row, s])
        elif book[s].pending >= 0:
            counters[EXPIRED] += 1
        book[s].pending = -1
        is_entry = code == LONG or code == SHORT
        if is_entry and len(desk.wanted.entry_px) > 0:
            px = desk.wanted.entry_px[row, s]
            rests = px == px
            lives_on = rests and n < rows.grid[row, s].number + cfg.delay + book[s].ttl
            if cfg.intraday and rows.grid[t, s].day_flags & SESSION_LAST:
                lives_on = False
        if cfg.fill_at_close and not rests:
            code = HOLD
        elif cfg.intraday and code != HOLD and rows.grid[row, s].session != rows.grid[t, s].session:
            counters[EXPIRED] += is_entry
            code = HOLD
        elif rests and code == SHORT and book[s].shorts == 0:
            counters[REJECTIONS] += 1
            code = HOLD
        elif rests and rows.grid[t, s].day_flags & NO_ENTRY:
            counters[BLOCKED] += 1
            code = HOLD
    book[s].row, book[s].code = row, code
    book[s].rests, book[s].lives_on = rests, lives_on


@register_jitable
def pay_dividend(desk: Desk, s: int, dividend: float) -> None:
    """Step 0: what is held from before receives or pays it (R15)."""
    if desk.extra.delta > 0.0:
        return
    paid = desk.book[s].q * dividend * desk.charges.multiplier * desk.book[s].fx
    desk.account[CASH] = desk.account[CASH] + paid
    desk.account[DIVIDENDS] = desk.account[DIVIDENDS] + paid
    desk.book[s].accrued = desk.book[s].accrued + paid
    desk.book[s].dividends = desk.book[s].dividends + paid


@register_jitable
def pay_funding(desk: Desk, t: int, s: int, rate: float) -> None:
    """Step 0: what is held from before pays a share of its value at the close before (R17)."""
    if desk.extra.delta > 0.0:
        return
    before = desk.rows.row_of[desk.rows.grid[t, s].number - 1, s]
    last = desk.rows.grid[before, s].c / splits_since(desk, before, t, s)
    paid = desk.book[s].q * last * desk.charges.multiplier * rate * desk.book[s].fx
    desk.account[CASH] = desk.account[CASH] - paid
    desk.account[FUNDING] = desk.account[FUNDING] + paid
    desk.book[s].funding = desk.book[s].funding + paid
    desk.book[s].accrued = desk.book[s].accrued - paid


@register_jitable
def split(desk: Desk, t: int, s: int, ratio: float) -> None:
    """Step 0: put a position on the terms after a split; a fraction of a lot is paid out (R15)."""
    book, lot = desk.book, desk.cfg.lot
    trade = desk.out.trades[book[s].trade]
    trade.quantity = trade.quantity * ratio
    trade.entry = trade.entry / ratio
    trade.paid = trade.paid / ratio
    book[s].paid = book[s].paid / ratio
    if trade.left > 0.0:
        trade.left = trade.left * ratio
        trade.exit = trade.exit / ratio
    book[s].entry = book[s].entry / ratio
    book[s].stop = book[s].stop / ratio
    book[s].target = book[s].target / ratio
    target = book[s].target
    book[s].trigger = np.nextafter(target, -inf) if desk.cfg.touch else target
    if book[s].trail_unit != PERCENT:
        book[s].trail = book[s].trail / ratio
    book[s].best = book[s].best / ratio
    book[s].worst_seen = book[s].worst_seen / ratio
    book[s].best_seen = book[s].best_seen / ratio
    book[s].last_mark = book[s].last_mark / ratio
    side = 1.0 if book[s].q > 0 else -1.0
    units = abs(book[s].q) * ratio
    kept = whole(units, lot)
    rest = units - kept
    if kept == 0.0 or rest > 1e-9 * lot:
        book[s].q = side * units
        sell_down(desk, t, s, rest, desk.rows.grid[t, s].o, True, SPLIT)
    if book[s].q != 0.0:
        book[s].q = side * kept


@register_jitable
def roll_session(desk: Desk, t: int, s: int) -> None:
    """Step 0: borrow for the days since the last session (R11)."""
    book, rows = desk.book, desk.rows
    n = rows.grid[t, s].number
    if n == 0 or not book[s].q < 0.0 or book[s].borrow_rate == 0.0:
        return
    days = rows.grid[t, s].session - rows.grid[rows.row_of[n - 1, s], s].session
    if days > 0:
        before = rows.row_of[n - 1, s]
        last = rows.grid[before, s].c / splits_since(desk, before, t, s)
        value = abs(book[s].q) * last * desk.charges.multiplier
        paid = value * book[s].borrow_rate * days / 360 * book[s].fx
        desk.account[CASH] = desk.account[CASH] - paid
        desk.account[BORROW] = desk.account[BORROW] + paid
        book[s].accrued = book[s].accrued - paid
        book[s].borrow = book[s].borrow + paid


@register_jitable
def pay_interest(desk: Desk, t: int) -> None:
    """Step 0 of an account: interest for the days since its last session (R11)."""
    book, rows = desk.book, desk.rows
    own = float(desk.account[CASH])
    for s in range(len(book)):
        if book[s].q < 0.0:
            value = abs(book[s].q) * rows.grid[t - 1, s].mark * desk.charges.multiplier
            own = own - value * book[s].fx
    days = rows.day[t] - rows.day[t - 1]
    paid = own * (desk.extra.cash_rate if own > 0.0 else desk.extra.margin_rate) * days / 360
    desk.account[CASH] = desk.account[CASH] + paid
    desk.account[INTEREST] = desk.account[INTEREST] + paid


@register_jitable
def gap_exit(desk: Desk, t: int, s: int) -> None:
    """Step 1."""
    book = desk.book
    if desk.cfg.at_close:
        return
    opened = desk.rows.grid[t, s].o
    at = opened if book[s].q > 0 else -opened
    if at <= book[s].stop:
        leave_by_level(desk, t, s, opened, False, STOP_GAP)
    elif at > book[s].trigger:
        leave_by_level(desk, t, s, opened, True, TARGET_GAP)


@register_jitable
def leave_by_level(desk: Desk, t: int, s: int, ref: float, at_limit: bool, reason: int) -> None:
    """Leave by protection; a weight that has acted asks no more (R21)."""
    if desk.book[s].acted != 0:
        desk.book[s].weight = nan
    leave(desk, t, s, ref, at_limit, reason, True)


@register_jitable
def exit_at_open(desk: Desk, t: int, s: int, halt_reason: int) -> None:
    """Step 2 of one symbol: what must go, then what the signal wants gone."""
    book, cfg, rows = desk.book, desk.cfg, desk.rows
    opened = rows.grid[t, s].o
    cut = book[s].cut
    if cut == cut:
        book[s].cut = nan
        size = abs(book[s].q)
        keep = whole(size * cut, cfg.lot) if cut > 0.0 else 0.0
        if cut < 1.0 and keep < size:
            sell_down(desk, t, s, size - keep if keep > 0.0 else size, opened, False, MARGIN)
            if book[s].q == 0.0:
                return
    if book[s].left_over != 0:
        leave(desk, t, s, opened, False, book[s].left_over, True)
    if halt_reason != 0 and book[s].q != 0.0:
        leave(desk, t, s, opened, False, halt_reason, True)
    if book[s].q != 0.0 and not cfg.fill_at_close and is_square_off_time(desk, t, s):
        leave(desk, t, s, opened, False, SQUARE_OFF, True)
    held_for = rows.grid[t, s].number - book[s].since
    if book[s].q != 0.0 and 0 < book[s].max_bars <= held_for:
        leave(desk, t, s, opened, False, MAX_BARS, True)
    if book[s].q != 0.0 and book[s].rests == 0:
        obey(desk, t, s, opened)


@register_jitable
def is_square_off_time(desk: Desk, t: int, s: int) -> bool:
    """Whether positions must go in this bar (R13)."""
    return desk.cfg.intraday and desk.rows.grid[t, s].day_flags & SQUARE_OFF_DUE != 0


@register_jitable
def obey(desk: Desk, t: int, s: int, ref: float) -> None:
    """Leave a position that the acting row wants gone."""
    code = desk.book[s].code
    way = 1 if desk.book[s].q > 0 else -1
    if code == FLAT or code == CLOSE_LONG * way:
        leave(desk, t, s, ref, False, EXIT_SIGNAL, False)
    elif code == -way:
        leave(desk, t, s, ref, False, REVERSE, False)


@register_jitable
def by_priority(desk: Desk) -> int:
    """Put the symbols with an entry in order of priority, then of place; give their number."""
    book, priority = desk.book, desk.wanted.priority
    count = 0
    for s in range(len(book)):
        if book[s].code != LONG and book[s].code != SHORT:
            continue
        place = count
        if len(priority) > 0:
            mine = priority[book[s].row, s]
            while place > 0:
                other = book[place - 1].order
                if not mine < priority[book[other].row, other]:
                    break
                book[place].order = other
                place -= 1
        book[place].order = s
        count += 1
    return count


@register_jitable
def enter_at_open(desk: Desk, t: int, s: int, halted: bool) -> None:
    """Step 3 of one symbol with an entry code; a resting order may be left to step 4."""
    book, cfg = desk.book, desk.cfg
    code, row = book[s].code, book[s].row
    side = float(code)
    opened = desk.rows.grid[t, s].o
    if book[s].q != 0.0:
        way = 1 if book[s].q > 0 else -1
        if book[s].rests != 0:
            if code == way:
                return
            if book[s].lives_on != 0:
                book[s].pending = row
            else:
                desk.out.counters[EXPIRED] += 1
        elif code == way:
            add(desk, t, s, row, side, opened, halted, AT_OPEN)
        return
    if book[s].rests == 0:
        if not may_not_enter(desk, t, s, side, halted, False):
            enter(desk, t, s, row, side, opened, AT_OPEN, False)
        return
    level = desk.wanted.entry_px[row, s] / splits_since(desk, row, t, s)
    at, ref = side * opened, side * level
    is_stop = book[s].entry_is_stop
    fills = at >= ref if is_stop else at < ref or (cfg.touch and at <= ref)
    if not fills:
        book[s].waits = 1
    elif not may_not_enter(desk, t, s, side, halted, False):
        enter(desk, t, s, row, side, opened, AT_OPEN, not is_stop)


@register_jitable
def add(
    desk: Desk, t: int, s: int, row: int, side: float, ref: float, halted: bool, manner: int
) -> None:
    """Add to a position (R21)."""
    book = desk.book
    if book[s].adds >= desk.extra.pyramid or book[s].left_over != 0:
        return
    if may_not_enter(desk, t, s, side, halted, manner == AT_CLOSE):
        return
    enter(desk, t, s, row, side, ref, manner, False)


@register_jitable(forceinline=True)
def is_missed(desk: Desk, t: int, s: int, limit: int) -> bool:
    """Whether a limit that prices reach inside this bar does not fill in it (R5)."""
    misses = desk.rows.misses
    return bool(misses.value[t * misses.step, s * misses.step, limit])


@register_jitable
def enter_at_level(desk: Desk, t: int, s: int, halted: bool) -> None:
    """Step 4 of one symbol whose order rests."""
    book, cfg = desk.book, desk.cfg
    row = book[s].row
    side = float(book[s].code)
    level = desk.wanted.entry_px[row, s] / splits_since(desk, row, t, s)
    cell = desk.rows.grid[t, s]
    is_stop = book[s].entry_is_stop != 0
    px = level
    if desk.extra.detail and has_detail(desk, t, s):
        fills, px = met_in_detail(desk, t, s, side, level, is_stop)
    else:
        fills = is_met(cell.l if is_stop == (side < 0) else cell.h, side, level, is_stop, cfg.touch)
    if fills and not is_stop and is_missed(desk, t, s, ENTRY_LIMIT):
        desk.out.counters[MISSED_LIMITS] += 1
        fills = False
    if not fills:
        if book[s].lives_on != 0:
            book[s].pending = row
        else:
            desk.out.counters[EXPIRED] += 1
    elif not may_not_enter(desk, t, s, side, halted, False):
        enter(desk, t, s, row, side, px, BY_STOP if is_stop else BY_LIMIT, not is_stop)


@register_jitable(forceinline=True)
def is_met(px: float, side: float, level: float, is_stop: bool, touch: bool) -> bool:
    """Whether a price fills a resting order (R5)."""
    at, ref = side * px, side * level
    if is_stop:
        return at >= ref
    return at < ref or (touch and at <= ref)


@register_jitable
def has_detail(desk: Desk, t: int, s: int) -> bool:
    """Whether finer bars fit this bar; where they do not, it is counted (R6)."""
    state = desk.rows.fine.span[t, s, 0]
    if state == MISSING:
        desk.out.counters[DETAIL_MISSING] += 1
    elif state == CONFLICTS:
        desk.out.counters[DETAIL_CONFLICTS] += 1
    return bool(state >= 0)


@register_jitable
def met_in_detail(
    desk: Desk, t: int, s: int, side: float, level: float, is_stop: bool
) -> tuple[bool, float]:
    """Find the finer bar in which a resting order fills, and at what price."""
    book, fine, touch = desk.book, desk.rows.fine, desk.cfg.touch
    begin, end = fine.span[t, s, 0], fine.span[t, s, 1]
    for k in range(begin, end):
        # The open of the first one is that of the bar, which step 3 has seen.
        if k > begin and is_met(fine.o[k], side, level, is_stop, touch):
            book[s].fine, book[s].fine_open = k, 1
            return True, fine.o[k]
        if is_met(fine.l[k] if is_stop == (side < 0) else fine.h[k], side, level, is_stop, touch):
            book[s].fine, book[s].fine_open = k, 0
            return True, level
    return False, level


@register_jitable
def protect(desk: Desk, t: int, s: int) -> None:
    """Step 5 of one symbol: stops may, targets must (R6, R7), or along one path."""
    cell = desk.rows.grid[t, s]
    misses = is_missed(desk, t, s, TARGET_LIMIT)
    opened = desk.book[s].opened
    unclear = False
    if desk.extra.path:
        reason, level, missed = walk(desk, t, s, cell.o, cell.l, cell.h, cell.c, opened, misses)
    else:
        reason, level, missed, unclear = judge(desk, s, cell.l, cell.h, cell.c, opened, misses)
    conclude(desk, t, s, reason, level, missed, unclear)


@register_jitable
def protect_in_detail(desk: Desk, t: int, s: int) -> None:
    """Step 5 of one symbol, finer bar by finer bar (R6)."""
    book, fine, opened_at = desk.book, desk.rows.fine, desk.rows.grid[t, s].o
    has_levels = book[s].stop > -inf or book[s].target < inf or book[s].trail == book[s].trail
    if not has_levels:
        return
    begin, end = fine.span[t, s, 0], fine.span[t, s, 1]
    if begin < 0:
        if book[s].waits == 0:  # else step 4 has counted it
            has_detail(desk, t, s)
        protect(desk, t, s)
        return
    side = 1.0 if book[s].q > 0 else -1.0
    misses = is_missed(desk, t, s, TARGET_LIMIT)
    entered = book[s].opened == BY_LIMIT or book[s].opened == BY_STOP
    since = book[s].fine if entered else begin
    reason, level = 0, 0.0
    missed = unclear = False
    for k in range(since, end):
        opened = BEFORE
        if entered and k == since:
            opened = AT_OPEN if book[s].fine_open != 0 else book[s].opened
        elif k > begin:
            at = side * fine.o[k]
            if at <= book[s].stop:
                reason, level = STOP_GAP, at
            elif at > book[s].trigger:
                missed = missed or misses
                if not misses:
                    reason, level = TARGET_GAP, at
            if reason != 0:
                break
        start = fine.o[k] if k > begin else opened_at
        if desk.extra.path:
            reason, level, is_so = walk(
                desk, t, s, start, fine.l[k], fine.h[k], fine.c[k], opened, misses
            )
        else:
            reason, level, is_so, doubtful = judge(
                desk, s, fine.l[k], fine.h[k], fine.c[k], opened, misses
            )
            unclear = unclear or doubtful
        missed = missed or is_so
        if reason != 0:
            break
    conclude(desk, t, s, reason, level, missed, unclear)


@register_jitable
def conclude(
    desk: Desk, t: int, s: int, reason: int, level: float, missed: bool, unclear: bool
) -> None:
    """Count what a bar left open, and leave at a signed level if there is a reason to."""
    book, cfg = desk.book, desk.cfg
    if missed:
        desk.out.counters[MISSED_LIMITS] += 1
    if unclear:
        desk.out.counters[AMBIGUOUS] += 1
        desk.out.trades[book[s].trade].ambiguous = 1
    if reason != 0:
        ref = desk.rows.grid[t, s].c if cfg.at_close else (level if book[s].q > 0 else -level)
        at_limit = (reason == TARGET or reason == TARGET_GAP) and not cfg.at_close
        leave_by_level(desk, t, s, ref, at_limit, reason)
        book[s].stopped_out = 1


@register_jitable
def judge(
    desk: Desk, s: int, low: float, high: float, close: float, opened: int, misses: bool
) -> tuple[int, float, bool, bool]:
    """Stops may, targets must, in one bar (R6, R7).

    Returns:
        Why and at which signed level it is left, if it is; whether a target was missed; whether
        the order of prices would have mattered.
    """
    book, cfg = desk.book, desk.cfg
    side = 1.0 if book[s].q > 0 else -1.0
    signed = side * close
    if side < 0:
        low, high = -high, -low
    if cfg.at_close:
        low, high = signed, signed
    stop, trigger, trail = book[s].stop, book[s].trigger, book[s].trail
    beyond = high > trigger
    missed = False
    if beyond and misses and not cfg.at_close:
        beyond = False
        missed = low > stop and (opened != BY_LIMIT or signed > trigger)
    if low <= stop:
        unclear = beyond or (opened == BY_STOP and signed > stop)
        return TRAIL if book[s].trailed != 0 else STOP, stop, missed, unclear
    if beyond and (opened != BY_LIMIT or signed > trigger):
        return TARGET, book[s].target, missed, False
    unclear = beyond
    if trail == trail:
        book[s].best = max(book[s].best, signed if opened == BY_LIMIT else high)
        moved = max(stop, trailed_level(desk, s, side))
        if signed <= moved:
            book[s].trailed = 1
            return TRAIL, moved, missed, unclear
        unclear = unclear or (low <= moved and moved > stop)
        if moved > stop:
            book[s].trailed = 1
        book[s].stop = moved
    return 0, 0.0, missed, unclear


@register_jitable
def trailed_level(desk: Desk, s: int, side: float) -> float:
    """Signed level that the best price so far gives a trailing stop."""
    best, trail = desk.book[s].best, desk.book[s].trail
    if desk.book[s].trail_unit == PERCENT:
        return float(best * (1.0 - side * (trail / 100.0)))
    return float(best - trail)


@register_jitable
def walk(
    desk: Desk, t: int, s: int, start: float, low: float, high: float, end: float, opened: int,
    misses: bool,
) -> tuple[int, float, bool]:  # fmt: skip
    """Go along one path of a bar: open, nearer extreme, other extreme, close (R6).

    Returns:
        Why and at which signed level it is left, if it is; whether a target was missed.
    """
    book = desk.book
    side = 1.0 if book[s].q > 0 else -1.0
    first, second = side * low, side * high
    if high - start < start - low:
        first, second = second, first
    waits = opened == BY_LIMIT or opened == BY_STOP
    level = 0.0
    if waits:
        row = book[s].row
        level = side * (desk.wanted.entry_px[row, s] / splits_since(desk, row, t, s))
    trigger = inf if misses else book[s].trigger
    missed = False
    for place, at in enumerate((side * start, first, second, side * end)):
        if waits:
            # The order fills where its level is first passed; what came before concerns nobody.
            if place == 0 or not is_met(at, 1.0, level, opened == BY_STOP, desk.cfg.touch):
                continue
            waits = False
            reason, exit_level = passed(desk, s, side, level, trigger)
            if reason != 0:
                return reason, exit_level, missed
        reason, exit_level = passed(desk, s, side, at, trigger)
        if reason != 0:
            return reason, exit_level, missed
        missed = missed or at > book[s].trigger  # and not left there
    return 0, 0.0, missed


@register_jitable
def passed(desk: Desk, s: int, side: float, at: float, trigger: float) -> tuple[int, float]:
    """Take a position to the next turning point of the path: why and where it is left, if it is."""
    book = desk.book
    if at <= book[s].stop:
        return TRAIL if book[s].trailed != 0 else STOP, book[s].stop
    if at > trigger:
        return TARGET, book[s].target
    if book[s].trail == book[s].trail:
        book[s].best = max(book[s].best, at)
        moved = trailed_level(desk, s, side)
        if moved > book[s].stop:
            book[s].stop = moved
            book[s].trailed = 1
    return 0, 0.0


@register_jitable
def act_at_close(desk: Desk, t: int, s: int) -> None:
    """Step 6 of one symbol: find the market intent of the close and leave what it wants gone."""
    book, cfg, rows = desk.book, desk.cfg, desk.rows
    n = rows.grid[t, s].number
    book[s].code = HOLD
    if n - cfg.delay < 0:
        return
    row = rows.row_of[n - cfg.delay, s]
    code = int(desk.wanted.codes[row, s])
    is_entry = code == LONG or code == SHORT
    if is_entry and len(desk.wanted.entry_px) > 0:
        px = desk.wanted.entry_px[row, s]
        if px == px:
            return
    if code != HOLD and book[s].pending >= 0:
        desk.out.counters[EXPIRED] += 1
        book[s].pending = -1
    if code != HOLD and cfg.intraday and rows.grid[row, s].session != rows.grid[t, s].session:
        desk.out.counters[EXPIRED] += is_entry
        return
    book[s].row, book[s].code = row, code
    if book[s].q != 0.0:
        obey(desk, t, s, rows.grid[t, s].c)


@register_jitable
def enter_at_close(desk: Desk, t: int, s: int, halted: bool) -> None:
    """Step 6 of one symbol with an entry code."""
    book = desk.book
    row = book[s].row
    side = float(book[s].code)
    close = desk.rows.grid[t, s].c
    if book[s].q == 0.0:
        if not may_not_enter(desk, t, s, side, halted, True):
            enter(desk, t, s, row, side, close, AT_CLOSE, False)
    elif book[s].q * side > 0.0:
        add(desk, t, s, row, side, close, halted, AT_CLOSE)


@register_jitable
def settle(desk: Desk, t: int, s: int) -> None:
    """Step 7 of one held symbol: what options gain by gamma and lose by theta (R18)."""
    book, rows, extra = desk.book, desk.rows, desk.extra
    moved = rows.grid[t, s].c - book[s].last_mark
    days = float(rows.grid[t, s].session - book[s].last_day)
    unit = desk.levy.multiplier
    gain = abs(book[s].q) * unit * (0.5 * extra.gamma * (moved * moved) - extra.theta * days)
    desk.account[CASH] = desk.account[CASH] + gain
    desk.account[CARRY] = desk.account[CARRY] + gain
    book[s].accrued = book[s].accrued + gain
    book[s].carry = book[s].carry + gain
    book[s].last_mark = rows.grid[t, s].c
    book[s].last_day = rows.grid[t, s].session


@register_jitable(forceinline=True)
def see_extremes(desk: Desk, t: int, s: int) -> None:
    """Let the bar's prices count for the excursions of a position that lives on."""
    book, rows = desk.book, desk.rows
    opened = book[s].opened
    if opened == AT_CLOSE:
        return
    signed = rows.grid[t, s].c
    adverse, favourable = rows.grid[t, s].l, rows.grid[t, s].h
    if book[s].q < 0.0:
        adverse, favourable, signed = -favourable, -adverse, -signed
    book[s].worst_seen = min(book[s].worst_seen, signed if opened == BY_STOP else adverse)
    book[s].best_seen = max(book[s].best_seen, signed if opened == BY_LIMIT else favourable)
