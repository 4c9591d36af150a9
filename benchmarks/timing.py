"""How things are timed: interleaved, medians, nothing judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    size: str
    median: float
    best: float
    note: str = ""


def seconds(*candidates: Callable[[], Any], rounds: int) -> list[list[float]]:
    """Time each candidate `rounds` times, taking turns so that all meet the same machine."""
    for candidate in candidates:
        candidate()
    times: list[list[float]] = [[] for _ in candidates]
    for _ in range(rounds):
        for own, candidate in zip(times, candidates, strict=True):
            begun = time.perf_counter()
            candidate()
            own.append(time.perf_counter() - begun)
    return times


def row(what: str, size: str, times: list[float], note: str = "") -> Row:
    """Sum up the times of one candidate."""
    return Row(what, size, statistics.median(times), min(times), note)


def readable(value: float) -> str:
    """Write seconds with a unit that fits."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= unit:
            return (
                f"{value / unit:,.3g} {name}"
                if value < 1_000 * unit
                else f"{value / unit:,.0f} {name}"
            )
    return f"{value / 1e-9:.0f} ns"


def percentile(times: list[float], share: float) -> float:
    """Give the time that `share` of the calls did not exceed."""
    ranked = sorted(times)
    return ranked[min(len(ranked) - 1, round(share * (len(ranked) - 1)))]


class Measure(Protocol):
    """A part of the table."""

    def __call__(self, *, quick: bool) -> Iterator[Row]:
        """Yield rows; `quick` asks for a look instead of steady numbers."""
