"""Remembers what was computed, up to so many bytes, for many threads at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Made = TypeVar("Made")


@dataclass(eq=False, slots=True)
class _Flight:
    """A value on its way: who needs it meanwhile waits here."""

    landed: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    failed: bool = True


class Memo:
    """A cache: what was used least recently goes first when the budget is exceeded.

    Of several threads that ask for the same key at once one computes and the others wait. What is
    kept must not be changed by anybody. A value greater than the whole budget is handed out and
    not kept.

    Args:
        budget: Bytes to keep at most; None for no limit.
        size_of: Bytes a value takes.
    """

    def __init__(self, budget: int | None, size_of: Callable[[Any], int]) -> None:
        self.budget = budget
        self.held = 0
        self._size_of = size_of
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of values kept."""
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Give the value of a key, computed now if it is not kept.

        Args:
            key: Says all that decides the value.
            make: Computes it; may ask this memo for other keys. What it raises reaches the caller
                and is not kept: whoever waited computes anew.
        """
        while True:
            with self._lock:
                if (kept := self._kept.get(key)) is not None:
                    self._kept.move_to_end(key)
                    known: Made = kept[0]
                    return known
                flight = self._flights.get(key)
                if flight is None:
                    flight = self._flights[key] = _Flight()
                    break
            flight.landed.wait()
            if not flight.failed:
                computed: Made = flight.value
                return computed
        try:
            computed = flight.value = make()
            flight.failed = False
            return computed
        finally:
            with self._lock:
                del self._flights[key]
                if not flight.failed:
                    self._keep(key, flight.value)
            flight.landed.set()

    def _keep(self, key: Hashable, value: Any) -> None:
        size = self._size_of(value)
        if self.budget is not None:
            if size > self.budget:
                return
            while self.held + size > self.budget:
                _, (_, gone) = self._kept.popitem(last=False)
                self.held -= gone
        self._kept[key] = (value, size)
        self.held += size
