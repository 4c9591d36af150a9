"""The judge: docs/engine_rules.md read aloud, one bar at a time, in plain Python floats.

Written from the rules page alone, by somebody who had not seen the kernel. It is as slow and as
obvious as it can be: objects, one method per step of a bar, no arrays, no shortcuts. What it shares
with the kernel is the order of arithmetic on the last part of that page, so every number must agree
to the last bit. When the two differ, one of them has misread the page, or the page is unclear.

Rules are named in the comments (R1-R23) as on the page. `None` stands for "does not exist".
This is one symbol on its own; several with one account are in naive_shared.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from core.domain.bars import Bars
from core.domain.costs import CostModel, Fees
from core.domain.options import EngineOptions
from core.domain.signals import Code, Level, Signals
from core.domain.simulation import Reason
from tests.reference.naive_sizes import distance_to, raw_quantity, size_of, volatility_at

Manner = Literal["open", "limit", "stop", "close"]


@dataclass
class Bar:
    """One row of prices and where it lies in its session."""

    row: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    session: int
    minute: int
    ends_session: bool
    is_last: bool


@dataclass
class Order:
    """What one row asks for. Only LONG and SHORT can rest at a price."""

    row: int
    code: int
    price: float | None
    kind: str
    until: int = -1  # last bar in which it may fill, once it rests (R20)

    @property
    def is_entry(self) -> bool:
        return self.code in (Code.LONG, Code.SHORT)

    @property
    def rests(self) -> bool:
        return self.is_entry and self.price is not None

    @property
    def side(self) -> int:
        return 1 if self.code == Code.LONG else -1


@dataclass
class Position:
    """What is held, how it came to be and what protects it."""

    side: int
    quantity: float  # signed
    entry_price: float
    entry_bar: int
    entry_fee: float
    entry_slippage: float
    manner: Manner  # how it was entered: at the open, by a resting limit or stop, at the close
    stop: float | None
    target: float | None
    trail: float | None
    trail_unit: str
    risk: float
    trail_moved: bool = False
    ambiguous: bool = False
    mae: float = 0.0
    mfe: float = 0.0
    best: float = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.entry_price

    def adverse(self, bar: Bar) -> float:
        return bar.low if self.side > 0 else bar.high

    def favourable(self, bar: Bar) -> float:
        return bar.high if self.side > 0 else bar.low

    def better(self, a: float, b: float) -> float:
        return max(a, b) if self.side > 0 else min(a, b)

    def worse(self, a: float, b: float) -> float:
        return min(a, b) if self.side > 0 else max(a, b)

    def fallen_to(self, price: float, level: float | None) -> bool:
        """Whether a price is at a level or beyond it on the losing side (stops are inclusive)."""
        if level is None:
            return False
        return price <= level if self.side > 0 else price >= level

    def risen_beyond(self, price: float, level: float | None, *, touch: bool) -> bool:
        """Whether a price is beyond a level on the winning side (R5: touching is not enough)."""
        if level is None:
            return False
        if touch and price == level:
            return True
        return price > level if self.side > 0 else price < level

    def excursion(self, price: float) -> float:
        """How far a price is from the entry, as a fraction of it; positive is good."""
        move = (price - self.entry_price) / self.entry_price
        return move if self.side > 0 else -move

    def saw_adverse(self, price: float) -> None:
        self.mae = min(self.mae, self.excursion(price))

    def saw_favourable(self, price: float) -> None:
        self.mfe = max(self.mfe, self.excursion(price))


@dataclass
class Fill:
    bar: int
    quantity: float
    price: float
    fee: float
    slippage: float
    reason: int


@dataclass
class Trade:
    entry_bar: int
    exit_bar: int
    quantity: float
    entry_price: float
    exit_price: float
    pnl: float
    fees: float
    slippage: float
    mae: float
    mfe: float
    risk: float
    exit_reason: int
    ambiguous: bool


@dataclass
class Outcome:
    """Everything a `Simulation` says, as lists."""

    fills: list[Fill]
    trades: list[Trade]
    cash: list[float]
    equity: list[float]
    quantity: list[float]
    held: list[bool]
    counters: dict[str, int]
    max_drawdown: float
    gross_exposure: float
    ruined: bool
    stopped: bool = False


COUNTERS = (
    "entries",
    "conflicts",
    "dropped_lot",
    "scaled_cash",
    "rejected",
    "expired",
    "blocked",
    "limited",
    "volume_capped",
    "margin_calls",
    "ambiguous_bars",
    "missed_limits",
    "detail_missing",
    "detail_conflicts",
    "unsized",
)


def run(bars: Bars, signals: Signals, options: EngineOptions, costs: CostModel) -> Outcome:
    """Simulate one symbol by the rules page."""
    return Account(bars, signals, options, costs).run()


class Account:
    """One symbol's money, walking through the bars."""

    def __init__(
        self, bars: Bars, signals: Signals, options: EngineOptions, costs: CostModel
    ) -> None:
        self.options = options
        self.costs = costs
        self.signals = signals
        self.prices = bars
        self.symbol = bars.symbol
        self.bars = list(read_bars(bars))
        self.cash = options.initial_cash
        self.position: Position | None = None
        self.ruined = False
        self.stopped_out = False  # a protective exit happened during this bar (R20)
        self.resting: Order | None = None
        self.held_now = False
        # R14: of this session, and of the losses in a row
        self.day_start = options.initial_cash
        self.day_over: Reason | None = None
        self.opened_today = 0
        self.closed_today: list[Trade] = []
        self.losses = 0
        self.cooling_until = -1
        self.fills: list[Fill] = []
        self.trades: list[Trade] = []
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.counters["conflicts"] = signals.conflicts
        self.cash_curve: list[float] = []
        self.equity_curve: list[float] = []
        self.quantity_curve: list[float] = []
        self.held_curve: list[bool] = []

    def run(self) -> Outcome:
        for bar in self.bars:
            self.held_now = self.position is not None
            if not self.ruined:
                self.live_through(bar)
            self.record(bar)
        if self.position is not None:
            self.list_open_trade(self.position, self.bars[-1])
        return Outcome(
            fills=self.fills,
            trades=self.trades,
            cash=self.cash_curve,
            equity=self.equity_curve,
            quantity=self.quantity_curve,
            held=self.held_curve,
            counters=self.counters,
            max_drawdown=self.max_drawdown(),
            gross_exposure=self.gross_exposure(),
            ruined=self.ruined,
        )

    # One bar ---------------------------------------------------------------------------------

    def live_through(self, bar: Bar) -> None:
        self.stopped_out = False
        self.begin_session(bar)
        order = self.order_at_open(bar)
        self.step_1_gaps(bar)
        self.step_2_exits(bar, order)
        self.step_3_entries_at_the_open(bar, order)
        self.step_4_resting_entry(bar)
        self.step_5_protection(bar)
        self.step_6_close(bar)
        self.step_7_mark(bar)

    def begin_session(self, bar: Bar) -> None:
        """R14: every session begins anew, from the equity of the last close before it."""
        if bar.row > 0 and self.bars[bar.row - 1].session == bar.session:
            return
        self.day_start = self.equity_curve[-1] if self.equity_curve else self.options.initial_cash
        self.day_over = None
        self.opened_today = 0
        self.closed_today = []

    def order_at_open(self, bar: Bar) -> Order | None:
        """What acts in steps 2 to 4: row t-1-delay (R2), else an older row that rests (R20)."""
        order = self.order(bar.row - 1 - self.options.delay)
        if order is None or order.code == Code.HOLD:
            order = self.resting
        else:
            self.cancel_resting()
            if self.options.fill == "close" and not order.rests:
                return None  # it has acted at an earlier close already
            if self.is_stale(order, bar):
                self.counters["expired"] += order.is_entry
                return None
            if order.rests:
                order.until = bar.row + self.signals.ttl - 1
                self.resting = order
        if order is not None and order.rests:  # judged now, in every bar it is alive
            refusal = self.forbidden(order, bar)
            if refusal is not None:
                self.counters[refusal] += 1
                self.resting = None
                return None
        return order

    def cancel_resting(self) -> None:
        if self.resting is not None:
            self.counters["expired"] += 1
            self.resting = None

    def step_1_gaps(self, bar: Bar) -> None:
        position = self.position
        if position is None or self.options.protection == "close":
            return
        touch = self.options.fill_on_touch
        if position.fallen_to(bar.open, position.stop):
            self.leave(bar, bar.open, "market", Reason.STOP_GAP)
        elif position.risen_beyond(bar.open, position.target, touch=touch):
            self.leave(bar, bar.open, "limit", Reason.TARGET_GAP)

    def step_2_exits(self, bar: Bar, order: Order | None) -> None:
        at_open = self.options.fill == "next_open"
        if self.position is not None and self.day_over is not None:
            self.leave(bar, bar.open, "market", self.day_over)
        if self.position is not None and at_open and self.is_square_off_time(bar):
            self.leave(bar, bar.open, "market", Reason.SQUARE_OFF)
        if self.position is not None and self.is_held_long_enough(bar, self.position):
            self.leave(bar, bar.open, "market", Reason.MAX_BARS)
        if self.position is not None and order is not None and at_open:
            reason = self.reason_to_leave(order)
            if reason is not None:
                self.leave(bar, bar.open, "market", reason)

    def step_3_entries_at_the_open(self, bar: Bar, order: Order | None) -> None:
        if order is None or not order.is_entry or self.position is not None:
            return
        if not order.rests:
            refusal = self.forbidden(order, bar)
            if refusal is not None:
                self.counters[refusal] += 1
            else:
                self.enter(bar, order, bar.open, "market", "open")
        elif self.is_better(order, bar.open):
            self.resting = None
            self.enter(bar, order, bar.open, "limit", "open")
        elif self.is_triggered(order, bar.open):
            self.resting = None
            self.enter(bar, order, bar.open, "market", "open")

    def step_4_resting_entry(self, bar: Bar) -> None:
        order = self.resting
        if order is None:
            return
        assert order.price is not None
        low, high = (bar.low, bar.high) if order.side > 0 else (bar.high, bar.low)
        if self.position is not None:
            if self.position.side == order.side:
                self.resting = None  # in the way of its own side: forgotten
                return
        elif self.is_better(order, low):
            self.resting = None
            self.enter(bar, order, order.price, "limit", "limit")
            return
        elif self.is_triggered(order, high):
            self.resting = None
            self.enter(bar, order, order.price, "market", "stop")
            return
        if bar.row >= order.until or (self.options.intraday and bar.ends_session):
            self.cancel_resting()

    def is_better(self, order: Order, price: float) -> bool:
        """Whether a price is through a limit, or at it where touching is enough (R5)."""
        assert order.price is not None
        if order.kind != "limit":
            return False
        through = price < order.price if order.side > 0 else price > order.price
        return through or (self.options.fill_on_touch and price == order.price)

    def is_triggered(self, order: Order, price: float) -> bool:
        """Whether a price has reached a stop entry (inclusive, R5)."""
        assert order.price is not None
        if order.kind == "limit":
            return False
        return price >= order.price if order.side > 0 else price <= order.price

    def step_5_protection(self, bar: Bar) -> None:
        position = self.position
        if position is None:
            return
        touch = self.options.fill_on_touch
        entered_now = position.entry_bar == bar.row
        by_limit = entered_now and position.manner == "limit"
        by_stop = entered_now and position.manner == "stop"
        only_closes = self.options.protection == "close"
        if only_closes:  # R6: as if the bar were its close alone, and out at that close
            bar = replace(bar, high=bar.close, low=bar.close)
        adverse, favourable, close = position.adverse(bar), position.favourable(bar), bar.close

        hit = position.fallen_to(adverse, position.stop)
        beyond = position.risen_beyond(favourable, position.target, touch=touch)
        sure = beyond
        if by_limit and not position.risen_beyond(close, position.target, touch=touch):
            sure = False  # the favourable extreme may have come before the fill

        if hit:
            assert position.stop is not None
            if beyond or (by_stop and not position.fallen_to(close, position.stop)):
                self.ambiguous(position)
            reason = Reason.TRAIL if position.trail_moved else Reason.STOP
            self.leave(bar, close if only_closes else position.stop, "market", reason)
            self.stopped_out = True
        elif sure:
            assert position.target is not None
            if only_closes:
                self.leave(bar, close, "market", Reason.TARGET)
            else:
                self.leave(bar, position.target, "limit", Reason.TARGET)
            self.stopped_out = True
        else:
            marked = False
            if beyond:
                self.ambiguous(position)
                marked = True
            if position.trail is not None:
                self.trail(bar, position, by_limit=by_limit, marked=marked)

    def trail(self, bar: Bar, position: Position, *, by_limit: bool, marked: bool) -> None:
        """R7: the best price moves the stop; only a close beyond the new level is certain."""
        adverse, favourable, close = position.adverse(bar), position.favourable(bar), bar.close
        if by_limit:
            position.best = position.better(position.best, position.entry_price)
            position.best = position.better(position.best, close)
        else:
            position.best = position.better(position.best, favourable)
        level = trail_level(position.best, position.side, position.trail, position.trail_unit)
        assert position.stop is not None
        new = position.better(position.stop, level)
        if position.fallen_to(close, new):
            at = close if self.options.protection == "close" else new
            self.leave(bar, at, "market", Reason.TRAIL)
            self.stopped_out = True
            return
        if new != position.stop:
            if position.fallen_to(adverse, new) and not marked:
                self.ambiguous(position)
            position.stop = new
            position.trail_moved = True

    def step_6_close(self, bar: Bar) -> None:
        if self.options.fill == "close":
            if self.position is not None and self.is_square_off_time(bar):
                self.leave(bar, bar.close, "market", Reason.SQUARE_OFF)
            self.market_intent_at_the_close(bar)
        if self.position is not None and self.options.intraday and bar.ends_session:
            self.leave(bar, bar.close, "market", Reason.SQUARE_OFF)
        if self.position is not None and self.options.close_at_end and bar.is_last:
            self.leave(bar, bar.close, "market", Reason.END)

    def market_intent_at_the_close(self, bar: Bar) -> None:
        order = self.order(bar.row - self.options.delay)
        if order is None or order.code == Code.HOLD or order.rests:
            return
        self.cancel_resting()
        if self.is_stale(order, bar):
            self.counters["expired"] += order.is_entry
            return
        if self.position is not None:
            reason = self.reason_to_leave(order)
            if reason is not None:
                self.leave(bar, bar.close, "market", reason)
        if self.position is None and order.is_entry:
            refusal = self.forbidden(order, bar, at_close=True)
            if refusal is not None:
                self.counters[refusal] += 1
            else:
                self.enter(bar, order, bar.close, "market", "close")

    def step_7_mark(self, bar: Bar) -> None:
        equity = self.equity_at(bar.close)
        if equity <= 0.0:  # R12
            if self.position is not None:
                self.leave(bar, bar.close, "market", Reason.RUIN)
            self.ruined = True
        elif self.options.daily_action == "flatten" and self.day_over is None:
            self.day_over = self.limit_reached(self.day_result(bar, equity))
        if self.position is not None:  # an exit bar counts by its exit price alone, ruin included
            self.watch(bar, self.position)

    def watch(self, bar: Bar, position: Position) -> None:
        """Excursions of a position that lives at the close of the bar."""
        adverse, favourable = position.adverse(bar), position.favourable(bar)
        if position.entry_bar == bar.row:
            if position.manner == "close":
                return
            if position.manner == "limit":
                favourable = position.better(position.entry_price, bar.close)
            if position.manner == "stop":
                adverse = position.worse(position.entry_price, bar.close)
        position.saw_adverse(adverse)
        position.saw_favourable(favourable)

    # Day limits (R14) ------------------------------------------------------------------------

    def day_result(self, bar: Bar, equity: float) -> float:
        """Of the session up to this close, the open position included."""
        if self.options.daily_unit == "money":
            return equity - self.day_start
        points = self.closed_result()
        if self.position is not None:
            points = points + self.position.side * (bar.close - self.position.entry_price)
        return points

    def closed_result(self) -> float:
        """Of the trades closed in this session so far."""
        total = 0.0
        for trade in self.closed_today:
            if self.options.daily_unit == "money":
                total = total + trade.pnl
            else:
                side = 1 if trade.quantity > 0 else -1
                total = total + side * (trade.exit_price - trade.entry_price)
        return total

    def limit_reached(self, result: float) -> Reason | None:
        options = self.options
        if options.daily_target is not None and result >= options.daily_target:
            return Reason.DAILY_TARGET
        if options.daily_loss is not None and result <= -options.daily_loss:
            return Reason.DAILY_LOSS
        return None

    def is_limited(self, bar: Bar) -> bool:
        """Whether day limits or a cooldown refuse an entry at this moment."""
        options = self.options
        if self.day_over is not None or bar.row <= self.cooling_until:
            return True
        most = options.max_trades_per_day
        if most is not None and self.opened_today >= most:
            return True
        refuses = options.daily_action == "entries"
        return refuses and self.limit_reached(self.closed_result()) is not None

    def learn_from(self, closed: Trade) -> None:
        """Count what a closed trade means for later entries."""
        self.closed_today.append(closed)
        if closed.pnl >= 0:
            self.losses = 0
            return
        self.losses += 1
        if self.options.cooldown_bars > 0 and self.losses >= self.options.cooldown_losses:
            self.cooling_until = closed.exit_bar + self.options.cooldown_bars
            self.losses = 0

    # What a row means ------------------------------------------------------------------------

    def order(self, row: int) -> Order | None:
        if row < 0:
            return None
        price = None
        if self.signals.entry_price is not None:
            price = number_or_none(self.signals.entry_price[row])
        return Order(row, int(self.signals.codes[row]), price, self.signals.entry_kind)

    def reason_to_leave(self, order: Order) -> Reason | None:
        assert self.position is not None
        if order.rests:
            return None  # a resting order closes nothing
        own = Code.CLOSE_LONG if self.position.side > 0 else Code.CLOSE_SHORT
        if order.code in (Code.FLAT, own):
            return Reason.EXIT_SIGNAL
        if order.is_entry and order.side != self.position.side:
            return Reason.REVERSE
        return None

    def is_stale(self, order: Order, bar: Bar) -> bool:
        """R2: with `intraday`, a row of an earlier session has expired."""
        return self.options.intraday and self.bars[order.row].session != bar.session

    def is_held_long_enough(self, bar: Bar, position: Position) -> bool:
        most = self.signals.max_bars
        return most > 0 and bar.row - position.entry_bar >= most

    def is_square_off_time(self, bar: Bar) -> bool:
        at = self.options.square_off
        return self.options.intraday and at is not None and bar.minute >= at.hour * 60 + at.minute

    def forbidden(self, order: Order, bar: Bar, *, at_close: bool = False) -> str | None:
        """The first two refusals: shorts not allowed, then session and R20."""
        if order.side < 0 and not may_short(self.options, self.symbol):
            return "rejected"
        until = self.options.no_entry_after
        if self.is_square_off_time(bar):
            return "blocked"
        if until is not None and bar.minute >= until.hour * 60 + until.minute:
            return "blocked"
        if at_close and self.options.intraday and bar.ends_session:
            return "blocked"
        if at_close and self.stopped_out:
            return "blocked"
        return None

    # Entering --------------------------------------------------------------------------------

    def enter(self, bar: Bar, order: Order, reference: float, kind: str, manner: Manner) -> None:
        if self.is_limited(bar):
            self.counters["limited"] += 1
            return
        side = order.side
        price = fill_price(self.costs, reference, side, kind)
        if not price > 0:
            self.counters["rejected"] += 1
            return
        stop, target, trail = self.protection(order, price)
        if stop is not None and (stop >= price if side > 0 else stop <= price):
            self.counters["rejected"] += 1
            return
        if target is not None and (target <= price if side > 0 else target >= price):
            self.counters["rejected"] += 1
            return

        size = self.wanted(order, price)
        if isinstance(size, str):
            self.counters[size] += 1
            return
        lots, quantity = size
        if not self.is_covered(side * quantity, price, bar):  # R9
            scaled = None
            if self.options.on_insufficient == "scale":
                scaled = self.affordable(side, lots, price, bar)
            if scaled is None:
                self.counters["rejected"] += 1
                return
            self.counters["scaled_cash"] += 1
            quantity = scaled

        self.counters["entries"] += 1
        self.opened_today += 1
        fee, slippage = self.fill(bar, side * quantity, price, reference, Reason.ENTRY)
        risk = math.nan
        if stop is not None:
            risk = abs(price - stop) * quantity * self.options.multiplier
        self.position = Position(
            side=side,
            quantity=side * quantity,
            entry_price=price,
            entry_bar=bar.row,
            entry_fee=fee,
            entry_slippage=slippage,
            manner=manner,
            stop=stop,
            target=target,
            trail=trail,
            trail_unit=self.signals.trail.unit if self.signals.trail is not None else "percent",
            risk=risk,
        )

    def protection(
        self, order: Order, fill: float
    ) -> tuple[float | None, float | None, float | None]:
        """Levels from the actual fill price and the values of the decision row."""
        side = order.side
        stop = level_price(self.signals.stop, order.row, fill, -side)
        target = level_price(self.signals.target, order.row, fill, side)
        trail = level_value(self.signals.trail, order.row)
        if trail is not None:
            assert self.signals.trail is not None
            begins = trail_level(fill, side, trail, self.signals.trail.unit)
            higher = max if side > 0 else min
            stop = begins if stop is None else higher(stop, begins)
        return stop, target, trail

    def raw_size(self, order: Order, fill: float) -> float | None:
        """R3: what the row asks for, None where that cannot be told."""
        options = self.options
        if options.size_ref == "fill":
            equity, price, entry = self.cash, fill, fill
        else:
            equity, price = self.equity_of_row(order.row), self.bars[order.row].close
            entry = price if order.price is None else order.price
        volatility = None
        if options.sizing == "vol_target":
            volatility = volatility_at(self.prices, order.row, options)
        stop, _, _ = self.protection(order, entry)
        return raw_quantity(
            options,
            size_of(self.signals, order.row, options),
            equity=equity,
            price=price,
            distance=distance_to(order.side, entry, stop),
            volatility=volatility,
            multiplier=options.multiplier,
        )

    def wanted(self, order: Order, fill: float) -> tuple[int, float] | str:
        """R3: whole lots and quantity, or what its refusal is counted as."""
        options, raw = self.options, self.raw_size(order, fill)
        if raw is None:
            return "unsized"
        if options.lot_size == 0:
            return (0, raw) if raw > 0 else "dropped_lot"
        lots = math.floor(raw / options.lot_size + 1e-9)
        return (lots, lots * options.lot_size) if lots >= 1 else "dropped_lot"

    def equity_of_row(self, row: int) -> float:
        if row < len(self.equity_curve):
            return self.equity_curve[row]
        return self.cash  # the decision is this very close and the position is flat

    def is_covered(self, quantity: float, price: float, bar: Bar) -> bool:
        if self.options.initial_margin == 0:
            return True  # capital is not modelled
        return self.needed(quantity, price, bar) <= self.cash

    def needed(self, quantity: float, price: float, bar: Bar) -> float:
        fee = self.fee(quantity, price, bar)
        return abs(quantity) * price * self.options.multiplier * self.options.initial_margin + fee

    def affordable(self, side: int, lots: int, price: float, bar: Bar) -> float | None:
        """The largest quantity that cash covers, None when nothing does."""
        options = self.options
        if options.lot_size > 0:
            # Fees are never below 0: cash covers no more than without them, and one for rounding.
            a_lot = options.lot_size * price * options.multiplier * options.initial_margin
            without_fees = math.floor(self.cash / a_lot) + 1
            for fewer in range(min(lots - 1, without_fees), 0, -1):
                if self.needed(side * fewer * options.lot_size, price, bar) <= self.cash:
                    return fewer * options.lot_size
            return None
        value = price * options.multiplier
        margin = value * options.initial_margin
        quantity = fraction_for(self.cash, fees_on(self.costs, bar.session), side, value, margin)
        if quantity > 0 and self.needed(side * quantity, price, bar) > self.cash * (1 + 1e-12):
            quantity = (self.cash - self.fee(side * quantity, price, bar)) / margin
        return quantity if quantity > 0 else None

    # Leaving ---------------------------------------------------------------------------------

    def leave(self, bar: Bar, reference: float, kind: str, reason: Reason) -> None:
        position = self.position
        assert position is not None
        price = fill_price(self.costs, reference, -position.side, kind)
        fee, slippage = self.fill(bar, -position.quantity, price, reference, reason)
        position.saw_adverse(price)
        closed = self.trade(position, bar.row, price, int(reason))
        closed.pnl = closed.pnl - fee
        closed.fees = closed.fees + fee
        closed.slippage = closed.slippage + slippage
        self.trades.append(closed)
        self.learn_from(closed)
        self.position = None

    def list_open_trade(self, position: Position, last: Bar) -> None:
        """R19: marked at the last close, without an exit's costs."""
        self.trades.append(self.trade(position, -1, last.close, 0))

    def trade(self, position: Position, exit_bar: int, price: float, reason: int) -> Trade:
        """A trade as its entry and a price make it; an exit's own costs are still to be added."""
        gross = (price - position.entry_price) * position.quantity * self.options.multiplier
        return Trade(
            entry_bar=position.entry_bar,
            exit_bar=exit_bar,
            quantity=position.quantity,
            entry_price=position.entry_price,
            exit_price=price,
            pnl=gross - position.entry_fee,
            fees=position.entry_fee,
            slippage=position.entry_slippage,
            mae=position.mae,
            mfe=position.mfe,
            risk=position.risk,
            exit_reason=reason,
            ambiguous=position.ambiguous,
        )

    def ambiguous(self, position: Position) -> None:
        self.counters["ambiguous_bars"] += 1
        position.ambiguous = True

    # Money -----------------------------------------------------------------------------------

    def fee(self, quantity: float, price: float, bar: Bar) -> float:
        """Of buying (positive) or selling (negative) so much."""
        value = abs(quantity) * price * self.options.multiplier
        return fee_of(fees_on(self.costs, bar.session), quantity, value)

    def fill(
        self, bar: Bar, quantity: float, price: float, reference: float, reason: Reason
    ) -> tuple[float, float]:
        fee = self.fee(quantity, price, bar)
        if reason != Reason.ENTRY:
            fee = fee + self.costs.per_trade
        slippage = abs(price - reference) * abs(quantity) * self.options.multiplier
        self.cash = self.cash - quantity * price * self.options.multiplier
        self.cash = self.cash - fee
        self.fills.append(Fill(bar.row, quantity, price, fee, slippage, int(reason)))
        self.held_now = True
        return fee, slippage

    def equity_at(self, close: float) -> float:
        quantity = self.position.quantity if self.position is not None else 0.0
        return self.cash + quantity * close * self.options.multiplier

    # The record ------------------------------------------------------------------------------

    def record(self, bar: Bar) -> None:
        self.cash_curve.append(self.cash)
        self.equity_curve.append(self.equity_at(bar.close))
        self.quantity_curve.append(self.position.quantity if self.position is not None else 0.0)
        self.held_curve.append(self.held_now)

    def max_drawdown(self) -> float:
        peak, worst = self.options.initial_cash, 0.0
        for equity in self.equity_curve:
            peak = max(peak, equity)
            worst = min(worst, equity / peak - 1)
        return worst

    def gross_exposure(self) -> float:
        shares = []
        for bar, quantity, equity in zip(
            self.bars, self.quantity_curve, self.equity_curve, strict=True
        ):
            is_held = quantity != 0.0
            value = abs(quantity) * bar.close * self.options.multiplier
            shares.append(value / equity if is_held else 0.0)
        return in_columns(shares) / len(self.bars)


