"""Whether the parts of the workbench work, and which version they are."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.catalog import Catalog
from core.domain.job import JobState
from core.errors import Unavailable, WorkbenchError
from core.jobs.work import Executor
from core.services.kernels import has_accounts
from core.settings import Settings
from core.store import Store

DISTRIBUTION = "quant-workbench"


class System:
    """What users may wish to know of the machine room."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        executor: Executor,
        settings: Settings,
        *,
        kernels: Path,
        beside: Mapping[str, Callable[[], str]],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._executor = executor
        self._settings = settings
        self._kernels = kernels
        self._beside = {"queue": self._queue, **beside}

    @property
    def version(self) -> str:
        """Version of the program."""
        try:
            return importlib.metadata.version(DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError:
            return "0+source"

    def health(self, *, beside: bool = False) -> dict[str, dict[str, str]]:
        """Ask every part whether it works.

        Args:
            beside: Ask also those that work can be taken on without: the `queue`, and `mlflow`
                where runs are mirrored.

        Returns:
            For `database`, `lake`, `artifacts` and `runner`: `status`, which is `healthy` or
            `unhealthy`, and `detail`, a word about it.
        """
        parts: Mapping[str, Callable[[], str]] = {
            "database": self._database,
            "lake": self._lake,
            "artifacts": self._artifacts,
            "runner": self._runner,
        }
        asked = {**parts, **self._beside} if beside else parts
        return {name: _examine(part) for name, part in asked.items()}

    def is_compiled(self) -> bool:
        """Whether all of the engine is; until then some runs wait for that."""
        return has_accounts(self._kernels)

    def is_ready(self) -> bool:
        """Whether runs can be taken on now."""
        return all(part["status"] == "healthy" for part in self.health().values())

    def _database(self) -> str:
        self._store.ping()
        return "answers"

    def _queue(self) -> str:
        counts = self._store.jobs.stats().counts
        return f"{counts[JobState.PENDING]} wait, {counts[JobState.RUNNING]} run"

    def _lake(self) -> str:
        count = len(self._catalog.symbols())
        return f"{count} symbol{'' if count == 1 else 's'}"

    def _artifacts(self) -> str:
        folder = self._settings.artifacts_dir
        existing: Path = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            raise Unavailable(f"{existing} cannot be written")
        self._store.artifacts.refuse_when_full()
        return "writable"

    def _runner(self) -> str:
        is_healthy, detail = self._executor.health()
        if not is_healthy:
            raise Unavailable(detail)
        if self.is_compiled():
            return detail
        return f"{detail}; some of the engine is not compiled yet, and runs that need it wait"


def _examine(part: Callable[[], Any]) -> dict[str, str]:
    try:
        return {"status": "healthy", "detail": str(part())}
    except WorkbenchError as error:
        return {"status": "unhealthy", "detail": error.message}
    except OSError as error:
        return {"status": "unhealthy", "detail": error.strerror or str(error)}
