"""Children that stand ready: forked, opened and rehearsed before their work arrives."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from core.errors import Unavailable
from core.jobs.nursery import Child

log = logging.getLogger("workbench.runner")

LOOK_SECONDS = 5.0


class Standby:
    """A few living children, and a thread that replaces those that are taken or die.

    Args:
        hatch: Makes a child; raises Unavailable.
        count: How many stand ready.
    """

    def __init__(self, hatch: Callable[[], Child], count: int) -> None:
        self._hatch = hatch
        self._count = count
        self._ready: deque[Child] = deque()
        self._spent: list[Child] = []
        self._change = threading.Condition()
        self._is_hatching = True
        self._is_closed = False
        self._thread = threading.Thread(target=self._keep_up, name="standby", daemon=True)
        self._thread.start()

    def take(self) -> Child:
        """Give a living child; the caller gives it back.

        Raises:
            Unavailable: none stands ready and none can be made.
        """
        with self._change:
            while self._ready or self._is_hatching:
                if not self._ready:
                    self._change.wait()
                    continue
                child = self._ready.popleft()
                self._change.notify_all()
                if not child.is_gone():
                    return child
                self._spent.append(child)
        return self._hatch()

    def give_back(self, child: Child) -> None:
        """Take a child back; a spent one is ended."""
        with self._change:
            if not child.is_spent:
                self._ready.appendleft(child)
            elif self._thread.is_alive():
                self._spent.append(child)
            else:
                child.close()
            self._change.notify_all()

    def close(self) -> None:
        """Stop making children and end all that are here."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()
        self._thread.join()

    def _keep_up(self) -> None:
        has_failed = False
        while True:
            with self._change:
                leaving = self._sort_out()
                is_missing = len(self._ready) < self._count and not has_failed
                self._is_hatching = is_missing and not self._is_closed
                if not leaving and not self._is_hatching:
                    if self._is_closed:
                        return
                    self._change.wait(LOOK_SECONDS)
                    has_failed = False
            for child in leaving:
                child.close()
            if self._is_hatching:
                hatched = self._hatch_quietly()
                has_failed = hatched is None
                with self._change:
                    self._is_hatching = False
                    if hatched is not None:
                        self._ready.append(hatched)
                    self._change.notify_all()

    def _sort_out(self) -> list[Child]:
        """Take those out that are of no more use."""
        leaving, self._spent = self._spent, []
        for child in list(self._ready):
            if self._is_closed or child.is_gone():
                self._ready.remove(child)
                leaving.append(child)
        return leaving

    def _hatch_quietly(self) -> Child | None:
        try:
            return self._hatch()
        except Unavailable as error:
            if not self._is_closed:
                log.warning("no child stands ready: %s", error.message)
            return None
