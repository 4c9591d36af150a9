"""The best trials so far, while a search goes on: by the same rules as when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.domain.metrics import METRICS
from core.domain.objective import DERIVED_LABELS, Objective
from core.domain.parameters import ParamValue
from core.domain.ranking import MOST_RANKED, Ranked
from core.domain.study import StudySpec
from core.search.pareto import front
from core.search.search import Evaluations

_MOST_PARAMS = 6


@dataclass(frozen=True, slots=True)
class Leader:
    """A trial that may win.

    Attributes:
        scores: What competes, by objective: more is better.
        trial: What is shown of it.
    """

    scores: tuple[float, ...]
    trial: Ranked


def leaders_of(
    spec: StudySpec,
    sets: Sequence[Mapping[str, ParamValue]],
    answers: Evaluations,
    *,
    first: int = 0,
) -> list[Leader]:
    """Find the best of some trials.

    Args:
        spec: Of the study.
        sets: Parameters of each trial that are varied.
        answers: What is known of them; NaN of those that are not finished.
        first: Number of the first of them.

    Returns:
        The `MOST_RANKED` best, of equal ones the first; of several objectives the whole front.
        Empty where none is eligible.
    """
    if not sets:
        return []
    values = np.column_stack([each.values(answers.columns) for each in spec.objectives])
    is_able = np.asarray(np.isfinite(values).all(axis=1))
    for requirement in spec.requirements:
        is_able &= requirement.holds(answers.columns)
    is_able[list(answers.errors)] = False
    signs = np.array([1.0 if each.is_maximized else -1.0 for each in spec.objectives])
    scores = np.where(is_able[:, None], values * signs, np.nan)
    if len(spec.objectives) == 1:
        places = np.argsort(-scores[:, 0], kind="stable")[: min(MOST_RANKED, int(is_able.sum()))]
    else:
        places = front(scores)
    return [
        Leader(
            tuple(scores[place].tolist()),
            Ranked(first + place, dict(sets[place]), tuple(values[place].tolist())),
        )
        for place in places.tolist()
    ]


def merged(one: Sequence[Leader], other: Sequence[Leader]) -> list[Leader]:
    """Give the best of both by the same rules; earlier numbers go before equal ones."""
    both = sorted((*one, *other), key=lambda leader: leader.trial.number)
    if not both:
        return []
    scores = np.array([leader.scores for leader in both])
    if scores.shape[1] == 1:
        places = np.argsort(-scores[:, 0], kind="stable")[:MOST_RANKED]
    else:
        places = front(scores)
    return [both[place] for place in places.tolist()]


def words_of(objective: Objective, trial: Ranked) -> str:
    """Say it: `Sharpe 1.42 at fast 12, slow 48`."""
    said = [f"{name} {_plain(value)}" for name, value in trial.params.items()]
    if len(said) > _MOST_PARAMS:
        said = [*said[:_MOST_PARAMS], "..."]
    metric = METRICS.get(objective.metric)
    name = metric.label if metric else DERIVED_LABELS.get(objective.metric, objective.metric)
    value = f"{trial.values[0]:,.2f}"
    if metric is not None and metric.unit == "fraction":
        value = f"{100 * trial.values[0]:.1f}%"
    elif metric is None and objective.metric not in DERIVED_LABELS:
        value = f"{trial.values[0]:.4g}"
    return f"{name} {value} at {', '.join(said)}"


def _plain(value: ParamValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
