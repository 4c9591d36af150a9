"""The task of jobs that write completed runs and studies to MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from core.domain.job import Job, JobError
from core.jobs.nursery import Death
from core.jobs.wire import Handler, Message
from core.jobs.worker import Effect, Failed, Transaction
from core.store import Store
from core.store.mirrors import MIRROR, Kept
from core.tracking.child import write_entries
from core.tracking.entry import (
    Entry,
    entries_of_trials,
    entry_of_run,
    entry_of_study,
    experiment_of_run,
    experiments_of_study,
    tracked,
)
from core.tracking.sink import small

__all__ = ["MIRROR", "MirrorTask"]

TRIALS = "trials"
"""Table of a study that MLflow has a copy of, however large."""


class MirrorTask:
    """The task of jobs of kind `mirror`. What is said is decided here, a child of its own says it.

    Args:
        store: Records and artifacts.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def request(self, job: Job, scratch: Path) -> Message:
        """Lay out what is to be said."""
        kept: Kept = job.payload["of"]
        number = int(job.payload["id"])
        names, entries, files = self._run(number) if kept == "run" else self._study(number)
        path = scratch / "entries.jsonl"
        count = write_entries(path, entries) - 1
        return {
            "names": list(names),
            "entries": str(path),
            "count": count,
            "files": [str(file) for file in files],
        }

    def reply(self, _job: Job, _scratch: Path) -> Handler | None:
        """Answer nothing: the child asks nothing."""
        return None

    def publish(self, job: Job, answer: Message, _scratch: Path) -> Effect:
        """Note where it is, together with the job's end."""
        if "error" in answer:
            error = answer["error"]
            raise Failed(JobError(error["code"], error["message"], error["hint"]))

        def note(within: Transaction) -> None:
            self._store.mirrors.note(
                job.payload["of"],
                int(job.payload["id"]),
                experiment_id=answer["experiment_id"],
                run_id=answer["run_id"],
                within=within,
            )

        return note

    def death(self, _job: Job, death: Death) -> JobError:
        """Say that writing to MLflow ended its process."""
        hint = "`workbench mlflow --catch-up` tries again"
        return JobError("crashed", f"writing to MLflow {death.message}", hint)

    def _run(self, number: int) -> tuple[tuple[str, ...], Iterator[Entry], list[Path]]:
        run = self._store.runs.get(number)
        files = [self._store.artifacts.path(str(run.run_key), name) for name in run.artifacts]
        entry = entry_of_run(run, str(files[0].parent) if files else "")
        return (experiment_of_run(run),), iter([entry]), small(files)

    def _study(self, number: int) -> tuple[tuple[str, ...], Iterator[Entry], list[Path]]:
        study = self._store.studies.get(number)
        tables, key = self._store.tables, str(study.key)
        trials = tables.read(key, TRIALS, sha256=study.artifacts[f"{TRIALS}.parquet"])
        whole = tables.path(key, TRIALS)
        others = small(tables.path(key, name) for name in study.artifacts)
        entry = entry_of_study(study, trials, str(whole.parent))
        children = entries_of_trials(study, tracked(study, trials))
        return experiments_of_study(study), chain([entry], children), list({whole, *others})
