"""The strategies over a universe, judged by loops over lists of closes.

The loops share no code with them: ranks and volatilities, months and absences are found anew.
"""

from __future__ import annotations

import math
import statistics
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from core.domain.bars import Bars
from core.engine.view import universe_view_of
from core.errors import InvalidInput, StrategyFailed
from strategies.inverse_volatility import InverseVolatilityStrategy
from strategies.momentum_rank import MomentumRankStrategy
from strategies.pairs import PairsStrategy
from tests.factories import make_bars
from tests.property.test_universe_view import universe

SEEDS = range(12)
Closes = list[dict[int, float]]


def smooth_universe(seed: int, symbols: int = 4, days: int = 260) -> list[Bars]:
    """Prices without ties, over a year."""
    rng = np.random.default_rng(seed)
    made = []
    for each in universe(seed, symbols, days):
        close = 50.0 * np.exp(np.cumsum(rng.normal(0.0005, 0.02, len(each))))
        made.append(make_bars(close, session=each.session, ts=each.ts, symbol=each.symbol))
    return made


def closes_of(bars: list[Bars]) -> Closes:
    return [dict(zip(each.session.tolist(), each.close.tolist(), strict=True)) for each in bars]


def calendar(closes: Closes) -> list[int]:
    return sorted({day for each in closes for day in each})


def first_of_months(days: list[int]) -> set[int]:
    month = [(date(1970, 1, 1) + timedelta(days=day)).strftime("%Y-%m") for day in days]
    return {day for n, day in enumerate(days) if n == 0 or month[n] != month[n - 1]}


def known(closes: dict[int, float], day: int) -> list[float]:
    """Closes up to a day; none if the latest is more than five days old."""
    past = [own for own in closes if own <= day]
    return [closes[own] for own in past] if past and day - past[-1] <= 5 else []


def same(found: np.ndarray, expected: list[list[float]]) -> None:
    assert found.shape == (len(expected), len(expected[0]))
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-9, atol=0)


