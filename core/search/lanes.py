"""Answers of a sweep, as a search takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.domain.metrics import RANK_CAPS, REASONS
from core.engine.sweep import Eligibility, SweepResult
from core.search.search import Evaluations

_EVERYBODY = Eligibility(trades=0, sessions=0, ambiguous=float("inf"))


def evaluations_of(result: SweepResult, metrics: Sequence[str]) -> Evaluations:
    """Take the metrics a study needs out of a sweep.

    A lane that failed or was ruined is an error. Metrics count up to their cap, and as much where
    nothing was lost, as when lanes are ranked; annual growth over less than a year does not count.
    How many trades a lane needs is left to the requirements of the study.

    Args:
        result: Of a sweep of exactly the sets that were asked for, in their order.
        metrics: Names of metrics.

    Returns:
        A row for each set that was given to the sweep.

    Raises:
        InvalidInput: no such metric.
    """
    lanes = result.lane_of
    errors: dict[int, str] = {}
    reasons: dict[tuple[int, str], str] = {}
    columns = {}
    ruined = dict.fromkeys(np.flatnonzero(result.rows.ruined).tolist(), "ruined")
    broken = {**ruined, **result.errors}
    for place, lane in enumerate(lanes.tolist()):
        if lane in broken:
            errors[place] = broken[lane]
    for name in metrics:
        column = result.column(name).copy()
        out = result.ineligible(name, _EVERYBODY)
        cap = RANK_CAPS.get(name)
        if cap is not None:
            lossless = [lane for lane in range(len(result)) if lane not in out]
            column[lossless] = np.minimum(np.nan_to_num(column[lossless], nan=cap), cap)
        undefined = [lane for lane in out if lane not in broken]
        column[undefined] = np.nan
        columns[name] = column[lanes]
        if undefined:
            texts = {lane: REASONS.get(out[lane], out[lane]) for lane in undefined}
            for place, lane in enumerate(lanes.tolist()):
                if lane in texts:
                    reasons[place, name] = texts[lane]
    return Evaluations(columns, errors, reasons)
