"""One strategy, many parameter sets, the same prices: a row of metrics for each.

A sweep is a plan of chunks, and a chunk is a run of lanes. The plan is a function of what is asked
alone, never of threads, so a chunk that was finished elsewhere or yesterday is the same chunk.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES, LOSSLESS, METRICS, RANK_CAPS
from core.domain.options import EngineOptions
from core.domain.parameters import ParamValue, clean_params
from core.domain.signals import Signals
from core.domain.strategy import MarketView, Strategy
from core.engine import measures
from core.engine.account_lanes import AccountLanes
from core.engine.dice import Watch, alone_with_dice, same_dice
from core.engine.exits import decide_exits
from core.engine.guests import builder_of, sentence
from core.engine.indicators import Indicators
from core.engine.indicators.library import shared_memo
from core.engine.lanes import Batch, LaneRows, Scratch, Track, run_alone, scratch_for, track_of
from core.engine.simulate import ENGINE_VERSION
from core.engine.version import code_digest
from core.errors import Cancelled, Conflict, InvalidInput, StrategyFailed

MEMORY = 256 * 1024 * 1024
CHUNK_BYTES = 1_000_000  # codes of a chunk, one byte a bar: a chunk is some milliseconds of work
LONGEST_CHUNK = 256
# Few lanes are cut finer, so that every thread has work and progress can be seen.
FEWEST_CHUNKS = 32
PATIENCE = 0.05  # seconds between two looks whether the sweep was cancelled
# Annual growth over less than a year is shown, with its badge, and never ranked.
_ANNUAL_GROWTH = frozenset({"cagr", "calmar", "upi"})
_NO_LOSSES = measures.REASON_CODES.index(LOSSLESS)

Parameters = Mapping[str, ParamValue]


@dataclass(frozen=True, eq=False, slots=True)
class Chunk:
    """The finished lanes of one chunk of a plan; hand it back to another sweep to resume.

    Attributes:
        plan: Hash of the plan it belongs to.
        number: Its place in that plan.
        rows: One per lane of the chunk.
        errors: Why lanes have no row, by place in the chunk.
    """

    plan: str
    number: int
    rows: LaneRows
    errors: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep has come.

    Attributes:
        lanes: Finished ones, those handed in included.
        total: All of them.
        seconds: Since it began.
        lane_seconds: Time a lane took, measured over the lanes of this call; 0 before the first.
        so_far: Gives the result with rows of NaN for lanes that are not finished; its arrays go on
            changing. None where lanes are finished elsewhere.
    """

    lanes: int
    total: int
    seconds: float
    lane_seconds: float
    so_far: Callable[[], SweepResult] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a lane must show before it may be ranked.

    Attributes:
        trades: Closed ones, at least.
        sessions: Of history, at least.
        ambiguous: `ambiguous_pct`, at most.
    """

    trades: int = 30
    sessions: int = 120
    ambiguous: float = 0.2


@dataclass(frozen=True, eq=False, slots=True)
class SweepResult:
    """What became of every lane, in the order in which parameter sets were first given.

    Attributes:
        plan: Hash of the plan.
        params: Parameters of each lane, defaults filled in; as given where they are wrong.
        lane_of: Lane of each parameter set given, shape (G,): equal sets share a lane.
        rows: One per lane.
        errors: Why lanes have no row: wrong parameters, a strategy that raised, bad signals.
        sessions: Dates of the columns of `rows.daily`, days since 1970, shape (D,).
        years: Calendar years of the data.
    """

    plan: str
    params: Sequence[Parameters]
    lane_of: IntArray
    rows: LaneRows
    errors: Mapping[int, str]
    sessions: Int32Array
    years: float

    def __len__(self) -> int:
        """Number of lanes."""
        return len(self.params)

    def column(self, metric: str) -> FloatArray:
        """Give one metric of all lanes, NaN where it is not defined.

        Raises:
            InvalidInput: no such metric.
        """
        column: FloatArray = self.rows.metrics[:, _slot(metric)]
        return column

    def metrics(self, lane: int) -> tuple[dict[str, float | None], dict[str, str]]:
        """Give the metrics of a lane, None where undefined, and the reasons of these.

        Raises:
            StrategyFailed: the lane has no row; the message is its error.
        """
        if lane in self.errors:
            raise StrategyFailed(self.errors[lane])
        return measures.values_of(self.rows.metrics[lane], self.rows.why[lane])

    def counters(self, lane: int) -> dict[str, int]:
        """Give what became of the intents of a lane."""
        return dict(zip(COUNTER_NAMES, self.rows.counters[lane].tolist(), strict=True))

    def ineligible(self, metric: str, rules: Eligibility | None = None) -> dict[int, str]:
        """Say which lanes may not be ranked by a metric, and why; the first reason counts."""
        need = rules or Eligibility()
        why = self.rows.why[:, _slot(metric)]
        is_undefined = why != 0
        if metric in RANK_CAPS:
            is_undefined &= why != _NO_LOSSES
        trades, ambiguous = self.column("trades"), self.column("ambiguous_pct")
        is_short = len(self.sessions) < need.sessions
        is_young = metric in _ANNUAL_GROWTH and self.years < 1.0
        is_out = self.rows.ruined | is_undefined | ~(trades >= need.trades)
        is_out |= (ambiguous > need.ambiguous) | is_short | is_young
        found = dict(self.errors)
        for lane in np.flatnonzero(is_out).tolist():
            if lane in found:
                continue
            if self.rows.ruined[lane]:
                found[lane] = "ruined"
            elif is_short:
                found[lane] = f"{len(self.sessions)} sessions, {need.sessions} are needed"
            elif not trades[lane] >= need.trades:
                found[lane] = f"{trades[lane]:.0f} closed trades, {need.trades} are needed"
            elif ambiguous[lane] > need.ambiguous:
                found[lane] = f"{ambiguous[lane]:.0%} of its trades hung on ambiguous bars"
            elif is_undefined[lane]:
                found[lane] = measures.REASON_CODES[int(why[lane])]
            else:
                found[lane] = "less than a year of data"
        return found

    def ranked(self, metric: str, rules: Eligibility | None = None) -> IntArray:
        """Rank lanes by a metric, the best first; equal ones in the order of lanes.

        A lane whose metric is not defined, that failed, was ruined or traded too little is not in
        it: it cannot win, and cannot lose either. Profit factors above 10 count as 10, and so does
        that of a lane without a loss.

        Args:
            metric: A name of `METRICS` that has a better end.
            rules: What a lane must show; None for the defaults.

        Returns:
            Lanes, int64; empty if none may be ranked.

        Raises:
            InvalidInput: no such metric, or one of which neither more nor less is better.
        """
        direction = METRICS[metric].direction if metric in METRICS else "none"
        values = self.column(metric)
        if direction == "none":
            better = [name for name, each in METRICS.items() if each.direction != "none"]
            raise InvalidInput(
                f"neither more nor less {metric} is better",
                expected="one of " + ", ".join(better),
                field="metric",
            )
        if metric in RANK_CAPS:
            is_lossless = self.rows.why[:, _slot(metric)] == _NO_LOSSES
            values = np.minimum(np.where(is_lossless, np.inf, values), RANK_CAPS[metric])
        out = self.ineligible(metric, rules)
        lanes = np.array([lane for lane in range(len(self)) if lane not in out], dtype=np.int64)
        keys = values[lanes] if direction == "lower" else -values[lanes]
        best: IntArray = lanes[np.argsort(keys, kind="stable")]
        return best


@dataclass(frozen=True, eq=False, slots=True)
class _Plan:
    """Lanes, and the order in which they are run.

    Attributes:
        order: Lanes sorted by their parameters, so that neighbours share indicators.
        size: Lanes of a chunk.
        errors: Lanes whose parameters are wrong; they are in no chunk.
    """

    params: tuple[Parameters, ...]
    lane_of: IntArray
    order: IntArray
    size: int
    errors: Mapping[int, str]
    hash: str

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.order) // self.size)

    def lanes(self, chunk: int) -> IntArray:
        return self.order[chunk * self.size : (chunk + 1) * self.size]


def sweep(
    strategy: type[Strategy],
    bars: Bars | Sequence[Bars],
    parameter_sets: Iterable[Mapping[str, Any]],
    options: EngineOptions,
    costs: CostModel,
    *,
    benchmark: Bars | None = None,
    threads: int | None = None,
    memory: int = MEMORY,
    code_hash: str = "",
    guard: Callable[[], AbstractContextManager[object]] = nullcontext,
    on_chunk: Callable[[Chunk], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
    done: Iterable[Chunk] = (),
    share: tuple[int, int] = (0, 1),
    skip: Collection[int] = (),
) -> SweepResult:
    """Run a strategy with every set of parameters.

    Each lane has the bits of a run of its parameters alone: of one symbol those of `simulate` and
    `measure_run`; of several, or of a strategy that weighs them, those of `trade`; whatever the
    threads, the memory and the order in which chunks end. The random generators of the process
    are seeded while it runs, and put back.

    Args:
        strategy: Its class; asked for signals in several threads at once.
        bars: Of one symbol; or of several, in the order of the request.
        parameter_sets: Absent parameters have their defaults; equal sets are run once.
        options: Account and fill rules.
        costs: Fees and price concession.
        benchmark: What lanes are measured against; None for holding the symbols themselves.
        threads: How many; None for one per processor.
        memory: Bytes of indicators to remember for other lanes.
        code_hash: Of the strategy's code; chunks of other code are not accepted. Needed where
            `done` is given.
        guard: Entered around each call of strategy code.
        on_chunk: Called in this thread with each chunk that was finished here.
        on_progress: Called in this thread after each chunk.
        cancelled: Asked a few times a second; true stops before the next lane.
        done: Chunks of an earlier sweep of the same plan.
        share: `(k, of)` runs only chunks whose number leaves the remainder k when divided by `of`;
            lanes of the others have rows of NaN and no error. Shares of one plan are disjoint, and
            together they are all of its chunks, each the same as if it had been run with the rest.
        skip: Numbers of chunks of the share that are not run either: whoever asks has them.

    Returns:
        A row per lane. A lane that fails is an error and stops nobody else.

    Raises:
        Cancelled: `cancelled` said so; what was finished went to `on_chunk`.
        Conflict: a chunk of `done` belongs to another plan.
        DataProblem: there are no bars.
        InvalidInput: `threads` or `memory` is below 1, there is no such share, or chunks come
            without a `code_hash`.
    """
    _check(threads, memory, share)
    done = list(done)
    if done and not code_hash:
        raise InvalidInput(
            "chunks are handed in without the hash of the strategy's code",
            expected="code_hash, the same as when they were made",
            hint="without it nobody can tell whether the strategy is still the same",
            field="code_hash",
        )
    several = [bars] if isinstance(bars, Bars) else [*bars]
    lanes: Lanes
    if len(several) == 1 and not strategy.universe:
        track = track_of(several[0], options, costs, benchmark)
        lanes = SymbolLanes(strategy, track, memory, guard)
    else:
        lanes = AccountLanes(strategy, several, options, costs, benchmark, memory, guard)
    data_hash = "".join(map(_hash_of, several if benchmark is None else [*several, benchmark]))
    plan = _plan_of(strategy, lanes, parameter_sets, data_hash, code_hash)
    rows = LaneRows.empty(len(plan.params), len(lanes.sessions))
    errors = dict(plan.errors)
    finished: set[int] = set()

    def take(chunk: Chunk) -> None:
        those = plan.lanes(chunk.number)
        for column in fields(LaneRows):
            getattr(rows, column.name)[those] = getattr(chunk.rows, column.name)
        errors.update({int(those[place]): text for place, text in chunk.errors.items()})
        finished.add(chunk.number)

    def result() -> SweepResult:
        return SweepResult(
            plan=plan.hash,
            params=plan.params,
            lane_of=plan.lane_of,
            rows=rows,
            errors=dict(sorted(errors.items())),
            sessions=lanes.sessions,
            years=lanes.years,
        )

    for chunk in done:
        _accept(chunk, plan, len(lanes.sessions))
        take(chunk)
    begun = time.perf_counter()
    before = sum(len(plan.lanes(number)) for number in finished) + len(plan.errors)
    lanes_done = before
    mine = range(share[0], plan.chunks, share[1])
    to_do = [number for number in mine if number not in finished and number not in skip]
    crew = _Crew(lanes, plan)
    with same_dice():
        for chunk in crew.run(to_do, threads or _processors(), cancelled or (lambda: False)):
            take(chunk)
            lanes_done += len(plan.lanes(chunk.number))
            if on_chunk is not None:
                on_chunk(chunk)
            if on_progress is not None:
                spent = time.perf_counter() - begun
                pace = spent / (lanes_done - before)
                on_progress(Progress(lanes_done, len(plan.params), spent, pace, result))
    return result()


def _check(threads: int | None, memory: int, share: tuple[int, int]) -> None:
    for name, value in (("threads", threads), ("memory", memory)):
        if value is not None and value < 1:
            raise InvalidInput(f"{name} is {value}", expected="at least 1", field=name)
    if not 0 <= share[0] < share[1]:
        raise InvalidInput(
            f"share {share[0]} of {share[1]} is asked for",
            expected="(k, of) with k from 0 to of - 1",
            field="share",
        )


def _hash_of(bars: Bars) -> str:
    """Name all prices a lane sees of a symbol: its bars, finer ones, rates of its currency."""
    finer = "" if bars.detail is None else bars.detail.data_hash
    rates = ""
    if bars.fx is not None and len(bars):
        rates = bars.fx.between(int(bars.ts[0]), int(bars.over[-1])).data_hash
    return bars.data_hash + finer + rates


def _slot(metric: str) -> int:
    if metric not in METRICS:
        raise InvalidInput(
            f"metric {metric!r} is not known",
            expected="one of " + ", ".join(METRICS),
            field="metric",
        )
    return measures.SLOTS[metric]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _plan_of(
    strategy: type[Strategy],
    lanes_on: Lanes,
    parameter_sets: Iterable[Any],
    data_hash: str,
    code_hash: str,
) -> _Plan:
    specs, constraints = strategy.param_specs(), strategy.constraints
    lanes: dict[tuple[Any, ...], int] = {}
    params: list[Parameters] = []
    errors: dict[int, str] = {}
    lane_of: list[int] = []
    for given in parameter_sets:
        try:
            values: Mapping[str, Any] = clean_params(specs, constraints, _as_mapping(given))
            key: tuple[Any, ...] = tuple(values.values())
            problem = None
        except InvalidInput as error:
            values = dict(given) if isinstance(given, Mapping) else {}
            problem = error.sentence()
            key = (InvalidInput, repr(sorted(values.items(), key=str) if values else given))
        lane = lanes.setdefault(key, len(params))
        if lane == len(params):
            params.append(values)
            if problem is not None:
                errors[lane] = problem
        lane_of.append(lane)
    keys = {lane: key for key, lane in lanes.items() if lane not in errors}
    order = sorted(keys, key=lambda lane: tuple(_sortable(value) for value in keys[lane]))
    finest = -(-len(order) // FEWEST_CHUNKS)
    size = max(1, min(LONGEST_CHUNK, CHUNK_BYTES // lanes_on.length, finest))
    digest = hashlib.sha256()
    for part in (
        ENGINE_VERSION,
        code_digest(),
        f"{strategy.__module__}.{strategy.__qualname__}",
        code_hash,
        data_hash,
        *lanes_on.rules,
        size,
        *(keys[lane] for lane in order),
    ):
        digest.update(f"{part!r};".encode())
    return _Plan(
        params=tuple(params),
        lane_of=np.array(lane_of, dtype=np.int64),
        order=np.array(order, dtype=np.int64),
        size=size,
        errors=errors,
        hash=digest.hexdigest(),
    )


def _as_mapping(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"a set of parameters is {given!r:.80}",
            expected="a mapping of their names to values",
            field="params",
        )
    return given


def _sortable(value: ParamValue) -> tuple[str, ParamValue]:
    """Let numbers and texts of one list of choices stand in one order."""
    return ("", value) if isinstance(value, (int, float)) else ("text", value)


def _accept(chunk: Chunk, plan: _Plan, sessions: int) -> None:
    fits = (
        chunk.plan == plan.hash
        and 0 <= chunk.number < plan.chunks
        and chunk.rows.metrics.shape == (len(plan.lanes(chunk.number)), measures.WIDTH)
        and chunk.rows.daily.shape == (len(plan.lanes(chunk.number)), sessions)
    )
    if not fits:
        raise Conflict(
            f"chunk {chunk.number} of plan {chunk.plan[:12]} is handed in for another plan",
            expected=f"chunks 0 to {plan.chunks - 1} of plan {plan.hash[:12]}",
            hint="prices, code, options, costs or parameters have changed: run the sweep anew",
        )


class Lanes(Protocol):
    """What the sets of a sweep are run on: prices, rules and a strategy.

    Attributes:
        sessions: Dates of the columns of `daily`, shape (D,).
        years: Calendar years of the data.
        length: How long a lane takes, as bars of one symbol: how many make a chunk goes by it.
        rules: What decides rows beside parameters, code and prices.
    """

    sessions: Int32Array
    years: float
    length: int
    rules: tuple[object, ...]

    def run(
        self, sets: Sequence[Parameters], *, together: int, alone: bool, stop: threading.Event
    ) -> tuple[LaneRows, dict[int, str]] | None:
        """Run a lane for each set, in any thread.

        Args:
            sets: Checked, at most `together`.
            together: Lanes of a chunk.
            alone: Whether no other thread rolls the dice of the process meanwhile.
            stop: Set when nobody waits for them any more.

        Returns:
            Their rows, and why some have none; None when stopped, or if they must be run alone.
        """


class _Crew:
    """Threads that run chunks of one plan."""

    def __init__(self, lanes: Lanes, plan: _Plan) -> None:
        self._lanes, self._plan = lanes, plan
        self._stop, self._rolled = threading.Event(), threading.Event()

    def run(
        self, numbers: Sequence[int], threads: int, cancelled: Callable[[], bool]
    ) -> Iterator[Chunk]:
        """Yield chunks as they are finished; when the caller leaves, no lane is begun any more."""
        watch = Watch()
        pool = ThreadPoolExecutor(max(1, min(threads, len(numbers))), "sweep")
        try:
            again: list[int] = []
            for number, chunk in self._as_ended(
                pool, {each: partial(self._watched, each, watch) for each in numbers}, cancelled
            ):
                if chunk is None:
                    again.append(number)
                else:
                    yield chunk
            for _, chunk in self._as_ended(
                pool, {each: partial(self._chunk, each, alone=True) for each in again}, cancelled
            ):
                if chunk is not None:
                    yield chunk
            if self._stop.is_set():
                raise Cancelled("the sweep was cancelled")
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _as_ended(
        self,
        pool: ThreadPoolExecutor,
        works: Mapping[int, Callable[[], Chunk | None]],
        cancelled: Callable[[], bool],
    ) -> Iterator[tuple[int, Chunk | None]]:
        """Yield what becomes of chunks; not by `wait`, which looks at all of them for each."""
        ended: SimpleQueue[tuple[int, Future[Chunk | None]]] = SimpleQueue()

        def begin(number: int, work: Callable[[], Chunk | None]) -> None:
            pool.submit(work).add_done_callback(lambda future: ended.put((number, future)))

        for number, work in works.items():
            begin(number, work)
        left = len(works)
        while left:
            if not self._stop.is_set() and cancelled():
                self._stop.set()
            try:
                number, future = ended.get(timeout=PATIENCE)
            except Empty:
                continue
            left -= 1
            yield number, future.result()

    def _watched(self, number: int, watch: Watch) -> Chunk | None:
        """Run a chunk beside others; None once a strategy was seen to roll the global dice."""
        chunk = None if self._rolled.is_set() else self._chunk(number, alone=False)
        if chunk is not None and watch.is_rolled():
            self._rolled.set()
            return None
        return chunk

    def _chunk(self, number: int, *, alone: bool) -> Chunk | None:
        """Run a chunk; None when it was stopped, whatever of it was done."""
        if self._stop.is_set():
            return None
        sets = [self._plan.params[lane] for lane in self._plan.lanes(number).tolist()]
        together = self._plan.size
        done = self._lanes.run(sets, together=together, alone=alone, stop=self._stop)
        return None if done is None else Chunk(self._plan.hash, number, *done)


class SymbolLanes:
    """Lanes of one symbol: memory for each thread, and the same indicators for all."""

    def __init__(
        self,
        strategy: type[Strategy],
        track: Track,
        memory: int,
        guard: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._track, self._guard = track, guard
        self._build = builder_of(strategy)
        bars = track.bars
        self._view = MarketView(bars=bars, ind=Indicators(bars, shared_memo(memory)))
        self._idle: SimpleQueue[Scratch] = SimpleQueue()
        self.sessions: Int32Array = bars.session[track.calendar.ends]
        self.years = track.calendar.years
        self.length = len(bars)
        self.rules: tuple[object, ...] = (
            track.options.model_dump_json(),
            track.costs.model_dump_json(),
        )

    def run(
        self, sets: Sequence[Parameters], *, together: int, alone: bool, stop: threading.Event
    ) -> tuple[LaneRows, dict[int, str]] | None:
        """Run lanes; None when stopped. See `Lanes`."""
        try:
            scratch = self._idle.get_nowait()
        except Empty:
            scratch = scratch_for(self._track, together)
        rows = LaneRows.empty(len(sets), len(self._track.calendar.ends))
        errors: dict[int, str] = {}
        batch = Batch(self._track, scratch, rows)
        for place, params in enumerate(sets):
            if stop.is_set():
                return None
            try:
                signals = self._signals(params, alone=alone)
                if signals.exits is not None:
                    track = self._track
                    with self._dice(alone=alone), self._guard():
                        signals, _ = decide_exits(track.bars, signals, track.options, track.costs)
                if not batch.take(signals, place):
                    run_alone(self._track, signals, scratch, rows, place)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a lane may do anything
                errors[place] = sentence(error)
        for place, signals in batch.run():
            try:
                run_alone(self._track, signals, scratch, rows, place)
            except StrategyFailed as error:
                errors[place] = sentence(error)
        self._idle.put(scratch)
        return rows, errors

    def _signals(self, params: Parameters, *, alone: bool) -> Signals:
        # What a strategy does to numpy's error handling must not outlive its call.
        with self._dice(alone=alone), self._guard(), np.errstate(all="ignore"):
            signals: Any = self._build(params).generate_signals(self._view)
        if not isinstance(signals, Signals):
            raise StrategyFailed(
                f"generate_signals gave {type(signals).__name__}",
                expected="Signals, for instance Signals.side(long=..., short=...)",
            )
        return signals

    @staticmethod
    def _dice(*, alone: bool) -> AbstractContextManager[None]:
        return alone_with_dice() if alone else nullcontext()
