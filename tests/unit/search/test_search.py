"""Searches: what they try, in what order, what they say, and that they can be interrupted."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.parameters import ParamSpec
from core.errors import Cancelled, Conflict, InvalidInput
from core.search.pareto import front, knee
from core.search.record import batches_of, table_of
from core.search.samplers import seeds_of
from core.search.search import Batch, Evaluations, search
from core.search.space import Space
from tests.unit.search.toys import climb, hill, space_of, study

ROOT = Path(__file__).resolve().parents[3]
METHODS = ("grid", "random", "sobol", "bayesian", "cmaes", "genetic")
LEARNING = ("bayesian", "cmaes", "genetic")
WIDE = {
    "fast": {"min": 2, "max": 40},
    "slow": {"min": 5, "max": 120},
    "stop": {"type": "float", "low": 0.01, "high": 0.4},
}
STEPS = {"fast": {"min": 2, "max": 40, "step": 4}, "slow": {"min": 5, "max": 120, "step": 5}}


def spec_of(method, **fields):
    given = {"space": STEPS if method == "grid" else WIDE, "seed": 7, **fields}
    if method != "grid":
        given.setdefault("max_trials", 96)
    return study(method=method, **given)


def run(spec, evaluate=climb, **options):
    return search(spec, space_of(spec), evaluate, **options)


def tried(result):
    return [(trial.params, trial.batch, trial.values, trial.reason) for trial in result.trials]


def shuffled(threads, seed):
    """Evaluate one set at a time, in a random order, in threads that end at random."""
    dice = random.Random(seed)  # noqa: S311 - naps

    def evaluate(sets):
        order = list(range(len(sets)))
        dice.shuffle(order)
        naps = [dice.random() / 2000 for _ in sets]

        def one(place):
            time.sleep(naps[place])
            return place, hill(sets[place])

        with ThreadPoolExecutor(threads) as pool:
            rows = dict(pool.map(one, order))
        names = rows[0]
        return Evaluations(
            {name: np.array([rows[place][name] for place in range(len(sets))]) for name in names}
        )

    return evaluate


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_makes_the_same_trials_whatever_ends_first(method):
    spec = spec_of(method, objectives=["sharpe"])

    once = run(spec)

    for threads in (1, 4):
        assert tried(run(spec, shuffled(threads, seed=threads))) == tried(once)


@pytest.mark.parametrize("method", ["random", "sobol", "bayesian", "cmaes", "genetic"])
def test_another_seed_makes_other_trials(method):
    one, other = (run(spec_of(method, seed=seed, max_trials=40)) for seed in (1, 2))

    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


@pytest.mark.parametrize("method", METHODS)
def test_every_trial_lies_in_the_space_and_is_there_once(method):
    spec = spec_of(method, requirements=["sharpe > -50"])
    space = space_of(spec)

    result = run(spec)

    assert all(trial.params in space for trial in result.trials)
    assert len({tuple(trial.params.items()) for trial in result.trials}) == len(result.trials)
    assert [trial.number for trial in result.trials] == list(range(len(result.trials)))
    best = max(result.trials, key=lambda trial: trial.values[0])
    assert result.best == best.number


@pytest.mark.parametrize("method", ["random", "sobol", *LEARNING])
@settings(max_examples=5)
@given(
    seed=st.integers(0, 2**32 - 1),
    constraint=st.sampled_from(
        [
            "fast < slow",
            "fast <= slow",
            "slow > fast",
            "fast + 10 < slow",
            "slow != 50",
            "fast * slow < 900",
        ]
    ),
)
def test_samples_obey_constraints(method, seed, constraint):
    spec = study(
        method=method,
        seed=seed,
        max_trials=40,
        space={
            "fast": {"min": 2, "max": 60},
            "slow": {"min": 5, "max": 90, "step": 5},
            "kind": ["ema", "sma"],
        }
        if method != "cmaes"
        else STEPS,
    )
    space = space_of(spec, (constraint,))

    result = search(spec, space, climb)

    assert len(result.trials) >= 16
    assert all(trial.params in space for trial in result.trials)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop_after", [1, 2])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(method, stop_after):
    spec = spec_of(method, max_trials=None if method == "grid" else 128)
    whole = run(spec)
    kept: list[Batch] = []

    def keep(batch, progress):
        kept.append(batch)

    with (
        pytest.raises(Cancelled, match=f"after {stop_after} batches")
        if whole.batches > stop_after
        else nothing()
    ):
        run(spec, on_batch=keep, cancelled=lambda: len(kept) >= stop_after)

    asked: list[dict] = []

    def evaluate(sets):
        asked.extend(sets)
        return climb(sets)

    resumed = run(spec, evaluate, done=kept)

    assert tried(resumed) == tried(whole)
    assert (resumed.best, resumed.stopped, resumed.repeats) == (
        whole.best,
        whole.stopped,
        whole.repeats,
    )
    finished = sum(len(batch.params) for batch in kept)
    assert asked == [trial.params for trial in whole.trials[finished:]]


def nothing():
    from contextlib import nullcontext

    return nullcontext()


def test_batches_of_another_search_are_refused():
    kept: list[Batch] = []
    run(spec_of("bayesian", max_trials=64), on_batch=lambda batch, _: kept.append(batch))

    with pytest.raises(Conflict, match="batch 0 is handed in as batch 0 of another search"):
        run(spec_of("bayesian", max_trials=64, seed=8), done=kept)
    with pytest.raises(Conflict, match="3 batches are handed in and the search has 1"):
        run(
            spec_of("random", max_trials=40, patience=0),
            done=[*kept_of(spec_of("random", max_trials=40)), *[Batch(9, (), Evaluations({}))] * 2],
        )


def kept_of(spec):
    kept: list[Batch] = []
    run(spec, on_batch=lambda batch, _: kept.append(batch))
    return kept


def test_a_grid_is_tried_in_the_order_of_loops():
    result = run(spec_of("grid"))

    expected = [
        {"fast": fast, "slow": slow}
        for fast in range(2, 41, 4)
        for slow in range(5, 121, 5)
        if fast < slow
    ]
    assert [trial.params for trial in result.trials] == expected
    assert result.stopped == "complete"


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_space_smaller_than_the_search_is_tried_wholly(method):
    space = {"fast": [3, 5, 8], "slow": [5, 6, 9], "kind": ["ema", "sma"]}
    spec = study(method=method, space=space, max_trials=500, seed=3)

    result = run(spec)

    expected = {(f, s, k) for f in (3, 5, 8) for s in (5, 6, 9) for k in ("ema", "sma") if f < s}
    assert {tuple(trial.params.values()) for trial in result.trials} == expected
    assert len(result.trials) == len(expected)
    assert result.stopped == "exhausted"


@pytest.mark.parametrize("method", LEARNING)
def test_a_method_that_learns_ends_where_nothing_new_is_left(method):
    spec = study(
        method=method,
        space={"fast": [3, 5], "slow": [6, 9]},
        max_trials=500,
        patience=0,
    )

    result = run(spec)

    assert result.stopped == "exhausted"
    assert len(result.trials) <= 4


@pytest.mark.parametrize("method", LEARNING)
def test_a_method_that_learns_stops_when_nothing_gets_better(method):
    def flat(sets):
        return Evaluations({"sharpe": np.zeros(len(sets))})

    result = run(spec_of(method, max_trials=2000, patience=2), flat)

    assert (result.stopped, result.batches) == ("no_improvement", 3)


def test_random_sets_are_as_likely_as_each_other():
    spec = study(
        method="random",
        space={
            "fast": {"min": 2, "max": 11},
            "slow": {"min": 5, "max": 14},
            "stop": {"type": "float", "low": 0.1, "high": 0.2},
        },
        max_trials=8000,
        seed=11,
    )

    result = run(spec)

    pairs = [(trial.params["fast"], trial.params["slow"]) for trial in result.trials]
    allowed = [(f, s) for f in range(2, 12) for s in range(5, 15) if f < s]
    counts = np.array([pairs.count(pair) for pair in allowed])
    expected = len(pairs) / len(allowed)
    # chi-square of 78 degrees of freedom: mean 78, sd 12.5
    assert ((counts - expected) ** 2 / expected).sum() < 78 + 5 * 12.5
    assert result.refused_share == pytest.approx(1 - len(allowed) / 100, abs=0.02)


@pytest.mark.parametrize("method", LEARNING)
def test_learning_finds_the_top_of_a_hill_better_than_chance(method):
    def mean_best(way):
        results = [run(spec_of(way, seed=seed, max_trials=160, patience=0)) for seed in range(3)]
        return np.mean([result.trials[result.best].values[0] for result in results])

    # the top is 2.0
    assert mean_best(method) > mean_best("random")
    assert mean_best(method) > 1.9


def test_who_cannot_win_has_a_reason_and_no_magic_number():
    def evaluate(sets):
        columns = dict(climb(sets).columns)
        sharpe = columns["sharpe"].copy()
        sharpe[0] = np.nan
        sharpe[3] = 99.0
        columns["sharpe"] = sharpe
        return Evaluations(columns, {3: "it raised"}, {(0, "sharpe"): "every return is the same"})

    spec = study(
        space={"fast": [2], "slow": [10, 20, 60, 70, 80, 100]},
        requirements=["trades >= 30", "max_drawdown >= -0.75"],
    )

    result = run(spec, evaluate)

    assert [trial.reason for trial in result.trials] == [
        "sharpe is not defined: every return is the same",
        None,
        None,
        "it raised",
        "trades is 25, expected trades >= 30",
        "trades is 20, expected trades >= 30",
    ]
    assert [trial.values[0] is None for trial in result.trials] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert result.best == 2
    assert np.isnan(result.scores[[0, 3, 4, 5]]).all()


def test_nobody_wins_where_nobody_is_eligible():
    for objectives in (["sharpe"], ["sharpe", "-turnover"]):
        result = run(
            spec_of("genetic", requirements=["trades > 1e6"], objectives=objectives, patience=2)
        )
        assert (result.best, result.front) == (None, ())


def test_answers_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInput, match="nothing for sharpe"):
        run(spec_of("grid"), lambda _: Evaluations({}))
    with pytest.raises(InvalidInput, match=r"shape \(1,\) for sharpe"):
        run(spec_of("grid"), lambda _: Evaluations({"sharpe": np.zeros(1)}))


def test_progress_tells_the_best_so_far():
    seen = []
    spec = spec_of("bayesian", max_trials=96)

    result = run(spec, on_batch=lambda _, progress: seen.append(progress))

    assert [each.batch for each in seen] == list(range(1, result.batches + 1))
    assert [each.trials for each in seen][-1] == len(result.trials)
    assert {each.total for each in seen} == {96}
    for each in seen:
        known = result.trials[: each.trials]
        assert known[each.best].values[0] == max(trial.values[0] for trial in known)


@pytest.mark.parametrize("method", ["random", "bayesian", "genetic"])
def test_several_objectives_have_a_front_and_a_bend(method):
    spec = spec_of(method, objectives=["sharpe", "minimize turnover", "max_drawdown"], patience=0)

    result = run(spec)

    scores = [(t.values[0], -t.values[1], t.values[2]) for t in result.trials]
    expected = {
        place
        for place, one in enumerate(scores)
        if not any(
            all(b >= a for a, b in zip(one, other, strict=True)) and other != one
            for other in scores
        )
    }
    assert set(result.front) == expected
    assert result.best in expected
    assert result.best_by(1) == max(range(len(scores)), key=lambda k: scores[k][1])


points = st.lists(
    st.lists(
        st.one_of(st.integers(0, 6).map(float), st.just(float("nan"))), min_size=2, max_size=2
    ),
    min_size=1,
    max_size=25,
)


@given(points)
def test_a_front_is_what_nobody_beats(rows):
    scores = np.array(rows)

    def beats(one, other):
        return (one >= other).all() and (one > other).any()

    whole = [k for k in range(len(scores)) if not np.isnan(scores[k]).any()]
    expected = {k for k in whole if not any(beats(scores[j], scores[k]) for j in whole)}

    assert set(front(scores).tolist()) == expected


def test_the_bend_is_farthest_from_the_chord():
    # a quarter of a circle, in other units: the bend is at 45 degrees
    angles = np.linspace(0, np.pi / 2, 91)
    scores = np.column_stack([1000 * np.cos(angles), 0.01 * np.sin(angles) - 5])

    assert knee(scores, front(scores)) == 45
    assert knee(scores[:1], front(scores[:1])) == 0
    assert knee(scores[:0], front(scores[:0])) is None


def test_parts_of_a_study_have_seeds_of_their_own():
    seeds = [seeds_of(seed) for seed in range(50)]

    assert len({number for each in seeds for number in each}) == 100
    assert seeds_of(3) == seeds_of(3)


@pytest.mark.parametrize("method", ["grid", "genetic"])
def test_batches_can_be_kept_as_a_file(method, tmp_path):
    def evaluate(sets):
        found = climb(sets)
        sharpe = found.columns["sharpe"].copy()
        sharpe[1::7] = np.nan
        reasons = {(place, "sharpe"): "nothing was traded" for place in range(1, len(sets), 7)}
        return Evaluations({**found.columns, "sharpe": sharpe}, {0: "it raised"}, reasons)

    space = {
        "fast": [3, 5, 8, 13],
        "slow": {"min": 20, "max": 60, "step": 5},
        "kind": ["ema", "sma"],
        "short": [True, False],
        "stop": [0.1, 0.25],
    }
    spec = study(method=method, space=space, max_trials=None if method == "grid" else 144)
    kept: list[Batch] = []
    whole = run(spec, evaluate, on_batch=lambda batch, _: kept.append(batch))

    table_of(kept, spec).write_parquet(tmp_path / "trials.parquet")
    table = pl.read_parquet(tmp_path / "trials.parquet")
    again = run(spec, nobody, done=batches_of(table, spec, space_of(spec)))

    assert tried(again) == tried(whole)
    assert again.repeats == whole.repeats
    assert batches_of(table_of([], spec), spec, space_of(spec)) == []
    with pytest.raises(Conflict, match="has no param_kind"):
        batches_of(table.drop("param_kind"), spec, space_of(spec))


def nobody(sets):
    raise AssertionError(sets)


PROGRAM = """
import json, sys
from tests.unit.search.test_search import LEARNING, run, spec_of
found = {m: [t.params for t in run(spec_of(m, max_trials=64)).trials] for m in LEARNING}
json.dump(found, sys.stdout)
"""


def test_another_process_makes_the_same_trials():
    def trials(hash_seed):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    one = trials("1")

    assert one == trials("2")
    assert {method: len(sets) >= 33 for method, sets in one.items()} == dict.fromkeys(
        LEARNING, True
    )


@pytest.mark.parametrize("method", LEARNING)
def test_constraints_that_next_to_nothing_meets_are_met(method):
    spec = study(method=method, max_trials=100, patience=0)
    space = space_of(spec, ("fast * slow == 600",))

    result = search(spec, space, climb)

    expected = {(f, 600 // f) for f in range(2, 41) if 600 % f == 0 and 5 <= 600 // f <= 120}
    assert {(trial.params["fast"], trial.params["slow"]) for trial in result.trials} == expected
    assert result.stopped == "exhausted"
    assert result.refused_share > 0.5


def test_sobol_tries_an_even_subset_of_a_grid_that_is_too_large():
    wide = {"min": 1, "max": 1000}
    spec = study(method="sobol", space={"a": wide, "b": wide, "c": wide}, max_trials=600)
    specs = tuple(ParamSpec(name, "int", 1, ge=1, le=1000) for name in "abc")
    space = Space.of_study(spec, specs, ("a < b < c",))

    result = search(spec, space, lambda sets: Evaluations({"sharpe": np.ones(len(sets))}))

    sets = np.array([list(trial.params.values()) for trial in result.trials])
    assert len({tuple(row) for row in sets.tolist()}) == 600
    assert (np.diff(sets, axis=1) > 0).all()
    # of three uniform numbers in order, the means are 1/4, 1/2 and 3/4
    assert sets.mean(axis=0) == pytest.approx([250, 500, 750], abs=15)
    assert result.refused_share == pytest.approx(5 / 6, abs=0.02)


def test_nothing_of_optuna_is_imported_before_a_method_learns():
    program = (
        "import sys, core.search.lanes, core.search.record, core.search.walkforward\n"
        "from tests.unit.search.test_search import run, spec_of\n"
        "run(spec_of('sobol'))\n"
        "assert not {'optuna', 'cmaes'} & set(sys.modules)\n"
        "run(spec_of('genetic'))\n"
        "assert 'optuna' in sys.modules\n"
    )

    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
