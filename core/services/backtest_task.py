"""Runs that a worker computes: what its child is told, and how the result is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from core.domain.job import Job, JobError
from core.errors import NotFound
from core.jobs.nursery import Death
from core.jobs.wire import Ask, Handler, Message
from core.jobs.worker import Effect, Failed, Transaction
from core.services.answers import error_from_json, result_from_json
from core.services.backtests import error_of_death
from core.store import Store


class BacktestTask:
    """The task of jobs of kind `backtest`.

    Args:
        store: Records and artifacts.
        snapshots: Where the code of strategies is kept.
        clock: Gives the time to record, in UTC.
    """

    def __init__(
        self,
        store: Store,
        *,
        snapshots: Path,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._clock = clock

    def request(self, job: Job, scratch: Path) -> Message:
        """Pass on what was asked, with the code as it was then."""
        code = Path(job.payload["code"])
        if not code.is_dir():
            raise NotFound(f"the code of {job.payload['id']} is gone", hint="Submit the run again")
        return {**job.payload, "scratch": str(scratch / "result")}

    def reply(self, job: Job, _scratch: Path) -> Handler:
        """Say whether the result must be computed."""

        def answer(question: Message, _ask: Ask) -> Message:
            if "run_key" not in question:
                return {}
            may_reuse = job.payload["reuse"] and self._store.is_whole(question["run_key"])
            return {"go": not may_reuse}

        return answer

    def publish(self, job: Job, answer: Message, scratch: Path) -> Effect:
        """Adopt the files; complete the run together with its job."""
        if "error" in answer:
            error = error_from_json(answer["error"])
            raise Failed(JobError(error.code, error.message, error.hint))
        runs, run = self._store.runs, self._store.runs.of_job(job.id)
        if "skipped" in answer:

            def adopt(within: Transaction) -> None:
                key = answer["skipped"]
                runs.complete_from_existing(run.id, key, now=self._clock(), within=within)

            return adopt
        result = result_from_json(answer["result"])
        artifacts = self._store.artifacts.adopt(result.run_key, scratch / "result")

        def complete(within: Transaction) -> None:
            runs.complete(run.id, result, artifacts, reused=False, now=self._clock(), within=within)

        return complete

    def death(self, _job: Job, death: Death) -> JobError:
        """Say it in the words runs use."""
        error = error_of_death(death, self._snapshots)
        return JobError(error.code, error.message, error.hint)
