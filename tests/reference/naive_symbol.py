"""What the judge of the general driver knows of one symbol: bars, position, what it waits for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.signals import Level, Signals, Weights
from core.domain.simulation import Reason
from tests.reference.naive import Bar, Order, Position, number_or_none, read_bars

SESSIONS_OF_IMPACT = 20


@dataclass
class SharedFill:
    bar: int
    symbol: int
    quantity: float
    price: float
    fee: float
    slippage: float
    reason: int
    fx: float = 1.0


@dataclass
class SharedTrade:
    symbol: int
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
    fx: float = 1.0  # of the average entry


@dataclass
class SharedOutcome:
    """What became of the account: one entry per row of the union of times, or per event.

    Bars of fills and trades are rows of the union. `borrow`, `accrued` and `dividends` are what
    rules R11 took from cash, R18 and R15 gave to it; none is part of any trade, nor is `funding`,
    which R17 took. Prices are in each symbol's currency, money in the account's. `of_symbols` are
    these four for each symbol.
    """

    ts: list[int]
    fills: list[SharedFill]
    trades: list[SharedTrade]
    cash: list[float]
    equity: list[float]
    quantity: list[list[float]]
    held: list[bool]
    counters: dict[str, int]
    max_drawdown: float
    gross_exposure: float
    ruined: bool
    borrow: float
    accrued: float
    dividends: float
    of_symbols: list[tuple[float, float, float, float]]
    funding: float = 0.0
    stopped: bool = False
    interest: float = 0.0  # R11: received on the account's cash less paid


@dataclass
class Average:
    """Price of several fills in order, each counting by its quantity."""

    quantity: float = 0.0
    price: float = 0.0

    def add(self, quantity: float, price: float) -> None:
        if self.quantity == 0.0:
            self.price = price
        else:
            self.price = (self.price * self.quantity + price * quantity) / (
                self.quantity + quantity
            )
        self.quantity = self.quantity + quantity

    def split(self, ratio: float) -> None:
        self.quantity = self.quantity * ratio
        self.price = self.price / ratio


@dataclass
class Holding(Position):
    """A position of one entry or more.

    `entry_price` is their average; `entry_bar` counts the symbol's own bars, `entry_row` all rows.
    """

    entry_row: int = -1
    opened_at: float = 0.0
    trigger: float | None = None  # where a resting entry filled, for the path of its bar
    adds: int = 0
    gross: float = 0.0
    exit_fee: float = 0.0
    exit_slippage: float = 0.0
    bought: Average = field(default_factory=Average)
    paid: Average = field(default_factory=Average)  # like bought, in the account's currency
    entry_paid: float = 0.0  # like entry_price
    sold: Average = field(default_factory=Average)
    worst_seen: float | None = None
    best_seen: float | None = None
    since_finer: int = 0  # finer bar of its own bar in which it was opened
    at_finer_open: bool = False
    marked_at: float = 0.0
    marked_session: int = 0

    def saw_adverse(self, price: float) -> None:
        """Remember a price: the average it is measured from may still change."""
        seen = self.worst_seen
        self.worst_seen = price if seen is None else self.worse(seen, price)

    def saw_favourable(self, price: float) -> None:
        seen = self.best_seen
        self.best_seen = price if seen is None else self.better(seen, price)

    def split(self, ratio: float) -> None:
        """R15: every price on the terms after a split; `quantity` is left to the account."""

        def new(price: float | None) -> float | None:
            return None if price is None else price / ratio

        self.entry_price = self.entry_price / ratio
        self.entry_paid = self.entry_paid / ratio
        self.paid.split(ratio)
        self.opened_at = self.opened_at / ratio
        self.marked_at = self.marked_at / ratio
        self.best = self.best / ratio
        self.stop, self.target = new(self.stop), new(self.target)
        self.worst_seen, self.best_seen = new(self.worst_seen), new(self.best_seen)
        if self.trail_unit != "percent":
            self.trail = new(self.trail)
        self.bought.split(ratio)
        self.sold.split(ratio)

    def excursions(self) -> tuple[float, float]:
        worst = 0.0 if self.worst_seen is None else self.excursion(self.worst_seen)
        best = 0.0 if self.best_seen is None else self.excursion(self.best_seen)
        return min(worst, 0.0), max(best, 0.0)


@dataclass
class Pending:
    """A weight that waits for its symbol's next bar, with the numbers of its decision."""

    row: int
    weight: float
    price: float  # last close of the symbol at that row
    acted: bool = False  # once at least; it asks again for what volume left (R10)
    refused: bool = False  # negative where shorts are not allowed, and counted
    may_increase: bool = False


