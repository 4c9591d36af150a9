from itertools import product
from math import dist, isnan, nan
from statistics import median

import numpy as np
import pytest

from core.errors import InvalidInput
from core.trust import stability as module
from core.trust.axes import Axis
from core.trust.stability import Edge, stability


def axis(name, values, **rest):
    return Axis(name, np.array(values, dtype=np.float64), **rest)


def grid_of(*values, categorical=()):
    """Axes of the full grid of these values."""
    rows = list(product(*values))
    return [
        axis("abcdef"[n], column, categorical=n in categorical)
        for n, column in enumerate(zip(*rows, strict=True))
    ]


def slow_grid(axes, objective):
    """Median over trials at most one step away, found by looking at every pair."""
    steps = [
        [sorted(set(each.values.tolist())).index(value) for value in each.values.tolist()]
        for each in axes
    ]
    smoothed, counts = [], []
    for trial, own in enumerate(objective):
        near = [
            value
            for other, value in enumerate(objective)
            if not isnan(value)
            and all(
                abs(step[other] - step[trial]) <= (0 if each.categorical else 1)
                for each, step in zip(axes, steps, strict=True)
            )
        ]
        smoothed.append(nan if isnan(own) else median(near))
        counts.append(0 if isnan(own) else len(near) - 1)
    return smoothed, counts


@pytest.mark.parametrize("categorical", [(), (1,), (0, 2)])
def test_a_grid_is_smoothed_over_its_steps(categorical, monkeypatch):
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 100)
    axes = grid_of([5, 10, 20, 40], [1, 2, 3], [0.1, 0.5, 0.9], categorical=categorical)
    rng = np.random.default_rng(1)
    objective = rng.standard_normal(36)
    objective[rng.random(36) < 0.3] = nan  # not eligible, or not on the grid at all
    kept = np.sort(rng.permutation(36)[:33])
    axes = [axis(a.name, a.values[kept], categorical=a.categorical) for a in axes]

    found = stability(axes, objective[kept], grid=True)

    smoothed, counts = slow_grid(axes, objective[kept].tolist())
    assert found.smoothed == pytest.approx(smoothed, nan_ok=True)
    assert found.neighbours.tolist() == counts


def test_neighbours_of_a_corner_an_edge_and_the_middle():
    found = stability(grid_of([1, 2, 3], [1, 2, 3]), np.arange(9.0), grid=True)

    assert found.neighbours.tolist() == [3, 5, 3, 5, 8, 5, 3, 5, 3]
    assert found.smoothed.tolist() == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]


def test_a_plateau_is_chosen_over_a_spike():
    objective = np.zeros((9, 9))
    objective[1, 1] = 3.0  # the spike
    objective[5:8, 5:8] = 2.0
    objective[6, 6] = 2.2
    steps = list(range(9))

    found = stability(grid_of(steps, steps), objective.ravel(), grid=True)

    assert (found.peak, found.peak_ratio) == (1 * 9 + 1, 0.0)
    assert found.chosen == 6 * 9 + 6
    assert found.ratio == pytest.approx(2.0 / 2.2)
    assert found.edges == ()
    assert found.reason is None


def test_only_the_best_tenth_may_be_chosen():
    objective = np.full((10, 10), 0.1)
    objective[0, :5] = np.arange(10, 15)  # lonely, but the best ten
    objective[4, :5] = np.arange(10, 15)
    objective[6:9, 6:9] = 9.0  # level, but not among the best
    steps = list(range(10))

    found = stability(grid_of(steps, steps), objective.ravel(), grid=True)

    assert found.chosen // 10 in {0, 4}
    assert np.nanmax(found.smoothed) == 9.0


def test_a_trial_without_neighbours_is_not_chosen_while_another_has_some():
    objective = np.full((5, 8), nan)
    objective[0, 0] = 9.0
    objective[3:5, 2:8] = 1.0
    objective[4, 4] = 5.0
    axes = grid_of(range(5), range(8))

    found = stability(axes, objective.ravel(), grid=True)

    assert found.peak == 0
    assert found.peak_ratio is None
    assert found.chosen == 4 * 8 + 4
    assert found.neighbours[0] == 0


