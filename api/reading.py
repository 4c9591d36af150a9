"""What several endpoints read the same way."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Literal

import polars as pl

from api import metrics as units
from api.bodies import PricesBody
from api.schemas.jobs import JobDetail, JobList, JobRow, StudyStatus
from api.schemas.runs import RunResultV1, detail_parts, record_parts
from api.schemas.studies import PREFIX as STUDIES
from api.schemas.studies import (
    TOP,
    RankingAnswer,
    StudyCounts,
    StudyDetail,
    StudyLinks,
    StudyResults,
    WalkAnswer,
    WalkSummary,
    stitched_points,
    trial_rows,
    window_rows,
)
from api.words import TURNED
from core.domain.dataset import Series
from core.domain.findings import Findings, Study, StudyQuery
from core.domain.job import Job, JobError, JobQuery, JobState
from core.domain.run import Run, RunError, RunStatus
from core.domain.timeframe import Timeframe
from core.errors import (
    CODES,
    Conflict,
    InvalidInput,
    NotFound,
    StrategyFailed,
    Unavailable,
    WorkbenchError,
)
from core.services import Services
from core.services.decimation import thin

# What ended a run, where it is not the strategy's own doing; limits and crashes are.
_KINDS: dict[str, type[WorkbenchError]] = {
    **{kind.code: kind for kind in WorkbenchError.__subclasses__()},
    "stopped": Unavailable,
    "lost": Unavailable,
}
RECENT = 100
LONGEST_NUMBER = 18  # decimal digits that fit every database's integers


def ref_of(text: str) -> int | str:
    """A run's number if the text is one, else its UUID or job id."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else text


def read_detail(services: Services, run: Run) -> dict[str, Any]:
    """Everything about a run."""
    done = run.status is RunStatus.COMPLETED
    return detail_parts(
        run,
        trades=services.backtests.trades(run) if done else None,
        policy=services.backtests.policy(run),
        notes=services.backtests.notes(run),
        verdict=services.backtests.verdict(run),
        mirror=services.experiments.mirror_of(run),
    )


def read_record(services: Services, run: Run) -> dict[str, Any]:
    """Everything about a run, and its record."""
    return read_detail(services, run) | record_parts(run)


def read_result(services: Services, run: Run, max_points: int) -> RunResultV1:
    """The result of a completed run."""
    return RunResultV1.assembled(
        run,
        equity=services.backtests.equity(run, max_points=max_points),
        trades=services.backtests.trades(run),
    )


def require_result(run: Run) -> None:
    """Refuse to speak of the result of a run that has none.

    Raises:
        Conflict: the run is not completed.
    """
    if run.status is RunStatus.COMPLETED:
        return
    if run.error is not None:
        raise Conflict(
            f"run {run.id} has no result, it failed: {run.error.message}", hint=run.error.hint
        )
    raise Conflict(
        f"run {run.id} has no result, it is {run.status}",
        hint=f"ask /api/backtests/{run.id} until it is completed",
    )


def raise_failure(run: Run) -> None:
    """Answer a request whose run failed with the run's own error.

    Raises:
        WorkbenchError: the run failed; code, message and hint are the run's.
    """
    if run.error is not None:
        _raise(run.error, f"run {run.id}", f"/api/backtests/{run.id}")


def raise_study_failure(study: Study) -> None:
    """Answer a request whose study failed with the study's own error; as `raise_failure`."""
    if study.job.error is not None:
        _raise(study.job.error, f"study {study.id}", f"{STUDIES}/{study.id}")


def _raise(error: RunError | JobError, what: str, where: str) -> None:
    found = _KINDS.get(error.code, StrategyFailed)(
        f"{what} failed: {error.message}", hint=error.hint or f"everything about it is at {where}"
    )
    if error.code in CODES:
        found.code = error.code
    raise found


