"""What a server does on the side: notice that another server died, and clean up after it."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path

from core.bootstrap.kernels import remove_unused
from core.errors import WorkbenchError
from core.jobs.presence import Presence
from core.services import Backtests

LOOK_SECONDS = 5.0
KERNELS_SECONDS = 86_400.0

log = logging.getLogger("workbench.housekeeper")


class Housekeeper:
    """Looks for the runs and the scratch folders of the dead, at once and every few seconds.

    And once a day for kernels of code that nobody runs any more.
    """

    def __init__(
        self, backtests: Backtests, presence: Presence, *, scratch: Path, kernels: Path
    ) -> None:
        self._backtests = backtests
        self._presence = presence
        self._scratch = scratch
        self._kernels = kernels
        self._kernels_at = 0.0
        self._stop = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._watch, name="housekeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
            except (WorkbenchError, OSError) as error:
                log.warning("the dead could not be looked for: %s", error)

    def _look(self) -> None:
        for run in self._backtests.recover(self._presence.is_alive):
            log.warning("run %d is lost: its process is gone", run.id)
        for folder in self._scratch.glob("*,*,*"):
            if not self._presence.is_alive(folder.name.replace(",", ":")):
                shutil.rmtree(folder, ignore_errors=True)
        self._look_at_kernels()

    def _look_at_kernels(self) -> None:
        now = time.monotonic()
        if self._kernels_at and now < self._kernels_at + KERNELS_SECONDS:
            return
        self._kernels_at = now
        try:
            for folder in remove_unused(self._kernels):
                log.info("%s was not used for long and is removed", folder)
        except OSError as error:
            log.warning("old kernels could not be removed: %s", error)
