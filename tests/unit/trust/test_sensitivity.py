import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from core.trust.axes import Axis
from core.trust.sensitivity import Band, mean_ranks, rank_correlation, sensitivity


def table(seed, count):
    rng = np.random.default_rng(seed)
    return (
        rng,
        Axis("fast", rng.integers(5, 15, count).astype(np.float64)),
        Axis("slow", rng.random(count)),
        Axis("kind", rng.integers(0, 3, count).astype(np.float64), categorical=True),
    )


def test_equal_values_share_their_mean_rank():
    assert mean_ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


def test_rank_correlation_of_a_textbook():
    """Spearman of IQ and hours of television, without and with ties."""
    iq = np.array([106.0, 100, 86, 101, 99, 103, 97, 113, 112, 110])
    hours = np.array([7.0, 27, 2, 50, 28, 29, 20, 12, 6, 17])

    assert rank_correlation(iq, hours) == pytest.approx(-29 / 165, rel=1e-12)
    assert rank_correlation(iq, -(iq**3)) == -1.0
    assert rank_correlation(np.array([1.0, 2, 2, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(
        3 / np.sqrt(10), rel=1e-12
    )


def test_rank_correlation_needs_three_pairs_that_vary():
    assert rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None


def test_scores_by_value_leave_out_who_is_not_eligible():
    axis = Axis("fast", np.array([10.0, 5.0, 10.0, 5.0, 10.0]))

    found = sensitivity([axis], np.array([1.0, 4.0, 2.0, np.nan, 9.0]), seed=1)

    assert found.trials == 4
    assert found.effects[0].bands == (Band(5, 5, 1, 4.0, 4.0), Band(10, 10, 3, 4.0, 2.0))


def test_many_values_are_put_into_ten_bands_of_about_equal_size():
    rng, _, slow, _ = table(3, 500)

    bands = sensitivity([slow], rng.random(500) * 0, seed=1).effects[0].bands

    assert [band.trials for band in bands] == [50] * 10
    assert all(one.high < two.low for one, two in pairwise(bands))


def test_a_forest_finds_the_parameters_that_matter():
    rng, fast, slow, kind = table(4, 400)
    objective = 3 * slow.values + (kind.values == 1) + 0.1 * rng.standard_normal(400)
    objective[:20] = np.nan

    found = sensitivity([fast, slow, kind], objective, seed=7)
    again = sensitivity([fast, slow, kind], objective, seed=7)

    assert found == again
    effect = {each.name: each for each in found.effects}
    assert found.explained > 0.9
    assert effect["slow"].importance > effect["kind"].importance > 0.05
    assert abs(effect["fast"].importance) < 0.01
    assert effect["slow"].spearman > 0.8
    assert effect["kind"].spearman is None
    assert len(effect["kind"].bands) == 3
    assert found.reason is None


def test_what_cannot_be_said_is_empty_and_has_a_reason():
    rng, fast, slow, _ = table(5, 200)
    few = sensitivity([fast, slow], np.where(np.arange(200) < 49, rng.random(200), np.nan), seed=1)
    level = sensitivity([fast], np.ones(200), seed=1)
    noise = sensitivity([fast, slow], rng.standard_normal(200), seed=1)
    bare = sensitivity([], np.ones(200), seed=1)

    assert few.reason == "49 eligible trials are too few, 50 are needed"
    assert level.reason == "every trial has the same objective"
    assert noise.reason == "the parameters explain nothing of the objective of trials held out"
    assert noise.explained <= 0
    assert bare.reason == "there are no parameters"
    for each in (few, level, noise):
        assert {effect.importance for effect in each.effects} == {None}


def test_heavy_libraries_wait_until_a_forest_is_grown():
    code = (
        "import json, sys, pkgutil, importlib, core.trust as room\n"
        "for each in pkgutil.iter_modules(room.__path__):\n"
        "    importlib.import_module(f'core.trust.{each.name}')\n"
        "print(json.dumps(sorted({'sklearn', 'scipy', 'numba', 'pandas'} & set(sys.modules))))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(run.stdout) == []