def in_columns(values: list[float]) -> float:
    """Add each to the column of its place in 256, then columns in halves."""
    columns = [0.0] * 256
    for place, value in enumerate(values):
        columns[place % 256] += value
    while len(columns) > 1:
        half = len(columns) // 2
        columns = [columns[i] + columns[i + half] for i in range(half)]
    return columns[0]


def may_short(options: EngineOptions, symbol: str) -> bool:
    """R9: what is said of a symbol goes before what is said of all."""
    return options.shortable.get(symbol, options.allow_short)


# Prices and fees ------------------------------------------------------------------------------


def fill_price(
    costs: CostModel,
    reference: float,
    side: int,
    kind: str,
    *,
    moved: float = 0.0,
    impact: float = 0.0,
    share: float = 0.0,
) -> float:
    """R4: market class pays slippage and is rounded against us, limit class does neither.

    What is paid more because prices move much, and what a big order pays more by its impact and its
    share of volume, is known to the caller.
    """
    if kind == "limit":
        return reference
    s = (costs.slippage_bps + costs.half_spread_bps) / 10000
    if side > 0:
        price = reference * (1 + s) + costs.slippage_points + moved + impact + share
        if costs.tick > 0:
            price = math.ceil(price / costs.tick - 1e-9) * costs.tick
    else:
        price = max(0.0, reference * (1 - s) - costs.slippage_points - moved - impact - share)
        if costs.tick > 0:
            price = math.floor(price / costs.tick + 1e-9) * costs.tick
    return price


