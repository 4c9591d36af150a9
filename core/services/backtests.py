"""Backtests: submit, read, compare, reproduce."""

from __future__ import annotations

import difflib
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from core.catalog import Catalog, on_terms
from core.domain.assumptions import (
    BAR_READINGS,
    Assumption,
    Assumptions,
    fill_rules,
    is_same_rule,
)
from core.domain.bars import Bars
from core.domain.cost_breakdown import CostBreakdown
from core.domain.market import find_market
from core.domain.options import EngineOptions
from core.domain.parameters import clean_params
from core.domain.run import (
    LONGEST_NAME,
    LONGEST_NOTE,
    Label,
    Reproduction,
    Run,
    RunError,
    RunEvent,
    RunPage,
    RunQuery,
    RunResult,
    RunSpec,
    RunStatus,
    Source,
    Trial,
)
from core.domain.strategy import StrategyInfo
from core.domain.timeframe import Timeframe
from core.errors import Conflict, DataProblem, InvalidInput, NotFound, Unavailable, WorkbenchError
from core.faults import sentence_of
from core.jobs.nursery import Death
from core.jobs.work import Executor, Outcome, Work
from core.registry.blame import with_place
from core.registry.registry import Pinned, Registry
from core.services import compare, cost_breakdown, narrative
from core.services.answers import (
    error_from_json,
    error_of,
    metrics_from_json,
    result_from_json,
)
from core.services.compare import Comparison
from core.services.currencies import Conversion, conversions, settled, settled_for
from core.services.decimation import merge_bars, thin
from core.services.excursions import in_risk
from core.services.kernels import COMPILING
from core.services.notes import notes_of
from core.services.portfolio import WeightsOverTime, accrued, weights_over_time
from core.store import Store

log = logging.getLogger("workbench.backtests")

Ref = int | str | Run
"""Which run: its number, uuid or job id, or the record itself, which is then not read again."""

CHART_POINTS = 2_000
CLOSE_MATCHES = 3
# So few sessions are read at the door: whether there are bars at all is known before a run is made.
FEW_DAYS = 62  # the longest span without a whole month, and a bit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BACKTEST = "backtest"
"""Kind of the jobs that compute one run."""
QUEUE = "queue"
"""In place of the process that owns a run, while a queue has it."""

_DEATH_CODES = {
    "time": "time_limit",
    "cpu": "time_limit",
    "memory": "memory_limit",
    "signal": "crashed",
    "killed": "crashed",
    "no_result": "no_result",
    "stopped": "stopped",
}
_DEATH_HINTS = {
    "time": "Use a shorter period, make the strategy faster, or raise WORKBENCH_RUN_WALL_SECONDS",
    "cpu": "Use a shorter period, make the strategy faster, or raise WORKBENCH_RUN_CPU_SECONDS",
    "memory": "Use fewer symbols or a shorter period, or raise WORKBENCH_RUN_MEMORY_MB",
    "signal": "Look at native code the strategy calls at that line",
    "killed": "Use fewer symbols or a shorter period if the machine is short of memory",
    "no_result": "A strategy must return its signals and leave the process alone",
    "stopped": "Run it again",
}


