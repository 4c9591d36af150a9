"""What the phases of the general driver look at: prices, wishes, rules, state and results.

Short names as in `kernels`; m and `mark` are the last close.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any, NamedTuple

import numpy as np

from core.domain.bars import FloatArray, Int32Array, IntArray
from core.domain.signals import CodeArray
from core.domain.simulation import BoolArray
from core.engine.kernels import COUNTERS as COUNTERS_BEFORE
from core.engine.kernels import Charges, Config, Limits

ENTRY_REASON = 1
# Slots of the account.
CASH, BORROW, CARRY, DIVIDENDS, FUNDING, INTEREST = range(6)
ACCOUNT_SLOTS = 6
# The reason of a fill that pays a fraction of a lot out (R15).
SPLIT = 18
# Rounds in which increases are scaled to the cash they share (R9).
MOST_ROUNDS = 50
IMPACT_SESSIONS = 20
# What the last bar of a symbol is.
LAST, DELISTED = 1, 2
# Slots of the counter array behind those of `kernels`.
MISSED_LIMITS = COUNTERS_BEFORE
DETAIL_MISSING, DETAIL_CONFLICTS = COUNTERS_BEFORE + 1, COUNTERS_BEFORE + 2
COUNTERS = COUNTERS_BEFORE + 3
# Limits that may be missed.
ENTRY_LIMIT, TARGET_LIMIT = 0, 1
# What finer bars are to the bar they lie in.
FITS, MISSING, CONFLICTS = 0, -1, -2
LEAST_PREMIUM = 0.05


# Arrays of records keep together what belongs to one symbol, and the arguments of the phases few.
Book = np.recarray[Any, Any]
Grid = np.recarray[Any, Any]
Table = np.recarray[Any, Any]

# A cell of the union of times, (row, symbol). Prices are NaN where a symbol is absent; `mark` is
# the last close, `number` counts a symbol's own bars, -1 where absent; `impact` is Y sigma /
# sqrt(ADV), `ends` tells a symbol's last bar.
CELL = np.dtype(
    [(name, np.float64) for name in ("o", "h", "l", "c", "v", "mark", "impact")]
    + [("number", np.int32), ("session", np.int32), ("day_flags", np.int32), ("ends", np.int32)]
)


# A bar with a dividend, a split or funding.
ACTION = np.dtype(
    [(name, np.float64) for name in ("dividend", "split", "funding")]
    + [("row", np.int64), ("symbol", np.int64)]
)


class Levels(NamedTuple):
    """A number for each row and symbol: `value[row * step, symbol * step]`."""

    value: FloatArray
    step: int


class Misses(NamedTuple):
    """Whether limits reached in a bar go unfilled: `value[row * step, symbol * step, limit]`."""

    value: BoolArray
    step: int


class Fine(NamedTuple):
    """Finer bars, shape (M,) per column, and where those of a cell are.

    `span[row, symbol]` is begin and end, or twice `MISSING` or `CONFLICTS`; shape (T, S, 2), or
    (0, 0, 2) where none are asked for.
    """

    o: FloatArray
    h: FloatArray
    l: FloatArray  # noqa: E741 - o, h, l, c as in a cell
    c: FloatArray
    span: IntArray


class Rows(NamedTuple):
    """Prices on the union of times.

    `grid` has shape (T, S); `row_of` finds a symbol's own bars in it, shape (N, S); `day` is the
    session of a row, shape (T,). `actions` are in order of rows, then symbols; `terms` are the
    products of ratios so far (R15), `misses` the draws of R5, `fine` the finer bars of R6.
    `fx_open` and `fx_close` are rates into the account's currency, NaN before a symbol's first bar
    (R17). `slips` are points of slippage by the range of the bars before (R4).
    """

    grid: Grid
    row_of: Int32Array
    day: Int32Array
    actions: Table
    terms: Levels
    misses: Misses
    fine: Fine
    fx_open: Levels
    fx_close: Levels
    slips: Levels


class Wanted(NamedTuple):
    """What strategies ask for, shape (T, S), or (0, 0) where it is not used."""

    codes: CodeArray
    weights: FloatArray
    entry_px: FloatArray
    priority: FloatArray


class Guards(NamedTuple):
    """Stop, target and trail; their units are in the book."""

    stop: Levels
    target: Levels
    trail: Levels


class SizeTable(NamedTuple):
    """How big entries are (R3): as `kernels.Sizes`, for each row and symbol."""

    kind: int
    own: float
    value: Levels
    volatility: Levels


class Extra(NamedTuple):
    """Rules only this driver knows; see `EngineOptions`.

    `drawdown` is 0 without a limit, `delta` without R18; `margin_inside` is for one symbol.
    `borrow` is the highest rate of any symbol; each has its own in the book.
    """

    maintenance: float
    margin_inside: bool
    drawdown: float
    borrow: float
    cash_rate: float
    margin_rate: float
    pyramid: int
    participation: float
    band: float
    path: bool
    detail: bool
    moves_prices: bool
    share_impact: float
    delta: float
    gamma: float
    theta: float
    volatility: float
    root_years: float


# The state of each symbol. `fine` is the finer bar of an entry inside a bar, `fine_open` whether it
# was at its open. `fx` is the rate of this moment, `paid` the average entry in the account's
# currency (R17). `way` of a position is in the sign of q; prices called stop, target,
# trigger, best and seen are signed by it, as in `kernels`.
BOOK = np.dtype(
    [(name, np.float64) for name in (
        "q", "entry", "stop", "target", "trigger", "trail", "best", "worst_seen", "best_seen",
        "room", "cut", "weight", "weight_price", "wish", "trial", "price", "last_mark", "accrued",
        "dividends", "borrow", "carry", "funding", "fx", "paid", "borrow_rate",
    )]
    + [(name, np.int64) for name in (
        "trade", "since", "opened", "trailed", "adds", "left_over", "stopped_out", "pending",
        "weight_row", "row", "code", "rests", "lives_on", "waits", "order", "last_day",
        "max_bars", "ttl", "entry_is_stop", "stop_unit", "target_unit", "trail_unit",
        "acted", "refused", "rises", "is_done", "fine", "fine_open", "shorts",
    )]
)  # fmt: skip


FILL = np.dtype(
    [(name, np.float64) for name in ("quantity", "price", "fee", "slippage", "fx")]
    + [(name, np.int64) for name in ("row", "symbol", "reason")]
)
# As in `kernels`; gross and left are what reductions so far gained and gave away.
TRADE = np.dtype(
    [(name, np.float64) for name in (
        "quantity", "entry", "exit", "pnl", "fees_in", "fees_out", "slip_in", "slip_out", "mae",
        "mfe", "risk", "gross", "left", "paid",
    )]
    + [(name, np.int64) for name in ("entry_row", "exit_row", "symbol", "reason", "ambiguous")]
)  # fmt: skip


class Out(NamedTuple):
    """Where results go; `counts` holds the number of trades and of fills."""

    trades: Table
    fills: Table
    counts: IntArray
    counters: IntArray


class Desk(NamedTuple):
    """Everything a phase may look at."""

    rows: Rows
    wanted: Wanted
    guards: Guards
    sizes: SizeTable
    cfg: Config
    extra: Extra
    charges: Charges
    levy: Charges
    limits: Limits
    book: Book
    out: Out
    account: FloatArray
    equity: FloatArray


def new_book(symbols: int) -> Book:
    """Give the state before the first row, shape (S,)."""
    book = np.zeros(symbols, dtype=BOOK).view(np.recarray)
    book.cut = book.weight = nan
    book.pending = -1
    book.room = inf
    book.fx = 1.0
    return book