class Symbol:
    """One symbol's bars and what is going on in it."""

    def __init__(self, index: int, bars: Bars, rows: dict[int, int], wanted: Signals | Weights):
        self.index = index
        self.name = bars.symbol
        self.prices = bars
        self.bars = read_bars(bars)
        self.rows = [rows[int(ts)] for ts in bars.ts]
        self.number_at = {row: number for number, row in enumerate(self.rows)}
        self.signals = wanted if isinstance(wanted, Signals) else None
        self.stop, self.target, self.trail = (
            _column(level, index) if isinstance(wanted, Weights) else level
            for level in (wanted.stop, wanted.target, wanted.trail)
        )
        self.max_bars = self.signals.max_bars if self.signals is not None else 0
        count = len(self.bars)
        self.dividends = [0.0] * count if bars.dividend is None else bars.dividend.tolist()
        self.splits = [1.0] * count if bars.split is None else bars.split.tolist()
        self.detail = bars.detail
        self.funding = [0.0] * count if bars.funding is None else bars.funding.tolist()
        self.slips: dict[tuple[float, float, int], list[float]] = {}
        self.impact_of = _impact_coefficients(self.bars, self.products())

        self.bar: Bar | None = None  # of this row, None when absent
        self.last_close: float | None = None
        self.holding: Holding | None = None
        self.resting: Order | None = None
        self.order: Order | None = None
        self.pending: Pending | None = None
        self.leftover: tuple[float, Reason] | None = None  # forced at the next open (R10)
        self.volume_left = math.inf
        self.borrow = 0.0
        self.accrued = 0.0
        self.received = 0.0
        self.funding_paid = 0.0
        self.stopped_out = False
        self.noted: set[str] = set()  # what has been counted in this bar
        self.losses = 0
        self.cooling_until = -1

    def sure_bar(self) -> Bar:
        assert self.bar is not None
        return self.bar

    def close_at(self, row: int) -> float | None:
        """Last close at a row; None before the first bar."""
        known = [number for number, at in enumerate(self.rows) if at <= row]
        return self.bars[known[-1]].close if known else None

    def products(self) -> list[float]:
        """R15: F of each own bar."""
        products, product = [], 1.0
        for ratio in self.splits:
            product = product * ratio
            products.append(product)
        return products

    def splits_between(self, row: int, later: int) -> float:
        """F of a later row over F of a row."""

        def product_at(at: int) -> float:
            product = 1.0
            for own, ratio in zip(self.rows, self.splits, strict=True):
                if own <= at:
                    product = product * ratio
            return product

        return product_at(later) / product_at(row)

    def slip_before(self, number: int, costs: CostModel) -> float:
        """R4: multiples of the range and the volatility that were known before an own bar."""
        if costs.slippage_atr == 0 and costs.slippage_volatility == 0:
            return 0.0
        key = (costs.slippage_atr, costs.slippage_volatility, costs.slippage_bars)
        if key not in self.slips:
            self.slips[key] = self._slips(*key)
        return self.slips[key][number]

    def _slips(self, of_range: float, of_volatility: float, span: int) -> list[float]:
        products = self.products()
        bars = [
            (bar.high * product, bar.low * product, bar.close * product)
            for bar, product in zip(self.bars, products, strict=True)
        ]
        found = []
        average, ranges = 0.0, 0.0
        for number, product in enumerate(products):
            last = number - 1  # the newest bar that is over
            if 1 <= last <= span:
                high, low, before = bars[last][0], bars[last][1], bars[last - 1][2]
                ranges = ranges + (max(high, before) - min(low, before))
                average = ranges / span if last == span else 0.0
            elif last > span:
                high, low, before = bars[last][0], bars[last][1], bars[last - 1][2]
                average = (average * (span - 1) + max(high, before) - min(low, before)) / span
            points = of_range * average
            if last >= span:
                closes = [bars[n][2] for n in range(last - span, last + 1)]
                returns = [now / before - 1 for before, now in pairwise(closes)]
                mean = _sum(returns) / span
                spread = math.sqrt(_sum([(one - mean) * (one - mean) for one in returns]) / span)
                points = points + of_volatility * (spread * closes[-1])
            found.append(points / product)
        return found

    def order_of(self, number: int) -> Order | None:
        if number < 0 or self.signals is None:
            return None
        price = None
        if self.signals.entry_price is not None:
            price = number_or_none(self.signals.entry_price[number])
        code = int(self.signals.codes[number])
        return Order(number, code, price, self.signals.entry_kind)

    def priority_of(self, order: Order) -> float:
        assert self.signals is not None
        given = self.signals.priority
        return 0.0 if given is None else float(given[order.row])


def _column(level: Level | None, index: int) -> Level | None:
    """One symbol's levels of a matrix."""
    if level is None or not isinstance(level.value, np.ndarray):
        return level
    return Level(level.value[:, index], level.unit)


def _impact_coefficients(bars: list[Bar], products: list[float]) -> list[float]:
    """For every bar sigma / sqrt(ADV) of the 20 sessions before its own, 0 before there are 20."""
    sessions: list[int] = []
    closes: list[float] = []
    volumes: list[float] = []
    for bar, product in zip(bars, products, strict=True):
        close, volume = bar.close * product, bar.volume / product
        if not sessions or sessions[-1] != bar.session:
            sessions.append(bar.session)
            closes.append(close)
            volumes.append(volume)
        else:
            closes[-1] = close
            volumes[-1] = volumes[-1] + volume
    by_session: dict[int, float] = {}
    for at, session in enumerate(sessions):
        by_session[session] = 0.0
        first = at - SESSIONS_OF_IMPACT
        if first >= 0:
            by_session[session] = _impact_coefficient(closes[first:at], volumes[first:at])
    return [
        by_session[bar.session] / math.sqrt(product)
        for bar, product in zip(bars, products, strict=True)
    ]


def _impact_coefficient(closes: list[float], volumes: list[float]) -> float:
    returns = [now / before - 1 for before, now in pairwise(closes)]
    mean = _sum(returns) / len(returns)
    deviation = math.sqrt(_sum([(each - mean) * (each - mean) for each in returns]) / len(returns))
    volume = _sum(volumes) / len(volumes)
    return deviation / math.sqrt(volume) if volume > 0 else 0.0


def _sum(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total = total + value
    return total
