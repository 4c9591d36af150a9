"""Passes the shards of a study on to a cluster: the worker's side of `core.services.shards`.

The child that asks runs strategy code and may open no connection. The worker may, and reads nothing
of what comes back: it lays it into the folder of the child.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from core.errors import Unavailable
from core.jobs.wire import Ask, Message

log = logging.getLogger("workbench.worker")

WAIT_SECONDS = 0.3
SHARDS_A_SLOT = 2
"""Into how many shards a sweep is cut for each that is done at the same time.

Some are slower, so more than one; each computes its indicators anew, so not many.
"""


class Taken(Protocol):
    """What came back; see `core.jobs.cluster`."""

    @property
    def results(self) -> Sequence[bytes]:
        """Of calls that returned."""

    @property
    def failed(self) -> Sequence[str]:
        """Why other calls did not."""

    @property
    def left(self) -> int:
        """Calls that are not over."""


class Hands(Protocol):
    """What is asked of a cluster; `core.jobs.cluster` has it, with what each call raises."""

    slots: int

    def begin(self, arguments: Sequence[Sequence[Any]]) -> None:
        """Start a call for each of these."""

    def take(self, seconds: float) -> Taken:
        """Wait so long, and give what is there."""

    def close(self) -> None:
        """Call off what is under way."""


class Dispatch:
    """Answers the questions of one study.

    Args:
        connect: Reaches the cluster.
        folder: Where to lay what arrives; the child may write there.
        name: Of the work, for the log.
    """

    def __init__(self, connect: Callable[[], Hands], folder: Path, name: str) -> None:
        self._connect = connect
        self._folder = folder
        self._name = name
        self._hands: Hands | None = None

    def __call__(self, question: Message, _ask: Ask) -> Message:
        """Begin the shards of a sweep, or say which have arrived and how many are left."""
        asked = question.get("shards")
        if not isinstance(asked, dict):
            return {}
        try:
            if "request" in asked:
                return {"left": self._begin(str(asked["request"]), int(asked["sets"]))}
            return self._take()
        except Unavailable as error:
            log.warning("%s: %s; it goes on here alone", self._name, error.message)
            self.close()
            return {"left": 0, "gone": True}

    def close(self) -> None:
        """Call off what is under way."""
        if self._hands is not None:
            self._hands.close()
            self._hands = None

    def _begin(self, request: str, sets: int) -> int:
        if self._hands is None:
            self._hands = self._connect()
        shards = max(1, min(sets, self._hands.slots * SHARDS_A_SLOT))
        self._hands.begin([(request, number, shards) for number in range(shards)])
        return shards

    def _take(self) -> Message:
        if self._hands is None:
            return {"left": 0, "gone": True}
        taken = self._hands.take(WAIT_SECONDS)
        for text in taken.failed:
            log.warning("%s: a shard is computed here, as elsewhere %s", self._name, text)
        self._folder.mkdir(parents=True, exist_ok=True)
        arrived = []
        for content in taken.results:
            file = self._folder / uuid.uuid4().hex
            file.write_bytes(content)
            arrived.append(str(file))
        return {"arrived": arrived, "left": taken.left}