def require_symbol(services: Services, name: str, field: str) -> None:
    """Refuse a symbol that the catalog does not have, in any case.

    Raises:
        NotFound: there is no such symbol.
    """
    try:
        services.market.timeframes(name)
    except NotFound as error:
        error.field, error.found = field, name
        raise


def find_dataset(services: Services, name: str) -> Series:
    """Find a data set by its symbol, or by the file it was imported from.

    The name is looked up among what the catalog holds; it never becomes a path.

    Raises:
        NotFound: no data set of that name.
    """
    series = services.market.series()
    file = _file_name(name)
    for matches in (
        [each for each in series if each.symbol == name.upper()],
        [each for each in series if file and _file_name(each.source) == file],
    ):
        if matches:  # the shortest bars, from which all others can be made
            return min(matches, key=lambda each: list(Timeframe).index(each.timeframe))
    known = sorted({each.symbol for each in series})
    shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")  # noqa: PLR2004
    raise NotFound(
        f"data set {name[:80]!r} does not exist",
        found=name,
        expected=f"one of {shown}" if known else None,
        hint="send the file to POST /api/v1/backtests/upload, or name symbols",
        field="dataset",
    )


def prices_of(services: Services, body: PricesBody) -> tuple[list[str], Timeframe]:
    """Find what a body names: its symbols, and the length of bars where it says none.

    Raises:
        NotFound: there is no such data set.
    """
    if body.symbols is not None:
        return body.symbols, Timeframe.D1
    series = find_dataset(services, body.dataset_name or "")
    return [series.symbol], series.timeframe


def _file_name(text: str) -> str:
    return PurePosixPath(PureWindowsPath(text).as_posix()).name.lower()


def find_job(services: Services, text: str) -> Job:
    """Find a job by its number or uuid, or by the job id of a run that is queued.

    Raises:
        NotFound: there is no such job, or the run was computed at once.
    """
    ref = ref_of(text)
    try:
        return services.jobs.get(ref)
    except NotFound:
        if isinstance(ref, int):
            raise
        missing = f"job {text} does not exist"
    try:
        run = services.backtests.get(ref)
    except NotFound:
        raise NotFound(missing, hint="GET /api/v1/jobs lists what there is") from None
    if run.queued_as is None:
        raise NotFound(
            f"run {run.id} has no job, it is computed at once",
            hint=f"ask /api/v1/backtests/{run.id}/status",
        )
    return services.jobs.get(run.queued_as)


def find_study(services: Services, text: str) -> Study:
    """Find a study by its number or uuid, or by the uuid of its job.

    Raises:
        NotFound: there is none.
    """
    return services.studies.get(ref_of(text))


def read_job(services: Services, job: Job) -> JobDetail:
    """Everything about a job."""
    left = services.jobs.seconds_left(job)
    return JobDetail.detailed(job, left, services.jobs.history(job.id))


def read_run_job(services: Services, run: Run) -> JobDetail:
    """How far a run is: that of its job where it is queued."""
    if run.queued_as is not None:
        return read_job(services, services.jobs.get(run.queued_as))
    return JobDetail.of_run(run, services.backtests.history(run.id))


def read_jobs(services: Services, query: JobQuery) -> JobList:
    """Some of the jobs there are."""
    found = services.jobs.list(query)
    rows = [JobRow.of(job, services.jobs.seconds_left(job)) for job in found.jobs]
    return JobList(jobs=rows, total=found.total, limit=query.limit, offset=query.offset)


def require_findings(study: Study) -> Findings:
    """Give what a study found.

    Raises:
        Conflict: it is not completed.
    """
    if study.findings is not None:
        return study.findings
    if study.job.error is not None:
        error = study.job.error
        raise Conflict(
            f"study {study.id} has no result, it failed: {error.message}", hint=error.hint
        )
    state = study.job.state
    raise Conflict(
        f"study {study.id} has no result, it is {state}",
        hint="submit it again"
        if state.is_final
        else f"ask {STUDIES}/{study.id}/status until it is completed",
    )


