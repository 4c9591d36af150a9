"""Jobs: put runs into the queue, look at what waits and runs, cancel it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api import strict
from api.asking import submit
from api.bodies import BacktestIn, RecordBody
from api.deps import ServicesDep
from api.errors import problems
from api.reading import (
    find_job,
    read_job,
    read_jobs,
    read_result,
    read_study_results,
    require_findings,
    require_result,
)
from api.routers.backtests_v1 import (
    ALIASES,
    DEFAULT_POINTS,
    MaxPoints,
    UploadedDep,
    spec_of,
)
from api.schemas.jobs import (
    PREFIX,
    CancelAnswer,
    JobAnswer,
    JobCounts,
    JobLinks,
    JobList,
    JobResults,
    JobRow,
    JobStatsAnswer,
    JobSubmitted,
    UploadSubmitted,
)
from api.schemas.runs import RunResultV1
from api.schemas.studies import StudyResults
from api.words import IdempotencyKey, JobRef
from core.domain.job import Job, JobKind, JobQuery, JobState
from core.domain.run import Run
from core.errors import NotFound
from core.services import Services

UPLOAD_PATH = f"{PREFIX}/upload"
LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0

router = APIRouter(prefix=PREFIX, tags=["jobs"], route_class=strict.StrictRoute)


@router.post("", operation_id="submit_job", status_code=202, responses=problems(404, 409, 503))
def submit_job(
    body: BacktestIn, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> JobSubmitted:
    """Put a backtest into the queue, however short it is; a worker computes it.

    The body is that of `POST /api/v1/backtests`. `make run` and `workbench worker` start workers.
    """
    if isinstance(body, RecordBody):
        named = body.model_copy(
            update={"strategy": ALIASES.get(body.strategy.lower(), body.strategy)}
        )
        kept = submit(services, named, named.spec(), queue=True, key=key)
        return _submitted(services, kept, response, [])
    kept = submit(services, body, spec_of(services, body), queue=True, key=key)
    return _submitted(services, kept, response, body.notes())


@router.post(
    "/upload",
    operation_id="upload_and_submit_job",
    status_code=202,
    dependencies=[Depends(strict.known_form)],
    responses=problems(404, 409, 503),
)
def upload_job(
    given: UploadedDep, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> UploadSubmitted:
    """Import a CSV file as a data set and put a backtest over it into the queue.

    A request that cannot be run stores nothing.
    """
    kept = submit(services, given.body, given.spec, queue=True, key=key)
    found = _submitted(services, kept, response, given.body.notes())
    return UploadSubmitted.model_construct(**dict(found), dataset=given.dataset)


@router.get("", operation_id="list_jobs")
def list_jobs(
    *,
    services: ServicesDep,
    status: JobState | None = None,
    kind: Annotated[JobKind | None, Query(description="Of this kind only.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> JobList:
    """List jobs, newest first."""
    query = JobQuery(state=status, kind=kind, limit=limit, offset=offset)
    return read_jobs(services, query)


@router.get("/stats", operation_id="get_job_stats")
def get_stats(services: ServicesDep) -> JobStatsAnswer:
    """Count jobs by state, and say how long completed ones took."""
    return JobStatsAnswer(stats=JobCounts.of(services.jobs.stats()))


@router.get("/{id}", operation_id="get_job", responses=problems(404))
def get_job(id: JobRef, services: ServicesDep) -> JobAnswer:  # noqa: A002 - the path's own word
    """Give everything about a job, its history too."""
    job = find_job(services, id)
    return JobAnswer(job_id=str(job.id), job=read_job(services, job))


@router.get("/{id}/status", operation_id="get_job_status", responses=problems(404))
def get_status(id: JobRef, services: ServicesDep) -> JobAnswer:  # noqa: A002 - the path's own word
    """Say how far a job is; the same as `/api/v1/jobs/{id}`."""
    return get_job(id, services)


@router.get("/{id}/results", operation_id="get_job_results", responses=problems(404, 409))
def get_results(
    id: JobRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
    max_points: MaxPoints = DEFAULT_POINTS,
) -> JobResults:
    """Give what a completed job found, a run's result or a study's; 409 while there is none."""
    job = find_job(services, id)
    found = _result_of(services, job, max_points)
    return JobResults.model_construct(
        success=True, job_id=str(job.id), id=job.id, kind=job.kind, result=found, results=found
    )


@router.post("/{id}/cancel", operation_id="cancel_job", responses=problems(404, 409, 503))
def cancel_job(id: JobRef, services: ServicesDep) -> CancelAnswer:  # noqa: A002 - the path's own word
    """Cancel a job that waits; have the processes of one that runs ended; 409 when it is over."""
    job = services.jobs.cancel(find_job(services, id).id)
    return CancelAnswer.of(job, what=f"job {job.id}", job_id=str(job.id), number=job.id)


@router.delete("/{id}", operation_id="delete_job", responses=problems(404, 409, 503))
def delete_job(id: JobRef, services: ServicesDep) -> CancelAnswer:  # noqa: A002 - the path's own word
    """Cancel a job, as `POST /api/v1/jobs/{id}/cancel`; its record stays."""
    return cancel_job(id, services)


def _job_named(id: JobRef, services: ServicesDep) -> Job:  # noqa: A002 - the path's own word
    return find_job(services, id)


JobDep = Annotated[Job, Depends(_job_named)]


@router.get(
    "/{id}/events",  # noqa: FAST003 - a stream that has begun cannot say 404, a dependency can
    operation_id="watch_job",
    response_class=EventSourceResponse,
    responses=problems(404),
)
async def watch_job(job: JobDep, services: ServicesDep) -> AsyncIterable[ServerSentEvent]:
    """Stream the progress of a job as server-sent events until it is over.

    Each `progress` is a job as lists show it, sent at once and whenever it changes; the last event
    is `end`. Comments in between say that nothing has changed. Whoever comes back is told how it
    stands now, so nothing has to be remembered.
    """
    told: dict[str, Any] | None = None
    silent_since = time.monotonic()
    while True:
        view = JobRow.of(job, services.jobs.seconds_left(job)).model_dump(
            mode="json", by_alias=True
        )
        news = {**view, "estimated_completion": None}
        if news != told:
            kind = "end" if job.state.is_final else "progress"
            yield ServerSentEvent(event=kind, data=view)
            told, silent_since = news, time.monotonic()
        elif time.monotonic() - silent_since >= HEARTBEAT_SECONDS:
            yield ServerSentEvent(comment="no change")
            silent_since = time.monotonic()
        if job.state.is_final:
            return
        await asyncio.sleep(LOOK_SECONDS)
        job = await run_in_threadpool(services.jobs.get, job.id)


def _submitted(services: Services, kept: Run, response: Response, notes: list[str]) -> JobSubmitted:
    job = services.jobs.get(kept.queued_as or 0)
    response.headers["Location"] = f"{PREFIX}/{job.id}"
    return JobSubmitted(
        job_id=str(job.id),
        id=job.id,
        uuid=job.uuid,
        status=job.state,
        message=f"Run {kept.id} is {job.state} as job {job.id}",
        created_at=job.created_at,
        backtest_id=kept.id,
        notes=[*notes, *services.backtests.notes(kept)],
        links=JobLinks.of(job),
    )


def _result_of(services: Services, job: Job, max_points: int) -> RunResultV1 | StudyResults:
    if job.kind == "study":
        study = services.studies.of_job(job.id)
        require_findings(study)
        return read_study_results(services, study)
    if job.kind == "backtest":
        run = services.backtests.of_job(job.id)
        require_result(run)
        return read_result(services, run, max_points)
    raise NotFound(
        f"jobs of kind {job.kind} have no result of their own",
        hint=f"{PREFIX}/{job.id} says what became of it",
    )
