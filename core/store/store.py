"""Store: the records and the artifacts of one installation, opened together."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import select

from core.errors import DataProblem
from core.store.artifacts import ArtifactStore
from core.store.database import Database
from core.store.jobs import JobRepository
from core.store.mirrors import MirrorRepository
from core.store.repositories import RunRepository
from core.store.studies import STUDY, StudyRepository
from core.store.tables import RunRow

log = logging.getLogger("workbench.store")


class Store:
    """Records and artifacts.

    Attributes:
        runs: What was asked and what came out.
        artifacts: The files of results.
        jobs: Work that waits or runs.
        studies: What was searched for and what was found.
        tables: The files of studies.
        mirrors: What of it is written to experiment tracking too.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        tables: ArtifactStore,
        *,
        tracks: bool = False,
    ) -> None:
        self._database = database
        self.artifacts = artifacts
        self.tables = tables
        self.mirrors = MirrorRepository(database)
        ask = self.mirrors.ask if tracks else None
        self.runs = RunRepository(database, artifacts, then=ask and partial(ask, "run"))
        self.jobs = JobRepository(database)
        self.studies = StudyRepository(database, tables, then=ask and partial(ask, "study"))

    def ping(self) -> None:
        """Make sure that the database answers and has its tables.

        Raises:
            Unavailable: it does not, and why.
        """
        with self._database.read() as connection:
            connection.execute(select(RunRow.id).limit(1)).one_or_none()

    def is_whole(self, run_key: str) -> bool:
        """Whether a result is recorded and its files are what was recorded."""
        stored = self.runs.find_result(run_key)
        if stored is None:
            return False
        try:
            return self.artifacts.verify(run_key) == dict(stored.artifacts)
        except DataProblem as error:
            log.warning("result %s is computed again: %s", run_key[:12], error.message)
            return False

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close on the way out."""
        self.close()


def open_store(url: str, artifacts: Path, *, tracks: bool = False) -> Store:
    """Open a store; nothing is created, migrated or connected yet.

    Args:
        url: `sqlite:///path/to/file.db` or `postgresql+psycopg://…`.
        artifacts: Folder of the result files.
        tracks: Whether what completes here is to be written to experiment tracking.

    Raises:
        InvalidInput: the URL is not one of these.
    """
    studies = ArtifactStore(artifacts / "studies", STUDY)
    return Store(Database(url), ArtifactStore(artifacts), studies, tracks=tracks)
