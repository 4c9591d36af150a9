"""Jobs: work in time. A job knows who waits and who works, and nothing of finance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple

LOST = "lost"
"""Code of a job given up because its workers died again and again."""

JobKind = Literal["backtest", "study", "mirror"]
"""What is put into the queue."""

MOST_ATTEMPTS = 3
LONGEST_KEY = 200


class JobState(StrEnum):
    """States of a job. "Lost" is an event in its history, not a state."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return not JOB_TRANSITIONS[self]


# A running job is pending again when its worker hands it back or was lost.
JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {JobState.PENDING, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed.

    Attributes:
        code: Stable word for programs.
        message: What happened, for people.
        hint: What to do about it.
    """

    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes:
        id, uuid: Its names.
        kind: Which task does it.
        payload: What the task is told, plain data.
        priority: Higher ones are taken first, equal ones in the order they came.
        attempt: How often a worker took it, 0 before the first.
        worker: Who has it, or had it last.
        done, total: Steps of `unit`; total 0 while nobody knows.
        step: What it is doing, in words.
        is_cancel_wanted: Whether somebody asked a running job to stop.
    """

    id: int
    uuid: str
    kind: str
    payload: Mapping[str, Any] = field(repr=False)
    state: JobState
    priority: int
    attempt: int
    worker: str | None
    done: int
    total: int
    step: str
    is_cancel_wanted: bool
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def progress(self) -> float:
        """From 0 to 1, 1 only when completed."""
        if self.state is JobState.COMPLETED:
            return 1.0
        return min(self.done / self.total, 1.0) if self.total else 0.0

    def seconds_left(self, now: datetime) -> float | None:
        """Estimate by the pace so far; None without a pace yet, or with nothing to wait for."""
        if self.state is not JobState.RUNNING or self.started_at is None or not self.done:
            return None
        return (now - self.started_at) / timedelta(seconds=1) / self.done * (self.total - self.done)


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """The right to work on a job, until its lease ends unrenewed.

    Attributes:
        job: As it was taken.
        fence: Grows with every claim; whoever holds an older one has lost the job.
    """

    job: Job
    fence: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come: `done` of `total` steps, and what it is doing.

    Attributes:
        interim: What it can show already, as JSON; None where that has not changed.
    """

    done: int = 0
    total: int = 0
    step: str = ""
    interim: str | None = field(default=None, repr=False)


class JobEvent(NamedTuple):
    """One line of a job's history; `from_state` is None where it was submitted."""

    at: datetime
    attempt: int
    from_state: JobState | None
    to_state: JobState
    note: str


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, newest first unless `oldest_first`."""

    state: JobState | None = None
    kind: str | None = None
    limit: int = 50
    offset: int = 0
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs and how many there are in all."""

    jobs: tuple[Job, ...]
    total: int


@dataclass(frozen=True, slots=True)
class JobStats:
    """How many jobs are in each state, and the mean seconds completed ones took, None if none."""

    counts: Mapping[JobState, int]
    mean_seconds: float | None
