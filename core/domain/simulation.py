"""What the engine hands back for one symbol: every bar, every fill, every trade, every counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray

BoolArray = npt.NDArray[np.bool_]
ReasonArray = npt.NDArray[np.uint8]


class Reason(IntEnum):
    """Why a fill happened (numbers are part of the stored format)."""

    ENTRY = 1
    EXIT_SIGNAL = 2
    REVERSE = 3
    STOP = 4
    STOP_GAP = 5
    TARGET = 6
    TARGET_GAP = 7
    TRAIL = 8
    MAX_BARS = 9
    SQUARE_OFF = 10
    DAILY_TARGET = 11
    DAILY_LOSS = 12
    MARGIN = 13
    RUIN = 14
    DELIST = 15
    END = 16
    REBALANCE = 17
    SPLIT = 18
    DRAWDOWN = 19


@dataclass(frozen=True, slots=True)
class Counters:
    """What became of the intents (R22). Nothing is dropped in silence.

    Attributes:
        entries: Positions opened.
        conflicts: Rows that asked for long and short at once, or to leave and enter on one side.
        dropped_lot: Entries smaller than one lot.
        scaled_cash: Entries shrunk to what cash covers.
        rejected: Entries refused: no cash, shorts not allowed, protection on the wrong side.
        expired: Entries that did not fill in their bar or were left over at their session's end.
        blocked: Entries refused by a session rule or by the one-position-per-bar rule (R20).
        limited: Entries refused by a day limit, the trades of a day or a cooldown (R14).
        volume_capped: Orders cut to the share of volume allowed (R10).
        margin_calls: Closes at which equity fell short of maintenance (R12).
        ambiguous_bars: Bars in which OHLC cannot say what came first (R6).
        missed_limits: Limits that prices reached inside a bar and that did not fill (R5).
        detail_missing: Bars for finer ones to decide that had none, or not all (R6).
        detail_conflicts: The same where finer bars reach beyond their bar (R6).
        unsized: Entries whose size could not be told: no stop to risk up to, or no volatility (R3).
    """

    entries: int = 0
    conflicts: int = 0
    dropped_lot: int = 0
    scaled_cash: int = 0
    rejected: int = 0
    expired: int = 0
    blocked: int = 0
    limited: int = 0
    volume_capped: int = 0
    margin_calls: int = 0
    ambiguous_bars: int = 0
    missed_limits: int = 0
    detail_missing: int = 0
    detail_conflicts: int = 0
    unsized: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Fills:
    """Executions in order, shape (F,) per column.

    Attributes:
        bar: Row of the bar, int64.
        quantity: Signed: bought positive, sold negative.
        price: Price paid or received, after slippage.
        fee: Money, at least 0.
        slippage: Money lost to slippage and spread against the reference price, at least 0.
        reason: See `Reason`.
        fx: Rate into the account's currency; None where no symbol has another (R17). Prices are in
            the symbol's currency, fee and slippage in the account's.
    """

    bar: IntArray
    quantity: FloatArray
    price: FloatArray
    fee: FloatArray
    slippage: FloatArray
    reason: ReasonArray
    fx: FloatArray | None = None

    def __len__(self) -> int:
        """Number of fills."""
        return len(self.bar)


@dataclass(frozen=True, eq=False, slots=True)
class Trades:
    """Round trips flat to flat, in order of entry, shape (N,) per column; the last may be open.

    Attributes:
        entry_bar, exit_bar: Rows; exit_bar is -1 while open.
        quantity: Signed: long positive, short negative.
        entry_price, exit_price: Fills; exit_price is the last close while open.
        pnl: (exit_price - entry_price) * quantity * multiplier - fees, each price at the rate of
            its fill into the account's currency (R17).
        fees: Of entry and exit.
        slippage: Of entry and exit, money, already inside the prices.
        mae, mfe: Worst and best excursion as fractions of the entry price; mae <= 0 <= mfe.
        risk: Money at risk at entry |entry - stop| * |quantity| * multiplier, NaN without a stop.
        exit_reason: See `Reason`; 0 while open.
        ambiguous: Whether its exit or survival hung on the order of prices inside some bar.
        fx: Rate into the account's currency that its entries had on average; None where no symbol
            has another. Money is in the account's currency, prices in the symbol's.
    """

    entry_bar: IntArray
    exit_bar: IntArray
    quantity: FloatArray
    entry_price: FloatArray
    exit_price: FloatArray
    pnl: FloatArray
    fees: FloatArray
    slippage: FloatArray
    mae: FloatArray
    mfe: FloatArray
    risk: FloatArray
    exit_reason: ReasonArray
    ambiguous: BoolArray
    fx: FloatArray | None = None

    def __len__(self) -> int:
        """Number of trades, open ones included."""
        return len(self.entry_bar)


@dataclass(frozen=True, eq=False, slots=True)
class Balance:
    """Cash and position at the close of every bar, written down where one of them changed.

    Attributes:
        since: Bars from which on they are what they are, ascending from 0, shape (K,).
        cash, quantity: From that bar on, shape (K,).
        bars: Number of bars, T.
    """

    since: IntArray
    cash: FloatArray
    quantity: FloatArray
    bars: int

    @classmethod
    def of(cls, cash: FloatArray, quantity: FloatArray) -> Balance:
        """Write down columns of bars, each of shape (T,)."""
        changes = (cash[1:] != cash[:-1]) | (quantity[1:] != quantity[:-1])
        since = np.flatnonzero(np.append(np.ones(min(len(cash), 1), dtype=np.bool_), changes))
        return cls(since, cash[since], quantity[since], len(cash))

    def by_bar(self, column: FloatArray) -> FloatArray:
        """Lay `cash` or `quantity` out, shape (T,)."""
        return np.repeat(column, np.diff(self.since, append=self.bars))


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """One symbol's run through the engine, one row per bar where shapes are (T,).

    Attributes:
        initial_cash: Equity before the first bar.
        multiplier: Money per price point of one unit.
        equity: Cash plus marked position at each close.
        balance: Cash and position at each close.
        held: Whether there was a position at any moment of the bar.
        max_drawdown: min over bars of equity / running peak - 1, initial cash included; <= 0.
        gross_exposure: Mean over bars of |quantity| * close * multiplier / equity.
        ruined: Equity reached 0 or less; the run was stopped there (R12).
        stopped: Equity fell from its peak by `max_dd_limit`, which ended the run (R12).
        borrow: Paid on short positions, money (R11).
        carry: What options gained by gamma less what they lost by theta, money (R18).
        labels: Why an exit rule left, by number of the trade.
        dividends: Received on long positions less those paid on short ones, money (R15).
        funding: Paid for positions less what was received for them, money (R17).
        fx: Rate into the account's currency at each close; None for a symbol in that currency.
        interest: Received on cash less paid on borrowed cash, money (R11).
    """

    bars: Bars
    initial_cash: float
    multiplier: float
    equity: FloatArray
    balance: Balance
    held: BoolArray
    fills: Fills
    trades: Trades
    counters: Counters
    max_drawdown: float
    gross_exposure: float
    ruined: bool
    borrow: float = 0.0
    carry: float = 0.0
    dividends: float = 0.0
    labels: Mapping[int, str] = field(default_factory=dict)
    funding: float = 0.0
    fx: FloatArray | None = None
    stopped: bool = False
    interest: float = 0.0

    @property
    def cash(self) -> FloatArray:
        """At each close, shape (T,), laid out anew."""
        return self.balance.by_bar(self.balance.cash)

    @property
    def quantity(self) -> FloatArray:
        """Position at each close, signed, shape (T,), laid out anew."""
        return self.balance.by_bar(self.balance.quantity)


@dataclass(frozen=True, eq=False, slots=True)
class PortfolioSimulation:
    """Several symbols on one account, one row per time at which any of them has a bar.

    Attributes:
        bars: Of each of the S symbols.
        multiplier: Money per price point of one unit.
        ts: Opening times, shape (T,), the union over symbols.
        session: The latest session of the bars of a row, shape (T,).
        mark: Last closes, NaN before the first, shape (T, S).
        equity, cash: At the close of each row, shape (T,).
        quantity: Positions at the close of each row, signed, shape (T, S).
        accrued: Money of each symbol that came without a fill so far, dividends and options'
            accruals less borrow and funding (R11, R15, R17, R18), shape (T, S).
        held: Whether there was any position at any moment of the row, shape (T,).
        fills, trades: Of all symbols; their bars are rows of `ts`.
        fill_symbol, trade_symbol: Place of the symbol in `bars`.
        max_drawdown, gross_exposure, ruined, borrow, carry, dividends, funding, stopped, interest:
            As in `Simulation`; interest is the account's and no symbol's.
        borrow_of, carry_of, dividends_of, funding_of: The same of each symbol, shape (S,).
        fx: Rates into the account's currency at the close of each row, NaN before a symbol's first
            bar, shape (T, S); None where all symbols are in that currency.
    """

    bars: tuple[Bars, ...]
    initial_cash: float
    multiplier: float
    ts: IntArray
    session: Int32Array
    mark: FloatArray
    equity: FloatArray
    cash: FloatArray
    quantity: FloatArray
    accrued: FloatArray
    held: BoolArray
    fills: Fills
    fill_symbol: IntArray
    trades: Trades
    trade_symbol: IntArray
    counters: Counters
    max_drawdown: float
    gross_exposure: float
    ruined: bool
    borrow: float
    carry: float
    dividends: float
    borrow_of: FloatArray
    carry_of: FloatArray
    dividends_of: FloatArray
    funding: float
    funding_of: FloatArray
    fx: FloatArray | None = None
    stopped: bool = False
    interest: float = 0.0

    def own_bars(self, rows: IntArray, symbols: IntArray) -> IntArray:
        """Number rows by the bars of a symbol each: its last bar at or before the row, from 0."""
        numbers = np.empty(len(rows), dtype=np.int64)
        for place, bars in enumerate(self.bars):
            here = symbols == place
            numbers[here] = np.searchsorted(bars.ts, self.ts[rows[here]], side="right") - 1
        return numbers

    def alone(self) -> Simulation:
        """Give the account of a single symbol as what the scalar driver gives."""
        (bars,) = self.bars
        return Simulation(
            bars=bars,
            initial_cash=self.initial_cash,
            multiplier=self.multiplier,
            equity=self.equity,
            balance=Balance.of(self.cash, self.quantity[:, 0]),
            held=self.held,
            fills=self.fills,
            trades=self.trades,
            counters=self.counters,
            max_drawdown=self.max_drawdown,
            gross_exposure=self.gross_exposure,
            ruined=self.ruined,
            borrow=self.borrow,
            carry=self.carry,
            dividends=self.dividends,
            funding=self.funding,
            fx=None if self.fx is None else self.fx[:, 0].copy(),
            stopped=self.stopped,
            interest=self.interest,
        )


Traded = Sequence[Simulation] | PortfolioSimulation
"""One account: equal sleeves that never share cash, or one that all symbols share."""
