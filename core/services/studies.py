"""Studies: search for parameters, and learn what the search is worth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl

from core.domain.findings import Study, StudyPage, StudyQuery
from core.domain.job import Job, JobError, JobState
from core.domain.parameters import ParamValue
from core.domain.ranking import Ranking
from core.domain.run import Run, RunSpec, Source, Trial
from core.domain.study import StudySpec
from core.errors import Conflict, InvalidInput, NotFound
from core.jobs.nursery import Death
from core.jobs.wire import Handler, Message
from core.jobs.worker import Effect, Failed, Transaction
from core.registry.registry import Registry
from core.search.space import Space
from core.services.answers import error_from_json
from core.services.backtests import Backtests, error_of_death
from core.services.dispatch import Dispatch, Hands
from core.services.forecast import Forecast, forecast, together
from core.services.room import Calendars, shortages
from core.services.study_plan import StudyPlan, plan_of
from core.store import Store
from core.store.studies import findings_from_json

STUDY = "study"
"""Kind of the jobs that search."""
MEASURED = 10
"""Earlier studies that tell how long another one takes."""


class Studies:
    """What users may wish of searches. Safe to use from many threads.

    Args:
        store: Records and artifacts.
        registry: Strategies.
        backtests: Completes requests, and runs what a study found.
        calendars: Tell whether a period has room for a study.
        clock: Gives the time to record, in UTC.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        backtests: Backtests,
        calendars: Calendars,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._registry = registry
        self._backtests = backtests
        self._calendars = calendars
        self._clock = clock

    def submit(
        self,
        spec: StudySpec,
        *,
        source: Source = "python",
        priority: int = 0,
        key: str | None = None,
    ) -> Study:
        """Record a study and put it in the queue.

        Args:
            spec: The request; what it leaves out is completed.
            source: The door it came through.
            priority: Higher ones are taken first.
            key: The caller's name for this wish, so that asking twice makes one study.

        Raises:
            InvalidInput, NotFound, StrategyFailed: it cannot be searched; nothing is recorded.
            Conflict: the key was used for another request.
        """
        pinned = self._registry.pin(spec.run.strategy)
        asked = self.complete(spec)
        request = {
            "op": "study",
            "spec": asked.canonical(),
            "id": pinned.info.id,
            "code": str(pinned.folder),
            "code_hash": pinned.code_hash,
        }
        now = self._clock()
        queue = self._store.jobs.submitting(STUDY, request, now=now, priority=priority, key=key)
        with queue as (within, job):
            if within is not None:
                self._store.studies.create(
                    asked,
                    title=pinned.info.title,
                    source=source,
                    code_hash=pinned.code_hash,
                    job_id=job.id,
                    within=within,
                    now=now,
                )
        return self._store.studies.of_job(job.id)

    def complete(self, spec: StudySpec) -> StudySpec:
        """Give the canonical spec: ids, every fixed parameter, the strategy's engine options.

        Raises:
            InvalidInput, NotFound, StrategyFailed: the request cannot be searched.
        """
        info = self._registry.pin(spec.run.strategy).info
        space = Space.of_study(spec, info.params, info.constraints)
        some = space.some()
        if some is None:
            raise InvalidInput(
                "no set of the space meets " + " and ".join(info.constraints),
                expected="a space in which the constraints can hold",
                field="space",
            )
        run = self._backtests.complete(
            spec.run.model_copy(update={"params": {**spec.run.params, **some}})
        )
        self._require_room(spec, run)
        fixed = {
            name: value for name, value in run.params.items() if name not in spec.space
        }  # fmt: skip
        return spec.model_copy(update={"run": run.model_copy(update={"params": fixed})})

    def plan(self, spec: StudySpec) -> StudyPlan:
        """Say what a study would do, and everything that is wrong with it; record nothing.

        Cheap enough to ask while somebody types.

        Raises:
            NotFound, StrategyFailed: there is no such strategy, or it cannot be used.
        """
        return plan_of(
            spec,
            self._registry.pin(spec.run.strategy).info,
            complete=self.complete,
            complete_run=self._backtests.complete,
            require_room=self._require_room,
            count=self.count,
        )

    # --- reading ----------------------------------------------------------------------------

    def count(self, spec: StudySpec) -> Forecast:
        """Say how many sets a study would try, and about how long it would take.

        Cheap enough to ask while somebody types; nothing is recorded.

        Raises:
            InvalidInput: it cannot be searched; `problems` has every reason found.
            NotFound: no such strategy.
        """
        info = self._registry.get(spec.run.strategy)
        asked = StudyQuery(strategy=info.id, state=JobState.COMPLETED.value, limit=MEASURED)
        earlier = [
            each
            for each in self._store.studies.list(asked).studies
            if each.spec.run.timeframe is spec.run.timeframe
        ]
        return forecast(spec, info, earlier)

    def get(self, ref: int | str) -> Study:
        """Find a study by its number or uuid, or by the uuid of its job.

        Raises:
            NotFound: no such study.
        """
        return self._store.studies.get(ref)

    def of_job(self, job_id: int) -> Study:
        """Find the study of a job.

        Raises:
            NotFound: no such study.
        """
        return self._store.studies.of_job(job_id)

    def ranking(self, study: Study) -> Ranking | None:
        """Give the best trials so far of a study that is not completed, or never will be.

        They are ranked and not judged: the best of many is so by luck, too.

        Returns:
            None before the first ones are known, and of a completed study, which has a verdict.

        Raises:
            DataProblem: what its process has written is no ranking.
        """
        found = self._store.jobs.interim(study.job.id)
        return None if found is None else Ranking.from_data(found)

    def list(self, query: StudyQuery | None = None) -> StudyPage:
        """Give a page of studies, newest first, filtered and cut in the database."""
        return self._store.studies.list(query or StudyQuery())

    def table(self, ref: int | str | Study, name: str) -> pl.DataFrame:
        """Give a table of a completed study: `trials`, `returns`, `halves`, `windows`, ...

        Raises:
            NotFound: no such study, or it has no such table.
            Conflict: it is not completed.
            DataProblem: the artifact is missing or damaged.
        """
        study = self._completed(ref)
        recorded = study.artifacts.get(f"{name}.parquet")
        if recorded is None:
            raise NotFound(
                f"study {study.id} has no table {name!r}",
                expected="one of " + ", ".join(study.artifacts),
            )
        return self._store.tables.read(str(study.key), name, sha256=recorded)

    def trial(self, ref: int | str | Study, number: int) -> dict[str, ParamValue]:
        """Give the varied parameters of a trial; raises as `table`, or NotFound for no trial."""
        study = self._completed(ref)
        trials = self.table(study, "trials")
        row = trials.filter(pl.col("number") == number)
        if not len(row):
            raise NotFound(
                f"study {study.id} has no trial {number}", expected=f"0 to {len(trials) - 1}"
            )
        return {name: row[f"param_{name}"].item() for name in study.spec.space}

    # --- acting -----------------------------------------------------------------------------

    def promote(
        self, ref: int | str | Study, number: int | None = None, *, source: Source = "python"
    ) -> Run:
        """Run a trial as a backtest over the whole period of its study.

        Args:
            ref: Of a completed study.
            number: Of the trial; None for the one the study chose.
            source: The door it came through.

        Raises:
            NotFound: no such study or trial.
            Conflict: the study is not completed, or nothing was chosen.
        """
        study = self._completed(ref)
        if number is None:
            if study.findings is None or study.findings.chosen is None:
                raise Conflict(
                    f"study {study.id} chose no trial", hint="No trial met its requirements"
                )
            number = study.findings.chosen.number
        params = {**study.spec.run.params, **self.trial(study, number)}
        spec = RunSpec.model_validate({**study.spec.run.model_dump(), "params": params})
        return self._backtests.submit(spec, source=source, trial=Trial(study.id, number))

    def _require_room(self, spec: StudySpec, run: RunSpec) -> None:
        """Refuse a study whose period is too short for it; `run` is its request, completed."""
        info = self._registry.get(spec.run.strategy)
        problems = shortages(spec, run, info, self._calendars.of(run))
        if problems:
            raise together(problems)

    def _completed(self, ref: int | str | Study) -> Study:
        study = ref if isinstance(ref, Study) and ref.artifacts else self.get(_ref(ref))
        if study.job.state is not JobState.COMPLETED:
            raise Conflict(
                f"study {study.id} is {study.job.state}",
                expected="completed",
                hint="Submit it again" if study.job.state.is_final else "Wait for its result",
            )
        return study


