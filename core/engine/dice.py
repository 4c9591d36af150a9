"""The global random generators, seeded, for strategies that roll them instead of their own.

They belong to the process, not to a thread: two threads that roll them take numbers from each
other. So whoever rolls them alone gets the same numbers, and whether anybody has rolled them can be
asked.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

DICE_SEED = 20_240_101
_alone = threading.Lock()


def _state() -> tuple[Any, ...]:
    kind, keys, place, *normal = np.random.get_state()  # noqa: NPY002 - the old one is meant
    return random.getstate(), kind, np.asarray(keys).tobytes(), place, *normal


def _seed() -> None:
    random.seed(DICE_SEED)
    np.random.seed(DICE_SEED)  # noqa: NPY002, TID251 - the old one is meant


@contextmanager
def same_dice() -> Iterator[None]:
    """Seed the global generators, so that a strategy that forgot to gives the same bits again."""
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - likewise
    _seed()
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002 - likewise


@contextmanager
def alone_with_dice() -> Iterator[None]:
    """Seed them for one thread at a time, within `same_dice`; the others wait."""
    with _alone:
        _seed()
        yield


class Watch:
    """Notices, within `same_dice`, that somebody has rolled them since."""

    def __init__(self) -> None:
        self._seeded = _state()

    def is_rolled(self) -> bool:
        """Whether a number was drawn or another seed set, in whichever thread."""
        return _state() != self._seeded