def fees_on(costs: CostModel, session: int) -> dict[str, Any]:
    """The fees in force in a session: every change up to it, newest last."""
    today = date(1970, 1, 1) + timedelta(days=session)
    fees = {name: getattr(costs, name) for name in Fees.model_fields}
    for change in costs.changes:
        for name in fees:
            if change.since <= today and getattr(change, name) is not None:
                fees[name] = getattr(change, name)
    return fees


def fee_of(fees: dict[str, Any], quantity: float, value: float) -> float:
    """Of buying (positive) or selling (negative) so many units of this value altogether."""
    units = abs(quantity)
    fee = fees["fixed"] + fees["per_unit"] * units + (fees["bps"] / 10000) * value
    fee = max(fee, fees["minimum"])
    if fees["maximum_rate"] is not None:
        fee = min(fee, fees["maximum_rate"] * value)
    if fees["maximum"] is not None:
        fee = min(fee, fees["maximum"])
    fee = fee * (1 + fees["commission_tax"])
    own = fees["buy_charge_bps"] if quantity > 0 else fees["sell_charge_bps"]
    selling = 0.0
    if quantity < 0:
        selling = fees["sell_charge_per_unit"] * units
        if fees["sell_charge_maximum"] is not None:
            selling = min(selling, fees["sell_charge_maximum"])
    if fees["rounding"] == "none":
        charges = (fees["charge_bps"] + own) / 10000 * value + fees["charge_per_unit"] * units
        return fee + (charges + selling)
    charges = fees["charge_bps"] / 10000 * value + fees["charge_per_unit"] * units
    charges = charges + cents(own / 10000 * value, fees["rounding"])
    return fee + (charges + cents(selling, fees["rounding"]))


