"""Work done in child processes: one fresh process for every piece of work that ran foreign code.

A child is forked, and has opened its handler, before its work arrives, so work waits for nothing;
and because it ends with its work, nothing a strategy does to its process can reach the next run.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from core.errors import Unavailable
from core.jobs.limits import Limits
from core.jobs.nursery import START_SECONDS, Child, Death, Died, Nursery
from core.jobs.standby import Standby
from core.jobs.wire import Handler
from core.jobs.work import Outcome, Work

log = logging.getLogger("workbench.runner")

JOIN_SECONDS = 15.0


class Runner:
    """A line of work and the slots that serve it; a child stands ready for each, and one more.

    Args:
        nursery: Where children come from.
        entry: `module:function` that opens the handler in the child.
        config: First message to every child.
        limits: What each child may use.
        wall_seconds: How long one piece of work may take.
        slots: Pieces of work done at the same time.
        line: Pieces of work that may wait.
    """

    def __init__(
        self,
        nursery: Nursery,
        *,
        entry: str,
        config: Mapping[str, Any],
        limits: Limits,
        wall_seconds: float,
        slots: int = 1,
        line: int = 1_000,
    ) -> None:
        self._nursery = nursery
        self._entry = entry
        self._config = config
        self._limits = limits
        self._wall_seconds = wall_seconds
        self._line: queue.Queue[Work | None] = queue.Queue(maxsize=line)
        self._stopping = threading.Event()
        self._standby = Standby(self._hatch, slots + 1)
        self._slots = [
            threading.Thread(target=self._serve, name=f"runner-{number}", daemon=True)
            for number in range(slots)
        ]
        for slot in self._slots:
            slot.start()

    def submit(self, work: Work) -> None:
        """Put work in line.

        Raises:
            Unavailable: the line is full, or the runner is closed.
        """
        if self._stopping.is_set():
            raise Unavailable("the runner is stopped")
        try:
            self._line.put_nowait(work)
        except queue.Full:
            raise Unavailable(
                f"{self._line.maxsize} runs are waiting already", hint="Try again later"
            ) from None

    def call(self, request: Mapping[str, Any], reply: Handler | None = None) -> Outcome:
        """Put a request in line and wait for its outcome; `reply` as of `Work`.

        Raises:
            Unavailable: the line is full, or the runner is closed.
        """
        outcomes: list[Outcome] = []
        work = Work(request, reply=reply, end=outcomes.append)
        self.submit(work)
        work.done.wait()
        return outcomes[0] if outcomes else Outcome(death=_STOPPED)

    def health(self) -> tuple[bool, str]:
        """Say whether a child can be had now."""
        if self._stopping.is_set():
            return False, "stopped"
        try:
            seconds = self._nursery.ready(0)
        except Unavailable as error:
            return False, error.message
        if seconds is None:
            return False, "still loading"
        return True, f"warm, loaded in {seconds:.1f} s, {self._line.qsize()} waiting"

    def close(self) -> None:
        """Stop: what runs is ended, what waits ends as stopped."""
        self._stopping.set()
        self._nursery.close()
        with suppress(queue.Full):  # a full line wakes the slots by itself
            for _ in self._slots:
                self._line.put_nowait(None)
        self._standby.close()
        for slot in self._slots:
            slot.join(JOIN_SECONDS)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            work = self._line.get()
            if work is not None:
                self._do(work)
        self._drop_the_line()
        with suppress(queue.Full):  # what it took from the line may have been to wake another slot
            self._line.put_nowait(None)

    def _do(self, work: Work) -> None:
        child = None
        try:
            if self._stopping.is_set():
                work.end(Outcome(death=_STOPPED))
                return
            child = self._standby.take()
            child.take(work.request)  # it reads prices while the beginning is recorded
            if work.begin():
                child, outcome = self._finish(work, child)
                work.end(outcome)
        except Unavailable as error:
            self._end_quietly(work, Death("stopped", f"could not begin: {error.message}"))
        except Exception:
            # A fault of ours: this piece of work is lost, the slot must go on serving.
            log.exception("work could not be finished")
            self._end_quietly(work, Death("stopped", "could not be finished; see the server's log"))
        finally:
            work.done.set()
            if child is not None:
                self._standby.give_back(child)

    def _finish(self, work: Work, child: Child) -> tuple[Child, Outcome]:
        """Have a child do the work, and another one if the first ended through no fault of its."""
        outcome = self._attempt(work, child)
        death = outcome.death
        if death and death.cause == "stopped" and not self._stopping.is_set():
            log.warning("work is done once more: its process %s", death.message)
            another = self._standby.take()
            self._standby.give_back(child)
            child = another
            child.take(work.request)
            outcome = self._attempt(work, child)
        return child, outcome

    def _attempt(self, work: Work, child: Child) -> Outcome:
        try:
            return Outcome(answer=child.answer(work.reply, self._wall_seconds))
        except Died as died:
            return Outcome(death=_STOPPED if self._stopping.is_set() else died.death)

    def _end_quietly(self, work: Work, death: Death) -> None:
        try:
            work.end(Outcome(death=death))
        except Exception:
            log.exception("the end of work could not be recorded")

    def _hatch(self) -> Child:
        child = self._nursery.spawn(self._entry, self._config, self._limits)
        try:
            child.listen(START_SECONDS)
        except Died as died:  # before any foreign code: a fault of ours
            if not self._stopping.is_set():
                log.warning("a child %s: %s", died.death.message, died.death.output)
            raise Unavailable(f"a child {died.death.message}") from died
        return child

    def _drop_the_line(self) -> None:
        while True:
            try:
                work = self._line.get_nowait()
            except queue.Empty:
                return
            if work is not None:
                self._end_quietly(work, _STOPPED)
                work.done.set()


_STOPPED = Death("stopped", "was stopped together with the server")
