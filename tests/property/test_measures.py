"""The compiled metrics are those of `core.analytics`, on accounts by chance and at every edge."""

from __future__ import annotations

from dataclasses import replace
from math import isclose, isnan, sqrt
from typing import Any

import numpy as np
import pytest

from core.analytics.returns import session_ends, simple_returns
from core.analytics.summary import summarise
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.simulation import Simulation
from core.engine import measures
from core.engine.measures import (
    STACK,
    calendar_of,
    measure_run,
    pairwise_sum,
    summarise_run,
    values_of,
)
from core.engine.simulate import simulate
from tests.factories import make_bars, random_case
from tests.unit.analytics.simulations import OPEN, closed, simulation_of
from tests.unit.analytics.test_against_reference import (
    FRAMES,
    random_benchmark,
    random_simulation,
)

# Relative, and of sums near zero absolute; a Sharpe ratio of bars is multiplied by sqrt(A T / D).
PRECISION = {"skewness": 1e-9, "kurtosis": 1e-9, "sharpe_bar": 1e-12 * sqrt(252 * 20)}
SESSION = np.repeat(np.arange(18_000, 18_060), 2)


def differences(
    run: Simulation, benchmark: Bars | None = None, risk_free: float = 0.0
) -> list[str]:
    """Every metric in which the compiled pass and the reference do not agree."""
    options = EngineOptions(risk_free=risk_free)
    expected = summarise([run], options=options, costs=CostModel(), benchmark=benchmark)
    found = measure_run(run, calendar_of(run.bars, benchmark, risk_free))
    values, reasons = values_of(found.row, found.why)
    wrong = []
    for name, value in expected.values.items():
        slack = PRECISION.get(name, 1e-12)
        if name == "min_trl" and value is not None:  # 1 / s^2, with s known to 1e-12 of 1
            slack *= 2.0 * max(1.0, sqrt(value))
        mine = values[name]
        if value is None or mine is None:
            same = value is mine and reasons.get(name) == expected.reasons.get(name)
        else:
            same = isclose(mine, value, rel_tol=slack, abs_tol=slack)
        if not same:
            wrong.append(f"{name}: {mine} {reasons.get(name)} not {value} {expected.reasons}")
    ends = session_ends(run.bars.session)
    daily = simple_returns(run.equity[ends], run.initial_cash)
    after = found.daily[len(daily) :]
    if found.daily[: len(daily)].tobytes() != daily.tobytes() or after.any():
        wrong.append("daily returns")
    return wrong


def test_slots_are_the_metrics_in_order():
    names = {name.lower() for name in vars(measures) if name.isupper()}

    assert [vars(measures)[name.upper()] for name in METRICS] == list(range(measures.WIDTH))
    assert len(METRICS) == measures.WIDTH
    assert set(METRICS) <= names
    reasons = [vars(measures)[code.upper()] for code in measures.REASON_CODES[1:]]
    assert reasons == list(range(1, len(measures.REASON_CODES)))


@pytest.mark.parametrize("timeframe", FRAMES)
@pytest.mark.parametrize("part", range(3))
def test_the_compiled_pass_equals_the_reference_on_accounts_by_chance(timeframe, part):
    for seed in range(part * 100, part * 100 + 100):
        run = random_simulation(np.random.default_rng(seed), timeframe)

        assert differences(run) == [], f"seed {seed}"


@pytest.mark.parametrize("timeframe", FRAMES)
def test_the_compiled_pass_equals_the_reference_beside_any_benchmark(timeframe):
    for seed in range(150):
        rng = np.random.default_rng(seed)
        run = random_simulation(rng, timeframe)

        assert differences(run, random_benchmark(rng, run)) == [], f"seed {seed}"


@pytest.mark.parametrize("timeframe", FRAMES)
def test_the_compiled_pass_equals_the_reference_in_excess_of_a_riskless_rate(timeframe):
    for seed in range(150):
        rng = np.random.default_rng([seed, 7])
        run = random_simulation(rng, timeframe)
        other = random_benchmark(rng, run) if seed % 3 else None

        assert differences(run, other, float(rng.choice([-0.01, 0.02, 0.3]))) == [], f"seed {seed}"


@pytest.mark.parametrize("count", [2, 60, 700])
def test_the_compiled_pass_equals_the_reference_on_runs_of_the_engine(count):
    for seed in range(120):
        case = random_case(seed, count=count)

        run = simulate(case.bars, case.signals, case.options, case.costs)

        assert differences(run) == [], f"seed {seed}"


def two_a_day(returns: Any, **rest: Any) -> Simulation:
    equity = 100.0 * np.cumprod(1.0 + np.broadcast_to(returns, 120))
    return simulation_of(equity, session=SESSION, ts=np.arange(120) * 10**9, **rest)


