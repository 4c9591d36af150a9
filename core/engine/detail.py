"""Finer bars as the general driver takes them: which bars have some that may decide (R6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from core.domain.bars import Bars, FloatArray
from core.domain.detail import Detail
from core.domain.options import EngineOptions
from core.engine import desk
from core.engine.grid import lay
from core.errors import DataProblem

TOLERANCE: Final = 1e-6
"""Share of a price by which extremes may differ: what is left of a price kept in 32 bits."""

_PRICES: Final = ("open", "high", "low", "close")
_NONE: Final = np.empty(0)
NO_FINE: Final = desk.Fine(_NONE, _NONE, _NONE, _NONE, np.empty((0, 0, 2), dtype=np.int64))


def fine_of(bars: Sequence[Bars], number: np.ndarray, options: EngineOptions) -> desk.Fine:
    """Lay the finer bars of all symbols out for the driver.

    Args:
        bars: Of each symbol, with their finer bars where the options ask for some.
        number: Each symbol's own bar at each row, -1 where absent, shape (T, S).
        options: `detail` says whether they are wanted.

    Raises:
        DataProblem: a symbol has no finer bars that fit any of its bars.
    """
    if options.detail is None:
        return NO_FINE
    columns: dict[str, list[FloatArray]] = {name: [] for name in _PRICES}
    begins, ends = [], []
    offset = 0
    for each in bars:
        detail = each.detail
        if detail is None or detail.timeframe is not options.detail:
            raise DataProblem(
                f"{each.symbol} came without {options.detail} bars, which detail asks for"
            )
        state = states_of(each, detail)
        _require_some(each, detail, state)
        groups = np.diff(detail.first)
        low, high = (np.repeat(getattr(each, name), groups) for name in ("low", "high"))
        inside = slice(int(detail.first[0]), int(detail.first[-1]))
        for name, column in columns.items():
            # What is left of the tolerance: no fill lies outside the bar.
            column.append(np.clip(getattr(detail, name)[inside], low, high))
        begin = offset + detail.first[:-1] - detail.first[0]
        usable = state == desk.FITS
        begins.append(np.where(usable, begin, state))
        ends.append(np.where(usable, begin + groups, state))
        offset += inside.stop - inside.start
    span = np.empty((*number.shape, 2), dtype=np.int64)
    for place, side in enumerate((begins, ends)):
        longest = max(len(each) for each in side)
        table = np.array([np.pad(each, (0, longest - len(each))) for each in side])
        lay(span[:, :, place], table, number, desk.MISSING)
    o, h, l, c = (np.concatenate(column) for column in columns.values())  # noqa: E741
    return desk.Fine(o, h, l, c, span)


def states_of(bars: Bars, detail: Detail) -> np.ndarray:
    """Judge the finer bars of each bar: `FITS`, `MISSING` or `CONFLICTS` of `desk`, shape (T,).

    They conflict where they reach beyond the bar, and are missing where there are none or where
    they do not reach its extremes, so that some of the bar is not told.
    """
    state = np.full(len(bars), desk.MISSING, dtype=np.int64)
    there = np.flatnonzero(np.diff(detail.first) > 0)
    if not len(there):
        return state
    until = int(detail.first[-1])
    highest = np.maximum.reduceat(detail.high[:until], detail.first[there])
    lowest = np.minimum.reduceat(detail.low[:until], detail.first[there])
    high, low = bars.high[there], bars.low[there]
    beyond = (highest > high * (1 + TOLERANCE)) | (lowest < low * (1 - TOLERANCE))
    short = (highest < high * (1 - TOLERANCE)) | (lowest > low * (1 + TOLERANCE))
    state[there] = np.where(beyond, desk.CONFLICTS, np.where(short, desk.MISSING, desk.FITS))
    return state


def _require_some(bars: Bars, detail: Detail, state: np.ndarray) -> None:
    if bool((state == desk.FITS).any()):
        return
    said = f"no {bars.timeframe} bar of {bars.symbol} has {detail.timeframe} bars that fit it"
    odd = np.flatnonzero(state == desk.CONFLICTS)
    if len(odd):
        n = int(odd[0])
        inside = slice(int(detail.first[n]), int(detail.first[n + 1]))
        reached = f"{detail.low[inside].min():g} to {detail.high[inside].max():g}"
        said += (
            f": that of {np.datetime64(int(bars.ts[n]), 'us').astype('datetime64[m]')} goes from "
            f"{bars.low[n]:g} to {bars.high[n]:g}, those inside from {reached}"
        )
    raise DataProblem(
        said,
        expected="finer bars whose highest high and lowest low are those of the bar",
        hint="import both from one source, build the longer bars from the finer, or run without "
        "detail",
    )
