"""Finer bars of a market, grouped by the longer bars they lie in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.domain.timeframe import Timeframe
from core.errors import DataProblem


@dataclass(frozen=True, eq=False)
class Detail:
    """M finer bars of the market of T longer ones, on the terms of those.

    Attributes:
        timeframe: Of the finer bars.
        ts: Opening times, shape (M,), int64 microseconds UTC.
        open, high, low, close: Prices, shape (M,), float64.
        first: Finer bars `first[n]:first[n + 1]` lie in bar n; shape (T + 1,), int64.
    """

    timeframe: Timeframe
    ts: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check shapes and order once, then freeze the columns."""
        count = len(self.ts)
        first = self.first
        for name in ("open", "high", "low", "close"):
            if getattr(self, name).shape != (count,):
                raise DataProblem(f"column {name} of finer bars is not as long as their times")
        if not len(first) or first[0] < 0 or first[-1] > count or (np.diff(first) < 0).any():
            raise DataProblem("finer bars are not grouped in order")
        for name in ("ts", "open", "high", "low", "close", "first"):
            getattr(self, name).flags.writeable = False

    def part(self, left: int, right: int) -> Detail:
        """Give the finer bars of the bars from `left` up to, not including, `right`."""
        begin, end = int(self.first[left]), int(self.first[right])
        columns = {name: getattr(self, name)[begin:end].copy() for name in _COLUMNS}
        return replace(self, **columns, first=self.first[left : right + 1] - begin)

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the column bytes and their groups."""
        digest = hashlib.sha256(self.timeframe.encode())
        for name in (*_COLUMNS, "first"):
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()


_COLUMNS = ("ts", "open", "high", "low", "close")