def read_study_status(services: Services, study: Study) -> StudyStatus:
    """How far a study is, and how it stands."""
    return StudyStatus(
        job_id=study.job.uuid,
        job=read_job(services, study.job),
        ranking=RankingAnswer.of(services.studies.ranking(study)),
    )


def read_study_detail(services: Services, study: Study) -> StudyDetail:
    """Everything about a study; raises as `read_study_results`."""
    results = None if study.findings is None else read_study_results(services, study)
    ranking, mirror = services.studies.ranking(study), services.experiments.mirror_of(study)
    return StudyDetail.detailed(study, results, ranking, mirror)


def read_study_results(
    services: Services, study: Study, limit: int = TOP, offset: int = 0
) -> StudyResults:
    """What a study found, and some of its trials, the best first.

    Raises:
        Conflict: it is not completed.
        DataProblem: the artifact is missing or damaged.
    """
    found = require_findings(study)
    best = services.studies.table(study, "trials").sort(
        "score", "number", descending=[True, False], nulls_last=True
    )
    top = best.head(TOP).slice(offset, limit)
    return StudyResults.of(study, found, trial_rows(study, top))


def read_trials(
    services: Services, study: Study, *, sort_by: str, order: Literal["asc", "desc"]
) -> pl.DataFrame:
    """All trials of a study in order of one column; where it is null they come last.

    Raises:
        Conflict: the study is not completed.
        InvalidInput: there is no such column.
    """
    require_findings(study)
    frame = services.studies.table(study, "trials")
    column = _COLUMNS.get(sort_by, sort_by)
    column = units.SOURCES.get(column, column)
    turned = column in TURNED
    if f"param_{column}" in frame.columns:
        column = f"param_{column}"
    if column not in frame.columns:
        own = [name.removeprefix("param_") for name in frame.columns]
        raise InvalidInput(
            f"trials have no column {sort_by!r}",
            found=sort_by,
            expected="one of " + ", ".join([*_COLUMNS, *own]),
            field="sort_by",
        )
    descending = (order == "desc") != turned
    return frame.sort(column, "number", descending=[descending, False], nulls_last=True)


def read_walk(services: Services, study: Study, max_points: int) -> WalkAnswer:
    """The windows of a study that walked forward, and their tests stitched.

    Raises:
        Conflict: it does not walk forward, or is not completed.
        DataProblem: the artifact is missing or damaged.
    """
    if study.spec.walk_forward is None:
        raise Conflict(
            f"study {study.id} does not walk forward",
            hint="ask for one that does at POST /api/v1/walkforward",
        )
    found = require_findings(study)
    windows, points = [], []
    if found.walk is not None:
        windows = window_rows(study, services.studies.table(study, "windows"))
        stitched = services.studies.table(study, "stitched")
        points = stitched_points(thin(stitched, max_points, ("equity",)))
    return WalkAnswer.model_construct(
        success=True,
        job_id=study.job.uuid,
        id=study.id,
        summary=WalkSummary.of(found.walk),
        windows=windows,
        equity_curve=points,
        links=StudyLinks.of(study),
    )


def read_study_counts(services: Services) -> StudyCounts:
    """How many studies are in each state, and how long the newest completed ones took."""
    counts = {
        state.value: services.studies.list(StudyQuery(state=state, limit=1)).total
        for state in JobState
    }
    newest = services.studies.list(StudyQuery(state=JobState.COMPLETED, limit=RECENT)).studies
    took = [study.findings.seconds for study in newest if study.findings is not None]
    mean = sum(took) / len(took) if took else None
    return StudyCounts(total=sum(counts.values()), average_seconds=mean, **counts)


# What answers call a column of trials -> what its table calls it.
_COLUMNS = {
    "value": "value_0",
    "validation_sharpe": "test_sharpe",
    "validation_return": "test_return",
    "validation_return_fraction": "test_return",
}
