"""Which parameters the objective depends on, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from core.domain.bars import FloatArray
from core.trust.axes import Axis, same_length

FEWEST_TRIALS = 50
"""Fewer eligible trials do not teach a forest anything."""
MOST_TRIALS = 2000
"""More are not needed to rank parameters; of more, so many are drawn."""

_FEWEST_PAIRS = 3
_MOST_VALUES = 20
_BANDS = 10
_TREES = 100
_SHUFFLES = 10
_HELD_OUT = 0.3


@dataclass(frozen=True, slots=True)
class Band:
    """The eligible trials with one value of a parameter, or with values near each other.

    Attributes:
        low, high: Least and greatest value in it; equal where it is one value.
        trials: How many.
        mean, median: Of their objective.
    """

    low: float
    high: float
    trials: int
    mean: float
    median: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What one parameter does to the objective.

    Attributes:
        name: Of the parameter.
        spearman: Rank correlation with the objective, -1 to 1, equal values sharing their mean
            rank; None of a categorical parameter, fewer than three trials, or where either does
            not vary.
        bands: In the order of values: one per value, or ten of about equal size where there are
            more than 20 values.
        importance: How much of the explained variance (R2 of trials held out) a forest loses when
            this parameter is shuffled, mean of ten times; may be a little below 0. None where
            `Sensitivity.reason` says why.
        importance_error: Standard deviation of these ten.
    """

    name: str
    spearman: float | None
    bands: tuple[Band, ...]
    importance: float | None = None
    importance_error: float | None = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Effects of all parameters, in the order in which they were given.

    Attributes:
        trials: Eligible ones.
        explained: R2 of the forest on trials held out; None where no forest was grown.
        reason: Why there is no importance, a sentence; None where there is.
    """

    effects: tuple[Effect, ...]
    trials: int
    explained: float | None = None
    reason: str | None = None


def sensitivity(axes: Sequence[Axis], objective: FloatArray, *, seed: int) -> Sensitivity:
    """Measure what each parameter does to the objective.

    Importance is by permutation (Breiman 2001, Machine Learning 45) on a forest that has not seen
    the trials it is judged by. Trials that are not eligible are left out.

    Args:
        axes: One per parameter.
        objective: Of each trial, shape (n,); NaN where it is not eligible.
        seed: Of forest and shuffles: the same gives the same numbers.

    Raises:
        InvalidInput: an axis has not one value per trial.
    """
    used = tuple(axes)
    same_length(used, objective)
    eligible = np.flatnonzero(~np.isnan(objective))
    scores = objective[eligible].astype(np.float64)
    columns = [axis.values[eligible].astype(np.float64) for axis in used]
    effects = tuple(
        Effect(
            axis.name,
            None if axis.categorical else rank_correlation(column, scores),
            _bands(column, scores, one_each=axis.categorical),
        )
        for axis, column in zip(used, columns, strict=True)
    )
    count = len(eligible)
    if not used:
        return Sensitivity(effects, count, reason="there are no parameters")
    if count < FEWEST_TRIALS:
        reason = f"{count} eligible trials are too few, {FEWEST_TRIALS} are needed"
        return Sensitivity(effects, count, reason=reason)
    if (scores == scores[0]).all():
        return Sensitivity(effects, count, reason="every trial has the same objective")
    explained, drops = _importance(np.stack(columns, axis=1), scores, seed)
    if not explained > 0.0:
        reason = "the parameters explain nothing of the objective of trials held out"
        return Sensitivity(effects, count, explained, reason)
    with_importance = tuple(
        Effect(each.name, each.spearman, each.bands, float(drop.mean()), float(drop.std(ddof=1)))
        for each, drop in zip(effects, drops, strict=True)
    )
    return Sensitivity(with_importance, count, explained)


def mean_ranks(values: FloatArray) -> FloatArray:
    """Rank values from 1; equal ones share the mean of their ranks."""
    _, of, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2.0)[of.ravel()]
    return ranks


def rank_correlation(first: FloatArray, second: FloatArray) -> float | None:
    """Compute Spearman's rank correlation of two columns of equal length.

    Returns:
        -1 to 1; None of fewer than three pairs, or where a column does not vary.
    """
    if len(first) < _FEWEST_PAIRS:
        return None
    one, other = mean_ranks(first), mean_ranks(second)
    one, other = one - one.mean(), other - other.mean()
    squares = sqrt(float(one @ one)) * sqrt(float(other @ other))
    if squares == 0.0:
        return None
    return min(1.0, max(-1.0, float(one @ other) / squares))


def _bands(values: FloatArray, scores: FloatArray, *, one_each: bool) -> tuple[Band, ...]:
    distinct, of = np.unique(values, return_inverse=True)
    group = of.ravel()
    if len(distinct) > _MOST_VALUES and not one_each:
        # By ranks, so that equal values stay together and bands are about equally full.
        share = (mean_ranks(values) - 0.5) / len(values)
        group = np.minimum((share * _BANDS).astype(np.int64), _BANDS - 1)
    found = []
    for each in np.unique(group):
        inside = group == each
        some, reached = values[inside], scores[inside]
        found.append(
            Band(
                float(some.min()),
                float(some.max()),
                len(some),
                float(reached.mean()),
                float(np.median(reached)),
            )
        )
    return tuple(found)


def _importance(table: FloatArray, scores: FloatArray, seed: int) -> tuple[float, list[FloatArray]]:
    """R2 of trials held out, and by how much it falls at each shuffle of each column."""
    # Takes seconds to import, which only a finished search should wait for.
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(scores))[:MOST_TRIALS]
    held = round(len(drawn) * _HELD_OUT)
    judged, learned = drawn[:held], drawn[held:]
    forest = RandomForestRegressor(
        n_estimators=_TREES, random_state=int(rng.integers(2**31)), n_jobs=1
    )
    forest.fit(table[learned], scores[learned])
    rows, truth = table[judged], scores[judged]
    total = float(((truth - truth.mean()) ** 2).sum())
    if total == 0.0:
        return 0.0, []

    asked = [rows]
    for column in range(table.shape[1]):
        shuffled = np.tile(rows, (_SHUFFLES, 1))
        shuffled[:, column] = np.concatenate(
            [rng.permutation(rows[:, column]) for _ in range(_SHUFFLES)]
        )
        asked.append(shuffled)
    # Asked once, for each row there is: of a grid most are the same.
    distinct, of = np.unique(np.concatenate(asked), axis=0, return_inverse=True)
    wrong = forest.predict(distinct)[of.ravel()].reshape(-1, held) - truth
    shares: FloatArray = (wrong * wrong).sum(axis=1) / total
    whole = float(shares[0])
    return 1.0 - whole, list(shares[1:].reshape(-1, _SHUFFLES) - whole)
