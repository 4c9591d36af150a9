"""A Dask cluster as more hands: calls of one function, done on other machines.

The cluster remembers nothing that matters. What it has not answered is simply not there, and
whoever asked computes it. What crosses is JSON and bytes; the function is named, not sent.

Whoever reaches a scheduler can run any program on its workers: it belongs in a network of its own.
"""

from __future__ import annotations

import importlib
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.errors import Unavailable

REACH_SECONDS = 3.0
ANSWER_SECONDS = 10.0
# Without a word for so long, it is asked whether it lives; so much longer, it may be without hands.
SILENT_SECONDS = 5.0
HANDLESS_SECONDS = 15.0
LOOK_SECONDS = 0.02

Argument = str | int
"""What calls are given; texts are JSON."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came back since the last time.

    Attributes:
        results: Of calls that returned.
        failed: Why other calls did not.
        left: Calls that are not over.
    """

    results: Sequence[bytes]
    failed: Sequence[str]
    left: int


class Cluster:
    """A connection to a scheduler, and the calls under way. For one thread.

    Args:
        address: Of the scheduler, `tcp://host:8786`.
        entry: `module:function`, importable by the workers; gives bytes.

    Attributes:
        slots: Calls that can be done at the same time.

    Raises:
        Unavailable: distributed is not installed, nobody answers there, or there are no workers.
    """

    def __init__(self, address: str, entry: str) -> None:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            raise Unavailable(
                f"a Dask scheduler is set ({address}) and Dask is not installed",
                hint="Install the extra: pip install 'quant-workbench[dask]'",
            ) from None
        self._address, self._entry = address, entry
        self._calls: list[Any] = []
        self._heard = time.monotonic()
        try:
            self._client: Any = Client(address, timeout=REACH_SECONDS, set_as_default=False)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise Unavailable(
                f"the Dask scheduler {address} does not answer",
                expected="an address like tcp://host:8786",
                hint="Start it, or leave WORKBENCH_DASK_SCHEDULER empty",
            ) from error
        try:
            self.slots = self._count_some()
        except Unavailable:
            self.close()
            raise

    def begin(self, arguments: Sequence[Sequence[Argument]]) -> None:
        """Start a call for each of these; those before are called off.

        One whose worker dies is done again by another, a few times.
        """
        name = uuid.uuid4().hex
        self._heard = time.monotonic()
        # A call is called off by forgetting it.
        self._calls = [
            self._client.submit(call, self._entry, *each, key=f"{name}-{number}", pure=False)
            for number, each in enumerate(arguments)
        ]

    def take(self, seconds: float) -> Taken:
        """Wait at most about so long until a call is over, and give what is there.

        Raises:
            Unavailable: the cluster is gone, or nobody is left there to do anything.
        """
        deadline = time.monotonic() + seconds
        while not any(each.done() for each in self._calls) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        results, failed, left = [], [], []
        for each in self._calls:
            if not each.done():
                left.append(each)
                continue
            try:
                results.append(each.result(timeout=ANSWER_SECONDS))
            except CancelledError:
                raise Unavailable(f"the Dask scheduler {self._address} is gone") from None
            except TimeoutError:  # its worker died before it handed the result over
                left.append(each)
            except Exception as error:  # noqa: BLE001 - whatever happened there
                failed.append(" ".join(f"{type(error).__name__}: {error}".split())[:400])
        self._calls = left
        if results or failed or not left:
            self._heard = time.monotonic()
        elif time.monotonic() > self._heard + SILENT_SECONDS:
            self._look_after_them()
        return Taken(results, failed, len(left))

    def close(self) -> None:
        """Call off what is under way, and part."""
        self._calls = []
        with suppress(Exception):  # it may be gone, in any way
            self._client.close(timeout=REACH_SECONDS)

    def _look_after_them(self) -> None:
        if self._count():
            self._heard = time.monotonic()
        elif time.monotonic() > self._heard + HANDLESS_SECONDS:
            raise Unavailable(f"the Dask scheduler {self._address} has no workers left")

    def _count_some(self) -> int:
        count = self._count()
        if not count:
            raise Unavailable(
                f"the Dask scheduler {self._address} has no workers", hint="Start `dask worker`"
            )
        return count

    def _count(self) -> int:
        """Count the calls that can be done at the same time."""
        try:
            return sum(self._client.nthreads(callback_timeout=ANSWER_SECONDS).values())
        except (OSError, RuntimeError, CancelledError) as error:
            raise Unavailable(f"the Dask scheduler {self._address} does not answer") from error


def call(entry: str, *arguments: Argument) -> bytes:
    """Do one call; this runs in a worker of the cluster."""
    module, _, function = entry.partition(":")
    result: bytes = getattr(importlib.import_module(module), function)(*arguments)
    return result


def is_wanted() -> bool:
    """Ask, within a call, whether anybody still waits for it."""
    from distributed import get_worker  # noqa: PLC0415 - see above

    with suppress(ValueError, KeyError, AttributeError):
        worker = get_worker()
        task: Any = worker.state.tasks[worker.get_current_task()]
        return bool(task.state != "cancelled")
    return True
