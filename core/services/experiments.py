"""Experiments: read what MLflow has, and say what of ours is there.

MLflow is read in a process of its own. To import it takes seconds and 185 MB, during which a server
would answer nobody; and one that hangs can then be ended, which a thread cannot.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.domain.findings import Study
from core.domain.job import JobState
from core.domain.run import Run
from core.domain.tracking import Experiment, Mirror, TrackedPage, TrackedRun
from core.errors import Conflict, InvalidInput, NotFound, Unavailable, WorkbenchError
from core.jobs.limits import Limits
from core.jobs.nursery import Child, Died, Nursery
from core.jobs.wire import Message
from core.store import Store

EXPERIMENTS_SECONDS: Final = 300.0
RUNS_SECONDS: Final = 600.0
KEPT_AT_MOST: Final = 200
FIRST_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 25.0
DOWN_SECONDS: Final = 5.0
WAITING_AT_MOST: Final = 8
ENTRY: Final = "core.tracking.child:open_reader"

_LIMITS: Final = Limits(memory_mb=2_048, cpu_seconds=31_536_000)
_KINDS: Final[dict[str, type[WorkbenchError]]] = {
    kind.code: kind for kind in (NotFound, InvalidInput, Unavailable)
}


class Desk:
    """One process that reads MLflow: begun when somebody first asks, ended when it hangs.

    Args:
        nursery: Where it comes from.
        uri: Of MLflow.
        seconds: How long an answer may take.
        first: How long the first may take, for which everything is loaded.
    """

    def __init__(
        self,
        nursery: Nursery,
        uri: str,
        *,
        seconds: float = ANSWER_SECONDS,
        first: float = FIRST_SECONDS,
    ) -> None:
        self._nursery = nursery
        self._uri = uri
        self._seconds = seconds
        self._first = first
        self._child: Child | None = None
        self._one = threading.Lock()
        # Others wait for an MLflow that hangs on threads that everything else needs too.
        self._seats = threading.BoundedSemaphore(WAITING_AT_MOST)
        self._down: tuple[float, str] = (0.0, "")

    def ask(self, request: Message) -> Any:
        """Ask MLflow.

        Raises:
            NotFound, InvalidInput: as `core.tracking.reader` says.
            Unavailable: it does not answer, or did not a moment ago.
        """
        if not self._seats.acquire(blocking=False):
            raise Unavailable("too many wait for MLflow already", hint="Ask again in a moment")
        try:
            with self._one:
                return self._asked(request)
        finally:
            self._seats.release()

    def close(self) -> None:
        """End the process."""
        self._nursery.close()

    def _asked(self, request: Message) -> Any:
        until, words = self._down
        if time.monotonic() < until:
            raise Unavailable(words, hint="Look whether MLflow runs; nothing else depends on it")
        try:
            answer = self._answer(request)
        except Died as died:
            self._let_go()
            answer = {"error": {"code": "unavailable", "message": f"reading MLflow {died}"}}
        if "error" not in answer:
            return answer["found"]
        error = answer["error"]
        kind = _KINDS.get(error["code"], Unavailable)
        if kind is Unavailable:
            self._down = (time.monotonic() + DOWN_SECONDS, error["message"])
        raise kind(error["message"], hint=error.get("hint"))

    def _answer(self, request: Message) -> Message:
        is_new = self._child is None or self._child.is_gone()
        if self._child is None or is_new:
            self._let_go()
            self._child = self._nursery.spawn(ENTRY, {"uri": self._uri}, _LIMITS)
        self._child.take(request)
        return self._child.answer(None, self._first if is_new else self._seconds)

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    experiment_id: str | None
    answer: Any


class _Memory:
    """Answers for some minutes, the newest few hundred."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()
        self._guard = threading.Lock()

    def get(
        self,
        key: tuple[Any, ...],
        seconds: float,
        make: Callable[[], Any],
        *,
        experiment_id: str | None = None,
    ) -> Any:
        with self._guard:
            kept = self._kept.get(key)
        if kept is not None and self._clock() < kept.until:
            return kept.answer
        answer = make()
        with self._guard:
            self._kept[key] = _Kept(self._clock() + seconds, experiment_id, answer)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_AT_MOST:
                self._kept.popitem(last=False)
        return answer

    def forget(self, experiment_id: str | None) -> int:
        """Forget what is kept of an experiment, the list of all with it; None for everything."""
        with self._guard:
            gone = [
                key
                for key, each in self._kept.items()
                if experiment_id is None or each.experiment_id in {None, experiment_id}
            ]
            for key in gone:
                del self._kept[key]
        return len(gone)


