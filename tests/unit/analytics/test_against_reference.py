"""Every metric equals the slow, obvious judge, on accounts by chance and on those of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose, sqrt

import numpy as np
import pytest

from core.analytics.summary import summarise
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.market import MARKETS
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.simulation import Simulation
from core.domain.timeframe import Timeframe
from core.engine.simulate import simulate
from tests.factories import US_PER_DAY, US_PER_MINUTE, make_bars, random_case
from tests.reference import metrics as reference
from tests.unit.analytics.simulations import Trade, simulation_of

FRAMES = {
    Timeframe.M15: (20, 15 * US_PER_MINUTE),
    Timeframe.D1: (1, 0),
    Timeframe.W1: (1, 0),
    Timeframe.MN1: (1, 0),
}
LENGTHS = (1, 2, 19, 20, 101, 420)
# Where pairs with a benchmark begin to be enough, and beyond.
LENGTHS_BESIDE = (60, 61, 101, 420)
STEP_DAYS = {Timeframe.W1: 7, Timeframe.MN1: 31}


def random_simulation(
    rng: np.random.Generator, timeframe: Timeframe, lengths: Sequence[int] = LENGTHS
) -> Simulation:
    per_session, step = FRAMES[timeframe]
    days = int(rng.choice(lengths))
    gaps = rng.integers(1, 4, size=days) * STEP_DAYS.get(timeframe, 1)
    day = np.repeat(18_000 + int(rng.integers(0, 30)) + np.cumsum(gaps), per_session)
    slot = np.tile(np.arange(per_session), days)
    total = days * per_session
    kind = rng.choice(["walk", "flat", "gains", "losses", "ruin"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
    noise = rng.normal(rng.normal(0.0, 0.001), 0.01, size=total)
    returns = {
        "walk": np.where(rng.random(total) < 0.2, 0.0, noise),
        "flat": np.zeros(total),
        "gains": np.abs(noise),
        "losses": -np.abs(noise),
        "ruin": noise,
    }[str(kind)]
    cash = float(rng.choice([1_000.0, 100_000.0]))
    equity = cash * np.cumprod(1.0 + returns)
    if kind == "ruin":
        equity[int(rng.integers(total)) :] = float(rng.choice([0.0, -0.2])) * cash
    return simulation_of(
        equity,
        initial_cash=cash,
        trades=random_trades(rng, total),
        quantity=rng.normal(size=total) * (rng.random(total) < 0.7),
        close=rng.uniform(50.0, 150.0, size=total),
        held=rng.random(total) < 0.7,
        multiplier=float(rng.choice([1.0, 20.0])),
        ambiguous_bars=int(rng.integers(0, 5)),
        gross_exposure=float(rng.random()),
        ts=day * US_PER_DAY + slot * step,
        session=day,
        timeframe=timeframe,
        market=MARKETS[str(rng.choice(list(MARKETS)))],
    )


def random_trades(rng: np.random.Generator, total: int) -> list[Trade]:
    trades: list[Trade] = []
    bar = 0
    most = int(rng.choice([0, 1, 2, 40, 400]))
    has_stops = float(rng.choice([0.0, 0.5, 1.0]))
    level = float(rng.choice([0.0, 1.0]))  # 0: all trades alike
    while bar < total - 1 and len(trades) < most:
        leave = min(total - 1, bar + int(rng.integers(0, 9)))
        luck = float(rng.choice([-1.0, 0.0, 1.0, rng.normal()]))
        trades.append(
            Trade(
                entry_bar=bar,
                exit_bar=leave,
                pnl=10.0 * (luck if level else 1.0),
                quantity=float(rng.choice([-2.0, 3.0])) if level else 1.0,
                entry_price=float(rng.uniform(90, 110)) if level else 100.0,
                exit_price=float(rng.uniform(90, 110)),
                fees=float(rng.random()),
                slippage=float(rng.random()),
                mae=-float(rng.random()),
                mfe=float(rng.random()),
                risk=5.0 if rng.random() < has_stops else float("nan"),
            )
        )
        bar = leave + int(rng.integers(0, 3))
    if trades and rng.random() < 0.5:
        trades.append(Trade(entry_bar=total - 1, fees=1.0))
    return trades


def random_benchmark(rng: np.random.Generator, sleeve: Simulation) -> Bars:
    """A market that trades before and after, lacks some sessions and has some of its own."""
    own = np.unique(sleeve.bars.session).astype(np.int64)
    chance = float(rng.choice([0.0, 0.3, 0.9, 1.0, 1.0]))
    days = own[rng.random(len(own)) < chance]
    others = rng.integers(own[0] - 20, own[-1] + 20, size=30)
    days = np.union1d(days, others)
    per_session, step = FRAMES[sleeve.bars.timeframe]
    session = np.repeat(days, per_session)
    slot = np.tile(np.arange(per_session), len(days))
    noise = rng.normal(0.0003, 0.01, size=len(session)) * float(
        rng.choice([0.0, 1.0], p=[0.1, 0.9])
    )
    close = 50.0 * np.cumprod(1.0 + noise)
    return make_bars(
        close * (1.0 + rng.normal(0.0, 0.003, size=len(close))),
        close=close,
        session=session,
        ts=session * US_PER_DAY + slot * step + int(rng.integers(0, 1000)),
        timeframe=sleeve.bars.timeframe,
    )


def assert_equal_to_reference(
    sleeves: list[Simulation], benchmark: Bars | None = None, risk_free: float = 0.0
) -> None:
    options = EngineOptions(risk_free=risk_free)
    found = summarise(sleeves, options=options, costs=CostModel(), benchmark=benchmark)
    expected = reference.metrics(sleeves, benchmark, risk_free)
    assert set(expected) == set(METRICS)
    # A difference of sums is known to the precision of what was subtracted, not of itself.
    traded = (
        abs(float(expected["net_profit"]))
        + float(expected["fees"])
        + sum(sleeve.initial_cash for sleeve in sleeves)
    )
    slack = dict.fromkeys(METRICS, 1e-12)
    slack["breakeven_bps"] = slack["cost_share"] = 1e-12 * max(1.0, traded)
    slack["sharpe_bar"] = 1e-12 * sqrt(252 * 20)
    # A ratio s is known to 1e-12 of 1, so that 1 / s^2 is known to 2e-12 / s of itself.
    needed = expected["min_trl"]
    slack["min_trl"] = 0.0 if isinstance(needed, str) else 2e-12 * needed * max(1.0, sqrt(needed))
    for name, value in expected.items():
        if isinstance(value, str):
            assert (found[name], found.reasons.get(name)) == (None, value), name
        else:
            got = found[name]
            assert got is not None, (name, value, found.reasons[name])
            assert isclose(got, value, rel_tol=1e-12, abs_tol=slack[name]), (name, got, value)


@pytest.mark.parametrize("timeframe", FRAMES)
@pytest.mark.parametrize("seed", range(60))
def test_one_account_by_chance(seed, timeframe):
    rng = np.random.default_rng([seed, 1])

    assert_equal_to_reference([random_simulation(rng, timeframe)])


@pytest.mark.parametrize("seed", range(60))
def test_several_sleeves_by_chance(seed):
    rng = np.random.default_rng([seed, 2])
    timeframe = list(FRAMES)[seed % len(FRAMES)]
    sleeves = [random_simulation(rng, timeframe) for _ in range(int(rng.integers(2, 5)))]
    if seed % 5 == 0:
        sleeves.insert(1, simulation_of([], trades=(), timeframe=timeframe))

    assert_equal_to_reference(sleeves)


@pytest.mark.parametrize("timeframe", FRAMES)
@pytest.mark.parametrize("seed", range(40))
def test_one_account_beside_another_symbol(seed, timeframe):
    rng = np.random.default_rng([seed, 3])
    sleeve = random_simulation(rng, timeframe, LENGTHS_BESIDE)

    assert_equal_to_reference([sleeve], random_benchmark(rng, sleeve))


@pytest.mark.parametrize("seed", range(20))
def test_several_sleeves_beside_another_symbol(seed):
    rng = np.random.default_rng([seed, 4])
    sleeves = [random_simulation(rng, Timeframe.D1, LENGTHS_BESIDE) for _ in range(3)]

    assert_equal_to_reference(sleeves, random_benchmark(rng, sleeves[0]))


@pytest.mark.parametrize("seed", range(40))
def test_accounts_of_the_engine(seed):
    case = random_case(seed)

    assert_equal_to_reference(
        [simulate(case.bars, case.signals, case.options, case.costs, compiled=False)]
    )


@pytest.mark.parametrize("timeframe", FRAMES)
@pytest.mark.parametrize("seed", range(40))
def test_ratios_in_excess_of_a_riskless_rate(seed, timeframe):
    rng = np.random.default_rng([seed, 4])
    sleeve = random_simulation(rng, timeframe, LENGTHS_BESIDE)
    rate = float(rng.choice([-0.01, 0.02, 0.05, 0.3]))

    assert_equal_to_reference([sleeve], random_benchmark(rng, sleeve), rate)
    assert_equal_to_reference([sleeve], None, rate)
    assert_equal_to_reference([sleeve, random_simulation(rng, timeframe)], None, rate)
