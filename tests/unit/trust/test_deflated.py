from math import log, sqrt
from statistics import NormalDist, fmean, stdev

import numpy as np
import pytest

from core.errors import InvalidInput
from core.trust.deflated import (
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    years_needed,
)
from core.trust.matrix import ReturnMatrix
from tests.unit.trust.searches import noise, search

# The greatest of N --------------------------------------------------------------------------------


def greatest_of(trials: int) -> float:
    """Expected greatest of so many normal numbers, by summing up `1 - F^N` and `F^N`."""
    normal, step = NormalDist(), 1e-3
    above = sum(1 - normal.cdf(n * step) ** trials for n in range(8000))
    below = sum(normal.cdf(-n * step) ** trials for n in range(8000))
    return (above - below) * step


@pytest.mark.parametrize(("trials", "within"), [(10, 0.03), (100, 0.01), (1000, 0.01)])
def test_the_greatest_of_so_many_is_a_little_above_the_exact_one(trials, within):
    exact = greatest_of(trials)

    assert exact < expected_maximum(trials) < exact * (1 + within)


@pytest.mark.parametrize(
    ("trials", "expected"), [(10, 1.575), (100, 2.531), (1000, 3.255), (10_000, 3.861)]
)
def test_the_greatest_of_so_many_as_tabulated(trials, expected):
    assert expected_maximum(trials) == pytest.approx(expected, abs=5e-4)


def test_one_trial_cannot_flatter_and_more_flatter_more():
    found = [expected_maximum(trials) for trials in (1, 1.2, 2, 2.5, 10, 1e6, 1e15, 1e18)]

    assert found[:2] == [0.0, 0.0]
    assert found == sorted(found)
    assert found[-2] < found[-1] < 9


@pytest.mark.parametrize("trials", [0, 0.5, -3, float("nan")])
def test_fewer_than_one_trial_is_refused(trials):
    with pytest.raises(InvalidInput, match="trials are"):
        expected_maximum(trials)


# How long a backtest must be ----------------------------------------------------------------------


def test_five_years_are_enough_for_45_trials_and_no_more():
    """Published in Notices of the AMS 61(5): no more than 45 with five years of data."""
    assert years_needed(45) < 5 < years_needed(46)


@pytest.mark.parametrize("trials", [2, 10, 1000, 1e6])
def test_the_years_needed_stay_below_their_published_bound(trials):
    assert years_needed(trials, 2.0) <= 2 * log(trials) / 2.0**2
    assert years_needed(trials, 2.0) == pytest.approx(years_needed(trials) / 4, rel=1e-12)


def test_one_trial_needs_no_years():
    assert years_needed(1) == 0.0


@pytest.mark.parametrize("sharpe", [0, -1, float("nan")])
def test_luck_reaches_a_sharpe_of_zero_at_once(sharpe):
    with pytest.raises(InvalidInput, match="sharpe is"):
        years_needed(10, sharpe)


# Trials that count --------------------------------------------------------------------------------


def slow_effective_trials(returns):
    sessions, lanes = returns.shape
    rho = np.corrcoef(returns.T)
    noise_of = (1 - np.eye(lanes)) / sessions
    return lanes**2 / max((rho**2 - noise_of).sum(), lanes)


@pytest.mark.parametrize(("sessions", "lanes"), [(300, 40), (60, 200)])
def test_effective_trials_are_those_of_all_pairs(sessions, lanes):
    rng = np.random.default_rng(4)
    families = rng.standard_normal((sessions, 5))
    returns = families[:, np.arange(lanes) % 5] + 0.6 * rng.standard_normal((sessions, lanes))

    found = effective_trials(ReturnMatrix.of(returns * 0.01))

    assert found == pytest.approx(slow_effective_trials(returns), rel=1e-9)
    assert 5 < found < 12


def test_lanes_that_share_nothing_count_in_full():
    days = np.arange(64)
    waves = np.stack([np.sin(2 * np.pi * n * days / 64) for n in range(1, 9)], axis=1)

    assert effective_trials(ReturnMatrix.of(waves)) == pytest.approx(8)


def test_lanes_that_are_the_same_count_as_one():
    returns = np.repeat(noise(5, 1000, 1), 30, axis=1) * np.linspace(1, 2, 30)

    assert effective_trials(ReturnMatrix.of(returns)) == pytest.approx(1, abs=2e-3)