EDGES: dict[str, tuple[Simulation, dict[str, float | str]]] = {
    "never traded": (
        two_a_day(0.0, trades=()),
        {"total_return": 0.0, "volatility": 0.0, "max_drawdown": 0.0, "sharpe": "no_trades",
         "sortino": "no_trades", "omega": "no_trades", "calmar": "no_trades", "trades": 0.0,
         "win_rate": "no_trades", "turnover": 0.0, "breakeven_bps": "no_trades"},
    ),
    "only open": (
        two_a_day(0.001, trades=(OPEN,)),
        {"win_rate": "no_closed_trades", "open_trades": 1.0, "sqn": "no_closed_trades"},
    ),
    "constant gain": (
        two_a_day(0.001),
        {"sharpe": "zero_variance", "sharpe_bar": "zero_variance", "skewness": "zero_variance",
         "sortino": "no_downside", "omega": "no_downside", "calmar": "no_drawdown",
         "upi": "no_drawdown", "recovery_factor": "no_drawdown", "underwater_mean": "no_drawdown",
         "max_drawdown": 0.0},
    ),
    "one day": (
        simulation_of([101.0, 102.0], session=[18_000, 18_000], ts=[0, 60_000_000]),
        {"total_return": 0.02, "cagr": "too_short", "sharpe": "too_short", "volatility":
         "too_short", "ulcer_index": "too_short", "turnover": "too_short", "var_95": "too_short",
         "tail_ratio": "too_short", "max_drawdown": 0.0},
    ),
    "one bar": (
        simulation_of([101.0], session=[18_000]),
        {"total_return": 0.01, "sharpe_bar": "too_short"},
    ),
    "all wins": (
        two_a_day(np.resize([0.01, -0.002], 120), trades=closed(1.0, 2.0, 3.0)),
        {"win_rate": 1.0, "profit_factor": "no_losses", "payoff": "no_losses",
         "average_loss": "no_losses", "average_win": 2.0, "win_streak": 3.0, "loss_streak": 0.0,
         "expectancy_r": "no_stop"},
    ),
    "all losses": (
        two_a_day(-0.01, trades=closed(-1.0, -3.0)),
        {"profit_factor": 0.0, "omega": 0.0, "average_win": "no_wins",
         "payoff": "no_wins", "loss_streak": 2.0},
    ),
    "one trade with a stop": (
        two_a_day(np.resize([0.01, -0.002], 120), trades=closed(3.0, risk=2.0)),
        {"sqn": "too_few_trades", "expectancy_r": 1.5, "trades": 1.0, "bars_median": 1.0},
    ),
    "trades all alike": (
        two_a_day(np.resize([0.01, -0.002], 120), trades=closed(3.0, 3.0, 3.0)),
        {"sqn": "zero_variance", "sqn100": "zero_variance", "expectancy": 3.0},
    ),
    "a day of -100 %": (
        two_a_day(np.r_[np.resize([0.01, -0.01], 60), -1.0, np.zeros(59)]),
        {"cagr": -1.0, "max_drawdown": -1.0, "total_return": -1.0, "final_equity": 0.0},
    ),
    "a day of -120 %": (
        simulation_of(np.r_[np.full(60, 110.0), np.full(60, -22.0)], session=SESSION,
                      ts=np.arange(120) * 10**9),
        {"cagr": -1.0, "max_drawdown": -1.2, "total_return": -1.22},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EDGES)
def test_every_edge_has_its_number_or_its_reason(case):
    run, expected = EDGES[case]

    assert differences(run) == []
    found = measure_run(run)
    values, reasons = values_of(found.row, found.why)
    for name, wanted in expected.items():
        if isinstance(wanted, str):
            assert (values[name], reasons[name]) == (None, wanted), name
            assert isnan(found.row[measures.SLOTS[name]])
        else:
            assert values[name] == pytest.approx(wanted, rel=1e-12, abs=1e-15), name
            assert name not in reasons


def test_a_run_is_summed_up_as_the_reference_sums_it_up():
    for seed in range(120):
        case = random_case(seed, count=60)
        rules = {"options": case.options, "costs": case.costs, "synthetic": seed % 2 == 0}
        run = simulate(case.bars, case.signals, case.options, case.costs)
        benchmark = random_benchmark(np.random.default_rng(seed), run) if seed % 3 == 0 else None

        expected = summarise([run], **rules, benchmark=benchmark)
        found = summarise_run(run, **rules, benchmark=benchmark)

        defined = {name for name, value in expected.values.items() if value is not None}
        assert {name for name in METRICS if found[name] is not None} == defined
        assert {name: found[name] for name in defined} == pytest.approx(
            {name: expected[name] for name in defined}, rel=1e-12, abs=1e-12
        )
        assert found.reasons == expected.reasons
        assert found.counters == expected.counters
        assert found.badges == expected.badges


def test_sums_have_the_bits_of_numpy():
    rng = np.random.default_rng(3)

    for count in [*range(300), 1_000, 4_095, 4_096, 4_097, 100_003]:
        values = rng.normal(size=count + 1) * 10.0 ** rng.integers(-8, 8, size=count + 1)

        assert pairwise_sum(values, count, np.empty((STACK, 5))) == values[:count].sum()


def test_a_long_run_has_its_deepest_fall_inside_a_block_or_across_blocks():
    rng = np.random.default_rng(9)
    for _ in range(60):
        count = int(rng.integers(1, 2_000))
        equity = 100.0 * np.exp(np.cumsum(rng.normal(rng.choice([0.0, 0.02]), 0.02, count)))
        run = simulation_of(equity, trades=closed(1.0))

        assert differences(run) == []


def test_cash_that_belongs_to_no_trade_is_measured():
    run = replace(simulation_of([101.0, 102.0]), dividends=3.0, borrow=2.0, carry=-1.0)

    assert differences(run) == []


def test_a_benchmark_with_dividends_is_held_with_them():
    run = simulation_of([100.0, 101.0, 103.0] * 30)
    close = np.linspace(50.0, 60.0, 90)
    paid = np.where(np.arange(90) % 20 == 3, 1.5, 0.0)
    other = make_bars(close, close, close, close, dividend=paid)

    assert differences(run, other) == []
    assert differences(run, make_bars(close, close, close, close)) == []