def slow_nearest(axes, objective):
    """Median over the 2 k + 1 nearest, itself first, by plain distances."""
    ordered = [each for each in axes if not each.categorical]
    places = [
        tuple(
            (each.values[n] - each.values.min()) / (each.values.max() - each.values.min())
            for each in ordered
        )
        for n in range(len(objective))
    ]
    kinds = [tuple(a.values[n] for a in axes if a.categorical) for n in range(len(objective))]
    smoothed = []
    for trial, own in enumerate(objective):
        others = [
            n for n, value in enumerate(objective) if not isnan(value) and kinds[n] == kinds[trial]
        ]
        others.sort(key=lambda n: dist(places[n], places[trial]))
        near = [objective[n] for n in others[: 2 * len(ordered) + 1]]
        smoothed.append(nan if isnan(own) else median(near))
    return smoothed


@pytest.mark.parametrize("kinds", [1, 3])
def test_scattered_trials_are_smoothed_over_their_nearest(kinds, monkeypatch):
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 200)
    rng = np.random.default_rng(2)
    objective = rng.standard_normal(60)
    objective[rng.random(60) < 0.2] = nan
    axes = [
        axis("a", rng.random(60) * 1000),
        axis("b", rng.random(60)),
        axis("kind", rng.integers(0, kinds, 60), categorical=True),
    ]

    found = stability(axes, objective, grid=False)

    assert found.smoothed == pytest.approx(slow_nearest(axes, objective.tolist()), nan_ok=True)


def test_distances_are_of_the_range_searched_and_of_logarithms_where_asked():
    values = [1, 10, 100, 1000]
    level = [0.0, 0.0, 0.0, 0.0]
    objective = np.array([4.0, 1.0, 2.0, 8.0])

    plain = stability([axis("a", values), axis("b", level)], objective, grid=False)
    logged = stability([axis("a", values, log=True), axis("b", level)], objective, grid=False)

    assert plain.smoothed[2] == 2.0  # 10 and 1 are near 100
    assert logged.smoothed[2] == 2.0
    assert plain.smoothed[3] == 2.0
    assert Axis("a", np.array([1.0, 10.0]), log=True, high=1000.0).scaled == pytest.approx(
        [0, 1 / 3]
    )
    assert Axis("a", np.array([2.0, 3.0]), low=1.0, high=5.0).scaled.tolist() == [0.25, 0.5]


def test_few_trials_of_a_choice_have_those_there_are():
    axes = [axis("a", [1, 2, 3, 4, 5]), axis("kind", [0, 0, 0, 0, 1], categorical=True)]

    found = stability(axes, np.array([1.0, 2.0, 3.0, 4.0, 5.0]), grid=False)

    assert found.neighbours.tolist() == [2, 2, 2, 2, 0]
    assert found.smoothed[4] == 5.0


@pytest.mark.parametrize("grid", [True, False])
def test_equal_trials_count_once(grid):
    once = stability([axis("a", [1, 2, 3])], np.array([1.0, 5.0, 2.0]), grid=grid)
    twice = stability(
        [axis("a", [2, 1, 2, 3, 2, 1])], np.array([5.0, 1.0, 5.0, 2.0, 5.0, 1.0]), grid=grid
    )

    assert twice.smoothed.tolist() == once.smoothed[[1, 0, 1, 2, 1, 0]].tolist()


def test_a_choice_at_the_end_of_a_range_is_named():
    axes = [
        *grid_of([1, 2, 3], [10, 20, 30, 40], [0, 1]),
        axis("same", [5.0] * 24),
        axis("kind", [0, 1, 2] * 8, categorical=True),
    ]
    objective = axes[0].values - axes[1].values / 10 + axes[2].values

    found = stability(axes[:3], objective, grid=True)

    assert found.edges == (Edge("a", "high", 3.0), Edge("b", "low", 10.0))


