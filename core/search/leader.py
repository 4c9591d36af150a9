"""The best trial so far, while a search goes on: by the same rules as when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.domain.metrics import METRICS
from core.domain.objective import DERIVED_LABELS, Objective
from core.domain.parameters import ParamValue
from core.domain.study import StudySpec
from core.search.search import Evaluations

_MOST_PARAMS = 6


@dataclass(frozen=True, slots=True)
class Leader:
    """A trial that no other one has beaten so far.

    Attributes:
        score: What competes: more is better.
        value: Of the objective, in its own sign.
        params: Those that are varied.
    """

    score: float
    value: float
    params: Mapping[str, ParamValue]


def leader_of(
    spec: StudySpec, sets: Sequence[Mapping[str, ParamValue]], answers: Evaluations
) -> Leader | None:
    """Find the best of some trials by the one objective of a study.

    Args:
        spec: Of the study.
        sets: Parameters of each trial that are varied.
        answers: What is known of them; NaN of those that are not finished.

    Returns:
        The first of equal ones; None where none is eligible, and of several objectives, which have
        a front instead.
    """
    if len(spec.objectives) != 1 or not sets:
        return None
    objective = spec.objectives[0]
    values = objective.values(answers.columns)
    eligible = np.isfinite(values)
    for requirement in spec.requirements:
        eligible &= requirement.holds(answers.columns)
    eligible[list(answers.errors)] = False
    if not eligible.any():
        return None
    scores = values if objective.is_maximized else -values
    place = int(np.where(eligible, scores, -np.inf).argmax())
    return Leader(float(scores[place]), float(values[place]), dict(sets[place]))


def better(one: Leader | None, other: Leader | None) -> Leader | None:
    """Give the one with the greater score, the first of equal ones."""
    if one is None or other is None:
        return one or other
    return other if other.score > one.score else one


def words_of(objective: Objective, leader: Leader) -> str:
    """Say it: `Sharpe 1.42 at fast 12, slow 48`."""
    said = [f"{name} {_plain(value)}" for name, value in leader.params.items()]
    if len(said) > _MOST_PARAMS:
        said = [*said[:_MOST_PARAMS], "..."]
    metric = METRICS.get(objective.metric)
    name = metric.label if metric else DERIVED_LABELS.get(objective.metric, objective.metric)
    value = f"{leader.value:,.2f}"
    if metric is not None and metric.unit == "fraction":
        value = f"{100 * leader.value:.1f} %"
    elif metric is None and objective.metric not in DERIVED_LABELS:
        value = f"{leader.value:.4g}"
    return f"{name} {value} at {', '.join(said)}"


def _plain(value: ParamValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
