"""Work done here and now: tests, notebooks and the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from core.jobs.wire import Handler, Message
from core.jobs.work import Outcome, Work


class Inline:
    """Runs the handler in the calling thread, one piece of work at a time.

    Args:
        open_handler: Makes the handler; called when the first work comes.
    """

    def __init__(self, open_handler: Callable[[], Handler]) -> None:
        self._open = open_handler
        self._handler: Handler | None = None
        self._turn = threading.Lock()  # foreign modules are swapped in and out while one runs

    def submit(self, work: Work) -> None:
        """Do the work now."""
        try:
            if work.begin():
                work.end(Outcome(answer=self._answer(work.request, work.reply)))
        finally:
            work.done.set()

    def call(self, request: Mapping[str, Any], reply: Handler | None = None) -> Outcome:
        """Do the work now."""
        return Outcome(answer=self._answer(request, reply))

    def health(self) -> tuple[bool, str]:
        """Say that there is nothing that could be broken."""
        return True, "runs are computed in this process"

    def close(self) -> None:
        """Do nothing: nothing is left running."""

    def _answer(self, request: Mapping[str, Any], reply: Handler | None) -> Message:
        with self._turn:
            if self._handler is None:
                self._handler = self._open()
            return self._handler(
                dict(request), lambda question: reply(question, lambda _: {}) if reply else {}
            )
