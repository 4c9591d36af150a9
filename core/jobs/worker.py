"""A worker: takes jobs from the queue, has children do them, and sees them to their end.

It never runs foreign code, so it always renews its leases; whoever lost one finds every later write
refused by the fence. Children write into a folder of their own only. What they made is published by
the worker, in the transaction that completes the job, so a job is done whole or not at all.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.domain.job import Claim, Job, JobError, Progress
from core.errors import Conflict, DataProblem, Unavailable, WorkbenchError
from core.jobs.limits import Limits
from core.jobs.nursery import Child, Death, Died, Nursery
from core.jobs.wire import Handler, Message

log = logging.getLogger("workbench.worker")

LEASE_SECONDS = 10.0
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.1
CLEAN_SECONDS = 60.0
LARGEST_INTERIM = 1 << 18
_FOLDER = "job-"

Transaction = Any
"""Of the records; a task hands it on to what it writes there."""
Effect = Callable[[Transaction], None]
"""What is written in the transaction that ends a job."""


class Queue(Protocol):
    """What a worker asks of the records; `core.store.jobs` has it, with what each call raises."""

    def claim(
        self,
        worker: str,
        *,
        lease: float,
        now: datetime,
        kinds: Sequence[str] | None = None,
        only: int | None = None,
    ) -> Claim | None:
        """Take the next job."""

    def beat(self, claims: Mapping[Claim, Progress], *, lease: float) -> dict[Claim, bool]:
        """Renew leases; says whose end is wanted, and leaves out what was lost."""

    def completing(self, claim: Claim, *, now: datetime) -> AbstractContextManager[Transaction]:
        """Complete a job, together with what is written in the same transaction."""

    def fail(self, claim: Claim, error: JobError, *, now: datetime) -> None:
        """Fail a job."""

    def cancelled(self, claim: Claim, *, now: datetime) -> None:
        """Note that a job's work was ended because somebody wanted it."""

    def give_back(self, claim: Claim, note: str, *, now: datetime, counts: bool) -> None:
        """Let a job wait again."""

    def over(self, numbers: Sequence[int]) -> set[int]:
        """Say which jobs are over."""