def test_lanes_that_never_traded_do_not_count_as_independent():
    returns = noise(6, 100, 8)
    idle = np.concatenate([returns, np.zeros((100, 5))], axis=1)

    assert effective_trials(ReturnMatrix.of(idle)) == effective_trials(ReturnMatrix.of(returns))
    assert effective_trials(ReturnMatrix.of(np.zeros((100, 5)))) is None


# The deflated ratio -------------------------------------------------------------------------------


def slow_deflated(returns, winner, trials):
    """By the formulae of the paper, with sums of plain floats."""
    sample = returns[:, winner].tolist()
    count, mean = len(sample), fmean(sample)
    second = fmean((x - mean) ** 2 for x in sample)
    skew = fmean((x - mean) ** 3 for x in sample) / second**1.5
    kurt = fmean((x - mean) ** 4 for x in sample) / second**2
    s = mean / stdev(sample)
    spread = stdev(fmean(lane) / stdev(lane) for lane in returns.T.tolist() if any(lane))
    normal, gamma = NormalDist(), 0.5772156649015329
    luck = spread * (
        (1 - gamma) * normal.inv_cdf(1 - 1 / trials)
        + gamma * normal.inv_cdf(1 - 1 / (trials * np.e))
    )
    z = (s - luck) * sqrt(count - 1) / sqrt(1 - skew * s + (kurt - 1) / 4 * s * s)
    return normal.cdf(z), luck


def test_the_winner_is_deflated_by_all_trials_and_by_effective_ones():
    returns = noise(7, 500, 30, edge=0.2)
    returns[:, 3] = returns[:, 2] * 1.01 + noise(8, 500, 1)[:, 0] * 0.05

    found = deflated_sharpe(ReturnMatrix.of(returns), 0)

    value, luck = slow_deflated(returns, 0, 30)
    assert (found.trials, found.sessions, found.reason) == (30, 500, None)
    assert found.value == pytest.approx(value, rel=1e-9)
    assert found.luck == pytest.approx(luck, rel=1e-9)
    upper, less = slow_deflated(returns, 0, found.effective)
    assert found.upper == pytest.approx(upper, rel=1e-9)
    assert found.luck_effective == pytest.approx(less, rel=1e-9)
    assert 28 < found.effective < 30
    assert found.value < found.upper < found.probability


def test_lanes_that_never_traded_were_tried_all_the_same():
    returns = noise(9, 300, 10, edge=0.15)
    idle = np.concatenate([returns, np.zeros((300, 90))], axis=1)

    few = deflated_sharpe(ReturnMatrix.of(returns), 0)
    many = deflated_sharpe(ReturnMatrix.of(idle), 0)

    assert (few.trials, many.trials) == (10, 100)
    assert many.spread == few.spread
    assert many.upper == few.upper
    assert many.value == pytest.approx(slow_deflated(idle, 0, 100)[0], rel=1e-9)
    assert many.value < few.value


def test_trials_of_the_ledger_count_too():
    found = deflated_sharpe(search(9, 300, 10, edge=0.15), 0, trials=5000)

    assert found.trials == 5000
    expected, _ = slow_deflated(noise(9, 300, 10, edge=0.15), 0, 5000)
    assert found.value == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InvalidInput, match="trials are 9"):
        deflated_sharpe(search(9, 300, 10), 0, trials=9)


def test_a_single_trial_is_not_deflated():
    found = deflated_sharpe(search(10, 200, 1, edge=0.1), 0)

    assert found.value == found.upper == found.probability
    assert found.luck == 0.0


def test_what_cannot_be_said_is_empty_and_has_a_reason():
    returns = noise(11, 200, 4)
    returns[:, 1:] = 0.0

    idle = deflated_sharpe(ReturnMatrix.of(returns), 1)
    alone = deflated_sharpe(ReturnMatrix.of(returns), 0)
    short = deflated_sharpe(search(11, 15, 4), 0)

    assert (idle.value, idle.reason) == (None, "the winner did not trade, or failed")
    assert (alone.value, alone.upper) == (None, None)
    assert alone.reason.startswith("only one of the trials traded")
    assert alone.probability is not None
    assert (short.value, short.reason) == (None, "the history is too short")


def test_a_winner_that_lost_needs_no_sessions_but_more_than_there_are():
    returns = noise(12, 200, 5)
    loser = int((returns.mean(axis=0) / returns.std(axis=0)).argmin())

    found = deflated_sharpe(ReturnMatrix.of(returns), loser)

    assert found.ratio < 0
    assert found.needed is None
    assert found.value < 0.5
