"""Weights in the judge of the general driver."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.simulation import Reason
from tests.reference.naive import Manner, fill_price, may_short, number_or_none
from tests.reference.naive_dealer import Dealer, is_void
from tests.reference.naive_symbol import Pending, Symbol


@dataclass
class Wish:
    """An increase that a weight asks for, until the free cash has been shared."""

    symbol: Symbol
    row: int
    side: int
    full: float
    quantity: float
    price: float  # before impact


class Rebalancer(Dealer):
    """Moves positions to their weights: reductions one by one, increases all at once."""

    def take_weights(self, row: int) -> None:
        """A row of the matrix becomes pending, symbols that are absent included."""
        if self.weights is None or row < 0 or self.is_ending:
            return
        for s in self.symbols:
            weight = number_or_none(self.weights.values[row, s.index])
            price = s.close_at(row)
            if weight is not None and price is not None:
                s.pending = Pending(row, weight, price)

    def reduce_to_weight(self, s: Symbol) -> None:
        """Everything a weight asks for but increases."""
        pending, bar = s.pending, s.sure_bar()
        if pending is None:
            return
        pending.may_increase = False
        if s.leftover is not None:
            return
        at = s.number_at.get(pending.row)
        since = self.sessions[pending.row] if at is None else s.bars[at].session
        if self.options.intraday and since < bar.session:
            self.counters["expired"] += pending.weight != 0
            s.pending = None
            return
        wanted = self.wanted_by(s, pending)
        pending.acted = True
        if wanted is None:
            s.pending = None
        elif s.holding is None:
            pending.may_increase = self.is_worth_opening(s, pending, wanted)
        elif wanted * s.holding.quantity < 0:
            pending.may_increase = self.leave(s, self.price_of(s), "market", Reason.REVERSE)
        elif abs(wanted) < abs(s.holding.quantity):
            reason = Reason.REBALANCE if wanted != 0 else Reason.EXIT_SIGNAL
            less = abs(s.holding.quantity) - abs(wanted)
            if self.leave(s, self.price_of(s), "market", reason, less):
                s.pending = None
        else:
            pending.may_increase = True

    def is_worth_opening(self, s: Symbol, pending: Pending, wanted: float) -> bool:
        if wanted != 0:
            return True
        self.counters["dropped_lot"] += pending.weight != 0 and not pending.refused
        s.pending = None
        return False

    def wanted_by(self, s: Symbol, pending: Pending) -> float | None:
        """Signed quantity, None when the weight is near enough to what is held."""
        weight = pending.weight
        if weight < 0 and not may_short(self.options, s.name):
            self.counters["rejected"] += not pending.refused
            pending.refused = True
            return 0.0
        if weight == 0:
            return 0.0
        if self.options.size_ref == "fill":
            equity, price = self.equity_now() / self.fx(s), self.price_of(s)
        else:
            fx = self.converter.at_close(s.index, pending.row)
            equity = self.equity_of_row(pending.row) / fx
            price = pending.price / s.splits_between(pending.row, self.row)
        if equity <= 0:
            return 0.0
        held = s.holding.quantity if s.holding is not None else 0.0
        band = self.options.rebalance_band
        if band > 0 and abs(weight - held * price * self.multiplier / equity) <= band:
            return None
        raw = weight * equity / (price * self.multiplier)
        quantity = self.whole_lots(abs(raw))
        return quantity if weight > 0 else -quantity

    def increase_to_weights(self) -> None:
        """All increases of a row share the free cash by one factor."""
        wishes = self.wishes()
        if not wishes:
            return
        free = self.free_cash()
        enough = self.options.initial_margin == 0 or self.needed_by(wishes) <= free
        if not enough:
            self.share(wishes, free)
        for wish in wishes:
            if wish.quantity == 0:
                self.counters["rejected"] += 1
                continue
            s = wish.symbol
            reference = self.price_of(s)
            manner: Manner = "close" if self.at_close else "open"
            filled = self.buy(
                s,
                wish.row,
                wish.side,
                wish.quantity,
                reference,
                kind="market",
                manner=manner,
            )
            self.counters["scaled_cash"] += filled and wish.quantity < wish.full

    def wishes(self) -> list[Wish]:
        wishes: list[Wish] = []
        openings = 0
        for s in self.present():
            pending = s.pending
            if pending is None or not pending.may_increase:
                continue
            wanted = self.wanted_by(s, pending)
            held = abs(s.holding.quantity) if s.holding is not None else 0.0
            s.pending = None  # it has had its say, unless volume cuts it short
            if wanted is None:
                continue
            if held == 0.0 and not self.is_worth_opening(s, pending, wanted):
                continue
            if abs(wanted) <= held:
                continue
            side = 1 if wanted > 0 else -1
            price = self.judge_wish(s, pending.row, side, openings)
            if price is None:
                continue
            full = abs(wanted) - held
            quantity = self.capped(s, full)
            if quantity < full:
                s.pending = pending
            if quantity > 0:
                openings += s.holding is None
                wishes.append(Wish(s, pending.row, side, quantity, quantity, price))
        return wishes

    def judge_wish(self, s: Symbol, row: int, side: int, openings: int) -> float | None:
        """Refusals before size; the price before impact if there is none."""
        refusal = self.forbidden(s, side, at_close=self.at_close)
        if refusal is None and self.is_limited(s, openings):
            refusal = "limited"
        price = fill_price(self.costs, self.price_of(s), side, "market", moved=self.moved_by(s))
        if refusal is None and not price > 0:
            refusal = "rejected"
        if refusal is None and s.holding is None:
            stop, target, _ = self.protection(s, row, side, price)
            if is_void(side, price, stop, target):
                refusal = "rejected"
        if refusal is not None:
            self.counters[refusal] += 1
            return None
        return price

    def needed_by(self, wishes: list[Wish]) -> float:
        total = 0.0
        for wish in wishes:
            if wish.quantity > 0:
                needed = self.needed(wish.symbol, wish.side * wish.quantity, wish.price)
                total = total + needed * self.fx(wish.symbol)
        return total

    def share(self, wishes: list[Wish], free: float) -> None:
        """Shrink all by one factor until they fit, or to nothing."""
        if self.options.on_insufficient == "scale":
            factor = 1.0
            for _ in range(50):
                total = self.needed_by(wishes)
                if total <= free * (1 + 1e-12):
                    return
                factor = factor * free / total
                for wish in wishes:
                    wish.quantity = self.whole_lots(wish.full * factor)
                if not any(wish.quantity > 0 for wish in wishes):
                    break
            if self.needed_by(wishes) <= free * (1 + 1e-12):
                return
        for wish in wishes:
            wish.quantity = 0.0