class Experiments:
    """What users may wish of MLflow. Safe to use from many threads.

    Args:
        store: Records.
        desk: Where MLflow is asked; None where tracking is off.
        file: SQLite file of an MLflow of our own, which is there once something was written.
        ui: Where people see MLflow, None where nobody said.
        clock: Seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        store: Store,
        desk: Desk | None,
        *,
        file: Path | None = None,
        ui: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._desk = desk
        self._file = file
        self._ui = ui
        self._memory = _Memory(clock)

    def list(self) -> tuple[Experiment, ...]:
        """Give every experiment, the one changed last first; kept for five minutes.

        Raises:
            Conflict: tracking is off.
            Unavailable: MLflow does not answer.
        """
        if self._is_empty():
            return ()

        def read() -> tuple[Experiment, ...]:
            found = self._ask({"op": "experiments"})
            return tuple(Experiment(**each, url=self._url(each["experiment_id"])) for each in found)

        answer: tuple[Experiment, ...] = self._memory.get(("list",), EXPERIMENTS_SECONDS, read)
        return answer

    def runs(
        self,
        experiment_id: str,
        *,
        page: int = 1,
        page_size: int = 50,
        order_by: Sequence[str] = (),
        where: str = "",
    ) -> TrackedPage:
        """Give a page of the runs of an experiment; kept for ten minutes.

        Args:
            experiment_id: Its name in MLflow.
            page: From 1.
            page_size: Runs on a page.
            order_by: In the words of MLflow: `metrics.sharpe DESC`. Newest first unless given.
            where: In the words of MLflow: `metrics.sharpe > 1 and tags.light = 'green'`.

        Raises:
            NotFound: no such experiment.
            InvalidInput: the order or the filter cannot be read.
            Conflict, Unavailable: as `list`.
        """
        if self._is_empty():
            raise NotFound(f"MLflow has no experiment {experiment_id[:80]}")

        def read() -> TrackedPage:
            found = self._ask(
                {
                    "op": "runs",
                    "experiment_id": experiment_id,
                    "skip": (page - 1) * page_size,
                    "most": page_size,
                    "order_by": list(order_by),
                    "where": where,
                }
            )
            runs = tuple(self._tracked(each) for each in found["runs"])
            return TrackedPage(runs, found["total"], page, page_size)

        key = ("runs", experiment_id, page, page_size, tuple(order_by), where)
        answer: TrackedPage = self._memory.get(key, RUNS_SECONDS, read, experiment_id=experiment_id)
        return answer

    def run(self, run_id: str) -> TrackedRun:
        """Give a run of MLflow; kept for ten minutes.

        Raises:
            NotFound: no such run.
            Conflict, Unavailable: as `list`.
        """
        if self._is_empty():
            raise NotFound(f"MLflow has no run {run_id[:80]}")

        def read() -> TrackedRun:
            return self._tracked(self._ask({"op": "run", "run_id": run_id}))

        answer: TrackedRun = self._memory.get(("run", run_id), RUNS_SECONDS, read)
        return answer

    def forget(self, experiment_id: str | None = None) -> int:
        """Forget what was read of an experiment, or everything; give how many answers."""
        return self._memory.forget(experiment_id)

    # --- ours -------------------------------------------------------------------------------

    def mirror_of(self, record: Run | Study) -> Mirror:
        """Say what of a run or study is in MLflow; MLflow itself is not asked."""
        if record.mlflow_run_id is not None:
            place = (record.mlflow_experiment_id, record.mlflow_run_id)
            return Mirror("written", *place, self.url_of(record))
        if record.mirrored_as is None:
            return Mirror("off")
        job = self._store.jobs.get(record.mirrored_as)
        if job.state in {JobState.FAILED, JobState.CANCELLED}:
            reason = "it was cancelled" if job.error is None else job.error.message
            return Mirror("failed", reason=reason)
        return Mirror("waiting", reason=job.step or None)

    def url_of(self, record: Run | Study) -> str | None:
        """Say where people see a run or study in MLflow; None until it is there."""
        if record.mlflow_run_id is None:
            return None
        return self._url(record.mlflow_experiment_id, record.mlflow_run_id)

    def mirror_missing(self) -> int:
        """Have everything mirrored that is completed and not in MLflow; give how many that are.

        Raises:
            Conflict: tracking is off.
        """
        self._require()
        return self._store.mirrors.ask_for_missing()

    # --- inside -----------------------------------------------------------------------------

    def _require(self) -> Desk:
        if self._desk is None:
            raise Conflict(
                "tracking is switched off",
                hint="Set WORKBENCH_MLFLOW_TRACKING_URI to another value than off",
            )
        return self._desk

    def _is_empty(self) -> bool:
        """Whether nothing was ever written to an MLflow of our own; then none is begun."""
        self._require()
        return self._file is not None and not self._file.exists()

    def _ask(self, request: Message) -> Any:
        return self._require().ask(request)

    def _tracked(self, plain: Mapping[str, Any]) -> TrackedRun:
        info = plain["info"]
        return TrackedRun(
            **info, **plain["data"], url=self._url(info["experiment_id"], info["run_id"])
        )

    def _url(self, experiment_id: str | None, run_id: str | None = None) -> str | None:
        if self._ui is None:
            return None
        base = f"{self._ui}/#/experiments/{experiment_id}"
        return base if run_id is None else f"{base}/runs/{run_id}"
