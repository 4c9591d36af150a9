"""The general driver: many symbols on one account, and the rules only it knows.

It goes through the events of docs/engine_rules.md for all symbols at once, with the phase functions
of `kernels`. For one symbol and the rules both know it gives the same bits as `run_scalar`.
"""

from __future__ import annotations

from math import inf, nan

from numba.extending import register_jitable

from core.domain.bars import FloatArray, IntArray
from core.domain.simulation import BoolArray
from core.engine.compiled import loop
from core.engine.dealing import equity_at, leave, sell_down, whole
from core.engine.desk import (
    CASH,
    DELISTED,
    Book,
    Desk,
    Extra,
    Guards,
    Out,
    Rows,
    SizeTable,
    Wanted,
)
from core.engine.handle import by_address
from core.engine.kernels import (
    BEFORE,
    BY_STOP,
    DAILY_LOSS,
    DAILY_TARGET,
    DAY_ENTRIES,
    DAY_PNL,
    DAY_POINTS,
    DELIST,
    DRAWDOWN,
    END,
    HOLD,
    LONG,
    MARGIN_CALLS,
    NEVER,
    RUIN,
    SESSION_LAST,
    SHORT,
    SQUARE_OFF,
    Charges,
    Config,
    Limits,
)
from core.engine.steps import (
    act_at_close,
    by_priority,
    choose_row,
    enter_at_close,
    enter_at_level,
    enter_at_open,
    exit_at_open,
    gap_exit,
    is_square_off_time,
    pay_dividend,
    pay_funding,
    pay_interest,
    protect,
    protect_in_detail,
    roll_session,
    see_extremes,
    settle,
    split,
)
from core.engine.weights import lower_to_weight, raise_to_weights, take_weights

# More than a symbol can fill in one row: a split, a gap, a margin cut, an exit and a reduction at
# the open, an entry, protection, an exit and an entry at the close, and three ways to end there.
MOST_FILLS = 16


@register_jitable(forceinline=True)  # a call costs more than what it looks at
def has_intent(desk: Desk, t: int, s: int) -> bool:
    """Whether the acting row of a symbol asks for anything."""
    n = desk.rows.grid[t, s].number - 1 - desk.cfg.delay
    return bool(n >= 0 and desk.wanted.codes[desk.rows.row_of[n, s], s] != HOLD)


@register_jitable(forceinline=True)
def must_look(desk: Desk, s: int) -> bool:
    """Whether anything may close the position of a symbol at this open."""
    one = desk.book[s]
    timed = desk.cfg.intraday or one.max_bars > 0
    return timed or one.code != HOLD or one.left_over != 0 or one.cut == one.cut


@register_jitable
def needed(desk: Desk, t: int) -> float:
    """Equity that open positions must keep (R12)."""
    total = 0.0
    book = desk.book
    for s in range(len(book)):
        if book[s].q != 0.0:
            total += (
                abs(book[s].q)
                * desk.rows.grid[t, s].mark
                * desk.charges.multiplier
                * book[s].fx
                * desk.extra.maintenance
            )
    return total


@register_jitable
def is_called_inside(desk: Desk, t: int) -> bool:
    """Whether a bar's worst price calls for margin, for one symbol; counts it (R12)."""
    book, cell = desk.book, desk.rows.grid[t, 0]
    q, opened = book[0].q, book[0].opened
    worst = cell.c if opened == BY_STOP else (cell.l if q > 0.0 else cell.h)
    rate, multiplier = book[0].fx, desk.charges.multiplier
    marked = desk.account[CASH] + q * worst * multiplier * rate
    value = abs(q) * worst * multiplier * rate
    if not marked < value * desk.extra.maintenance:
        return False
    book[0].cut = marked / (value * desk.cfg.margin)
    desk.out.counters[MARGIN_CALLS] += 1
    return True


@register_jitable
def holds_any(desk: Desk) -> bool:
    """Whether any position is held."""
    held = False
    for s in range(len(desk.book)):
        held = held or desk.book[s].q != 0.0
    return held


