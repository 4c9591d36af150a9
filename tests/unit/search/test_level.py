"""When a search that learns has enough: by the smoothed objective, not by a lucky trial."""

from __future__ import annotations

from math import dist, isnan, nan
from statistics import median

import numpy as np
import pytest

from core.domain.dimension import Dimension
from core.search.level import Level
from core.search.search import Evaluations, search
from tests.unit.search.toys import climb, space_of, study

WIDE = {"fast": {"min": 2, "max": 40}, "slow": {"min": 50, "max": 120}}


def slow_level(places: list[tuple[float, ...]], scores: list[float]) -> float | None:
    """Median over the nearest of the best tenth, the greatest of them, by plain distances."""
    eligible = [n for n, score in enumerate(scores) if not isnan(score)]
    if not eligible:
        return None
    dimensions = len(places[0])
    best = sorted(eligible, key=lambda n: (-scores[n], n))[: -(-len(eligible) // 10)]
    return max(
        median(
            scores[m]
            for m in sorted(eligible, key=lambda m: dist(places[m], places[n]))[
                : 2 * dimensions + 1
            ]
        )
        for n in best
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_level_rises_when_that_of_plain_loops_does(seed):
    rng = np.random.default_rng(seed)
    dimensions = {
        "a": Dimension.model_validate({"min": 0.0, "max": 10.0}),
        "b": Dimension.model_validate({"type": "float", "low": 1.0, "high": 8.0}),
    }
    level, highest = Level(dimensions), -np.inf
    sets: list[dict[str, float]] = []
    scores: list[float] = []
    for _ in range(12):
        batch = [{"a": 10 * rng.random(), "b": 1 + 7 * rng.random()} for _ in range(9)]
        reached = [nan if rng.random() < 0.2 else float(rng.normal()) for _ in batch]
        sets, scores = sets + batch, scores + reached
        places = [(each["a"] / 10, (each["b"] - 1) / 7) for each in sets]
        height = slow_level(places, scores)
        assert height is not None

        assert level.rises(batch, reached) == (height > highest)

        highest = max(highest, height)


def spikes(sets):
    """Level ground with ever higher spikes: each batch has a trial better than all before."""
    spikes.height += 1.0
    scores = np.zeros(len(sets))
    scores[len(sets) // 2] = spikes.height
    return Evaluations({"sharpe": scores})


@pytest.mark.parametrize("method", ["bayesian", "cmaes", "genetic"])
def test_a_spike_does_not_keep_a_search_going(method):
    spikes.height = 0.0
    spec = study(method=method, space=WIDE, max_trials=2000, patience=2, seed=3)

    result = search(spec, space_of(spec), spikes)

    # A hundred trials and more: of so many spikes no three are near each other.
    assert result.stopped == "no_improvement"
    assert len(result.trials) < 1000


@pytest.mark.parametrize("method", ["bayesian", "cmaes", "genetic"])
def test_a_search_stops_when_the_level_of_plain_loops_rose_no_more(method):
    spec = study(method=method, space=WIDE, max_trials=600, patience=2, seed=5)

    result = search(spec, space_of(spec), climb)

    places = [((t.params["fast"] - 2) / 38, (t.params["slow"] - 50) / 70) for t in result.trials]
    scores = [float(trial.values[0] or 0.0) for trial in result.trials]
    heights = []
    for batch in range(result.trials[-1].batch + 1):
        seen = sum(trial.batch <= batch for trial in result.trials)
        heights.append(slow_level(places[:seen], scores[:seen]) or 0.0)
    rises = [height > max(heights[:n], default=-np.inf) for n, height in enumerate(heights)]
    assert result.stopped == "no_improvement"
    assert rises[-3:] == [True, False, False]
    assert not any(rises[n : n + 2] == [False, False] for n in range(len(rises) - 2))
