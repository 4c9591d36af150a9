"""Jobs: look at them, cancel them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from core.domain.job import Job, JobEvent, JobPage, JobQuery, JobStats
from core.store import Store


class Jobs:
    """What users may wish of the queue. Safe to use from many threads.

    Args:
        store: Records.
        clock: Gives the time to record, in UTC.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._jobs = store.jobs
        self._clock = clock

    def get(self, ref: int | str) -> Job:
        """Find a job by its number or uuid.

        Raises:
            NotFound: no such job.
        """
        return self._jobs.get(ref)

    def list(self, query: JobQuery | None = None) -> JobPage:
        """Give a page of jobs, filtered and cut in the database."""
        return self._jobs.list(query or JobQuery())

    def stats(self) -> JobStats:
        """Count jobs by state; say how long the newest completed ones took."""
        return self._jobs.stats()

    def history(self, ref: int | str) -> Sequence[JobEvent]:
        """Give every event of a job, oldest first.

        Raises:
            NotFound: no such job.
        """
        return self._jobs.history(ref)

    def cancel(self, ref: int | str) -> Job:
        """Cancel a job that waits; have the processes of one that runs ended.

        Raises:
            NotFound: no such job.
            Conflict: it is over.
        """
        return self._jobs.cancel(ref, now=self._clock())

    def change_token(self) -> str:
        """Give a text that changes whenever a job does; cheap enough to ask often."""
        return self._jobs.change_token()

    def seconds_left(self, job: Job) -> float | None:
        """Estimate when a running job ends; None where nobody can say."""
        return job.seconds_left(self._clock())
