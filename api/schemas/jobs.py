"""Jobs: rows of a list, everything about one, its result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field

from api.schemas.base import Answer
from api.schemas.runs import Failure, Imported, RunResultV1, failure
from api.schemas.studies import RankingAnswer, StudyResults
from core.domain.job import Job, JobEvent, JobState, JobStats
from core.domain.run import Run, RunEvent

PREFIX = "/api/v1/jobs"


class JobLinks(Answer):
    """Where to read on."""

    self_: str = Field(alias="self", serialization_alias="self")
    results: str
    events: str | None = Field(description="A stream of progress; null where nothing is queued.")

    @classmethod
    def of(cls, job: Job) -> Self:
        """Links of a job."""
        base = f"{PREFIX}/{job.id}"
        return cls(self=base, results=f"{base}/results", events=f"{base}/events")


class JobRow(Answer):
    """A job as lists show it."""

    id: int | None = Field(
        description="Its number; null for a run that was computed at once and never queued."
    )
    uuid: str
    kind: str = Field(description="What is done: `backtest`, `study`, `mirror`.")
    status: JobState
    progress: float = Field(ge=0, le=1, description="From 0 to 1, 1 only when completed.")
    current_step: str = Field(description="What it is doing, in words.")
    steps_done: int
    total_steps: int = Field(description="0 while nobody knows.")
    attempt: int = Field(description="How often a worker took it.")
    priority: int
    worker: str | None = Field(description="Who has it, or had it last.")
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    estimated_completion: datetime | None = Field(
        description="By the pace so far; null while there is none."
    )
    error_message: str | None
    error: Failure | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job, seconds_left: float | None) -> Self:
        """Show a job."""
        return cls(**job_parts(job, seconds_left))


def job_parts(job: Job, seconds_left: float | None) -> dict[str, Any]:
    """The fields every view of a job has."""
    error = job.error
    ends = None
    if seconds_left is not None:
        ends = datetime.now(UTC) + timedelta(seconds=seconds_left)
    return {
        "id": job.id,
        "uuid": job.uuid,
        "kind": job.kind,
        "status": job.state,
        "progress": job.progress,
        "current_step": job.step,
        "steps_done": job.done,
        "total_steps": job.total,
        "attempt": job.attempt,
        "priority": job.priority,
        "worker": job.worker,
        "cancel_requested": job.is_cancel_wanted,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "estimated_completion": ends,
        "error_message": None if error is None else error.message,
        "error": failure(job),
        "links": JobLinks.of(job),
    }


class JobChange(Answer):
    """One line of a job's history."""

    at: datetime
    attempt: int
    from_status: JobState | None = Field(description="Null where it was submitted.")
    to_status: JobState
    note: str


class JobDetail(JobRow):
    """Everything about a job."""

    history: list[JobChange] = Field(description="Oldest first; never changed.")

    @classmethod
    def detailed(cls, job: Job, seconds_left: float | None, events: Sequence[JobEvent]) -> Self:
        """Show a job with its history."""
        history = [
            JobChange(
                at=each.at,
                attempt=each.attempt,
                from_status=each.from_state,
                to_status=each.to_state,
                note=each.note,
            )
            for each in events
        ]
        return cls(**job_parts(job, seconds_left), history=history)

    @classmethod
    def of_run(cls, run: Run, events: Sequence[RunEvent]) -> Self:
        """Show a run that was computed at once as if it were a job."""
        error = failure(run)
        base = f"/api/v1/backtests/{run.id}"
        history = [
            JobChange(
                at=each.at,
                attempt=1,
                from_status=None if each.from_status is None else JobState(each.from_status),
                to_status=JobState(each.to_status),
                note=each.note,
            )
            for each in events
        ]
        return cls(
            id=None,
            uuid=run.uuid,
            kind="backtest",
            status=JobState(run.status),
            progress=run.progress,
            current_step="",
            steps_done=0,
            total_steps=0,
            attempt=1 if run.started_at else 0,
            priority=0,
            worker=None,
            cancel_requested=False,
            created_at=run.created_at,
            started_at=run.started_at,
            completed_at=run.completed_at,
            estimated_completion=None,
            error_message=None if error is None else error.message,
            error=error,
            links=JobLinks(self=base, results=f"{base}/results", events=None),
            history=history,
        )


class JobAnswer(Answer):
    """One job."""

    success: Literal[True] = True
    job_id: str
    job: JobDetail


class StudyStatus(JobAnswer):
    """How far a search is, and how it stands."""

    ranking: RankingAnswer | None = Field(
        description="The best trials so far; null before the first are known and once completed."
    )


class JobList(Answer):
    """Some of the jobs there are."""

    success: Literal[True] = True
    jobs: list[JobRow]
    total: int = Field(description="How many there are, whatever `limit` and `offset`.")
    limit: int
    offset: int


class JobCounts(Answer):
    """How many jobs are in each state."""

    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    average_seconds: float | None = Field(
        description="Mean time of the newest 1,000 completed ones; null if there are none."
    )

    @classmethod
    def of(cls, stats: JobStats) -> Self:
        """Show counts."""
        counts = {state.value: count for state, count in stats.counts.items()}
        return cls(total=sum(counts.values()), average_seconds=stats.mean_seconds, **counts)


class JobStatsAnswer(Answer):
    """The queue in numbers."""

    success: Literal[True] = True
    stats: JobCounts


class JobSubmitted(Answer):
    """A run waits in the queue."""

    success: Literal[True] = True
    job_id: str = Field(description="Number of the job, as a text.")
    id: int = Field(description="The same as a number.")
    uuid: str
    status: JobState
    message: str
    created_at: datetime
    backtest_id: int = Field(description="Number of the run that the job computes.")
    notes: list[str] = Field(
        description="What was assumed because the request left it open, and what does nothing."
    )
    links: JobLinks


class UploadSubmitted(JobSubmitted):
    """A run over an uploaded file waits in the queue, and what became of the file."""

    dataset: Imported


class CancelAnswer(Answer):
    """What became of a wish to cancel."""

    success: Literal[True] = True
    message: str
    job_id: str
    id: int = Field(description="Number of what was cancelled, in its own list.")
    status: JobState = Field(
        description="At this moment; a running one is `cancelled` once its processes are ended, "
        "within five seconds."
    )

    @classmethod
    def of(cls, job: Job, *, what: str, job_id: str, number: int) -> Self:
        """Say what became of it."""
        done = job.state is JobState.CANCELLED
        said = f"{what} is cancelled" if done else f"{what} is asked to stop"
        return cls(message=said, job_id=job_id, id=number, status=job.state)


class JobResults(Answer):
    """What a completed job found: a run's result, or a study's."""

    model_config = ConfigDict(ser_json_inf_nan="null")

    success: Literal[True] = True
    job_id: str
    id: int
    kind: str
    result: RunResultV1 | StudyResults
    results: RunResultV1 | StudyResults = Field(description="The same as `result`.")
