"""Entries and exits in the judge of the general driver: refusals, sizes, fills of positions."""

from __future__ import annotations

import math

import numpy as np

from core.domain.signals import Code, Level
from core.domain.simulation import Reason
from tests.reference.naive import (
    Bar,
    Manner,
    Order,
    fees_on,
    fill_price,
    fraction_for,
    level_price,
    level_value,
    may_short,
    trail_level,
)
from tests.reference.naive_chance import uniform
from tests.reference.naive_ledger import Ledger
from tests.reference.naive_sizes import distance_to, raw_quantity, size_of, volatility_at
from tests.reference.naive_symbol import Holding, Symbol

ASKED = (Reason.EXIT_SIGNAL, Reason.REVERSE, Reason.REBALANCE)  # by the strategy
UNCAPPED = (Reason.RUIN, Reason.DELIST, Reason.END, Reason.MARGIN)  # R10


class Dealer(Ledger):
    """Opens positions, adds to them and sells them."""

    # What a row means -----------------------------------------------------------------------------

    def reason_to_leave(self, holding: Holding, order: Order) -> Reason | None:
        if order.rests:
            return None
        own = Code.CLOSE_LONG if holding.side > 0 else Code.CLOSE_SHORT
        if order.code in (Code.FLAT, own):
            return Reason.EXIT_SIGNAL
        if order.is_entry and order.side != holding.side:
            return Reason.REVERSE
        return None

    def is_better(self, order: Order, price: float) -> bool:
        """Whether a price is through a limit, or at it where touching is enough (R5)."""
        assert order.price is not None
        if order.kind != "limit":
            return False
        through = price < order.price if order.side > 0 else price > order.price
        return through or (self.options.fill_on_touch and price == order.price)

    def fills_limit(self, s: Symbol, kind: str) -> bool:
        """R5: whether a limit that this bar reaches inside fills in it."""
        probability = self.costs.fill_probability
        ts = self.ts[self.row]
        return probability == 1 or uniform(self.options.seed, s.name, ts, kind) < probability

    def is_triggered(self, order: Order, price: float) -> bool:
        assert order.price is not None
        if order.kind == "limit":
            return False
        return price >= order.price if order.side > 0 else price <= order.price

    def is_stale(self, s: Symbol, order: Order) -> bool:
        return self.options.intraday and s.bars[order.row].session != s.sure_bar().session

    def is_square_off_time(self, bar: Bar) -> bool:
        at = self.options.square_off
        return self.options.intraday and at is not None and bar.minute >= at.hour * 60 + at.minute

    def forbidden(self, s: Symbol, side: int, *, at_close: bool = False) -> str | None:
        """The first two refusals: shorts not allowed, then session and R20."""
        bar, until = s.sure_bar(), self.options.no_entry_after
        if side < 0 and not may_short(self.options, s.name):
            return "rejected"
        if self.is_square_off_time(bar):
            return "blocked"
        if until is not None and bar.minute >= until.hour * 60 + until.minute:
            return "blocked"
        if at_close and self.options.intraday and bar.ends_session:
            return "blocked"
        if at_close and s.stopped_out:
            return "blocked"
        return None

    # Sizes ----------------------------------------------------------------------------------------

    def size(self, s: Symbol, order: Order, price: float) -> float | None:
        """R3: quantity in whole lots, 0 when there is none, None where it cannot be told."""
        options, signals = self.options, s.signals
        assert signals is not None
        if options.size_ref == "fill":
            fx = self.fx(s)
            equity, entry = self.equity_now(), price
        else:
            row = s.rows[order.row]
            fx = self.converter.at_close(s.index, row)
            equity = self.equity_of_row(row)
            price = s.bars[order.row].close / s.splits_between(row, self.row)
            asked = s.order_of(order.row)
            assert asked is not None
            entry = price
            if asked.price is not None:
                entry = asked.price / s.splits_between(row, self.row)
        volatility = None
        if options.sizing == "vol_target":
            volatility = volatility_at(s.prices, order.row, options)
        stop, _, _ = self.protection(s, order.row, order.side, entry)
        raw = raw_quantity(
            options,
            size_of(signals, order.row, options),
            equity=equity / fx,
            price=price,
            distance=distance_to(order.side, entry, stop),
            volatility=volatility,
            multiplier=self.multiplier,
            fx=fx,
        )
        return None if raw is None else self.whole_lots(raw)

    def whole_lots(self, raw: float) -> float:
        lot = self.options.lot_size
        if lot == 0:
            return max(raw, 0.0)
        return max(math.floor(raw / lot + 1e-9), 0) * lot

    def volume_cap(self, bar: Bar) -> float:
        """R10: what may trade in a bar."""
        share = self.options.max_participation
        if share is None:
            return math.inf
        return self.whole_lots(share * bar.volume)

    def available(self, s: Symbol) -> float:
        return s.volume_left if math.isinf(s.volume_left) else self.whole_lots(s.volume_left)

    def capped(self, s: Symbol, wanted: float) -> float:
        quantity = min(wanted, self.available(s))
        self.counters["volume_capped"] += quantity < wanted
        return quantity

    def needed(self, s: Symbol, quantity: float, price: float) -> float:
        """R9: what an entry takes of the free cash, in the symbol's currency."""
        fee = self.fee(s, quantity, price)
        if self.options.option is not None:
            return abs(quantity) * self.premium(s.holding, price) * self.unit + fee
        return abs(quantity) * price * self.multiplier * self.options.initial_margin + fee

    def covered(self, s: Symbol, side: int, quantity: float, price: float) -> float:
        """The quantity, or the largest that free cash covers; 0 when nothing is bought."""
        options, free = self.options, self.free_cash() / self.fx(s)
        if options.initial_margin == 0 or self.needed(s, side * quantity, price) <= free:
            return quantity
        if options.on_insufficient == "reject":
            return 0.0
        if options.option is not None:
            value = margin = self.premium(s.holding, price) * self.unit
        else:
            value = price * self.multiplier
            margin = value * options.initial_margin
        lot = options.lot_size
        if lot > 0:
            lots = math.floor(quantity / lot + 1e-9) - 1
            without_fees = math.floor(max(free, 0.0) / (margin * lot)) + 1  # no need to look above
            for fewer in range(min(lots, without_fees), 0, -1):
                if self.needed(s, side * fewer * lot, price) <= free:
                    return fewer * lot
            return 0.0
        fees = fees_on(self.costs, s.sure_bar().session)
        fraction = fraction_for(free, fees, side, value, margin)
        if fraction > 0 and self.needed(s, side * fraction, price) > free * (1 + 1e-12):
            fraction = (free - self.fee(s, side * fraction, price)) / margin
        return max(fraction, 0.0)

    # Entering -------------------------------------------------------------------------------------

    def enter(self, s: Symbol, order: Order, reference: float, kind: str, manner: Manner) -> None:
        if self.is_limited(s):
            self.counters["limited"] += 1
            return
        side = order.side
        price = fill_price(self.costs, reference, side, kind, moved=self.moved_by(s))
        stop, target, _ = self.protection(s, order.row, side, price)
        opens = s.holding is None  # what an add is protected by hangs on how much it adds
        if not price > 0 or (opens and is_void(side, price, stop, target)):
            self.counters["rejected"] += 1
            return
        wanted = self.size(s, order, price)
        if wanted is None:
            self.counters["unsized"] += 1
            return
        if wanted == 0:
            self.counters["dropped_lot"] += 1
            return
        quantity = self.capped(s, wanted)
        if quantity == 0:
            return
        covered = self.covered(s, side, quantity, price)
        if covered == 0:
            self.counters["rejected"] += 1
            return
        if self.buy(
            s,
            order.row,
            side,
            covered,
            reference,
            kind=kind,
            manner=manner,
            trigger=order.price,
        ):
            self.counters["scaled_cash"] += covered < quantity

    def buy(
        self,
        s: Symbol,
        row: int,
        side: int,
        quantity: float,
        reference: float,
        *,
        kind: str,
        manner: Manner,
        trigger: float | None = None,
    ) -> bool:
        """Open a position or add to it; False if the price it really gets makes it void."""
        price = self.price_with_impact(s, quantity, reference, side, kind)
        holding = s.holding
        anchor = price
        if holding is not None:
            held = abs(holding.quantity)
            anchor = (holding.entry_price * held + price * quantity) / (held + quantity)
            paid = price * self.fx(s)
            paid = (holding.entry_paid * held + paid * quantity) / (held + quantity)
        stop, target, trail = self.protection(s, row, side, anchor)
        if holding is not None and holding.trail is not None:  # R21: never loosens
            assert holding.stop is not None
            stop = holding.stop if stop is None else holding.better(stop, holding.stop)
        if not price > 0 or is_void(side, price, stop, target):
            self.counters["rejected"] += 1
            return False

        fee = self.fee(s, side * quantity, price) * self.fx(s)
        slippage = self.execute(s, side * quantity, price, fee, reference, reason=Reason.ENTRY)
        risk = math.nan
        if stop is not None:
            risk = abs(price - stop) * quantity * self.multiplier * self.fx(s)
        unit = s.trail.unit if s.trail is not None else "percent"
        if holding is not None:
            holding.adds += 1
            holding.entry_price = anchor
            holding.quantity = holding.quantity + side * quantity
            holding.entry_fee = holding.entry_fee + fee
            holding.entry_slippage = holding.entry_slippage + slippage
            holding.risk = holding.risk + risk
            holding.stop, holding.target = stop, target
            holding.trail, holding.trail_unit = trail, unit
            holding.bought.add(quantity, price)
            holding.entry_paid = paid
            holding.paid.add(quantity, price * self.fx(s))
            return True
        bar = s.sure_bar()
        s.holding = Holding(
            side=side,
            quantity=side * quantity,
            entry_price=price,
            entry_paid=price * self.fx(s),
            entry_bar=bar.row,
            entry_fee=fee,
            entry_slippage=slippage,
            manner=manner,
            stop=stop,
            target=target,
            trail=trail,
            trail_unit=unit,
            risk=risk,
            entry_row=self.row,
            opened_at=price,
            trigger=trigger if manner in ("limit", "stop") else None,
            marked_at=price,
            marked_session=bar.session,
        )
        s.holding.bought.add(quantity, price)
        s.holding.paid.add(quantity, price * self.fx(s))
        self.opened.append((s, s.holding))
        self.counters["entries"] += 1
        self.opened_today += 1
        return True

    def protection(
        self, s: Symbol, row: int, side: int, anchor: float
    ) -> tuple[float | None, float | None, float | None]:
        """Levels from a price and the values of the decision row, on the terms of this row."""
        decided = row if s.signals is None else s.rows[row]
        ratio = s.splits_between(decided, self.row)
        stop = level_price(on_terms(s.stop, ratio), row, anchor, -side)
        target = level_price(on_terms(s.target, ratio), row, anchor, side)
        given = on_terms(s.trail, ratio)
        trail = level_value(given, row)
        if trail is not None:
            assert given is not None
            begins = trail_level(anchor, side, trail, given.unit)
            higher = max if side > 0 else min
            stop = begins if stop is None else higher(stop, begins)
        return stop, target, trail

    # Leaving --------------------------------------------------------------------------------------

    def leave_by_level(self, s: Symbol, reference: float, kind: str, reason: Reason) -> None:
        """An exit by protection: a weight that has acted does not ask again (R21)."""
        if s.pending is not None and s.pending.acted:
            s.pending = None
        self.leave(s, reference, kind, reason)

    def leave(
        self, s: Symbol, reference: float, kind: str, reason: Reason, quantity: float = math.inf
    ) -> bool:
        """Sell what is held, or so much of it; False if volume did not allow all of that."""
        holding = s.holding
        assert holding is not None
        wanted = min(quantity, abs(holding.quantity))
        sold = wanted if reason in UNCAPPED else min(wanted, self.available(s))
        if sold > 0:
            self.sell(s, holding, sold, reference, kind=kind, reason=reason)
        rest = wanted - sold
        if rest > 0 and reason not in ASKED:
            before = s.leftover[0] if s.leftover is not None else 0.0
            s.leftover = (before + rest, reason)
        return rest == 0

    def sell(
        self,
        s: Symbol,
        holding: Holding,
        sold: float,
        reference: float,
        *,
        kind: str,
        reason: Reason,
    ) -> None:
        side = holding.side
        price = self.price_with_impact(s, sold, reference, -side, kind)
        is_all = sold == abs(holding.quantity)
        fee = self.fee(s, -side * sold, price)
        if is_all:
            fee = fee + self.costs.per_trade
        fee = fee * self.fx(s)
        slippage = self.execute(s, -side * sold, price, fee, reference, reason=reason)
        gross = (price * self.fx(s) - holding.entry_paid) * (side * sold) * self.multiplier
        holding.gross = holding.gross + gross
        holding.exit_fee = holding.exit_fee + fee
        holding.exit_slippage = holding.exit_slippage + slippage
        holding.sold.add(sold, price)
        if not is_all:
            holding.quantity = holding.quantity - side * sold
            return
        self.finish(s, holding, price, reason)

    def finish(self, s: Symbol, holding: Holding, price: float, reason: Reason) -> None:
        """Write a trade down whose position is gone."""
        holding.saw_adverse(price)
        holding.quantity = 0.0
        trade = self.trade(s, holding, self.row, holding.sold.price, reason)
        place = next(n for n, (_, each) in enumerate(self.opened) if each is holding)
        self.closed[place] = trade
        s.holding = None
        s.leftover = None
        self.learn_from(s, trade)


def on_terms(level: Level | None, ratio: float) -> Level | None:
    """R15: levels in points or as a price from before splits that multiply to `ratio`."""
    if level is None or level.unit == "percent":
        return level
    return Level(np.asarray(level.value) / ratio, level.unit)


def is_void(side: int, price: float, stop: float | None, target: float | None) -> bool:
    """Whether protection lies on the wrong side of a fill."""
    if stop is not None and (stop >= price if side > 0 else stop <= price):
        return True
    return target is not None and (target <= price if side > 0 else target >= price)
