"""Answers of a sweep, as a search takes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from core.domain.bars import IntArray
from core.domain.metrics import RANK_CAPS, REASONS, Metrics
from core.engine.sweep import Eligibility, SweepResult
from core.search.search import Evaluations

_GROWTH = frozenset({"cagr", "calmar", "upi"})
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
    for place in _places_of(broken, lanes):
        errors[place] = broken[int(lanes[place])]
    for name in metrics:
        column = result.column(name).copy()
        out = result.ineligible(name, _EVERYBODY)
        undefined = [lane for lane in out if lane not in broken]
        cap = RANK_CAPS.get(name)
        if cap is not None:
            lossless = np.ones(len(result), dtype=np.bool_)
            lossless[list(out)] = False
            column[lossless] = np.minimum(np.nan_to_num(column[lossless], nan=cap), cap)
        column[undefined] = np.nan
        columns[name] = column[lanes]
        for place in _places_of(undefined, lanes):
            reason = out[int(lanes[place])]
            reasons[place, name] = REASONS.get(reason, reason)
    return Evaluations(columns, errors, reasons)


def _places_of(some: Collection[int], lanes: IntArray) -> list[int]:
    """Give the places of the sets whose lanes are among some."""
    return np.flatnonzero(np.isin(lanes, list(some))).tolist() if some else []


def evaluations_from(runs: Sequence[Metrics | str], metrics: Sequence[str]) -> Evaluations:
    """Take the metrics a study needs out of whole runs: of portfolios, say, which are not swept.

    The same counts as for lanes.

    Args:
        runs: Metrics of each set that was asked for, or why it has none.
        metrics: Names of metrics.
    """
    errors: dict[int, str] = {}
    reasons: dict[tuple[int, str], str] = {}
    columns = {name: np.full(len(runs), np.nan) for name in metrics}
    for place, run in enumerate(runs):
        if isinstance(run, str) or "ruined" in run.badges:
            errors[place] = run if isinstance(run, str) else "ruined"
            continue
        for name in metrics:
            value = run.rank_value(name)
            if name in _GROWTH and "short_history" in run.badges:
                value, reason = None, "less than a year of data"
            else:
                reason = REASONS.get(run.reasons.get(name, ""), "")
            if value is None:
                reasons[place, name] = reason
            else:
                columns[name][place] = value
    return Evaluations(columns, errors, reasons)