class StudyTask:
    """The task of jobs of kind `study`.

    Args:
        store: Records and artifacts.
        snapshots: Where the code of strategies is kept.
        connect: Reaches the cluster that computes parts of studies; None where there is none.
    """

    def __init__(
        self, store: Store, *, snapshots: Path, connect: Callable[[], Hands] | None = None
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._connect = connect

    def request(self, job: Job, scratch: Path) -> Message:
        """Pass on what was asked, with the code as it was then."""
        code = Path(job.payload["code"])
        if not code.is_dir():
            raise NotFound(
                f"the code of {job.payload['id']} is gone", hint="Submit the study again"
            )
        kept = _kept(scratch)
        kept.mkdir(exist_ok=True)
        return {
            **job.payload,
            "scratch": str(scratch / "result"),
            "kept": str(kept),
            "shards": self._connect is not None,
        }

    def reply(self, job: Job, scratch: Path) -> Handler | None:
        """Pass shards on to the cluster; where there is none, the child asks nothing."""
        if self._connect is None:
            return None
        return Dispatch(self._connect, _kept(scratch) / "arrived", f"job {job.id}")

    def publish(self, job: Job, answer: Message, scratch: Path) -> Effect:
        """Adopt the tables; record what was found together with the job's end."""
        if "error" in answer:
            error = error_from_json(answer["error"])
            raise Failed(JobError(error.code, error.message, error.hint))
        files = self._store.tables.adopt(answer["key"], scratch / "result")
        findings = findings_from_json(answer["findings"])

        def complete(within: Transaction) -> None:
            self._store.studies.complete(job.id, answer["key"], findings, files, within=within)

        return complete

    def death(self, _job: Job, death: Death) -> JobError:
        """Say it in the words runs use."""
        error = error_of_death(death, self._snapshots)
        return JobError(error.code, error.message.replace("the run", "the study", 1), error.hint)


def _kept(scratch: Path) -> Path:
    """Folder of what outlives an attempt."""
    return scratch.parent / "kept"


def _ref(ref: int | str | Study) -> int | str:
    return ref.id if isinstance(ref, Study) else ref