def cents(money: float, rounding: str) -> float:
    """Whole cents of a charge: none is lost going up, halves go up to the nearest."""
    if rounding == "cent_up":
        return math.ceil(100 * money - 1e-9) / 100
    assert rounding == "cent_nearest"
    return math.floor(100 * money + 0.5 + 1e-9) / 100


def fraction_for(
    cash: float, fees: dict[str, Any], side: int, value: float, margin: float
) -> float:
    """R9: units that cash pays for, one being worth `value` and taking `margin` of the cash."""
    taxed = 1 + fees["commission_tax"]
    own = fees["buy_charge_bps"] if side > 0 else fees["sell_charge_bps"]
    each = fees["charge_per_unit"] + (fees["sell_charge_per_unit"] if side < 0 else 0)
    per_unit = margin + (fees["per_unit"] + value * (fees["bps"] / 10000)) * taxed
    per_unit = per_unit + value * ((fees["charge_bps"] + own) / 10000) + each
    return (cash - fees["fixed"] * taxed) / per_unit


# Bars and levels ------------------------------------------------------------------------------


def read_bars(bars: Bars) -> list[Bar]:
    count = len(bars)
    return [
        Bar(
            row=t,
            open=float(bars.open[t]),
            high=float(bars.high[t]),
            low=float(bars.low[t]),
            close=float(bars.close[t]),
            volume=float(bars.volume[t]),
            session=int(bars.session[t]),
            minute=int(bars.minute[t]),
            ends_session=t == count - 1 or int(bars.session[t + 1]) != int(bars.session[t]),
            is_last=t == count - 1,
        )
        for t in range(count)
    ]


def number_or_none(value: float) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def level_value(level: Level | None, row: int) -> float | None:
    if level is None:
        return None
    per_row = isinstance(level.value, np.ndarray)
    return number_or_none(level.value[row] if per_row else level.value)


def level_price(level: Level | None, row: int, fill: float, direction: int) -> float | None:
    """A protective price `direction` (+1 up, -1 down) of the fill."""
    value = level_value(level, row)
    if level is None or value is None:
        return None
    if level.unit == "price":
        return value
    if level.unit == "points":
        return fill + value if direction > 0 else fill - value
    v = value / 100
    return fill * (1 + v) if direction > 0 else fill * (1 - v)


def trail_level(best: float, side: int, trail: float | None, unit: str) -> float:
    assert trail is not None
    if unit == "points":
        return best - trail if side > 0 else best + trail
    v = trail / 100
    return best * (1 - v) if side > 0 else best * (1 + v)
