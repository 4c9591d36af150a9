"""Money in the judge of the general driver: marks, prices, fees, day limits and the record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Signals, Weights
from core.domain.simulation import Reason
from tests.reference.naive import COUNTERS, fee_of, fees_on, fill_price, in_columns
from tests.reference.naive_fx import Converter
from tests.reference.naive_symbol import Holding, SharedFill, SharedOutcome, SharedTrade, Symbol


@dataclass
class Call:
    """A margin call inside a bar: of which position, and what it is to be cut by."""

    holding: Holding
    factor: float


class Ledger:
    """One account's money over several symbols, and what is written down of it."""

    def __init__(
        self,
        bars: Sequence[Bars],
        wanted: Sequence[Signals] | Weights,
        options: EngineOptions,
        costs: CostModel,
    ) -> None:
        self.options = options
        self.costs = costs
        self.ts = sorted({int(ts) for each in bars for ts in each.ts})
        rows = {ts: row for row, ts in enumerate(self.ts)}
        self.converter = Converter(bars, self.ts)
        self.weights = wanted if isinstance(wanted, Weights) else None
        self.symbols = [
            Symbol(n, each, rows, wanted if isinstance(wanted, Weights) else wanted[n])
            for n, each in enumerate(bars)
        ]
        self.sessions: list[int] = []
        for row in range(len(self.ts)):
            here = [s.bars[s.number_at[row]].session for s in self.symbols if row in s.number_at]
            self.sessions.append(max(here + self.sessions[-1:]))
        # R18: money per point of one unit, of the option itself and of what follows the index
        self.unit = options.multiplier
        self.multiplier = options.multiplier
        if options.option is not None:
            self.multiplier = options.multiplier * options.option.delta

        self.row = -1
        self.at_close = False
        self.cash = options.initial_cash
        self.ruined = False
        self.fees_of_session: dict[int, dict[str, Any]] = {}
        self.borrow = 0.0
        self.accrued = 0.0
        self.dividends = 0.0
        self.funding = 0.0
        self.interest = 0.0
        self.margin_factor: float | None = None
        self.called_inside: Call | None = None
        self.peak = options.initial_cash
        self.is_ending = False  # equity has fallen to the drawdown limit
        self.is_over = False  # and nothing is held any more
        self.held_now = False
        self.day_start = options.initial_cash
        self.day_over: Reason | None = None
        self.opened_today = 0
        self.closed_today: list[SharedTrade] = []
        self.fills: list[SharedFill] = []
        self.opened: list[tuple[Symbol, Holding]] = []
        self.closed: dict[int, SharedTrade] = {}  # by their place in `opened`
        self.counters = dict.fromkeys(COUNTERS, 0)
        if not isinstance(wanted, Weights):
            self.counters["conflicts"] = sum(signals.conflicts for signals in wanted)
        self.cash_curve: list[float] = []
        self.equity_curve: list[float] = []
        self.quantity_curve: list[list[float]] = []
        self.held_curve: list[bool] = []
        self.exposure_curve: list[float] = []

    def present(self) -> list[Symbol]:
        """Symbols with a bar at this row, in their order; the others are absent (R16)."""
        return [s for s in self.symbols if s.bar is not None]

    # Marks ----------------------------------------------------------------------------------------

    def price_of(self, s: Symbol) -> float:
        """Open (steps 0 to 4) or close of this bar, else the last close."""
        if s.bar is not None:
            return s.bar.close if self.at_close else s.bar.open
        assert s.last_close is not None
        return s.last_close

    def fx(self, s: Symbol) -> float:
        """R17: X of the opening of this row, or from step 6 on of its close."""
        find = self.converter.at_close if self.at_close else self.converter.at_open
        return find(s.index, self.row)

    def equity_now(self) -> float:
        equity = self.cash
        for s in self.symbols:
            if s.holding is not None:
                value = s.holding.quantity * self.price_of(s) * self.multiplier * self.fx(s)
                equity = equity + value
        return equity

    def equity_of_row(self, row: int) -> float:
        if row < 0:
            return self.options.initial_cash
        return self.equity_curve[row] if row < len(self.equity_curve) else self.equity_now()

    def free_cash(self) -> float:
        """R9: equity less what positions tie up."""
        free = self.equity_now()
        for s in self.symbols:
            if s.holding is None:
                continue
            held, price = abs(s.holding.quantity), self.price_of(s)
            if self.options.option is not None:
                free = free - held * self.premium(s.holding, price) * self.unit
            else:
                value = held * price * self.multiplier * self.fx(s)
                free = free - value * self.options.initial_margin
        return free

    def margin_call(self, equity: float) -> float | None:
        """R12: the factor by which positions are cut at their next open, None without a call."""
        maintenance = self.options.maintenance_margin
        if maintenance == 0:
            return None
        needed = at_entry = 0.0
        for s in self.symbols:
            if s.holding is not None:
                value = abs(s.holding.quantity) * self.price_of(s) * self.multiplier * self.fx(s)
                needed = needed + value * maintenance
                at_entry = at_entry + value * self.options.initial_margin
        if not equity < needed:
            return None
        return equity / at_entry

    def call_inside(self, s: Symbol) -> Call | None:
        """R12: the test at the worst price of a bar, of what is held after its protection."""
        holding, bar, options = s.holding, s.bar, self.options
        if holding is None or bar is None:
            return None
        worst = holding.adverse(bar)
        if holding.entry_bar == bar.row and holding.manner == "stop":
            worst = bar.close
        fx = self.fx(s)
        equity = self.cash + holding.quantity * worst * self.multiplier * fx
        value = abs(holding.quantity) * worst * self.multiplier * fx
        if not equity < value * options.maintenance_margin:
            return None
        return Call(holding, equity / (value * options.initial_margin))

    def learn_margin(self, at_close: float | None) -> None:
        """R12: count a call of either kind once, and keep the lesser factor."""
        inside = self.called_inside
        self.margin_factor = at_close
        if inside is None and at_close is None:
            return
        self.counters["margin_calls"] += 1
        if inside is not None and any(s.holding is inside.holding for s in self.symbols):
            lesser = inside.factor if at_close is None else min(inside.factor, at_close)
            self.margin_factor = lesser

    def learn_drawdown(self, equity: float) -> None:
        """R12: what the run may lose from its peak."""
        limit = self.options.max_dd_limit
        self.peak = max(self.peak, equity)
        if limit is None or self.is_ending or equity > self.peak * (1 - limit):
            return
        self.is_ending = True
        for s in self.symbols:
            s.resting = None
            s.pending = None

    # Fills ----------------------------------------------------------------------------------------

    def fee(self, s: Symbol, quantity: float, price: float) -> float:
        """Of buying (positive) or selling (negative) so much, in the symbol's currency."""
        session = self.sessions[self.row]
        if self.options.option is not None:
            value = abs(quantity) * self.premium(s.holding, price) * self.unit
        else:
            value = abs(quantity) * price * self.multiplier
        if session not in self.fees_of_session:
            self.fees_of_session[session] = fees_on(self.costs, session)
        return fee_of(self.fees_of_session[session], quantity, value)

    def premium(self, holding: Holding | None, price: float) -> float:
        """R18: of a new option at an index price, or of one that is held."""
        option = self.options.option
        assert option is not None
        years = math.sqrt(option.days_to_expiry / 365)
        if holding is None:
            return 0.4 * price * option.volatility * years
        average = holding.entry_price
        at_entry = 0.4 * average * option.volatility * years
        return max(at_entry + option.delta * holding.side * (price - average), 0.05)

    def price_with_impact(
        self, s: Symbol, quantity: float, reference: float, side: int, kind: str
    ) -> float:
        impact = share = 0.0
        if self.costs.impact > 0:
            coefficient = s.impact_of[s.bar.row] if s.bar is not None else 0.0
            impact = reference * (self.costs.impact * coefficient) * math.sqrt(quantity)
        if self.costs.volume_share > 0:
            volume = s.bar.volume if s.bar is not None else 0.0
            part = min(quantity / volume, 0.025) if volume > 0 else 0.025
            share = reference * self.costs.volume_share * (part * part)
        moved = self.moved_by(s)
        return fill_price(
            self.costs, reference, side, kind, moved=moved, impact=impact, share=share
        )

    def moved_by(self, s: Symbol) -> float:
        """R4: points of slippage by what the bars before this one were like."""
        return 0.0 if s.bar is None else s.slip_before(s.bar.row, self.costs)

    def execute(
        self,
        s: Symbol,
        quantity: float,
        price: float,
        fee: float,
        reference: float,
        *,
        reason: Reason,
    ) -> float:
        """Do a fill; the fee comes in the account's currency already."""
        fx = self.fx(s)
        slippage = abs(price - reference) * abs(quantity) * self.multiplier * fx
        self.cash = self.cash - quantity * price * self.multiplier * fx
        self.cash = self.cash - fee
        self.fills.append(
            SharedFill(self.row, s.index, quantity, price, fee, slippage, int(reason), fx)
        )
        self.held_now = True
        s.volume_left = s.volume_left - abs(quantity)
        return slippage

    # Day limits (R14) -----------------------------------------------------------------------------

    def is_limited(self, s: Symbol, openings: int = 0) -> bool:
        """Whether the account's day or the symbol's cooldown refuses an entry at this moment."""
        options = self.options
        if self.day_over is not None or s.sure_bar().row <= s.cooling_until:
            return True
        most = options.max_trades_per_day
        if most is not None and self.opened_today + openings >= most:
            return True
        refuses = options.daily_action == "entries"
        return refuses and self.limit_reached(self.closed_result()) is not None

    def day_result(self, equity: float) -> float:
        if self.options.daily_unit == "money":
            return equity - self.day_start
        points = self.closed_result()
        for s in self.symbols:
            if s.holding is not None:
                move = self.price_of(s) - s.holding.entry_price
                points = points + s.holding.side * move
        return points

    def closed_result(self) -> float:
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

    def learn_from(self, s: Symbol, trade: SharedTrade) -> None:
        self.closed_today.append(trade)
        if trade.pnl >= 0:
            s.losses = 0
            return
        s.losses += 1
        if self.options.cooldown_bars > 0 and s.losses >= self.options.cooldown_losses:
            number = s.bar.row if s.bar is not None else len(s.bars)
            s.cooling_until = number + self.options.cooldown_bars
            s.losses = 0

    # The record -----------------------------------------------------------------------------------

    def record(self) -> None:
        equity = self.equity_now()
        held = [s.holding.quantity if s.holding is not None else 0.0 for s in self.symbols]
        exposed = 0.0
        for s in self.symbols:
            if s.holding is not None:
                value = abs(s.holding.quantity) * self.price_of(s) * self.multiplier * self.fx(s)
                exposed = exposed + value
        self.cash_curve.append(self.cash)
        self.equity_curve.append(equity)
        self.quantity_curve.append(held)
        self.held_curve.append(self.held_now)
        self.exposure_curve.append(exposed / equity if any(held) else 0.0)

    def outcome(self) -> SharedOutcome:
        return SharedOutcome(
            ts=self.ts,
            fills=self.fills,
            trades=self.all_trades(),
            cash=self.cash_curve,
            equity=self.equity_curve,
            quantity=self.quantity_curve,
            held=self.held_curve,
            counters=self.counters,
            max_drawdown=self.max_drawdown(),
            gross_exposure=self.gross_exposure(),
            ruined=self.ruined,
            borrow=self.borrow,
            accrued=self.accrued,
            dividends=self.dividends,
            of_symbols=[(s.borrow, s.accrued, s.received, s.funding_paid) for s in self.symbols],
            funding=self.funding,
            stopped=self.is_ending,
            interest=self.interest,
        )

    def trade(
        self, s: Symbol, holding: Holding, exit_row: int, exit_price: float, reason: int
    ) -> SharedTrade:
        gross = holding.gross
        if exit_row < 0:  # R19: marked, without an exit's costs
            move = exit_price * self.fx(s) - holding.entry_paid
            gross = gross + move * holding.quantity * self.multiplier
        mae, mfe = holding.excursions()
        return SharedTrade(
            symbol=s.index,
            entry_bar=holding.entry_row,
            exit_bar=exit_row,
            quantity=holding.side * holding.bought.quantity,
            entry_price=holding.bought.price,
            exit_price=exit_price,
            pnl=gross - holding.entry_fee - holding.exit_fee,
            fees=holding.entry_fee + holding.exit_fee,
            slippage=holding.entry_slippage + holding.exit_slippage,
            mae=mae,
            mfe=mfe,
            risk=holding.risk,
            exit_reason=int(reason),
            ambiguous=holding.ambiguous,
            fx=holding.paid.price / holding.bought.price,
        )

    def all_trades(self) -> list[SharedTrade]:
        trades = []
        for place, (s, holding) in enumerate(self.opened):
            if place in self.closed:
                trades.append(self.closed[place])
            else:
                assert s.last_close is not None
                trades.append(self.trade(s, holding, -1, s.last_close, 0))
        return trades

    def max_drawdown(self) -> float:
        peak, worst = self.options.initial_cash, 0.0
        for equity in self.equity_curve:
            peak = max(peak, equity)
            worst = min(worst, equity / peak - 1)
        return worst

    def gross_exposure(self) -> float:
        return in_columns(self.exposure_curve) / len(self.exposure_curve)