def run_portfolio_python(
    rows: Rows,
    wanted: Wanted,
    guards: Guards,
    sizes: SizeTable,
    limits: Limits,
    cfg: Config,
    extra: Extra,
    charges: Charges,
    levy: Charges,
    book: Book,
    out: Out,
    equity: FloatArray,
    cash_out: FloatArray,
    q_out: FloatArray,
    accrued: FloatArray,
    held: BoolArray,
    share: FloatArray,
    account: FloatArray,
    active: IntArray,
) -> tuple[int, bool, bool]:
    """Run an account; fill the output arrays in place.

    Args:
        levy: `charges` with the multiplier fees are taken of; another one only in R18.
        book: From `new_book`.
        out: Tables with room for some rows; see the first result.
        equity, cash_out, held: Shape (T,); q_out, accrued: shape (T, S), zeros.
        share: What is held over equity, shape (T,), zeros.
        account: By CASH, BORROW, CARRY, DIVIDENDS, FUNDING and INTEREST, zeros; what they came
            to.
        active: Shape (S,), scratch.

    Returns:
        Rows done (fewer than T: the tables were full and nothing counts), ruined, ended at the
        drawdown limit.
    """
    total, symbols = rows.grid.shape
    account[CASH] = cfg.cash
    desk = by_address(
        Desk(
            rows, wanted, guards, sizes, cfg, extra, charges, levy, limits, book, out, account,
            equity,
        )
    )  # fmt: skip
    by_weight = len(wanted.weights) > 0
    mult = charges.multiplier
    ruined = False
    peak, ending = cfg.cash, False  # what the drawdown limit goes by, and that it was reached
    day_start = cfg.cash
    halted_day, halt_reason = NEVER, 0
    actions, acted = rows.actions, 0
    most = MOST_FILLS * symbols
    converts = rows.fx_open.step != 0
    takes_at_close = by_weight and cfg.fill_at_close
    is_financed = extra.cash_rate > 0.0 or extra.margin_rate > 0.0
    accrues = extra.borrow > 0.0 or extra.delta > 0.0 or len(rows.actions) > 0

    for t in range(total):
        if out.counts[0] + most > len(out.trades) or out.counts[1] + most > len(out.fills):
            return t, False, False
        if t == 0 or rows.day[t] != rows.day[t - 1]:
            day_start = equity[t - 1] if t > 0 else cfg.cash
            limits.day[DAY_PNL] = limits.day[DAY_POINTS] = limits.day[DAY_ENTRIES] = 0.0
        halted = halted_day == rows.day[t]
        was_held = False
        entries = 0
        if by_weight and not cfg.fill_at_close and not ending and t - 1 - cfg.delay >= 0:
            take_weights(desk, t - 1 - cfg.delay)

        if converts:
            for s in range(symbols):
                book[s].fx = rows.fx_open.value[t, s]
        # Step 0: interest of the account, actions, then the session roll.
        if is_financed and t > 0 and rows.day[t] != rows.day[t - 1]:
            pay_interest(desk, t)
        while acted < len(actions) and actions[acted].row == t:
            s = actions[acted].symbol
            was_held = was_held or book[s].q != 0.0
            if book[s].q != 0.0 and actions[acted].split != 1.0:
                split(desk, t, s, actions[acted].split)
            if book[s].q != 0.0 and actions[acted].dividend != 0.0:
                pay_dividend(desk, s, actions[acted].dividend)
            if book[s].q != 0.0 and actions[acted].funding != 0.0:
                pay_funding(desk, t, s, actions[acted].funding)
            acted += 1
        # Symbols that neither hold nor want anything are left alone from here on.
        count = 0
        for s in range(symbols):
            book[s].code = HOLD
            book[s].opened = BEFORE
            is_held = book[s].q != 0.0
            was_held = was_held or is_held
            is_here = rows.grid[t, s].number >= 0
            if by_weight:
                wants = not ending and (book[s].weight == book[s].weight or takes_at_close)
            else:
                wants = (
                    is_here
                    and not ending
                    and (cfg.fill_at_close or book[s].pending >= 0 or has_intent(desk, t, s))
                )
            if not (is_held or wants):
                continue
            active[count] = s
            count += 1
            book[s].stopped_out = 0
            book[s].waits = 0
            if not is_here:
                continue
            book[s].room = inf
            if extra.participation > 0.0:
                book[s].room = whole(extra.participation * rows.grid[t, s].v, cfg.lot)
            if not by_weight and wants and (book[s].pending >= 0 or has_intent(desk, t, s)):
                choose_row(desk, t, s)
                entries += book[s].code == LONG or book[s].code == SHORT
            if extra.borrow > 0.0 and is_held:
                roll_session(desk, t, s)
        # Step 1 before step 2, for all symbols.
        for place in range(count):
            s = active[place]
            if book[s].q != 0.0 and rows.grid[t, s].number >= 0:
                at = rows.grid[t, s].o if book[s].q > 0 else -rows.grid[t, s].o
                if at <= book[s].stop or at > book[s].trigger:
                    gap_exit(desk, t, s)
        rises = 0
        for place in range(count):
            s = active[place]
            if rows.grid[t, s].number < 0:
                continue
            if book[s].q != 0.0 and (ending or halted or must_look(desk, s)):
                reason = halt_reason if halted else 0
                exit_at_open(desk, t, s, DRAWDOWN if ending else reason)
            if by_weight and not cfg.fill_at_close and book[s].weight == book[s].weight:
                lower_to_weight(desk, t, s, False)
                rises += book[s].rises

        # Steps 3 and 4.
        if rises > 0:
            raise_to_weights(desk, t, halted, False)
        if entries > 0:
            entries = by_priority(desk)
            for place in range(entries):
                enter_at_open(desk, t, book[place].order, halted)
            for place in range(entries):
                if book[book[place].order].waits != 0:
                    enter_at_level(desk, t, book[place].order, halted)

        # Step 5.
        for place in range(count):
            s = active[place]
            if book[s].q == 0.0 or rows.grid[t, s].number < 0:
                continue
            if extra.detail:
                protect_in_detail(desk, t, s)
                continue
            low, high = rows.grid[t, s].l, rows.grid[t, s].h
            if book[s].q < 0.0:
                low, high = -high, -low
            if low > book[s].stop and high <= book[s].trigger and book[s].trail != book[s].trail:
                continue
            protect(desk, t, s)

        is_called = extra.margin_inside and book[0].q != 0.0 and is_called_inside(desk, t)

        # Step 6.
        if converts:
            for s in range(symbols):
                book[s].fx = rows.fx_close.value[t, s]
        if cfg.fill_at_close:
            if by_weight and t - cfg.delay >= 0:
                take_weights(desk, t - cfg.delay)
            for place in range(count):
                s = active[place]
                if rows.grid[t, s].number < 0:
                    continue
                if book[s].q != 0.0 and is_square_off_time(desk, t, s):
                    leave(desk, t, s, rows.grid[t, s].c, False, SQUARE_OFF, True)
                if ending:
                    continue
                if not by_weight:
                    act_at_close(desk, t, s)
                elif book[s].weight == book[s].weight:
                    lower_to_weight(desk, t, s, True)
                    rises += book[s].rises
            if rises > 0:
                raise_to_weights(desk, t, halted, True)
            if not by_weight:
                for place in range(by_priority(desk)):
                    enter_at_close(desk, t, book[place].order, halted)
        for place in range(count):
            s = active[place]
            if book[s].q == 0.0 or not (cfg.intraday or rows.grid[t, s].ends != 0):
                continue
            if rows.grid[t, s].number < 0:
                continue
            close, ends = rows.grid[t, s].c, rows.grid[t, s].ends
            if cfg.intraday and rows.grid[t, s].day_flags & SESSION_LAST:
                leave(desk, t, s, close, False, SQUARE_OFF, True)
            if book[s].q != 0.0 and ends == DELISTED:
                sell_down(desk, t, s, abs(book[s].q), close, False, DELIST)
            if book[s].q != 0.0 and cfg.close_at_end and ends != 0:
                sell_down(desk, t, s, abs(book[s].q), close, False, END)

        # Step 7.
        is_held = was_held
        for place in range(count):
            s = active[place]
            is_held = is_held or book[s].opened != BEFORE
            if extra.delta > 0.0 and book[s].q != 0.0 and rows.grid[t, s].number >= 0:
                settle(desk, t, s)
        marked = equity_at(desk, t, True)
        if marked <= 0.0:
            for place in range(count):
                s = active[place]
                if book[s].q != 0.0:
                    sell_down(desk, t, s, abs(book[s].q), rows.grid[t, s].mark, False, RUIN)
            marked = account[CASH]
            ruined = True
        value, charged = 0.0, 0.0
        for place in range(count):
            s = active[place]
            if book[s].q != 0.0:
                value += abs(book[s].q) * rows.grid[t, s].mark * mult * book[s].fx
                charged += abs(book[s].q) * rows.grid[t, s].mark * mult * book[s].fx * cfg.margin
                if rows.grid[t, s].number >= 0:
                    see_extremes(desk, t, s)
                q_out[t, s] = book[s].q
        if accrues:
            for s in range(symbols):
                accrued[t, s] = book[s].accrued
        if value > 0.0:
            share[t] = value / marked
            if extra.maintenance > 0.0:
                called = marked < needed(desk, t)
                desk.out.counters[MARGIN_CALLS] += called and not is_called
                for place in range(count):
                    s = active[place]
                    cut = marked / charged if called and book[s].q != 0.0 else nan
                    # Called inside the bar, and what was held then still is.
                    if is_called and book[s].cut == book[s].cut:
                        cut = min(cut, book[s].cut) if called else book[s].cut
                    book[s].cut = cut
        if limits.flatten and not halted and not ruined:
            result = marked - day_start
            if limits.in_points:
                result = limits.day[DAY_POINTS]
                for place in range(count):
                    s = active[place]
                    if book[s].q != 0.0:
                        side = 1.0 if book[s].q > 0 else -1.0
                        result += side * (rows.grid[t, s].mark - book[s].entry)
            if result >= limits.target:
                halted_day, halt_reason = rows.day[t], DAILY_TARGET
            elif result <= -limits.loss:
                halted_day, halt_reason = rows.day[t], DAILY_LOSS
        if extra.drawdown > 0.0 and not ruined:
            peak = max(peak, marked)
            if not ending and marked <= peak * (1.0 - extra.drawdown):
                ending = True
                for s in range(symbols):
                    book[s].weight = nan
        equity[t] = marked
        cash_out[t] = account[CASH]
        held[t] = is_held
        if ruined or (ending and not holds_any(desk)):
            for rest in range(t + 1, total):
                equity[rest] = account[CASH]
                cash_out[rest] = account[CASH]
                held[rest] = False
                if accrues:
                    for s in range(symbols):
                        accrued[rest, s] = book[s].accrued
            break

    for s in range(symbols):
        if book[s].q != 0.0:
            trade = out.trades[book[s].trade]
            entry = book[s].entry
            last = rows.grid[total - 1, s].mark
            signed = entry if book[s].q > 0 else -entry
            trade.exit = last
            left = trade.gross + (last * book[s].fx - book[s].paid) * book[s].q * mult
            trade.pnl = left - trade.fees_in - trade.fees_out
            trade.mae = min((book[s].worst_seen - signed) / entry, 0.0)
            trade.mfe = max((book[s].best_seen - signed) / entry, 0.0)
    return total, ruined, ending


run_portfolio = loop(run_portfolio_python)
