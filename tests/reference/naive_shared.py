"""The judge of the general driver: several symbols, one account, in plain Python floats.

Written from docs/engine_rules.md alone, like naive.py, whose bars, orders and formulas it borrows;
what a step does is told here once more, for many symbols. A row is one time of the union of all
bars. Rules are named in the comments as on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Signals, Weights
from core.domain.simulation import Reason
from tests.reference.naive import Bar, Manner, Order, trail_level
from tests.reference.naive_detail import finer_bars, lacks_detail
from tests.reference.naive_symbol import Holding, SharedOutcome, Symbol
from tests.reference.naive_weights import Rebalancer

DAYS_TO_DELIST = 5


def run_shared(
    bars: Sequence[Bars],
    wanted: Sequence[Signals] | Weights,
    options: EngineOptions,
    costs: CostModel,
) -> SharedOutcome:
    """Simulate one account over several symbols by the rules page.

    Args:
        bars: One per symbol; rows of the outcome are the union of their times.
        wanted: Signals of each symbol over its own bars, or weights over the union (T, S).
        options: `account` is not looked at: cash is shared.
        costs: Of every symbol alike.
    """
    return SharedAccount(bars, wanted, options, costs).run()


class SharedAccount(Rebalancer):
    """One account walking through the rows."""

    def run(self) -> SharedOutcome:
        for row in range(len(self.ts)):
            self.row = row
            self.at_close = False
            self.held_now = any(s.holding is not None for s in self.symbols)
            for s in self.symbols:
                s.bar = s.bars[s.number_at[row]] if row in s.number_at else None
            if not self.ruined and not self.is_over:
                self.live_through()
            self.is_over = self.is_ending and not any(s.holding for s in self.symbols)
            for s in self.symbols:
                s.last_close = s.bar.close if s.bar is not None else s.last_close
            self.at_close = True
            self.record()
        return self.outcome()

    # One row --------------------------------------------------------------------------------------

    def live_through(self) -> None:
        self.begin_row()
        self.step_0_interest()
        for step in (
            self.step_0_actions,
            self.step_0_session_roll,
            self.step_1_gaps,
            self.step_2_exits,
        ):
            for s in self.present():
                step(s)
        self.step_3_entries_at_the_open()
        self.step_4_resting_entries()
        for s in self.present():
            self.step_5_protection(s)
        self.called_inside = None
        if self.options.intrabar_margin:
            (only,) = self.symbols
            self.called_inside = self.call_inside(only)
        self.at_close = True
        self.step_6_close()
        self.step_7_mark()

    def begin_row(self) -> None:
        if self.row == 0 or self.sessions[self.row] != self.sessions[self.row - 1]:
            self.day_start = self.equity_of_row(self.row - 1)
            self.day_over = None
            self.opened_today = 0
            self.closed_today = []
        for s in self.present():
            s.stopped_out = False
            s.noted = set()
            s.volume_left = self.volume_cap(s.sure_bar())
            s.order = None if self.is_ending else self.order_at_open(s)
        if self.options.fill == "next_open":
            self.take_weights(self.row - 1 - self.options.delay)

    def order_at_open(self, s: Symbol) -> Order | None:
        """What acts in steps 2 to 4: own row n-1-delay (R2), else an older one that rests (R20)."""
        bar = s.sure_bar()
        order = s.order_of(bar.row - 1 - self.options.delay)
        if order is None or order.code == Code.HOLD:
            order = s.resting
        else:
            self.cancel_resting(s)
            if self.options.fill == "close" and not order.rests:
                return None
            if self.is_stale(s, order):
                self.counters["expired"] += order.is_entry
                return None
            if order.rests:
                assert s.signals is not None
                order.until = bar.row + s.signals.ttl - 1
                s.resting = order
        if order is not None and order.rests:
            refusal = self.forbidden(s, order.side)
            if refusal is not None:
                self.counters[refusal] += 1
                s.resting = None
                return None
            asked = s.order_of(order.row)
            assert asked is not None
            assert asked.price is not None
            order.price = asked.price / s.splits_between(s.rows[order.row], self.row)
        return order

    def cancel_resting(self, s: Symbol) -> None:
        if s.resting is not None:
            self.counters["expired"] += 1
            s.resting = None

    def step_0_interest(self) -> None:
        """R11: cash at the close before, less the proceeds of shorts, bears interest."""
        if self.row == 0 or self.sessions[self.row] == self.sessions[self.row - 1]:
            return
        own = self.cash_curve[self.row - 1]
        for s in self.symbols:
            if s.holding is not None and s.holding.side < 0:
                assert s.last_close is not None
                value = abs(s.holding.quantity) * s.last_close * self.multiplier * self.fx(s)
                own = own - value
        days = self.sessions[self.row] - self.sessions[self.row - 1]
        rate = self.options.cash_rate if own > 0 else self.options.margin_rate
        if rate > 0:
            self.interest = self.interest + own * rate * days / 360
            self.cash = self.cash + own * rate * days / 360

    def step_0_actions(self, s: Symbol) -> None:
        """R15, R17: a split, then a dividend, then funding, of what is held from before."""
        bar = s.sure_bar()
        if s.holding is not None and s.splits[bar.row] != 1:
            self.split(s, s.holding, s.splits[bar.row])
        if s.holding is not None and s.dividends[bar.row] != 0 and self.options.option is None:
            paid = s.holding.quantity * s.dividends[bar.row] * self.multiplier * self.fx(s)
            self.cash = self.cash + paid
            self.dividends = self.dividends + paid
            s.received = s.received + paid
        if s.holding is not None and self.options.funding and self.options.option is None:
            self.pay_funding(s, s.holding)

    def pay_funding(self, s: Symbol, holding: Holding) -> None:
        """R17: of the value at the close before, on the terms of this bar."""
        bar = s.sure_bar()
        if s.funding[bar.row] == 0:
            return
        before = s.rows[bar.row - 1]
        close = s.bars[bar.row - 1].close / s.splits_between(before, self.row)
        paid = holding.quantity * close * self.multiplier * s.funding[bar.row] * self.fx(s)
        self.cash = self.cash - paid
        self.funding = self.funding + paid
        s.funding_paid = s.funding_paid + paid

    def split(self, s: Symbol, holding: Holding, ratio: float) -> None:
        holding.split(ratio)
        lot = self.options.lot_size
        units = abs(holding.quantity) * ratio
        kept = self.whole_lots(units)
        rest = units - kept
        if kept == 0 or rest > 1e-9 * lot:
            holding.quantity = holding.side * units
            self.pay_out(s, holding, rest)
        if s.holding is not None:
            holding.quantity = holding.side * kept
            if s.leftover is not None:
                s.leftover = (kept, s.leftover[1])

    def pay_out(self, s: Symbol, holding: Holding, units: float) -> None:
        """R15: less than a lot is worth the open, and costs nothing to give away."""
        price, room = s.sure_bar().open, s.volume_left
        dq = holding.side * units
        self.execute(s, -dq, price, 0.0, price, reason=Reason.SPLIT)
        s.volume_left = room
        move = price * self.fx(s) - holding.entry_paid
        holding.gross = holding.gross + move * dq * self.multiplier
        holding.sold.add(units, price)
        if units == abs(holding.quantity):
            self.finish(s, holding, price, Reason.SPLIT)

    def step_0_session_roll(self, s: Symbol) -> None:
        """R11: a short position pays for the days between two sessions."""
        bar = s.sure_bar()
        if bar.row == 0:
            return
        before = s.bars[bar.row - 1]
        if before.session == bar.session or s.holding is None or s.holding.side > 0:
            return
        days = bar.session - before.session
        close = before.close / s.splits_between(s.rows[before.row], self.row)
        value = abs(s.holding.quantity) * close * self.multiplier
        rate = self.options.borrow_rate
        if s.name in self.options.borrow_rates:
            rate = self.options.borrow_rates[s.name]
        cost = value * rate * days / 360 * self.fx(s)
        self.cash = self.cash - cost
        self.borrow = self.borrow + cost
        s.borrow = s.borrow + cost

    def step_1_gaps(self, s: Symbol) -> None:
        holding, bar = s.holding, s.sure_bar()
        if holding is None or self.options.protection == "close":
            return
        touch = self.options.fill_on_touch
        if holding.fallen_to(bar.open, holding.stop):
            self.leave_by_level(s, bar.open, "market", Reason.STOP_GAP)
        elif holding.risen_beyond(bar.open, holding.target, touch=touch):
            self.leave_by_level(s, bar.open, "limit", Reason.TARGET_GAP)

    def step_2_exits(self, s: Symbol) -> None:
        bar, at_open = s.sure_bar(), self.options.fill == "next_open"
        left_over, s.leftover = s.leftover, None
        if s.holding is not None and self.margin_factor is not None:
            self.cut(s, self.margin_factor)
        if s.holding is not None and left_over is not None:
            quantity, reason = left_over
            self.leave(s, bar.open, "market", reason, quantity)
        if s.holding is not None and self.is_ending:
            self.leave(s, bar.open, "market", Reason.DRAWDOWN)
        elif s.holding is not None and self.day_over is not None:
            self.leave(s, bar.open, "market", self.day_over)
        if s.holding is not None and at_open and self.is_square_off_time(bar):
            self.leave(s, bar.open, "market", Reason.SQUARE_OFF)
        if s.holding is not None and 0 < s.max_bars <= bar.row - s.holding.entry_bar:
            self.leave(s, bar.open, "market", Reason.MAX_BARS)
        if s.holding is not None and s.order is not None and at_open:
            reason_to_leave = self.reason_to_leave(s.holding, s.order)
            if reason_to_leave is not None:
                self.leave(s, bar.open, "market", reason_to_leave)
        if at_open:
            self.reduce_to_weight(s)

    def cut(self, s: Symbol, factor: float) -> None:
        """R12: every position by the same factor, as far as whole lots allow."""
        assert s.holding is not None
        if factor >= 1:
            return
        held = abs(s.holding.quantity)
        kept = self.whole_lots(held * factor)
        if kept < held:
            self.leave(s, s.sure_bar().open, "market", Reason.MARGIN, held - kept)

    def step_3_entries_at_the_open(self) -> None:
        for s, order in self.by_priority(lambda s: s.order):
            bar = s.sure_bar()
            if not order.rests:
                self.market_entry(s, order, bar.open, "open")
            elif s.holding is None and self.is_better(order, bar.open):
                s.resting = None
                self.enter(s, order, bar.open, "limit", "open")
            elif s.holding is None and self.is_triggered(order, bar.open):
                s.resting = None
                self.enter(s, order, bar.open, "market", "open")
        if self.options.fill == "next_open":
            self.increase_to_weights()

    def step_4_resting_entries(self) -> None:
        for s, order in self.by_priority(lambda s: s.resting):
            bar = s.sure_bar()
            assert order.price is not None
            low, high = (bar.low, bar.high) if order.side > 0 else (bar.high, bar.low)
            if s.holding is not None:
                if s.holding.side == order.side:
                    s.resting = None  # in the way of its own side: forgotten
                    continue
            elif (finer := self.finer(s)) is not None:
                if self.entered_in_detail(s, order, finer):
                    continue
            elif self.is_better(order, low):
                if self.fills_limit(s, "entry"):
                    s.resting = None
                    self.enter(s, order, order.price, "limit", "limit")
                    continue
                self.counters["missed_limits"] += 1
            elif self.is_triggered(order, high):
                s.resting = None
                self.enter(s, order, order.price, "market", "stop")
                continue
            if bar.row >= order.until or (self.options.intraday and bar.ends_session):
                self.cancel_resting(s)

    def by_priority(
        self, which: Callable[[Symbol], Order | None]
    ) -> Iterator[tuple[Symbol, Order]]:
        found = [(s, which(s)) for s in self.present()]
        entries = [(s, order) for s, order in found if order is not None and order.is_entry]
        yield from sorted(entries, key=lambda pair: (pair[0].priority_of(pair[1]), pair[0].index))

    def market_entry(self, s: Symbol, order: Order, reference: float, manner: Manner) -> None:
        """Open a position, or add to one of the same side (R21)."""
        if s.holding is not None and (
            s.holding.side != order.side
            or s.holding.adds >= self.options.pyramid
            or s.leftover is not None
        ):
            return
        refusal = self.forbidden(s, order.side, at_close=manner == "close")
        if refusal is not None:
            self.counters[refusal] += 1
        else:
            self.enter(s, order, reference, "market", manner)

    def step_5_protection(self, s: Symbol) -> None:
        holding = s.holding
        if holding is None or (holding.stop is None and holding.target is None):
            return
        finer = self.finer(s)
        entered_now = holding.entry_bar == s.sure_bar().row
        if finer is None:
            self.protect_within(s, holding, s.sure_bar(), holding.manner if entered_now else None)
            return
        for n, bar in enumerate(finer):
            resting = entered_now and holding.manner in ("limit", "stop")
            if resting and n <= holding.since_finer:
                if n == holding.since_finer:
                    manner = "open" if holding.at_finer_open else holding.manner
                    self.protect_within(s, holding, bar, manner)
            else:
                if n > 0:
                    self.gap_of_finer(s, holding, bar.open)
                if not s.stopped_out:
                    self.protect_within(s, holding, bar, None)
            if s.stopped_out:  # even where volume keeps some of it until the next open
                return

    def finer(self, s: Symbol) -> list[Bar] | None:
        """R6: the finer bars that decide, None where the bar decides alone."""
        if self.options.detail is None:
            return None
        lacks = lacks_detail(s)
        if lacks is None:
            return finer_bars(s)
        self.note(s, lacks)
        return None

    def note(self, s: Symbol, counter: str) -> None:
        """Count something that counts once a bar."""
        if counter not in s.noted:
            s.noted.add(counter)
            self.counters[counter] += 1

    def entered_in_detail(self, s: Symbol, order: Order, finer: list[Bar]) -> bool:
        """Step 4, finer bar by finer bar; False if none reaches the order, or it was missed."""
        assert order.price is not None
        for n, bar in enumerate(finer):
            low, high = (bar.low, bar.high) if order.side > 0 else (bar.high, bar.low)
            by_limit = order.kind == "limit"
            at_open = n > 0 and (
                self.is_better(order, bar.open) or self.is_triggered(order, bar.open)
            )
            if not (at_open or self.is_better(order, low) or self.is_triggered(order, high)):
                continue
            if by_limit and not self.fills_limit(s, "entry"):
                self.counters["missed_limits"] += 1
                return False
            s.resting = None
            price = bar.open if at_open else order.price
            kind, manner = ("limit", "limit") if by_limit else ("market", "stop")
            self.enter(s, order, price, kind, manner)
            if s.holding is not None:
                s.holding.since_finer, s.holding.at_finer_open = n, at_open
            return True
        return False

    def gap_of_finer(self, s: Symbol, holding: Holding, price: float) -> None:
        """Step 1 of a finer bar that is not the first of its bar."""
        if holding.fallen_to(price, holding.stop):
            s.stopped_out = True
            self.leave_by_level(s, price, "market", Reason.STOP_GAP)
        elif holding.risen_beyond(price, holding.target, touch=self.options.fill_on_touch):
            if self.fills_limit(s, "target"):
                s.stopped_out = True
                self.leave_by_level(s, price, "limit", Reason.TARGET_GAP)
            else:
                self.note(s, "missed_limits")

    def protect_within(self, s: Symbol, holding: Holding, bar: Bar, manner: Manner | None) -> None:
        """Step 5 in one bar, whole or finer; `manner` is how the position was opened in it."""
        if self.options.intrabar == "path":
            self.walk_the_path(s, holding, self.path(bar, holding, manner))
        else:
            self.stops_may_targets_must(s, holding, bar, manner)

    def stops_may_targets_must(
        self, s: Symbol, holding: Holding, bar: Bar, manner: Manner | None
    ) -> None:
        touch = self.options.fill_on_touch
        by_limit = manner == "limit"
        by_stop = manner == "stop"
        only_closes = self.options.protection == "close"
        if only_closes:  # R6: as if the bar were its close alone, and out at that close
            bar = replace(bar, high=bar.close, low=bar.close)
        adverse, favourable, close = holding.adverse(bar), holding.favourable(bar), bar.close

        hit = holding.fallen_to(adverse, holding.stop)
        beyond = holding.risen_beyond(favourable, holding.target, touch=touch)
        sure = beyond
        if by_limit and not holding.risen_beyond(close, holding.target, touch=touch):
            sure = False
        if beyond and not only_closes and not self.fills_limit(s, "target"):
            if sure and not hit:
                self.note(s, "missed_limits")
            beyond = sure = False  # as if the target were not there
        if hit:
            assert holding.stop is not None
            if beyond or (by_stop and not holding.fallen_to(close, holding.stop)):
                self.ambiguous(s, holding)
            self.stop_out(s, close if only_closes else holding.stop)
        elif sure:
            assert holding.target is not None
            self.take_profit(s, close if only_closes else holding.target)
        else:
            if beyond:
                self.ambiguous(s, holding)
            if holding.trail is not None:
                self.trail(s, bar, by_limit=by_limit)

    def trail(self, s: Symbol, bar: Bar, *, by_limit: bool) -> None:
        """R7: the best price moves the stop; only a close beyond the new level is certain."""
        holding = s.holding
        assert holding is not None
        assert holding.stop is not None
        adverse, favourable, close = holding.adverse(bar), holding.favourable(bar), bar.close
        best = holding.better(holding.best, close if by_limit else favourable)
        holding.best = holding.better(best, holding.opened_at) if by_limit else best
        level = trail_level(holding.best, holding.side, holding.trail, holding.trail_unit)
        new = holding.better(holding.stop, level)
        if holding.fallen_to(close, new):
            holding.trail_moved = True
            self.stop_out(s, close if self.options.protection == "close" else new)
        elif new != holding.stop:
            if holding.fallen_to(adverse, new):
                self.ambiguous(s, holding)
            holding.stop = new
            holding.trail_moved = True

    def take_profit(self, s: Symbol, reference: float) -> None:
        s.stopped_out = True
        kind = "market" if self.options.protection == "close" else "limit"
        self.leave_by_level(s, reference, kind, Reason.TARGET)

    def ambiguous(self, s: Symbol, holding: Holding) -> None:
        self.note(s, "ambiguous_bars")
        holding.ambiguous = True

    def stop_out(self, s: Symbol, reference: float) -> None:
        assert s.holding is not None
        s.stopped_out = True
        reason = Reason.TRAIL if s.holding.trail_moved else Reason.STOP
        self.leave_by_level(s, reference, "market", reason)

    def walk_the_path(self, s: Symbol, holding: Holding, points: list[float]) -> None:
        """Open, the extreme nearer to it, the other extreme, close; nothing is ambiguous."""
        touch = self.options.fill_on_touch
        for price in points:
            if holding.fallen_to(price, holding.stop):
                assert holding.stop is not None
                self.stop_out(s, holding.stop)
                return
            if holding.risen_beyond(price, holding.target, touch=touch):
                if self.fills_limit(s, "target"):
                    assert holding.target is not None
                    self.take_profit(s, holding.target)
                    return
                self.note(s, "missed_limits")
            if holding.trail is None:
                continue
            assert holding.stop is not None
            holding.best = holding.better(holding.best, price)
            level = trail_level(holding.best, holding.side, holding.trail, holding.trail_unit)
            new = holding.better(holding.stop, level)
            if new != holding.stop:
                holding.stop = new
                holding.trail_moved = True

    def path(self, bar: Bar, holding: Holding, manner: Manner | None) -> list[float]:
        """Turning points of the bar from the moment the position was there.

        Between two of them prices move one way, so what lies between is passed exactly if the
        second one is beyond it.
        """
        low_first = bar.open - bar.low <= bar.high - bar.open
        extremes = [bar.low, bar.high] if low_first else [bar.high, bar.low]
        points = [bar.open, *extremes, bar.close]
        if manner not in ("limit", "stop"):
            return points
        assert holding.trigger is not None
        order = Order(0, holding.side, holding.trigger, manner)
        for at in (1, 2, 3):
            if self.is_better(order, points[at]) or self.is_triggered(order, points[at]):
                return [holding.trigger, *points[at:]]
        raise AssertionError("a resting entry filled off the path")

    def step_6_close(self) -> None:
        if self.options.fill == "close":
            self.take_weights(self.row - self.options.delay)
            for s in self.present():
                self.exits_at_the_close(s)
            for s, order in self.by_priority(lambda s: s.order):
                self.market_entry(s, order, s.sure_bar().close, "close")
            self.increase_to_weights()
        for s in self.present():
            bar = s.sure_bar()
            if s.holding is not None and self.options.intraday and bar.ends_session:
                self.leave(s, bar.close, "market", Reason.SQUARE_OFF)
            if s.holding is not None and bar.is_last and self.is_delisted(s):
                self.leave(s, bar.close, "market", Reason.DELIST)
            if s.holding is not None and bar.is_last and self.options.close_at_end:
                self.leave(s, bar.close, "market", Reason.END)

    def exits_at_the_close(self, s: Symbol) -> None:
        bar = s.sure_bar()
        if s.holding is not None and self.is_square_off_time(bar):
            self.leave(s, bar.close, "market", Reason.SQUARE_OFF)
        s.order = None if self.is_ending else self.order_at_close(s)
        if s.holding is not None and s.order is not None:
            reason = self.reason_to_leave(s.holding, s.order)
            if reason is not None:
                self.leave(s, bar.close, "market", reason)
        self.reduce_to_weight(s)

    def order_at_close(self, s: Symbol) -> Order | None:
        """The market intent of own row n-delay."""
        order = s.order_of(s.sure_bar().row - self.options.delay)
        if order is None or order.code == Code.HOLD or order.rests:
            return None
        self.cancel_resting(s)
        if self.is_stale(s, order):
            self.counters["expired"] += order.is_entry
            return None
        return order

    def is_delisted(self, s: Symbol) -> bool:
        return self.sessions[-1] - s.bars[-1].session > DAYS_TO_DELIST

    def step_7_mark(self) -> None:
        if self.options.option is not None:
            for s in self.present():
                self.accrue(s)
        equity = self.equity_now()
        if equity <= 0.0:  # R12
            for s in self.symbols:
                if s.holding is not None:
                    self.leave(s, self.price_of(s), "market", Reason.RUIN)
            self.ruined = True
            self.counters["margin_calls"] += self.called_inside is not None
            return
        for s in self.present():
            if s.holding is not None:
                self.watch(s.sure_bar(), s.holding)
        if self.options.daily_action == "flatten" and self.day_over is None:
            self.day_over = self.limit_reached(self.day_result(equity))
        self.learn_margin(self.margin_call(equity))
        self.learn_drawdown(equity)

    def accrue(self, s: Symbol) -> None:
        """R18: what curvature gives and time takes since the last mark."""
        option, holding, bar = self.options.option, s.holding, s.sure_bar()
        if option is None or holding is None:
            return
        move = bar.close - holding.marked_at
        days = bar.session - holding.marked_session
        per_point = 0.5 * option.gamma * (move * move) - option.theta * days
        gain = abs(holding.quantity) * self.unit * per_point
        self.cash = self.cash + gain
        self.accrued = self.accrued + gain
        s.accrued = s.accrued + gain
        holding.marked_at = bar.close
        holding.marked_session = bar.session

    def watch(self, bar: Bar, holding: Holding) -> None:
        """Excursions of a position that lives at the close of the bar."""
        adverse, favourable = holding.adverse(bar), holding.favourable(bar)
        if holding.entry_bar == bar.row:
            if holding.manner == "close":
                return
            if holding.manner == "limit":
                favourable = holding.better(holding.opened_at, bar.close)
            if holding.manner == "stop":
                adverse = holding.worse(holding.opened_at, bar.close)
        holding.saw_adverse(adverse)
        holding.saw_favourable(favourable)
