"""One lane of a sweep: signals in, a row of metrics and a row of session returns out.

The bars, the rules and the memory are made ready once; a lane allocates nothing that grows with
the bars. It is the kernel of `simulate` and the measures of `measure_run`, so it has their bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.domain.bars import Bars, FloatArray, IntArray
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES
from core.domain.options import EngineOptions
from core.domain.signals import CodeArray, Level, Signals
from core.domain.simulation import BoolArray, ReasonArray
from core.engine import convert, curve, events, kernels, measures, simulate, sizes
from core.engine.compiled import loop
from core.engine.measures import Calendar, Figures, ReasonRow, Workspace
from core.errors import DataProblem

CONFLICTS = COUNTER_NAMES.index("conflicts")
_SLOTS = np.array(
    [
        slot if (slot := convert.SLOTS.get(name, -1)) < kernels.COUNTERS else -1
        for name in COUNTER_NAMES
    ]
)
_NOTHING = Signals(codes=np.empty(0, dtype=np.int8))


@dataclass(frozen=True, eq=False, slots=True)
class Track:
    """What all lanes of a sweep share: the bars and the rules, in the form kernels take.

    Attributes:
        prices: For lanes of market orders, where the rules allow the quicker way.
        volatility: Known at each close, where sizes aim at one.
    """

    bars: Bars
    options: EngineOptions
    costs: CostModel
    calendar: Calendar
    flags: ReasonArray
    config: kernels.Config
    charges: kernels.Charges
    prices: events.Prices | None
    volatility: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Scratch:
    """Memory of one thread, written anew by every lane.

    Attributes:
        equity, held: Per bar, as `run_scalar` fills them.
        table, rows, reason, ambiguous: Trades, likewise.
        columns, places: Trades, as `measure` reads them.
        ledger: What `run_lanes` goes by; changes of cash and quantity, as `run_scalar` gives them.
        block, words: Codes of lanes that are run together, one by one and eight at a time.
    """

    equity: FloatArray
    held: BoolArray
    table: FloatArray
    rows: IntArray
    reason: ReasonArray
    ambiguous: BoolArray
    counts: IntArray
    columns: FloatArray
    places: IntArray
    ledger: events.Ledger
    work: Workspace
    block: CodeArray
    words: IntArray


@dataclass(frozen=True, eq=False, slots=True)
class LaneRows:
    """What a number of lanes came to; row i of every array is one lane.

    Attributes:
        metrics: Shape (N, M) in the order of `METRICS`, NaN where undefined.
        why: Shape (N, M), indices into `REASON_CODES`.
        daily: Returns of sessions, shape (N, D), float32.
        counters: Shape (N, C) in the order of `COUNTER_NAMES`.
        ruined: Shape (N,).
    """

    metrics: FloatArray
    why: npt.NDArray[np.uint8]
    daily: npt.NDArray[np.float32]
    counters: IntArray
    ruined: BoolArray

    @classmethod
    def empty(cls, lanes: int, sessions: int) -> LaneRows:
        """Make rows of lanes that came to nothing: NaN everywhere."""
        return cls(
            np.full((lanes, measures.WIDTH), np.nan),
            np.zeros((lanes, measures.WIDTH), dtype=np.uint8),
            np.full((lanes, sessions), np.nan, dtype=np.float32),
            np.zeros((lanes, len(COUNTER_NAMES)), dtype=np.int64),
            np.zeros(lanes, dtype=np.bool_),
        )


def track_of(
    bars: Bars, options: EngineOptions, costs: CostModel, benchmark: Bars | None = None
) -> Track:
    """Make bars and rules ready for any number of lanes.

    Args:
        bars: Of one symbol.
        options: Account and fill rules.
        costs: Fees and price concession.
        benchmark: What lanes are measured against; None for holding the symbol itself.

    Raises:
        DataProblem: there are no bars.
    """
    if not len(bars):
        raise DataProblem(f"there are no bars of {bars.symbol} in the range asked for")
    options = options.of_symbol(bars.symbol)
    is_quick = events.rules_allow(options, costs) and not simulate.needs_general_driver(
        bars, options, costs, _NOTHING
    )
    return Track(
        bars,
        options,
        costs,
        measures.calendar_of(bars, benchmark, options.risk_free),
        convert.flags_of(bars, options),
        convert.config_of(options, _NOTHING),
        convert.charges_of(options, costs, bars.session),
        events.prices_of(bars) if is_quick else None,
        sizes.volatility_of(bars, options),
    )


def scratch_for(track: Track, together: int = 1) -> Scratch:
    """Make the memory one thread needs; pages that no lane writes to cost nothing.

    Args:
        track: Of the lanes.
        together: Lanes that may be run together.
    """
    total = len(track.bars)
    block = np.empty((together, -(-total // 8) * 8), dtype=np.int8)
    most = 2 * total + 2
    ledger = events.ledger_for(total)
    return Scratch(
        ledger.equity,
        np.empty(total, dtype=np.bool_),
        np.empty((most, 11)),
        np.empty((most, 4), dtype=np.int64),
        np.empty(most, dtype=np.uint8),
        np.empty(most, dtype=np.bool_),
        np.zeros(kernels.COUNTERS, dtype=np.int64),
        np.empty((measures.TRADE_ROWS, most)),
        np.empty((2, most), dtype=np.int64),
        ledger,
        measures.workspace(total, len(track.calendar.ends), most),
        block,
        block.view(np.int64),
    )


class Batch:
    """Lanes of market orders, run together: a call less for each, in which nobody else waits."""

    def __init__(self, track: Track, scratch: Scratch, rows: LaneRows) -> None:
        self._track, self._scratch, self._rows = track, scratch, rows
        self._held: list[tuple[int, Signals]] = []

    def take(self, signals: Signals, lane: int) -> bool:
        """Hold a lane until `run`; false if it needs the general way, or nothing fits any more."""
        codes, place = signals.codes, len(self._held)
        if self._track.prices is None or not events.signals_allow(signals):
            return False
        if codes.dtype != np.int8 or codes.shape != (len(self._track.bars),):
            return False
        if place == len(self._scratch.block):
            return False
        self._scratch.block[place, : len(codes)] = codes
        self._held.append((lane, signals))
        return True

    def run(self) -> list[tuple[int, Signals]]:
        """Fill the rows of what is held; returns lanes that only the general way can answer.

        Those were ruined, or their codes make no sense.
        """
        held, self._held = self._held, []
        track, scratch, rows = self._track, self._scratch, self._rows
        if not held or track.prices is None:
            return held
        done = np.empty(len(held), dtype=np.bool_)
        events.run_lanes(
            track.prices,
            scratch.block,
            scratch.words,
            len(held),
            track.config,
            track.charges,
            track.calendar,
            scratch.columns,
            scratch.places,
            scratch.counts,
            scratch.ledger,
            scratch.work,
            events.Results(
                rows.metrics, rows.why, rows.daily, rows.counters,
                np.array([lane for lane, _ in held]), done, _SLOTS,
            ),
        )  # fmt: skip
        for lane, signals in held:
            rows.counters[lane, CONFLICTS] = signals.conflicts
        return [each for each, is_done in zip(held, done, strict=True) if not is_done]


def run_lane(track: Track, signals: Signals, scratch: Scratch, rows: LaneRows, lane: int) -> None:
    """Trade and measure one lane; fill its row.

    Raises:
        StrategyFailed: the signals make no sense, as in `simulate`.
    """
    batch = Batch(track, scratch, rows)
    if not batch.take(signals, lane) or batch.run():
        run_alone(track, signals, scratch, rows, lane)


def run_alone(track: Track, signals: Signals, scratch: Scratch, rows: LaneRows, lane: int) -> None:
    """Trade and measure one lane by the drivers that know every rule; fill its row.

    Raises:
        StrategyFailed: the signals make no sense, as in `simulate`.
    """
    if simulate.needs_general_driver(track.bars, track.options, track.costs, signals):
        _account(track, signals, rows, lane)
        return
    trades, figures = _general(track, signals, scratch)
    _measure(track, scratch, trades, figures, rows, lane)
    counters = convert.counters_of(scratch.counts, signals.conflicts)
    rows.counters[lane] = [getattr(counters, name) for name in COUNTER_NAMES]
    rows.ruined[lane] = figures.ruined


def _account(track: Track, signals: Signals, rows: LaneRows, lane: int) -> None:
    """Run the lane as a run of its own, under rules that only the driver of accounts knows."""
    run = simulate.simulate(track.bars, signals, track.options, track.costs)
    found = measures.measure_run(run, track.calendar)
    rows.metrics[lane], rows.why[lane], rows.daily[lane] = found
    rows.counters[lane] = [getattr(run.counters, name) for name in COUNTER_NAMES]
    rows.ruined[lane] = run.ruined


def plainly_right(signals: Signals, total: int) -> bool:
    """Say whether signals of the common kinds make sense; others are left to `simulate`."""
    codes = signals.codes
    if codes.dtype != np.int8 or codes.shape != (total,) or signals.entry_price is not None:
        return False
    if signals.max_bars < 0 or signals.ttl < 1 or signals.priority is not None:
        return False
    levels = (signals.stop, signals.target, signals.trail)
    if not all(each is None or _is_distance(each) for each in levels):
        return False
    if signals.trail is not None and signals.trail.unit == "price":
        return False
    return bool(kernels.all_known(convert.locked(codes, np.int8)))


def _is_distance(level: object) -> bool:
    value = level.value if isinstance(level, Level) else None  # a strategy may give anything
    return isinstance(value, float) and 0.0 < value < np.inf


def _general(track: Track, signals: Signals, scratch: Scratch) -> tuple[int, Figures]:
    """Run the lane through the kernel that knows every rule; raises as `run_lane`."""
    if not plainly_right(signals, len(track.bars)):
        convert.check_signals(signals, len(track.bars))
    scratch.counts[:] = 0
    trades, fills, changes, ruined = kernels.run_scalar(*_arguments(track, signals, scratch))
    to_columns(scratch.table, scratch.rows, trades, scratch.columns, scratch.places)
    total = len(track.bars)
    return trades, Figures(
        start=track.config.cash,
        multiplier=track.charges.multiplier,
        drawdown=np.nan,
        gross=curve.gross_of(
            scratch.ledger.since[:changes],
            scratch.ledger.steps[1, :changes],
            track.bars.close,
            track.charges.multiplier,
            scratch.equity,
        )
        / total,
        held=int(np.count_nonzero(scratch.held)),
        fills=int(fills),
        ambiguous=int(scratch.counts[kernels.AMBIGUOUS]),
        ruined=bool(ruined),
        folded=False,
        notional=np.nan,
    )


def _arguments(track: Track, signals: Signals, scratch: Scratch) -> tuple[Any, ...]:
    """All that `run_scalar` takes, as `simulate` gives it."""
    bars, entry = track.bars, signals.entry_price
    return (
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.session,
        track.flags,
        convert.locked(signals.codes, np.int8),
        simulate._NO_ENTRY_PRICE if entry is None else convert.locked(entry),  # noqa: SLF001 - the same
        signals.entry_kind == "stop",
        convert.protection_of(signals.stop),
        convert.protection_of(signals.target),
        convert.protection_of(signals.trail),
        convert.limits_of(track.options, 1) if convert.has_limits(track.options) else None,
        sizes.sizes_for(signals, track.options, track.volatility, len(bars)),
        track.config._replace(max_bars=signals.max_bars, ttl=signals.ttl),
        track.charges,
        scratch.equity,
        scratch.ledger.since,
        scratch.ledger.steps,
        scratch.held,
        scratch.table,
        scratch.rows,
        scratch.reason,
        scratch.ambiguous,
        scratch.counts,
    )


@loop
def to_columns(
    table: FloatArray, rows: IntArray, trades: int, columns: FloatArray, places: IntArray
) -> None:
    """Turn the trade table of the kernel, shape (N, 11), into the one `measure` reads."""
    for i in range(trades):
        row = table[i]
        columns[measures.QUANTITY, i] = row[kernels.QUANTITY]
        columns[measures.ENTRY, i] = row[kernels.ENTRY]
        columns[measures.EXIT, i] = row[kernels.EXIT]
        columns[measures.PNL, i] = row[kernels.PNL]
        columns[measures.TRADE_FEES, i] = row[kernels.FEES_IN] + row[kernels.FEES_OUT]
        columns[measures.TRADE_SLIPPAGE, i] = row[kernels.SLIP_IN] + row[kernels.SLIP_OUT]
        columns[measures.MAE, i] = row[kernels.MAE]
        columns[measures.MFE, i] = row[kernels.MFE]
        columns[measures.RISK, i] = row[kernels.RISK]
        places[measures.ENTRY_BAR, i] = rows[i, kernels.ENTRY_BAR]
        places[measures.EXIT_BAR, i] = rows[i, kernels.EXIT_BAR]


def _measure(
    track: Track, scratch: Scratch, trades: int, figures: Figures, rows: LaneRows, lane: int
) -> None:
    daily = scratch.work.daily
    why: ReasonRow = rows.why[lane]
    measures.measure(
        scratch.equity, scratch.columns, scratch.places, trades, track.calendar, figures,
        rows.metrics[lane], why, daily, scratch.work,
    )  # fmt: skip
    rows.daily[lane] = daily