@pytest.mark.parametrize("rising_only", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_momentum_rank_holds_what_rose_most(seed, rising_only):
    bars = smooth_universe(seed)
    closes = closes_of(bars)
    days = calendar(closes)
    window, skip, top = 30, 5, 2
    expected = []
    for day in days:
        row = [math.nan] * len(bars)
        rises = {}
        for s, each in enumerate(closes):
            past = known(each, day)
            if len(past) > window + skip:
                rises[s] = past[-1 - skip] / past[-1 - skip - window] - 1.0
        if day in first_of_months(days) and rises:
            best = sorted(rises, key=lambda s: -rises[s])[:top]
            chosen = [s for s in best if not rising_only or rises[s] > 0.0]
            row = [1.0 / top if s in chosen else 0.0 for s in range(len(bars))]
        expected.append(row)

    strategy = MomentumRankStrategy.build(
        {"window": window, "skip": skip, "top": top, "rising_only": rising_only}
    )

    same(strategy.generate_signals(universe_view_of(bars)).values, expected)
    assert sum(not math.isnan(row[0]) for row in expected) >= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_inverse_volatility_divides_by_the_deviation_of_returns(seed):
    bars = smooth_universe(seed)
    closes = closes_of(bars)
    days = calendar(closes)
    window, invested = 20, 80.0
    expected = []
    for day in days:
        calm = []
        for each in closes:
            past = known(each, day)
            returns = [after / before - 1.0 for before, after in pairwise(past)]
            enough = len(returns) >= window
            calm.append(1.0 / statistics.stdev(returns[-window:]) if enough else 0.0)
        decides = day in first_of_months(days) and sum(calm) > 0.0
        row = [0.8 * part / sum(calm) for part in calm] if decides else [math.nan] * len(bars)
        expected.append(row)

    strategy = InverseVolatilityStrategy.build({"window": window, "invested": invested})

    same(strategy.generate_signals(universe_view_of(bars)).values, expected)


WINDOW, ENTRY, LEAVE, STOP = 20, 1.5, 0.5, 2.5


def next_state(state: str, z: float) -> str:
    """What a pair does at a distance: flat, long or short the first of the two, or hurt."""
    if state == "hurt":
        return "flat" if abs(z) < LEAVE else "hurt"
    if state == "flat":
        opens = ENTRY < abs(z) <= STOP
        return ("short" if z > 0 else "long") if opens else "flat"
    if abs(z) > STOP:
        return "hurt"
    crossed = z > 0 if state == "long" else z < 0
    return "flat" if abs(z) < LEAVE or crossed else state


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_open_far_from_the_mean_and_close_near_it(seed):
    bars = smooth_universe(seed)
    closes = closes_of(bars)
    days = calendar(closes)
    share = {"long": 0.25, "short": -0.25, "flat": 0.0, "hurt": 0.0}
    table = {day: [math.nan] * 4 for day in days}
    for a, b in ((0, 1), (2, 3)):
        both = [day for day in days if day in closes[a] and day in closes[b]]
        ratios = [math.log(closes[a][day]) - math.log(closes[b][day]) for day in both]
        state = "flat"
        for n in range(WINDOW - 1, len(both)):
            recent = ratios[n - WINDOW + 1 : n + 1]
            z = (recent[-1] - statistics.fmean(recent)) / statistics.pstdev(recent)
            before, state = state, next_state(state, z)
            if share[state] != share[before]:
                table[both[n]][a], table[both[n]][b] = share[state], -share[state]

    strategy = PairsStrategy.build({"window": WINDOW, "entry": ENTRY, "exit": LEAVE, "stop": STOP})

    same(strategy.generate_signals(universe_view_of(bars)).values, [table[day] for day in days])
    assert sum(abs(row[0]) == 0.25 for row in table.values()) >= 2


def test_pairs_give_up_beyond_the_stop_and_wait():
    """A ratio that runs away: opened once, given up, and not opened again while it is far."""
    steps = np.r_[np.tile([0.01, -0.01], 15), 0.03, 0.2, 0.3, np.full(10, 0.05)]
    first = 100.0 * np.exp(np.cumsum(steps))
    bars = [make_bars(first, symbol="A"), make_bars(np.full(len(first), 50.0), symbol="B")]
    strategy = PairsStrategy.build({"window": 20, "entry": 2.0, "exit": 0.5, "stop": 4.0})

    weights = strategy.generate_signals(universe_view_of(bars)).values

    rows = np.flatnonzero(~np.isnan(weights[:, 0])).tolist()
    assert weights[rows].tolist() == [[-0.5, 0.5], [0.0, 0.0]]
    assert rows == [30, 31]


def test_an_odd_number_of_symbols_makes_no_pairs():
    with pytest.raises(StrategyFailed, match="3 given, and pairs take two by two"):
        PairsStrategy.build({}).generate_signals(universe_view_of(universe(1, symbols=3)))


@pytest.mark.parametrize("given", [{"exit": 2.0}, {"entry": 4.5}])
def test_pairs_leave_before_they_enter_and_enter_before_they_give_up(given):
    with pytest.raises(InvalidInput, match="constraint"):
        PairsStrategy.build(given)


def test_fewer_symbols_than_places_leave_the_rest_in_cash():
    bars = smooth_universe(3, symbols=2)
    strategy = MomentumRankStrategy.build({"window": 10, "skip": 0, "top": 5})

    weights = strategy.generate_signals(universe_view_of(bars)).values

    assert np.nanmax(np.nansum(weights, axis=1)) == pytest.approx(0.4)


def test_a_symbol_that_does_not_move_gets_nothing():
    days = 80
    moving = make_bars(100.0 + np.arange(days) % 3, symbol="MOVES")
    still = make_bars(np.full(days, 10.0), symbol="STILL")
    strategy = InverseVolatilityStrategy.build({"window": 10})

    weights = strategy.generate_signals(universe_view_of([moving, still])).values

    decided = weights[~np.isnan(weights[:, 0])]
    assert decided.tolist() == [[1.0, 0.0]] * len(decided)
    assert len(decided) == 2
