"""Whether a winner stands on a plateau or on a spike, and which trial to choose.

A trial whose neighbours are about as good is less of an accident than one that stands alone. What
counts is the median of the objective over a trial and its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from core.domain.bars import FloatArray, IntArray
from core.domain.formula import Mask
from core.errors import InvalidInput
from core.trust.axes import Axis, same_length

BEST_SHARE = 0.1
"""Only trials among the best tenth by the objective itself may be chosen."""
AT_EDGE = 0.01
"""Of scattered trials: a place within this share of the range from its end is at the edge."""

MOST_ASKED = 100
"""Trials, at most, of which a search that goes on asks for the level."""

_CELLS_AT_ONCE = 1 << 20
_FEWEST_STEPS = 3  # of two values one is always at the edge


@dataclass(frozen=True, slots=True)
class Edge:
    """The choice lies at the end of a range, so something better may lie beyond.

    Attributes:
        name: The parameter.
        side: Which end.
        value: The parameter's value there.
    """

    name: str
    side: Literal["low", "high"]
    value: float


@dataclass(frozen=True, eq=False, slots=True)
class Stability:
    """The objective of every trial smoothed over its neighbourhood, and what to choose by it.

    Attributes:
        smoothed: Median over each trial and its eligible neighbours, shape (n,); NaN where the
            trial itself is not eligible.
        neighbours: How many others were looked at, shape (n,), int64; 0 where not eligible.
        peak: Trial with the greatest objective, the first of equal ones; None where none is
            eligible.
        chosen: Trial to take: the greatest smoothed objective among the best tenth, of equal ones
            the better, then the first. One without neighbours only where all are without.
        ratio: Plateau ratio, smoothed over plain objective of the chosen trial; 1 is level ground.
            Of an objective to be kept small it is plain over smoothed. None where the objective is
            not above 0 (in size, if it is to be kept small), or so near it that trials commonly
            differ more from those around them (median of `abs(objective - smoothed)`), or where no
            neighbour is eligible.
        peak_ratio: The same of the peak.
        edges: Parameters of which the chosen trial lies at an end of the range; choices and
            parameters of fewer than three values are never listed. Empty where all trials are
            equally good.
        reason: Why there is no ratio, a sentence; None where there is one.
        by_objective: Of several objectives the ratio of each, None where it has none; `ratio` is
            the least then, and None if one of them is.
    """

    smoothed: FloatArray
    neighbours: IntArray
    peak: int | None = None
    chosen: int | None = None
    ratio: float | None = None
    peak_ratio: float | None = None
    edges: tuple[Edge, ...] = field(default=())
    reason: str | None = None
    by_objective: Mapping[str, float | None] = field(default_factory=dict)

    def ratio_at(
        self, objective: FloatArray, trial: int, *, is_loss: bool = False
    ) -> tuple[float | None, str | None]:
        """Give the plateau ratio of any trial, or why it has none.

        Args:
            objective: What was smoothed.
            trial: Its number.
            is_loss: Whether it stands for an amount to be kept small, and is at most 0.
        """
        if not self.neighbours[trial]:
            return None, "no neighbour of the choice is eligible"
        own, around = float(objective[trial]), float(self.smoothed[trial])
        if is_loss:  # what is better is smaller, so that the ratio is the other way round
            own, around = -around, -own
            if not min(own, around) > 0.0:
                return None, "an objective to be kept small that is not above 0 has no ratio"
        elif not own > 0.0:
            return None, "the objective of the choice is not above 0"
        beside = self.neighbours > 0
        if not abs(objective[trial]) > np.median(np.abs(objective - self.smoothed)[beside]):
            return None, (
                "the objective of the choice is so near 0 that trials commonly differ more from "
                "those around them"
            )
        return around / own, None


def stability(
    axes: Sequence[Axis], objective: FloatArray, *, grid: bool, is_loss: bool = False
) -> Stability:
    """Smooth the objective of trials and choose one.

    On a grid the neighbours of a trial are those up to one step away in every parameter at once,
    3^k - 1 of them inside, fewer at the edges; a step is one to the next value that any trial has.
    Scattered trials have 2 k neighbours, the nearest, by Euclid's distance of places in the ranges
    searched (0 to 1), k the number of ordered parameters that vary. Trials with another choice of a
    categorical parameter are no neighbours, nor are those that are not eligible. Trials with equal
    parameters count once, as the first of them.

    Args:
        axes: One per parameter.
        objective: Of each trial, shape (n,), greater is better; NaN where it is not eligible.
        grid: Whether the trials are those of a grid, perhaps with holes.
        is_loss: Whether the objective stands for an amount to be kept small, and is at most 0.

    Raises:
        InvalidInput: an axis has not one value per trial, or an objective is infinite.
    """
    used = tuple(axes)
    same_length(used, objective)
    if np.isinf(objective).any():
        raise InvalidInput(
            f"trial {int(np.isinf(objective).argmax())} has an infinite objective",
            expected="finite numbers, NaN where a trial is not eligible",
            field="objective",
        )
    smoothed = np.full(len(objective), np.nan)
    neighbours = np.zeros(len(objective), dtype=np.int64)
    eligible = np.flatnonzero(~np.isnan(objective))
    if not len(eligible):
        return Stability(smoothed, neighbours, reason="no trial is eligible")
    varying = tuple(axis for axis in used if axis.varies)
    first, of = _distinct(varying, eligible)
    scores = objective[first].astype(np.float64)
    medians, around = _on_grid(varying, first, scores) if grid else _nearest(varying, first, scores)
    smoothed[eligible], neighbours[eligible] = medians[of], around[of]
    peak = int(eligible[objective[eligible].argmax()])
    chosen = _choose(objective, smoothed, neighbours, eligible)
    is_level = bool((scores == scores[0]).all())
    found = Stability(smoothed, neighbours, peak=peak, chosen=chosen)
    ratio, reason = found.ratio_at(objective, chosen, is_loss=is_loss)
    return replace(
        found,
        ratio=ratio,
        peak_ratio=found.ratio_at(objective, peak, is_loss=is_loss)[0],
        edges=() if is_level else edges_of(used, chosen, grid=grid),
        reason=reason,
    )


def best_level(axes: Sequence[Axis], objective: FloatArray) -> float | None:
    """Give the smoothed objective of the trial that would be chosen of scattered ones.

    As `stability` does, but of the best tenth only the best hundred are looked at, because this is
    asked again and again while a search goes on.

    Args:
        axes: One per parameter; no two trials are equal.
        objective: Of each trial, shape (n,), greater is better; NaN where it is not eligible.

    Returns:
        None where no trial is eligible.
    """
    eligible = np.flatnonzero(~np.isnan(objective))
    if not len(eligible):
        return None
    varying = tuple(axis for axis in axes if axis.varies)
    best = _best(objective, eligible)[:MOST_ASKED]
    asked = np.isin(eligible, best)
    medians, around = _nearest(varying, eligible, objective[eligible], asked)
    accompanied = asked & (around > 0)
    return float(medians[accompanied if accompanied.any() else asked].max())


def _distinct(axes: tuple[Axis, ...], trials: IntArray) -> tuple[IntArray, IntArray]:
    """First trial of each set of parameters, in order, and the place of each trial's set there."""
    if not axes:
        return trials[:1], np.zeros(len(trials), dtype=np.int64)
    table = np.stack([axis.values[trials] for axis in axes], axis=1)
    _, first, of = np.unique(table, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return trials[first[order]], place[of.ravel()]


def _on_grid(
    axes: tuple[Axis, ...], trials: IntArray, scores: FloatArray
) -> tuple[FloatArray, IntArray]:
    # Steps of all trials, eligible or not: a column without any eligible one is still a step.
    steps = [np.unique(axis.values, return_inverse=True)[1].ravel()[trials] for axis in axes]
    sizes = [int(step.max()) + 3 for step in steps]
    if np.prod([float(size) for size in sizes]) >= 2.0**62:
        return _nearest(axes, trials, scores)
    key, offsets, stride = np.zeros(len(trials), dtype=np.int64), np.zeros(1, dtype=np.int64), 1
    for axis, step, size in zip(axes, steps, sizes, strict=True):
        key += (step + 1) * stride
        if not axis.categorical:
            moves = np.array([-stride, 0, stride])
            offsets = (offsets[:, None] + moves).ravel()
        stride *= size
    order = np.argsort(key)
    ordered = key[order]
    found, around = np.empty(len(trials)), np.empty(len(trials), dtype=np.int64)
    width = max(1, _CELLS_AT_ONCE // len(offsets))
    for begin in range(0, len(trials), width):
        some = slice(begin, begin + width)
        wanted = key[some, None] + offsets
        at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        there = ordered[at] == wanted
        found[some] = np.nanmedian(np.where(there, scores[order[at]], np.nan), axis=1)
        around[some] = there.sum(axis=1) - 1
    return found, around


def _nearest(
    axes: tuple[Axis, ...], trials: IntArray, scores: FloatArray, asked: Mask | None = None
) -> tuple[FloatArray, IntArray]:
    """Smooth over the nearest; where some are `asked`, what stands at the others is nothing."""
    ordered = [axis.scaled[trials] for axis in axes if not axis.categorical]
    places = np.array(ordered).reshape(len(ordered), len(trials)).T
    choices = [axis.values[trials] for axis in axes if axis.categorical]
    groups = np.zeros(len(trials), dtype=np.int64)
    if choices:
        groups = np.unique(np.stack(choices, axis=1), axis=0, return_inverse=True)[1].ravel()
    found, around = np.empty(len(trials)), np.empty(len(trials), dtype=np.int64)
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero(groups == group)
        count = min(2 * len(ordered) + 1, len(members))
        values = scores[members]
        wanted = members if asked is None else members[asked[members]]
        width = max(1, _CELLS_AT_ONCE // len(members))
        for begin in range(0, len(wanted), width):
            some = wanted[begin : begin + width]
            squares = np.zeros((len(some), len(members)))
            for place in places.T:
                squares += (place[some, None] - place[members]) ** 2
            nearest = np.argsort(squares, axis=1, kind="stable")[:, :count]
            found[some] = np.median(values[nearest], axis=1)
            around[some] = count - 1
    return found, around


def _choose(
    objective: FloatArray, smoothed: FloatArray, neighbours: IntArray, eligible: IntArray
) -> int:
    best = _best(objective, eligible)
    accompanied = best[neighbours[best] > 0]
    candidates = accompanied if len(accompanied) else best
    # Candidates are in the order of the objective: the first of equal ones is the better.
    return int(candidates[smoothed[candidates].argmax()])


def _best(objective: FloatArray, eligible: IntArray) -> IntArray:
    """Give the best tenth, in the order of the objective."""
    best = eligible[np.argsort(-objective[eligible], kind="stable")]
    return best[: max(1, -(-len(best) // round(1 / BEST_SHARE)))]


def edges_of(axes: Sequence[Axis], chosen: int, *, grid: bool) -> tuple[Edge, ...]:
    """Say of which parameters a trial lies at an end of the range.

    Args:
        axes: One per parameter.
        chosen: Number of the trial.
        grid: Whether the trials are those of a grid; of scattered ones, near the end is at it.

    Returns:
        In the order of the axes; none of choices and of parameters of fewer than three values.
    """
    found: list[Edge] = []
    for axis in axes:
        if axis.categorical or len(np.unique(axis.values)) < _FEWEST_STEPS:
            continue
        value, place = float(axis.values[chosen]), float(axis.scaled[chosen])
        near = 0.0 if grid else AT_EDGE
        if place <= near:
            found.append(Edge(axis.name, "low", value))
        elif place >= 1.0 - near:
            found.append(Edge(axis.name, "high", value))
    return tuple(found)
