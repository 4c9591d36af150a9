"""How the loops of the engine are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def loop(function: _Function) -> _Function:
    """Compile a function over arrays and numbers that makes no array of its own.

    Whoever calls owns the arrays, so numba need not count references to them. It would at every
    call within, by an atomic addition for each array, which made a trade take three times as long.
    Every divisor must be checked or positive by construction: division by zero gives infinity.
    """
    compiled: _Function = njit(  # type: ignore[call-overload]
        cache=True,
        nogil=True,
        error_model="numpy",
        _nrt=False,  # numba knows it, its annotations do not
    )(function)
    return compiled