class Failed(Exception):
    """A job failed, and why."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


class Task(Protocol):
    """How jobs of one kind are done."""

    def request(self, job: Job, scratch: Path) -> Message:
        """Say what the child is told; it may write in `scratch`, whose parent outlives attempts.

        Raises:
            WorkbenchError: the job cannot be done, and why.
        """

    def reply(self, job: Job, scratch: Path) -> Handler | None:
        """Give who answers the child's questions other than of its progress.

        Where it has a method `close`, that is called when there will be no more of them.
        """

    def publish(self, job: Job, answer: Message, scratch: Path) -> Effect:
        """Move what the child made to where it stays; say what completing the job writes.

        Raises:
            Failed: the answer is that the job failed.
            WorkbenchError: the answer cannot be used.
        """

    def death(self, job: Job, death: Death) -> JobError:
        """Say why a job failed whose child died of its own fault."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a worker works.

    Attributes:
        slots: Jobs done at the same time.
        lease: Seconds a job stays this worker's without a beat.
        beat: Seconds between two beats.
        look: Seconds between two looks whether a job waits.
        wall: Seconds one job may take.
        tries: Attempts of a job whose process is killed and nobody knows by whom.
        limits: What a child may use.
        only: Number of the one job it is there for; None for all that come.
    """

    slots: int = 1
    lease: float = LEASE_SECONDS
    beat: float = BEAT_SECONDS
    look: float = LOOK_SECONDS
    wall: float = 86_400.0
    tries: int = 2
    limits: Limits = field(default_factory=Limits)
    only: int | None = None


@dataclass(eq=False, slots=True)
class _Charge:
    """A job under way."""

    claim: Claim
    progress: Progress = field(default_factory=Progress)
    child: Child | None = None
    is_cancelled: bool = False
    is_lost: bool = False


class Worker:
    """Slots that do jobs, and one thread that takes them and renews their leases.

    Args:
        queue: Where jobs come from.
        tasks: What can be done, by kind.
        nursery: Where children come from.
        name: Recorded with what this worker takes.
        entry: `module:function` that opens the handler in the child.
        config: First message to every child.
        scratch: Folder for what children write; one of its own for each job.
        clock: Gives the time to record, in UTC.
        terms: See there.
        alive: Called whenever the queue has answered, several times a second.
    """

    def __init__(
        self,
        queue: Queue,
        tasks: Mapping[str, Task],
        nursery: Nursery,
        *,
        name: str,
        entry: str,
        config: Mapping[str, Any],
        scratch: Path,
        clock: Callable[[], datetime],
        terms: Terms,
        alive: Callable[[], object] = lambda: None,
    ) -> None:
        self._queue = queue
        self._tasks = tasks
        self._nursery = nursery
        self._name = name
        self._entry = entry
        self._config = config
        self._scratch = scratch
        self._clock = clock
        self._terms = terms
        self._alive = alive
        self._charges: dict[_Charge, threading.Thread] = {}
        self._changed = threading.Condition()
        self._is_leaving = False

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; then hand back what is not finished."""
        beat_at = news_at = clean_at = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now >= beat_at or (now >= news_at and self._has_news()):
                self._beat()
                beat_at, news_at = now + self._terms.beat, now + self._terms.look
            if time.monotonic() >= clean_at:
                self._clean()
                clean_at = time.monotonic() + CLEAN_SECONDS
            if not self._take_all():
                with self._changed:
                    self._changed.wait(min(self._terms.look, self._terms.beat))
        self._leave()

    # --- leases -----------------------------------------------------------------------------

    def _has_news(self) -> bool:
        """Whether a job shows what it has not shown before: somebody may be waiting for it."""
        with self._changed:
            return any(charge.progress.interim is not None for charge in self._charges)

    def _beat(self) -> None:
        with self._changed:
            charges = {charge.claim: charge for charge in self._charges}
        if not charges:
            return
        told = {claim: charge.progress for claim, charge in charges.items()}
        try:
            wanted = self._queue.beat(told, lease=self._terms.lease)
        except Unavailable as error:
            log.warning("leases could not be renewed: %s", error.message)
            return
        self._alive()
        for claim, charge in charges.items():
            with self._changed:
                if charge.progress is told[claim]:
                    charge.progress = replace(told[claim], interim=None)
            charge.is_lost = claim not in wanted
            charge.is_cancelled = wanted.get(claim, False)
            if charge.is_lost or charge.is_cancelled:
                _end(charge)

    def _take_all(self) -> bool:
        """Fill the slots; says whether anything was taken."""
        has_taken = False
        while len(self._charges) < self._terms.slots:
            try:
                claim = self._queue.claim(
                    self._name,
                    lease=self._terms.lease,
                    now=self._clock(),
                    kinds=tuple(self._tasks),
                    only=self._terms.only,
                )
            except Unavailable as error:
                log.warning("the queue does not answer: %s", error.message)
                return False
            self._alive()
            if claim is None:
                return has_taken
            self._begin(claim)
            has_taken = True
        return has_taken

    def _clean(self) -> None:
        """Remove what is left of jobs that are over: their last worker may have been killed."""
        with suppress(Unavailable, OSError):
            folders = {
                int(folder.name.removeprefix(_FOLDER)): folder
                for folder in self._scratch.glob(f"{_FOLDER}*")
                if folder.name.removeprefix(_FOLDER).isdecimal()
            }
            for number in self._queue.over(tuple(folders)):
                shutil.rmtree(folders[number], ignore_errors=True)

    def _begin(self, claim: Claim) -> None:
        charge = _Charge(claim)
        thread = threading.Thread(
            target=self._see_through, args=(charge,), name=f"job-{claim.job.id}", daemon=True
        )
        with self._changed:
            self._charges[charge] = thread
        thread.start()

    def _leave(self) -> None:
        with self._changed:
            self._is_leaving = True
            threads = dict(self._charges)
        for charge in threads:
            _end(charge)
        for thread in threads.values():
            while thread.is_alive():
                thread.join(self._terms.beat)
                self._beat()

    # --- one job ----------------------------------------------------------------------------

    def _see_through(self, charge: _Charge) -> None:
        job = charge.claim.job
        folder = self._scratch / f"{_FOLDER}{job.id}"
        # Of its own: a worker that only seemed dead may still write where it began.
        scratch = folder / str(charge.claim.fence)
        is_over = False
        try:
            is_over = self._do(charge, self._tasks[job.kind], scratch)
        except Conflict as error:
            log.warning("job %d: %s", job.id, error.message)
        except Unavailable as error:
            log.warning("job %d is left to whoever comes next: %s", job.id, error.message)
        except WorkbenchError as error:  # what it is recorded with has gone meanwhile
            with suppress(WorkbenchError):
                is_over = self._fail(charge, JobError(error.code, error.message, error.hint))
        except Exception:
            log.exception("job %d could not be seen through", job.id)
            with suppress(WorkbenchError):
                is_over = self._fail(charge, _FAULT)
        finally:
            shutil.rmtree(folder if is_over else scratch, ignore_errors=True)
            with self._changed:
                del self._charges[charge]
                self._changed.notify_all()

    def _do(self, charge: _Charge, task: Task, scratch: Path) -> bool:
        """Do a job and record its end; says whether nothing more will come of it."""
        job = charge.claim.job
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            answer = self._answer(charge, task, scratch)
            effect = task.publish(job, answer, scratch)
        except Died as died:
            return self._bury(charge, task, died.death)
        except Failed as failed:
            return self._fail(charge, failed.error)
        except Unavailable:
            raise
        except WorkbenchError as error:
            return self._fail(charge, JobError(error.code, error.message, error.hint))
        with self._queue.completing(charge.claim, now=self._clock()) as transaction:
            effect(transaction)
        return True

    def _answer(self, charge: _Charge, task: Task, scratch: Path) -> Message:
        job = charge.claim.job
        reply = task.reply(job, scratch)

        def hear(question: Message, ask: Any) -> Message:
            if "progress" in question:
                heard = _heard(question["progress"])
                with self._changed:
                    if heard.interim is None:
                        heard = replace(heard, interim=charge.progress.interim)
                    else:
                        self._changed.notify_all()
                    charge.progress = heard
                return {}
            return reply(question, ask) if reply else {}

        request = task.request(job, scratch)
        child = self._nursery.spawn(self._entry, self._config, self._terms.limits)
        try:
            charge.child = child
            if self._is_leaving or charge.is_lost or charge.is_cancelled:
                child.end()  # told before there was anybody to end
            child.take(request)
            return child.answer(hear, self._terms.wall)
        finally:
            charge.child = None
            child.close()
            if close := getattr(reply, "close", None):
                close()

    def _bury(self, charge: _Charge, task: Task, death: Death) -> bool:
        """Record the end of a job whose child died, by why it did."""
        claim, now = charge.claim, self._clock()
        if charge.is_lost:
            return False
        if charge.is_cancelled:
            self._queue.cancelled(claim, now=now)
            return True
        if self._is_leaving:
            self._queue.give_back(claim, f"{self._name} was stopped", now=now, counts=False)
            return False
        if death.cause in {"stopped", "killed"} and claim.job.attempt < self._terms.tries:
            self._queue.give_back(claim, f"its process {death.message}", now=now, counts=True)
            return False
        return self._fail(charge, task.death(claim.job, death))

    def _fail(self, charge: _Charge, error: JobError) -> bool:
        self._queue.fail(charge.claim, error, now=self._clock())
        return True


_FAULT = JobError("internal", "the workbench made a mistake", "Look at the worker's log")


def _heard(said: object) -> Progress:
    """Read what a child says of its progress; strategy code may have said it."""
    if isinstance(said, dict):
        done, total, step = (said.get(name) for name in ("done", "total", "step"))
        if isinstance(done, int) and isinstance(total, int) and 0 <= done <= total < 1 << 53:
            return Progress(done, total, str(step), _shown(said.get("interim")))
    raise DataProblem(
        f"its process says of its progress {str(said)[:80]}", expected="steps done, of so many"
    )


def _shown(interim: object) -> str | None:
    if interim is None:
        return None
    text = json.dumps(interim, separators=(",", ":"))
    if len(text) > LARGEST_INTERIM:
        raise DataProblem(
            f"its process shows {len(text):,} bytes before it is done",
            expected=f"at most {LARGEST_INTERIM:,}",
        )
    return text


def _end(charge: _Charge) -> None:
    child = charge.child
    if child is not None:
        child.end()
