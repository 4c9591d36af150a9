"""What the engine hands back for one symbol: every bar, every fill, every trade, every counter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from core.domain.bars import Bars, FloatArray, IntArray

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
    RUIN = 14
    END = 16


@dataclass(frozen=True, slots=True)
class Counters:
    """What became of the intents (R22). Nothing is dropped in silence.

    Attributes:
        entries: Positions opened.
        conflicts: Rows that asked for long and short at once.
        dropped_lot: Entries smaller than one lot.
        scaled_cash: Entries shrunk to what cash covers.
        rejected: Entries refused: no cash, shorts not allowed, protection on the wrong side.
        expired: Entries that did not fill in their bar or were left over at their session's end.
        blocked: Entries refused by a session rule or by the one-position-per-bar rule (R20).
        ambiguous_bars: Bars in which OHLC cannot say what came first (R6).
    """

    entries: int = 0
    conflicts: int = 0
    dropped_lot: int = 0
    scaled_cash: int = 0
    rejected: int = 0
    expired: int = 0
    blocked: int = 0
    ambiguous_bars: int = 0


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
    """

    bar: IntArray
    quantity: FloatArray
    price: FloatArray
    fee: FloatArray
    slippage: FloatArray
    reason: ReasonArray

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
        pnl: (exit_price - entry_price) * quantity * multiplier - fees.
        fees: Of entry and exit.
        slippage: Of entry and exit, money, already inside the prices.
        mae, mfe: Worst and best excursion as fractions of the entry price; mae <= 0 <= mfe.
        risk: Money at risk at entry |entry - stop| * |quantity| * multiplier, NaN without a stop.
        exit_reason: See `Reason`; 0 while open.
        ambiguous: Whether its exit or survival hung on the order of prices inside some bar.
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

    def __len__(self) -> int:
        """Number of trades, open ones included."""
        return len(self.entry_bar)


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """One symbol's run through the engine, one row per bar where shapes are (T,).

    Attributes:
        initial_cash: Equity before the first bar.
        multiplier: Money per price point of one unit.
        equity: Cash plus marked position at each close.
        cash: At each close.
        quantity: Position at each close, signed.
        held: Whether there was a position at any moment of the bar.
        max_drawdown: min over bars of equity / running peak - 1, initial cash included; <= 0.
        gross_exposure: Mean over bars of |quantity| * close * multiplier / equity.
        ruined: Equity reached 0 or less; the run was stopped there (R12).
    """

    bars: Bars
    initial_cash: float
    multiplier: float
    equity: FloatArray
    cash: FloatArray
    quantity: FloatArray
    held: BoolArray
    fills: Fills
    trades: Trades
    counters: Counters
    max_drawdown: float
    gross_exposure: float
    ruined: bool
