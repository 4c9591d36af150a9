"""Work, and the promise of an executor to do it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.jobs.nursery import Death
from core.jobs.wire import Handler, Message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of work: the handler's answer, or how its process died."""

    answer: Message | None = None
    death: Death | None = None


@dataclass(slots=True)
class Work:
    """One request to the handler, and who wants to know.

    Attributes:
        request: Handed to the handler.
        begin: Called when its turn has come; False means it is not wanted any more. A child may
            prepare at the same time, so a handler asks before it does what cannot be undone.
        reply: Answers what the handler asks in the middle.
        end: Called with the outcome by the thread that did the work; called again, with a death,
            when it raised.
        done: Set after `end` has returned.
    """

    request: Mapping[str, Any]
    begin: Callable[[], bool] = lambda: True
    reply: Handler | None = None
    end: Callable[[Outcome], None] = lambda _: None
    done: threading.Event = field(default_factory=threading.Event)


class Executor(Protocol):
    """Does work. `Inline` and `Runner` do, bit for bit the same."""

    def submit(self, work: Work) -> None:
        """Take work on; it may be done before this returns.

        Raises:
            Unavailable: too much is waiting, or the executor is closed.
        """

    def call(self, request: Mapping[str, Any], reply: Handler | None = None) -> Outcome:
        """Have a request answered and wait for it; `reply` as of `Work`."""

    def health(self) -> tuple[bool, str]:
        """Whether it can work now, and a word about it."""

    def close(self) -> None:
        """Stop; work under way ends as stopped."""