def test_scattered_trials_are_at_the_edge_of_the_range_searched_not_of_their_own():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.995])
    objective = values.copy()

    searched = stability([Axis("a", values, low=0.0, high=2.0)], objective, grid=False)
    own = stability([Axis("a", values, low=0.0, high=1.0)], objective, grid=False)

    assert searched.edges == ()
    assert own.edges == (Edge("a", "high", 0.995),)


def test_what_cannot_be_said_is_empty_and_has_a_reason():
    nobody = stability([axis("a", [1, 2])], np.array([nan, nan]), grid=True)
    none = stability([axis("a", [])], np.array([]), grid=True)
    losing = stability([axis("a", [1, 2])], np.array([-1.0, -2.0]), grid=True)
    alone = stability([axis("a", [1, 2])], np.array([1.0, nan]), grid=True)
    fixed = stability([axis("a", [3, 3])], np.array([1.0, 1.0]), grid=False)
    bare = stability([], np.array([1.0]), grid=True)

    assert (nobody.chosen, nobody.reason) == (None, "no trial is eligible")
    assert none.reason == "no trial is eligible"
    assert (losing.chosen, losing.ratio) == (0, None)
    assert losing.reason == "the objective of the choice is not above 0"
    for each in (alone, fixed, bare):
        assert (each.chosen, each.ratio) == (0, None)
        assert each.reason == "no neighbour of the choice is eligible"


def test_what_is_no_search_is_refused():
    with pytest.raises(InvalidInput, match="a has 2 values for 3 trials"):
        stability([axis("a", [1, 2])], np.zeros(3), grid=True)
    with pytest.raises(InvalidInput, match="trial 1 has an infinite objective"):
        stability([axis("a", [1, 2])], np.array([0.0, np.inf]), grid=True)
    with pytest.raises(InvalidInput, match="not all numbers"):
        axis("a", [1, nan])
    with pytest.raises(InvalidInput, match="not above 0"):
        axis("a", [0, 1], log=True)


def test_an_objective_near_0_has_no_ratio():
    """Trials differ from their medians by 0, 0, 0.8, 0.5, 0.25: of 0.2 a share says nothing."""
    steps = [axis("a", [1, 2, 3, 4, 5])]
    objective = np.array([-0.6, -0.6, 0.2, -1.6, -1.1])

    near = stability(steps, objective, grid=True)
    far = stability(steps, objective + 1.0, grid=True)

    assert near.smoothed.tolist() == pytest.approx([-0.6, -0.6, -0.6, -1.1, -1.35])
    assert (near.chosen, near.ratio, near.peak_ratio) == (2, None, None)
    assert near.reason == (
        "the objective of the choice is so near 0 that trials commonly differ more from those "
        "around them"
    )
    assert far.ratio == pytest.approx(0.4 / 1.2)


def test_of_what_is_to_be_kept_small_the_ratio_is_the_other_way_round():
    """Beside a drawdown of 10 % there are some of 20 % and 40 %: their median is twice as deep."""
    steps = [axis("a", [1, 2, 3, 4, 5])]
    objective = np.array([-0.2, -0.2, -0.1, -0.4, -0.4])

    found = stability(steps, objective, grid=True, is_loss=True)

    assert (found.peak, found.chosen) == (2, 2)
    assert found.ratio == pytest.approx(0.1 / 0.2)
    assert stability(steps, objective, grid=True).ratio is None
    none = np.where(objective == -0.1, 0.0, objective)
    nothing = stability(steps, none, grid=True, is_loss=True)
    assert nothing.reason == "an objective to be kept small that is not above 0 has no ratio"


@pytest.mark.parametrize("grid", [True, False])
def test_where_all_trials_are_as_good_no_end_of_a_range_is_better(grid):
    found = stability([axis("a", [1, 2, 3, 4])], np.full(4, 0.5), grid=grid)

    assert (found.chosen, found.ratio, found.edges) == (0, 1.0, ())
