"""A real search: EMA crossover through the sweep, from the space to the windows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.analytics import ratios
from core.domain.costs import CostModel
from core.domain.metrics import Metrics
from core.domain.objective import Objective
from core.domain.options import EngineOptions
from core.domain.study import StudySpec, WalkForward
from core.engine.sweep import sweep
from core.search.lanes import evaluations_from, evaluations_of
from core.search.search import Batch, search
from core.search.space import Space
from core.search.walkforward import walk_forward, windows_of
from strategies.ema_crossover import EMACrossoverStrategy as Crossover
from tests.factories import make_bars, random_bars

COSTS = CostModel(name="bps", bps=1.0)


@pytest.fixture(scope="module")
def bars():
    return random_bars(5, 2600, sessions=650)


def spec_of(method, **fields):
    return StudySpec.model_validate(
        {
            "run": {"strategy": "ema_crossover", "symbols": ["TEST"]},
            "space": {"fast": {"min": 2, "max": 20}, "slow": {"min": 5, "max": 60, "step": 5}},
            "method": method,
            "requirements": ["trades >= 60", "max_drawdown >= -0.9"],
            **fields,
        }
    )


def swept(bars, metrics, threads):
    def evaluate(sets):
        result = sweep(Crossover, bars, sets, EngineOptions(), COSTS, threads=threads)
        return evaluations_of(result, metrics)

    return evaluate


def space_of(spec):
    return Space.of_study(spec, Crossover.param_specs(), Crossover.constraints)


def test_a_grid_finds_the_best_lane_of_the_sweep(bars):
    spec = spec_of("grid")

    result = search(spec, space_of(spec), swept(bars, spec.metrics, 1))

    sets = [trial.params for trial in result.trials]
    whole = sweep(Crossover, bars, sets, EngineOptions(), COSTS, threads=1)
    best, number = -math.inf, None
    for lane in range(len(sets)):
        values, _ = whole.metrics(lane)
        lcb = None if values["sharpe"] is None else values["sharpe"] - values["sharpe_se"]
        trial = result.trials[lane]
        assert trial.values == (lcb,)
        may_win = values["trades"] >= 60 and values["max_drawdown"] >= -0.9 and lcb is not None
        assert trial.is_eligible == may_win
        if may_win and lcb > best:
            best, number = lcb, lane
    assert result.best == number
    assert any(not trial.is_eligible for trial in result.trials)


@pytest.mark.parametrize("method", ["sobol", "bayesian", "genetic"])
def test_threads_and_an_interruption_change_nothing(bars, method):
    spec = spec_of(method, max_trials=64, seed=4)
    space = space_of(spec)
    kept: list[Batch] = []

    one = search(spec, space, swept(bars, spec.metrics, 1), on_batch=lambda b, _: kept.append(b))
    two = search(spec, space, swept(bars, spec.metrics, 2))
    resumed = search(spec, space, swept(bars, spec.metrics, 2), done=kept[:1])

    assert one.trials == two.trials == resumed.trials
    assert one.best == two.best == resumed.best


def test_lanes_without_a_loss_count_the_cap_and_so_do_those_above_it():
    wave = make_bars(np.round(100 + 20 * np.sin(np.arange(600) / 10), 2))
    sets = [{"fast": fast, "slow": slow} for fast in (2, 5) for slow in (6, 20)]
    result = sweep(Crossover, wave, sets, EngineOptions(), CostModel(name="zero"), threads=1)

    found = evaluations_of(result, ["profit_factor"])

    raw = result.column("profit_factor")
    lossless = [result.metrics(lane)[1].get("profit_factor") == "no_losses" for lane in range(4)]
    assert any(lossless)
    assert not all(lossless)
    expected = [
        10.0 if none else min(value, 10.0) for none, value in zip(lossless, raw, strict=True)
    ]
    assert found.columns["profit_factor"].tolist() == expected
    assert found.reasons == {}


def test_failed_lanes_are_errors_and_undefined_metrics_have_reasons(bars):
    sets = [{"fast": 5, "slow": 20}, {"fast": 30, "slow": 20}, {"fast": 5, "slow": 20}]
    result = sweep(Crossover, bars, sets, EngineOptions(), COSTS, threads=1)

    found = evaluations_of(result, ["sharpe"])

    assert list(found.errors) == [1]
    assert "fast < slow" in found.errors[1]
    assert found.columns["sharpe"][0] == found.columns["sharpe"][2] == result.column("sharpe")[0]
    flat = random_bars(5, 40, sessions=40)
    short = sweep(Crossover, flat, [{"fast": 5, "slow": 20}], EngineOptions(), COSTS, threads=1)
    answers = evaluations_of(short, ["cagr"])
    assert np.isnan(answers.columns["cagr"]).all()
    assert answers.reasons[0, "cagr"] == "less than a year of data"


def test_whole_runs_count_as_their_lanes_do(bars):
    sets = [{"fast": 5, "slow": 20}, {"fast": 9, "slow": 40}]
    names = ["sharpe", "sharpe_se", "profit_factor", "trades", "cagr", "expectancy_r"]
    result = sweep(Crossover, bars, sets, EngineOptions(), COSTS, threads=1)
    runs = [Metrics(*result.metrics(lane)) for lane in range(2)]

    lanes, whole = evaluations_of(result, names), evaluations_from([*runs, "it raised"], names)

    for name in names:
        assert whole.columns[name][:2].tolist() == pytest.approx(
            lanes.columns[name].tolist(), rel=0, abs=0, nan_ok=True
        )
    assert whole.reasons == lanes.reasons
    assert whole.reasons[0, "expectancy_r"].startswith("no closed trade had a stop")
    assert whole.errors == {2: "it raised"}
    poor = Metrics(runs[0].values, {}, {}, ("ruined",))
    young = Metrics(runs[0].values, {}, {}, ("short_history",))
    found = evaluations_from([poor, young], ["cagr"])
    assert found.errors == {0: "ruined"}
    assert found.reasons == {(1, "cagr"): "less than a year of data"}


def test_walking_forward_over_a_sweep(bars):
    spec = spec_of("grid")
    sets = list(space_of(spec))
    result = sweep(Crossover, bars, sets, EngineOptions(), COSTS, threads=1)
    windows = windows_of(
        result.sessions, WalkForward(unit="sessions", train=200, test=50, step=50), warm_up=15
    )

    found = walk_forward(
        result.rows.daily,
        sets,
        windows,
        Objective(),
        per_year=252.0,
        dimensions=space_of(spec).dimensions,
    )

    daily = result.rows.daily.astype(np.float64)
    for row in found.windows:
        begin, end = row.window.train.begin, row.window.train.end
        lcb = [
            ratios.sharpe(each[begin:end], 252.0) - ratios.sharpe_error(each[begin:end], 252.0)
            for each in daily
        ]
        assert row.lane == int(np.argmax(lcb))
        assert row.train_value == pytest.approx(max(lcb), rel=1e-8)
    assert len(found.returns) == 50 * len(windows)