class Backtests:
    """What users may wish of runs. Safe to use from many threads.

    Args:
        store: Records and artifacts.
        catalog: Prices.
        registry: Strategies.
        executor: Where strategy code runs.
        scratch: Folder of this process for what runs write before it is published.
        snapshots: Where the code of strategies is kept.
        owner: Gives the name of this process, recorded with what it runs.
        clock: Gives the time to record, in UTC.
        wait_seconds: How long a submission waits for its result unless told otherwise.
        queue_bars: Runs that read more bars than this are queued; None where no run is.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        registry: Registry,
        executor: Executor,
        *,
        scratch: Path,
        snapshots: Path,
        owner: Callable[[], str],
        clock: Callable[[], datetime],
        wait_seconds: float,
        queue_bars: int | None = None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._registry = registry
        self._executor = executor
        self._scratch = scratch
        self._snapshots = snapshots
        self._owner = owner
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._queue_bars = queue_bars
        self._compiling: set[int] = set()

    # --- submitting -------------------------------------------------------------------------

    def submit(
        self,
        spec: RunSpec,
        *,
        source: Source = "python",
        reuse: bool = True,
        wait: float | None = None,
        queue: bool | None = None,
        key: str | None = None,
        name: str | None = None,
        trial: Trial | None = None,
    ) -> Run:
        """Record a run, have it computed, and give its state at the moment the waiting ends.

        Args:
            spec: The request; what it leaves out is completed.
            source: The door it came through.
            reuse: Whether a stored result of the very same work may be given instead.
            wait: Seconds to wait for the result; None for the setting.
            queue: Whether a worker is to compute it when its turn comes, and nobody waits; None
                for that if it reads more bars than the setting says.
            key: The caller's name for this wish, so that asking twice makes one run; what has a
                key is queued.
            name: What people call it.
            trial: What it is promoted from.

        Returns:
            The run, completed, failed (also when the strategy did), or still on its way.

        Raises:
            InvalidInput, NotFound, StrategyFailed: the request cannot be run; nothing is recorded.
            Conflict: the key was used for another request.
            Unavailable: too many runs are waiting, or the records cannot be written.
        """
        pinned = self._registry.pin(spec.strategy)
        name = _label("name", name)
        asked = self._completed(spec, pinned.info)
        if queue or key is not None or (queue is None and self._is_big(asked)):
            return self._queued(asked, pinned, source, reuse=reuse, key=key, name=name, trial=trial)
        run = self._store.runs.create(
            asked,
            title=pinned.info.title,
            source=source,
            owner=self._owner(),
            now=self._clock(),
            name=name,
            trial=trial,
        )
        job = _Job(
            run_id=run.id,
            store=self._store,
            clock=self._clock,
            scratch=self._made(self._scratch) / f"run-{run.id}",
            snapshots=self._snapshots,
            is_there=self._store.is_whole if reuse else lambda _: False,
            compiling=self._compiling,
        )
        request = self._request(asked, pinned) | {"scratch": str(job.scratch)}
        work = Work(request, begin=job.begin, reply=job.reply, end=job.end)
        try:
            self._executor.submit(work)
        except Unavailable as error:
            self._store.runs.fail(run.id, error_of(error), now=self._clock())
            raise
        work.done.wait(self._wait_seconds if wait is None else wait)
        return job.ended or self._store.runs.get(run.id)

    def complete(self, spec: RunSpec) -> RunSpec:
        """Give the canonical spec: ids, every parameter, the strategy's engine options.

        Raises:
            InvalidInput, NotFound, StrategyFailed: the request cannot be run.
        """
        return self._completed(spec, self._registry.pin(spec.strategy).info)

    def require_rates(
        self, options: EngineOptions, market: str, currency: str | None, benchmark: str | None
    ) -> None:
        """Refuse prices, before they are imported, that a run could not convert.

        Args:
            options: Of the run.
            market: Code of the market of the prices.
            currency: What is said of them, None for that of the market.
            benchmark: Symbol of the catalog, None for the prices themselves.

        Raises:
            InvalidInput, NotFound: a currency is not known, or there are no rates of it.
        """
        found = currency or find_market(market).currency
        other = None if benchmark is None else self._canonical([benchmark])[0]
        settled_for(options, {"the file": found}, other, self._catalog)

    def reproduce(self, ref: Ref) -> Reproduction:
        """Compute a completed run again from what is here now, and compare every byte.

        Raises:
            NotFound: no such run, or its strategy or prices are gone.
            Conflict: the run is not completed.
            StrategyFailed, DataProblem: it cannot be computed any more.
            Unavailable: the computing process did not answer.
        """
        run = self._completed_run(ref)
        pinned = self._registry.pin(run.spec.strategy)
        job = _Again()
        with tempfile.TemporaryDirectory(dir=self._made(self._scratch)) as folder:
            again = {"scratch": str(Path(folder) / "again")}
            work = Work(self._request(run.spec, pinned) | again)
            work.reply, work.end = job.reply, job.end
            self._executor.submit(work)
            work.done.wait()
            result = job.result(self._snapshots)
            fresh = _file_hashes(Path(folder) / "again")
        changed = [
            f"data:{symbol}"
            for symbol in result.data_hashes
            if run.data_hashes.get(symbol) != result.data_hashes.get(symbol)
        ]
        if run.code_hash != result.code_hash:
            changed.append("code")
        if run.engine_version != result.engine_version:
            changed.append("engine")
        names = sorted({*run.artifacts, *fresh})
        hashes = {name: (run.artifacts.get(name, ""), fresh.get(name, "")) for name in names}
        return Reproduction(
            run=run,
            identical=all(stored == again for stored, again in hashes.values()),
            changed_inputs=tuple(changed),
            artifacts=hashes,
        )

    def assumptions(self, ref: Ref) -> Assumptions:
        """Compute a completed run under the other fill rules, from the code and prices it used.

        Raises:
            NotFound: no such run, or its prices are gone.
            Conflict: the run is not completed, or its code is no longer kept.
            DataProblem: the prices have changed since.
            StrategyFailed: the strategy failed this time.
            Unavailable: the computing process did not answer.
        """
        run = self._completed_run(ref)
        code = self._snapshots / str(run.code_hash)
        if not code.is_dir():
            raise Conflict(
                f"the code of run {run.id} is no longer kept", hint="Run it again with today's code"
            )
        rules = fill_rules(run.spec.options, self._finest(run.spec))
        outcome = self._executor.call(
            {
                "op": "assume",
                "spec": run.spec.canonical(),
                "options": [options.model_dump_json() for options in rules.values()],
                "data_hashes": dict(run.data_hashes),
                "until": _microseconds(run.last_bar),
                "id": run.spec.strategy,
                "code": str(code),
            },
            _hear_of_compiling,
        )
        found = _answered(outcome, self._snapshots)["metrics"]
        own = run.spec.options
        answers = list(zip(rules.items(), found, strict=True))
        each = [
            Assumption(rule, options, metrics_from_json(answer), is_same_rule(options, own))
            for (rule, options), answer in answers
            if not isinstance(answer, str)
        ]
        mine = next(one.metrics for one in each if one.is_own)
        return Assumptions(
            run,
            [one for one in each if one.rule not in BAR_READINGS or one.metrics != mine],
            [answer for _, answer in answers if isinstance(answer, str)],
        )

    # --- reading ----------------------------------------------------------------------------

    def get(self, ref: int | str) -> Run:
        """Find a run by its number, uuid or job id.

        Raises:
            NotFound: no such run.
        """
        return self._store.runs.get(ref)

    def of_job(self, job_id: int) -> Run:
        """Find the run that waits, or waited, in the queue as this job.

        Raises:
            NotFound: there is none.
        """
        return self._store.runs.of_job(job_id)

    def list(self, query: RunQuery | None = None) -> RunPage:
        """Give a page of runs, filtered and ordered in the database."""
        return self._store.runs.list(query or RunQuery())

    def history(self, ref: int | str) -> Sequence[RunEvent]:
        """Give every change of state of a run, oldest first.

        Raises:
            NotFound: no such run.
        """
        return self._store.runs.history(self.get(ref).id)

    def change_token(self) -> str:
        """Give a text that changes whenever a run changes; cheap enough to ask often."""
        return self._store.runs.change_token()

    def equity(self, ref: Ref, max_points: int | None = CHART_POINTS) -> pl.DataFrame:
        """Give the equity of a run (`EQUITY_SCHEMA`), thinned so that extremes stay.

        Raises:
            NotFound: no such run.
            Conflict: it is not completed.
            DataProblem: the artifact is missing or damaged.
        """
        frame = self._artifact(ref, "equity")
        return thin(frame, max_points, ("equity", "benchmark", "drawdown"))

    def trades(self, ref: Ref) -> pl.DataFrame:
        """Give the trades of a run in order of entry; raises as `equity`.

        Returns:
            `TRADES_SCHEMA`, and what `in_risk` adds.
        """
        return in_risk(self._artifact(ref, "trades"))

    def fills(self, ref: Ref) -> pl.DataFrame:
        """Give the fills of a run (`FILLS_SCHEMA`) in order of time; raises as `equity`."""
        return self._artifact(ref, "fills")

    def costs(self, ref: Ref) -> CostBreakdown:
        """Say where the costs of a run went, part by part; raises as `equity`."""
        run = self._completed_run(ref)
        fills = cost_breakdown.placed(
            run, self._read(run, "fills"), lambda name: self._read(run, name)
        )
        return cost_breakdown.breakdown(run, fills)

    def positions(
        self, ref: Ref, symbol: str | None = None, max_points: int | None = None
    ) -> pl.DataFrame:
        """Give the positions of a run (`POSITIONS_SCHEMA`), of one symbol or one after another.

        Raises:
            NotFound: no such run, or not this symbol in it.
            Conflict, DataProblem: as `equity`.
        """
        run = self._completed_run(ref)
        names = [self._symbol_of(run, symbol)] if symbol is not None else list(run.spec.symbols)
        frame = self._read(run, "positions")
        parts = [frame.filter(pl.col("symbol") == name) for name in names]
        return pl.concat([thin(part, max_points, ("equity", "quantity")) for part in parts])

    def weights(self, ref: Ref, max_points: int = CHART_POINTS // 2) -> WeightsOverTime:
        """Give the shares of equity a run's symbols had over time, at most so many closes.

        Raises:
            NotFound, Conflict, DataProblem: as `equity`.
        """
        run = self._completed_run(ref)
        equity, positions = self._read(run, "equity"), self._read(run, "positions")
        return weights_over_time(run.spec, equity, positions, max_points=max_points)

    def accrued(self, ref: Ref) -> float:
        """Give a run's money that came without a fill: dividends, accruals less what was paid.

        Raises:
            NotFound, Conflict, DataProblem: as `equity`.
        """
        run = self._completed_run(ref)
        return accrued(run.spec, self._read(run, "positions"), self._read(run, "fills"))

    def conversions(self, ref: Ref) -> Sequence[Conversion]:
        """Say how a run's symbols were taken into the account's currency; raises as `equity`."""
        run = self._completed_run(ref)
        if not run.spec.options.fx:
            return ()
        return conversions(run.spec, self._read(run, "positions"), self._catalog)

    def artifact_path(self, ref: Ref, name: str) -> Path:
        """Say where the file of an artifact is.

        Raises:
            NotFound: no such run.
            Conflict: it is not completed.
            InvalidInput: no artifact of that name.
        """
        run = self._completed_run(ref)
        return self._store.artifacts.path(str(run.run_key), name)

    def prices(self, ref: Ref, symbol: str, max_points: int | None = CHART_POINTS) -> pl.DataFrame:
        """Give the prices a run used: timestamp, open, high, low, close, volume.

        Neighbouring bars are joined until at most `max_points` are left; extremes stay.

        Raises:
            NotFound: no such run, or not this symbol in it.
            Conflict: it is not completed.
            DataProblem: the prices have changed since.
        """
        run = self._completed_run(ref)
        name = self._symbol_of(run, symbol)
        used = self._read(run, "positions").filter(pl.col("symbol") == name).height
        # What was imported since the run comes after what it saw.
        seen = self._catalog.bars(name, *_window(run.spec), adjust="raw").head(used)
        bars = on_terms(seen, run.spec.options.adjust)
        if bars.data_hash != run.data_hashes.get(name):
            raise DataProblem(
                f"the prices of {name} have changed since run {run.id}",
                hint="Run it again to see it on the prices of today",
            )
        return merge_bars(_price_frame(bars), max_points)

    def compare(self, refs: Sequence[Ref], max_points: int | None = CHART_POINTS) -> Comparison:
        """Set 2 to 12 completed runs side by side.

        Raises:
            InvalidInput: too few or too many, or one of them twice.
            NotFound: a run does not exist.
            Conflict: a run is not completed.
        """
        if not compare.LEAST <= len(refs) <= compare.MOST:
            raise InvalidInput(
                f"{len(refs)} runs were chosen",
                expected=f"{compare.LEAST} to {compare.MOST}",
                field="runs",
            )
        runs = [self._completed_run(ref) for ref in refs]
        if len({run.id for run in runs}) < len(runs):
            raise InvalidInput("a run was chosen twice", expected="different runs", field="runs")
        curves = [self._read(run, "equity") for run in runs]
        return compare.compare(runs, curves, max_points=max_points)

    def policy(self, run_or_spec: Run | RunSpec) -> str:
        """Say in one sentence by what rules a run trades."""
        spec = run_or_spec.spec if isinstance(run_or_spec, Run) else run_or_spec
        return narrative.policy(spec, weighs=self._weighs(spec))

    def notes(self, run_or_spec: Run | RunSpec) -> Sequence[str]:
        """Say in a sentence each what a request asks for in vain.

        Of a run also what it waits for, and which search it is the fruit of.
        """
        if not isinstance(run_or_spec, Run):
            return notes_of(run_or_spec, weighs=self._weighs(run_or_spec))
        found = notes_of(run_or_spec.spec, weighs=self._weighs(run_or_spec.spec))
        if run_or_spec.trial is not None:
            found = (self._origin(run_or_spec.trial), *found)
        return (COMPILING, *found) if self.is_compiling(run_or_spec) else found

    def is_compiling(self, run: Run) -> bool:
        """Whether a run of this process waits until the engine is compiled, at this moment."""
        return run.id in self._compiling and not run.status.is_final

    def verdict(self, run: Run) -> str:
        """Say in one sentence what a run shows and what speaks against it."""
        if run.run_key is None:
            return narrative.verdict(run, None)
        try:
            equity = self._read(run, "equity")
        except DataProblem as error:
            return f"Completed, but its equity cannot be read: {error.message}."
        return narrative.verdict(run, equity)

    # --- keeping house ----------------------------------------------------------------------

    def label(self, ref: int | str, given: Mapping[Label, str | None]) -> Run:
        """Write what people call a run (`name`) or say of it (`note`), whatever its state.

        Args:
            ref: Which run.
            given: What is to be written; None takes it away, and what is left out stays. Space
                around it does not count.

        Raises:
            NotFound: no such run.
            InvalidInput: the text is too long, or cannot be stored.
        """
        told = {what: _label(what, text) for what, text in given.items()}
        return self._store.runs.label(ref, told, now=self._clock())

    def delete(self, ref: int | str, *, source: Source = "python") -> int:
        """Delete a run that is over, with its trades; its files too unless another run has them.

        What MLflow has of it stays there; what waits to be written there no longer is.

        Args:
            ref: Which run.
            source: The door it came through.

        Returns:
            Its number, which no other run will have.

        Raises:
            NotFound: no such run.
            Conflict: it waits or runs.
            Unavailable: its files cannot be removed; the run is gone.
        """
        number, mirrored_as = self._store.runs.delete(ref, by=source, now=self._clock())
        if mirrored_as is not None:
            with suppress(Conflict):  # it is written already
                self._store.jobs.cancel(mirrored_as, now=self._clock())
        return number

    def recover(self, is_alive: Callable[[str], bool]) -> Sequence[Run]:
        """Fail the runs whose process is gone, as lost; give them back."""
        return self._store.runs.recover(is_alive, now=self._clock())

    # ----------------------------------------------------------------------------------------

    def _is_big(self, spec: RunSpec) -> bool:
        """Whether it reads so many bars that nobody should wait for it."""
        if self._queue_bars is None:
            return False
        bars = 0.0
        for symbol in spec.symbols:
            for each in self._catalog.series(symbol):
                first, last = max(each.first.date(), spec.start or date.min), each.last.date()
                days = (min(last, spec.end or date.max) - first).days + 1
                bars += each.rows * max(days, 0) / ((last - each.first.date()).days + 1)
        return bars > self._queue_bars

    def _queued(
        self,
        spec: RunSpec,
        pinned: Pinned,
        source: Source,
        *,
        reuse: bool,
        key: str | None,
        name: str | None,
        trial: Trial | None,
    ) -> Run:
        request = self._request(spec, pinned) | {"reuse": reuse}
        now = self._clock()
        with self._store.jobs.submitting(BACKTEST, request, now=now, key=key) as (within, job):
            if within is not None:
                return self._store.runs.create(
                    spec,
                    title=pinned.info.title,
                    source=source,
                    owner=QUEUE,
                    now=now,
                    within=within,
                    queued_as=job.id,
                    name=name,
                    trial=trial,
                )
        try:
            return self._store.runs.of_job(job.id)
        except NotFound:
            raise Conflict(
                f"the run that was made under key {key!r} has been deleted",
                hint="Send the request under another key",
            ) from None

    def _origin(self, trial: Trial) -> str:
        """Say which search a run comes from, and what that search says of its winner."""
        said = f"Trial {trial.number:,} of study {trial.study}"
        try:
            findings = self._store.studies.get(trial.study).findings
        except DataProblem as unreadable:
            return f"{said}, which cannot be read: {unreadable.message}."
        if findings is None:
            return f"{said}."
        return (
            f"{said}, one of {findings.trials:,} that were tried: the best of many looks better "
            f"than it is. Of its choice the study says: {findings.sentence}"
        )

    def _weighs(self, spec: RunSpec) -> bool:
        known = {info.id: info for info in self._registry.list()}
        info = known.get(spec.strategy)
        return info is not None and info.universe

    def _completed(self, spec: RunSpec, info: StrategyInfo) -> RunSpec:
        params = clean_params(info.params, info.constraints, spec.params)
        options = _with_defaults(spec.options, info)
        symbols = self._canonical(spec.symbols)
        for symbol in symbols:
            self._require_bars(symbol, spec.timeframe, spec.start, spec.end)
            self._require_detail(symbol, spec.model_copy(update={"options": options}))
        benchmark = self._benchmark(spec, symbols)
        options = settled(options, symbols, benchmark, self._catalog)
        options = _by_symbol(options, symbols)
        return RunSpec(
            strategy=info.id,
            params=params,
            symbols=symbols,
            timeframe=spec.timeframe,
            start=spec.start,
            end=spec.end,
            options=options,
            costs=spec.costs,
            benchmark=benchmark,
        )

    def _canonical(self, symbols: Sequence[str]) -> tuple[str, ...]:
        there = self._catalog.symbols()
        folded = {name.casefold(): name for name in there}
        names = []
        for symbol in symbols:
            name = symbol if symbol in there else folded.get(symbol.strip().casefold())
            if name is None:
                raise NotFound(
                    f"symbol {symbol[:80]!r} is not in the catalog",
                    hint=_suggest(symbol, there),
                    field="symbols",
                )
            names.append(name)
        if len(set(names)) < len(names):
            raise InvalidInput("symbols are repeated", expected="each once", field="symbols")
        return tuple(names)

    def _benchmark(self, spec: RunSpec, symbols: Sequence[str]) -> str | None:
        """Give the benchmark's name in the catalog, once it is known to meet the symbols."""
        if spec.benchmark is None:
            return None
        try:
            (name,) = self._canonical([spec.benchmark])
            self._require_bars(name, spec.timeframe, spec.start, spec.end)
            self._require_overlap(name, symbols)
        except WorkbenchError as error:
            error.field = "benchmark"
            raise
        return name

    def _require_detail(self, symbol: str, spec: RunSpec) -> None:
        detail = spec.options.detail
        if detail is None:
            return
        finer = self._catalog.finer(symbol, spec.timeframe)
        if detail not in finer:
            raise InvalidInput(
                f"{symbol} has no {detail} bars that its {spec.timeframe} bars are made of",
                expected=f"detail of {', '.join(finer)}" if finer else "no detail",
                hint=None if finer else "Import finer bars of it, or run without detail",
                field="options.detail",
            )

    def _finest(self, spec: RunSpec) -> Timeframe | None:
        """Find the shortest bars that all symbols have inside those of a run."""
        finer = [self._catalog.finer(symbol, spec.timeframe) for symbol in spec.symbols]
        return next((each for each in finer[0] if all(each in other for other in finer)), None)

    def _require_overlap(self, benchmark: str, symbols: Sequence[str]) -> None:
        used = [each for symbol in symbols for each in self._catalog.series(symbol)]
        there = self._catalog.series(benchmark)
        first, last = min(each.first for each in there), max(each.last for each in there)
        begin, end = min(each.first for each in used), max(each.last for each in used)
        if first > end or last < begin:
            raise InvalidInput(
                f"the benchmark {benchmark} has bars from {first.date()} to {last.date()}, the "
                f"symbols from {begin.date()} to {end.date()}",
                expected="a benchmark with bars while the symbols have some",
            )

    def _require_bars(
        self, symbol: str, timeframe: Timeframe, start: date | None, end: date | None
    ) -> None:
        offered = self._catalog.timeframes(symbol)
        if timeframe not in offered:
            raise InvalidInput(
                f"{symbol} has no bars of {timeframe}",
                expected=f"one of {', '.join(offered)}",
                field="timeframe",
            )
        if start is None and end is None:
            return
        series = self._catalog.series(symbol)
        first = min(each.first for each in series).date()
        last = max(each.last for each in series).date()
        # A session is dated in its market's zone, up to a day away from the date in UTC.
        day = timedelta(days=1)
        if (start and start > last + day) or (end and end < first - day):
            asked = [f"{word} {at}" for word, at in (("from", start), ("to", end)) if at]
            raise NotFound(
                " ".join([f"there are no bars of {symbol}", *asked]),
                hint=f"It has bars from {first} to {last}",
                field="start" if start and start > last else "end",
            )
        if start and ((end or last) - start).days <= FEW_DAYS:
            self._catalog.bars(symbol, timeframe, start, end)

    def _request(self, spec: RunSpec, pinned: Pinned) -> dict[str, Any]:
        return {
            "op": "run",
            "spec": spec.canonical(),
            "id": pinned.info.id,
            "code": str(pinned.folder),
            "code_hash": pinned.code_hash,
        }

    def _made(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _completed_run(self, ref: Ref) -> Run:
        run = ref if isinstance(ref, Run) else self.get(ref)
        if run.status is not RunStatus.COMPLETED:
            raise Conflict(
                f"run {run.id} is {run.status}",
                expected="completed",
                hint="Run it again" if run.status.is_final else "Wait for its result",
            )
        return run

    def _artifact(self, ref: Ref, name: str) -> pl.DataFrame:
        return self._read(self._completed_run(ref), name)

    def _read(self, run: Run, name: str) -> pl.DataFrame:
        recorded = run.artifacts.get(f"{name}.parquet")
        return self._store.artifacts.read(str(run.run_key), name, sha256=recorded)

    def _symbol_of(self, run: Run, symbol: str) -> str:
        for name in run.spec.symbols:
            if name.casefold() == symbol.casefold():
                return name
        raise NotFound(
            f"run {run.id} does not trade {symbol[:80]!r}",
            expected=f"one of {', '.join(run.spec.symbols)}",
            field="symbol",
        )


@dataclass(slots=True, kw_only=True)
class _Job:
    """What becomes of one submission; called by the thread that has the work done.

    Attributes:
        is_there: Whether the result of a run key is stored and may be given.
        compiling: Runs that wait for the compiler; this one is put in and taken out.
        ended: The run as it was recorded at the end, None before.
    """

    run_id: int
    store: Store
    clock: Callable[[], datetime]
    scratch: Path
    snapshots: Path
    is_there: Callable[[str], bool]
    compiling: set[int]
    ended: Run | None = None

    def begin(self) -> bool:
        try:
            self.store.runs.start(self.run_id, now=self.clock())
        except Conflict:
            return False  # cancelled while it waited
        return True

    def reply(self, question: Mapping[str, Any], ask: object) -> dict[str, Any]:
        if "compiling" in question:
            (self.compiling.add if question["compiling"] else self.compiling.discard)(self.run_id)
            return _hear_of_compiling(question, ask)
        return {"go": not self.is_there(question["run_key"])}

    def end(self, outcome: Outcome) -> None:
        try:
            self.ended = self._record(outcome)
        except Conflict as error:
            log.warning("the end of run %d came too late: %s", self.run_id, error.message)
        finally:
            self.compiling.discard(self.run_id)
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _record(self, outcome: Outcome) -> Run:
        runs, now = self.store.runs, self.clock()
        answer = outcome.answer or {}
        if outcome.death is not None:
            error = error_of_death(outcome.death, self.snapshots)
            return runs.fail(self.run_id, error, now=now)
        if "error" in answer:
            return runs.fail(self.run_id, error_from_json(answer["error"]), now=now)
        if "skipped" in answer:
            return self._reused(answer["skipped"])
        try:
            result = result_from_json(answer["result"])
            artifacts = self.store.artifacts.adopt(result.run_key, self.scratch)
            return runs.complete(self.run_id, result, artifacts, reused=False, now=now)
        except (DataProblem, Unavailable) as error:
            return runs.fail(self.run_id, error_of(error), now=now)

    def _reused(self, run_key: str) -> Run:
        runs, now = self.store.runs, self.clock()
        try:
            return runs.complete_from_existing(self.run_id, run_key, now=now)
        except NotFound:
            why = "an equal result was stored, and was deleted before it could be given"
            return runs.fail(self.run_id, RunError("conflict", why, "Run it again"), now=now)


class _Again:
    """The same work once more, recorded nowhere."""

    def __init__(self) -> None:
        self._outcome = Outcome()

    def reply(self, question: Mapping[str, Any], ask: object) -> dict[str, Any]:
        return _hear_of_compiling(question, ask) | {"go": True}

    def end(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def result(self, snapshots: Path) -> RunResult:
        return result_from_json(_answered(self._outcome, snapshots)["result"])


def _label(what: Label, text: str | None) -> str | None:
    """Give what is to be written: no space around it, and nothing of nothing."""
    kept = (text or "").strip()
    longest = LONGEST_NAME if what == "name" else LONGEST_NOTE
    if len(kept) > longest:
        raise InvalidInput(
            f"the {what} has {len(kept):,} characters", expected=f"at most {longest:,}", field=what
        )
    return kept or None


def _hear_of_compiling(question: Mapping[str, Any], _ask: object) -> dict[str, Any]:
    """Say that the engine is being compiled: on a command line nobody can ask."""
    if question.get("compiling"):
        log.warning(COMPILING)
    return {}


def _answered(outcome: Outcome, snapshots: Path) -> dict[str, Any]:
    """Give the answer of work that is recorded nowhere, or raise what became of it."""
    answer = outcome.answer or {}
    if outcome.answer is not None and "error" not in answer:
        return answer
    death = outcome.death or Death("stopped", "was stopped")
    error = (
        error_from_json(answer["error"]) if "error" in answer else error_of_death(death, snapshots)
    )
    kinds = {kind.code: kind for kind in _all_kinds(WorkbenchError)}
    raise kinds.get(error.code, Unavailable)(error.message, hint=error.hint)


def error_of_death(death: Death, snapshots: Path) -> RunError:
    """Say why a run failed whose process died, and at which line of its strategy."""
    message = with_place(f"the run {death.message}", death.place(snapshots))
    return RunError(_DEATH_CODES[death.cause], message, _DEATH_HINTS[death.cause])


def _all_kinds(kind: type[WorkbenchError]) -> list[type[WorkbenchError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _all_kinds(child))]


def _file_hashes(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.parquet"))
    }


def _with_defaults(options: EngineOptions, info: StrategyInfo) -> EngineOptions:
    """Fill what the request leaves open with what the strategy expects."""
    given = options.model_dump(include=options.model_fields_set)
    if info.universe:
        if given.get("account", "shared") != "shared":
            raise InvalidInput(
                f"strategy {info.id} weighs all symbols together, and account is "
                f"{given['account']!r}",
                expected="shared, or leave it out",
                field="options.account",
            )
        given["account"] = "shared"
    wishes = dict(info.engine)
    if given.get("intraday") is False:
        wishes.pop("square_off", None)  # who may hold overnight asks for no square-off either
    try:
        return EngineOptions.model_validate({**wishes, **given})
    except ValidationError as error:
        raise InvalidInput(
            # the request's own options were good, so what is left is a sentence of EngineOptions
            "; ".join(sentence_of(fault) for fault in error.errors()),
            hint=f"Strategy {info.id} sets {', '.join(info.engine)}",
            field="options",
        ) from error


def _by_symbol(options: EngineOptions, symbols: Sequence[str]) -> EngineOptions:
    """Give what is said of single symbols the names of the catalog.

    Raises:
        InvalidInput: it is said of a symbol the run does not trade, or twice of one.
    """
    folded = {name.casefold(): name for name in symbols}
    named: dict[str, dict[str, Any]] = {}
    for field in ("shortable", "borrow_rates"):
        named[field] = {}
        for said, value in getattr(options, field).items():
            name = folded.get(said.strip().casefold())
            if name is None or name in named[field]:
                raise InvalidInput(
                    f"{field} names {said[:80]!r}"
                    + (", which the run does not trade" if name is None else " once more"),
                    expected=f"one of {', '.join(symbols)}, each at most once",
                    field=f"options.{field}",
                )
            named[field][name] = value
    return options.model_copy(update=named) if any(named.values()) else options


def _suggest(symbol: str, there: Sequence[str]) -> str:
    if not there:
        return "The catalog is empty; import prices first"
    close = difflib.get_close_matches(symbol.upper(), there, n=CLOSE_MATCHES, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"It has {', '.join(there[:20])}"


def _window(spec: RunSpec) -> tuple[Timeframe, date | None, date | None]:
    return spec.timeframe, spec.start, spec.end


def _microseconds(moment: datetime | None) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) if moment else 0


def _price_frame(bars: Bars) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": pl.Series(bars.ts).cast(pl.Datetime("us", "UTC")),
            "open": bars.open,
            "high": bars.high,
            "low": bars.low,
            "close": bars.close,
            "volume": bars.volume,
        }
    )
