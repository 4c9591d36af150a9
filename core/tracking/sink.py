"""Writing to MLflow: the same thing twice is there once.

A run there is found by the tag of our uuid before it is made. It is ended last, so one that is not
ended was left in the middle and is written once more; parameters and metrics are the same then, to
the time stamp, and MLflow keeps equal ones once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import Unavailable
from core.tracking.connection import connect, explained
from core.tracking.entry import UUID, Entry

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

PARENT: Final = "mlflow.parentRunId"
STUDY: Final = "workbench.study"
MOST_METRICS: Final = 900  # with the parameters beside them a call may carry 1,000
MOST_PARAMS: Final = 100
PAGE: Final = 1_000
SMALL: Final = 256 << 10
"""Bytes up to which a table of a run is copied; of a larger one MLflow has the hash and folder."""

Tell = Callable[[int, int], object]
"""Told how many trials are written, of how many."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is in MLflow."""

    experiment_id: str
    run_id: str


class Sink:
    """Writes to one MLflow.

    Args:
        uri: Of its server or database.
        files: Folder for files of runs, where no server keeps them.

    Raises:
        Unavailable: it cannot be reached; also by every method.
    """

    def __init__(self, uri: str, files: Path) -> None:
        self._uri = uri
        self._files = files
        self._client = connect(uri)

    def write_run(self, experiment: str, entry: Entry, files: Sequence[Path] = ()) -> Place:
        """Write a backtest."""
        with explained(self._uri):
            experiment_id = self._experiment(experiment, {})
            return Place(experiment_id, self._write(experiment_id, entry, files))

    def write_study(
        self,
        names: Sequence[str],
        entry: Entry,
        trials: Iterable[Entry],
        files: Sequence[Path] = (),
        *,
        count: int,
        tell: Tell = lambda _done, _of: None,
    ) -> Place:
        """Write a study and its trials.

        Args:
            names: What its experiment may be called; the first that no other study has.
            entry: The parent run.
            trials: Its children.
            files: What is copied.
            count: How many children there are.
            tell: Told of progress.
        """
        with explained(self._uri):
            experiment_id = self._experiment_of_study(names, entry.uuid)
            known = self._find(experiment_id, entry.uuid)
            if known is not None and _is_over(known):
                return Place(experiment_id, known.info.run_id)
            parent = known or self._create(experiment_id, entry)
            run_id: str = parent.info.run_id
            there = {} if known is None else self._children(experiment_id, run_id)
            for done, trial in enumerate(trials):
                child = there.get(trial.uuid)
                if child is None or not _is_over(child):
                    child = child or self._create(experiment_id, trial, parent=run_id)
                    self._fill(child.info.run_id, trial)
                tell(done + 1, count)
            self._fill(run_id, entry, files)
            return Place(experiment_id, run_id)

    # --- inside -----------------------------------------------------------------------------

    def _write(self, experiment_id: str, entry: Entry, files: Sequence[Path]) -> str:
        known = self._find(experiment_id, entry.uuid)
        if known is None or not _is_over(known):
            known = known or self._create(experiment_id, entry)
            self._fill(known.info.run_id, entry, files)
        return str(known.info.run_id)

    def _experiment_of_study(self, names: Sequence[str], uuid: str) -> str:
        for name in names:
            experiment_id = self._experiment(name, {STUDY: uuid})
            if self._client.get_experiment(experiment_id).tags.get(STUDY) == uuid:
                return experiment_id
        raise Unavailable(
            f"every experiment of MLflow that may be this study's is another's: {', '.join(names)}"
        )

    def _experiment(self, name: str, tags: dict[str, str]) -> str:
        """Find or make an experiment; one that somebody deleted is there again."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds

        known = self._client.get_experiment_by_name(name)
        if known is None:
            location = None if self._uri.startswith("http") else (self._files / name).as_uri()
            try:
                return str(self._client.create_experiment(name, location, tags))
            except MlflowException:
                known = self._client.get_experiment_by_name(name)  # somebody was faster
                if known is None:
                    raise
        if known.lifecycle_stage != "active":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _find(self, experiment_id: str, uuid: str) -> MlflowRun | None:
        found = self._client.search_runs(
            [experiment_id], f"tags.`{UUID}` = '{uuid}'", max_results=1
        )
        return found[0] if found else None

    def _children(self, experiment_id: str, parent: str) -> dict[str, MlflowRun]:
        children: dict[str, MlflowRun] = {}
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [experiment_id],
                f"tags.`{PARENT}` = '{parent}'",
                max_results=PAGE,
                page_token=token,
            )
            children |= {each.data.tags.get(UUID, ""): each for each in page}
            token = page.token
            if not token:
                return children

    def _create(self, experiment_id: str, entry: Entry, parent: str | None = None) -> MlflowRun:
        tags: dict[str, Any] = {**entry.tags, **({} if parent is None else {PARENT: parent})}
        return self._client.create_run(
            experiment_id, start_time=entry.began, tags=tags, run_name=entry.name
        )

    def _fill(self, run_id: str, entry: Entry, files: Sequence[Path] = ()) -> None:
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - takes seconds

        metrics = [Metric(name, value, entry.ended, 0) for name, value in entry.metrics.items()]
        metrics += [
            Metric(name, value, entry.ended, step)
            for name, series in entry.series.items()
            for step, value in zip(series.steps, series.values, strict=True)
        ]
        params = [Param(name, value) for name, value in entry.params.items()]
        for part in range(0, max(len(params), 1), MOST_PARAMS):
            of_metrics = metrics[:MOST_METRICS] if part == 0 else ()
            self._client.log_batch(run_id, of_metrics, params[part : part + MOST_PARAMS])
        for begin in range(MOST_METRICS, len(metrics), MOST_METRICS):
            self._client.log_batch(run_id, metrics[begin : begin + MOST_METRICS])
        for name, text in entry.texts.items():
            self._client.log_text(run_id, text, name)
        for file in files:
            self._client.log_artifact(run_id, str(file))
        self._client.set_terminated(run_id, "FINISHED", entry.ended)


def small(files: Iterable[Path]) -> list[Path]:
    """Keep the files that are worth copying."""
    return [each for each in files if each.stat().st_size <= SMALL]


def _is_over(run: MlflowRun) -> bool:
    return bool(run.info.status == "FINISHED")
