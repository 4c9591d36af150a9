from math import ceil, log, log10, sqrt

import numpy as np
import pytest

from core.errors import InvalidInput
from core.trust import matrix
from core.trust.matrix import ReturnMatrix
from core.trust.snooping import (
    block_length,
    mean_block,
    reality_check,
    stationary_counts,
    stationary_rows,
    superior_ability,
)
from tests.unit.trust.searches import noise, search


def autoregressive(seed, count, rho):
    shocks = np.random.default_rng(seed).standard_normal(count)
    values = np.zeros(count)
    for row in range(1, count):
        values[row] = rho * values[row - 1] + shocks[row]
    return values


# Blocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.3, 0.7, -0.5])
def test_blocks_of_an_autoregression_are_as_long_as_theory_says(rho):
    """`G / g(0)` of it is `2 rho / (1 - rho^2)` (Politis and White 2004)."""
    found = block_length(autoregressive(3, 40_000, rho))

    assert found == pytest.approx(
        (2 * abs(rho) / (1 - rho**2)) ** (2 / 3) * 40_000 ** (1 / 3), rel=0.15
    )


def slow_block_length(values):
    """The steps of Patton, Politis and White, one lag at a time."""
    count, mean = len(values), sum(values) / len(values)

    def covariance(lag):
        pairs = zip(values[: count - lag], values[lag:], strict=True)
        return sum((a - mean) * (b - mean) for a, b in pairs) / count

    needed = max(5, ceil(log10(count)))
    furthest = ceil(sqrt(count)) + needed
    limit = 2 * sqrt(log10(count) / count)
    reach = furthest
    for lag in range(furthest - needed + 1):
        if all(abs(covariance(lag + n) / covariance(0)) < limit for n in range(1, needed + 1)):
            reach = min(2 * max(lag, 1), furthest)
            break
    slope, level = 0.0, covariance(0)
    for lag in range(1, reach + 1):
        share = lag / reach
        window = 1.0 if share <= 0.5 else 2 * (1 - share)
        slope += 2 * window * lag * covariance(lag)
        level += 2 * window * covariance(lag)
    length = (2 * slope**2 / (2 * level**2)) ** (1 / 3) * count ** (1 / 3)
    return min(max(1, length), 3 * sqrt(count), count / 3)


@pytest.mark.parametrize(("seed", "count", "rho"), [(1, 400, 0.5), (2, 250, 0.0), (3, 90, 0.95)])
def test_the_length_of_blocks_is_that_of_plain_loops(seed, count, rho):
    values = autoregressive(seed, count, rho)

    assert block_length(values) == pytest.approx(slow_block_length(values.tolist()), rel=1e-9)


def test_blocks_do_not_depend_on_the_size_of_returns():
    values = autoregressive(5, 500, 0.6) * 0.01

    assert block_length(values * 7) == pytest.approx(block_length(values), rel=1e-9)


def test_few_returns_and_constant_ones_have_no_blocks():
    assert block_length(noise(1, 19, 1)[:, 0]) is None
    assert block_length(np.full(100, 0.001)) is None


def test_all_lanes_share_the_blocks_of_the_middle_one():
    lanes = np.stack([autoregressive(n, 500, rho) for n, rho in enumerate((0, 0.5, 0.9))], axis=1)
    idle = np.concatenate([lanes, np.zeros((500, 3))], axis=1)

    assert mean_block(ReturnMatrix.of(idle)) == block_length(lanes[:, 1])


def test_without_any_lane_blocks_are_the_cube_root():
    assert mean_block(ReturnMatrix.of(np.zeros((1000, 3)))) == pytest.approx(10)


def test_draws_are_blocks_in_a_ring_of_the_mean_length_asked_for():
    rows = stationary_rows(50, 4000, 5.0, np.random.default_rng(1))

    going_on = (rows[:, 1:] - rows[:, :-1]) % 50 == 1
    # A new block goes on by chance once in 50.
    assert going_on.mean() == pytest.approx(0.8 + 0.2 / 50, abs=0.005)
    assert (rows[:, 1:][going_on] == 0).any()
    assert np.bincount(rows.ravel(), minlength=50) / rows.size == pytest.approx(0.02, rel=0.06)


def test_counts_are_those_of_the_rows_drawn():
    rows = stationary_rows(30, 6, 3.0, np.random.default_rng(2))
    counts = stationary_counts(30, 6, 3.0, np.random.default_rng(2))

    assert counts.tolist() == [
        [row.tolist().count(session) / 30 for session in range(30)] for row in rows
    ]


@pytest.mark.parametrize("wrong", [(0, 5, 2.0), (5, 0, 2.0), (0, 0, 2.0)])
def test_draws_of_nothing_are_refused(wrong):
    with pytest.raises(InvalidInput, match="is 0"):
        stationary_rows(*wrong, np.random.default_rng(1))


# Tests --------------------------------------------------------------------------------------------


def slow_test(returns, rows, *, studentised):
    """Hansen's three p-values from the rows of each draw, lane by lane."""
    sessions, lanes = returns.shape
    mean = [sum(lane) / sessions for lane in returns.T.tolist()]
    drawn = [[sum(returns[row, lane]) / sessions for lane in range(lanes)] for row in rows]
    omega = [
        sqrt(sessions * sum((each[n] - mean[n]) ** 2 for each in drawn) / len(drawn))
        for n in range(lanes)
    ]
    unit = [sqrt(sessions) / (omega[n] if studentised else 1.0) for n in range(lanes)]
    statistic = max(0.0, *(mean[n] * unit[n] for n in range(lanes)))
    bound = -sqrt(2 * log(log(sessions)))
    shifts = {
        "lower": [max(m, 0.0) for m in mean],
        "p": [
            m if sqrt(sessions) * m / w >= bound else 0.0 for m, w in zip(mean, omega, strict=True)
        ],
        "upper": mean,
    }
    found = {}
    for name, shift in shifts.items():
        greatest = [
            max(0.0, *((each[n] - shift[n]) * unit[n] for n in range(lanes))) for each in drawn
        ]
        found[name] = (1 + sum(value >= statistic for value in greatest)) / (1 + len(drawn))
    return statistic, found


@pytest.mark.parametrize("studentised", [True, False])
def test_both_tests_are_those_of_plain_loops(studentised, monkeypatch):
    returns = noise(22, 80, 6, edge=0.12) * np.array([1, 2, 3, 1, 0.5, 1])
    returns[:, 4] -= 0.02  # so bad that chance does not explain it
    monkeypatch.setattr(matrix, "STRIPE_BYTES", 8 * 80 * 4)

    found = superior_ability(
        ReturnMatrix.of(returns),
        np.random.default_rng(5),
        draws=150,
        block=4.0,
        studentised=studentised,
    )

    rows = stationary_rows(80, 150, 4.0, np.random.default_rng(5))
    statistic, expected = slow_test(returns, rows, studentised=studentised)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)
    assert found.lower <= found.p <= found.upper
    assert len(found.maxima) == 150
    assert (found.maxima >= 0).all()


def test_the_reality_check_is_the_test_of_plain_means():
    plain = superior_ability(
        search(23, 100, 5), np.random.default_rng(1), draws=99, studentised=False
    )

    found = reality_check(search(23, 100, 5), np.random.default_rng(1), draws=99)

    assert (found.upper, found.statistic) == (plain.upper, plain.statistic)


def test_a_great_edge_is_found_and_p_is_never_zero():
    found = superior_ability(search(24, 400, 50, edge=0.5), np.random.default_rng(1), draws=200)

    assert found.p == found.upper == 1 / 201
    assert found.lane == 0


def test_where_every_lane_loses_nothing_is_better_than_nothing():
    found = superior_ability(
        ReturnMatrix.of(noise(25, 100, 4) - 0.02), np.random.default_rng(1), draws=50
    )

    assert (found.statistic, found.p, found.lower, found.upper) == (0.0, 1.0, 1.0, 1.0)


def test_a_lane_that_is_named_the_best_is_that_of_the_search():
    returns = noise(26, 200, 8)
    returns[:, 2] = 0.0
    returns[:, 6] += 0.004

    found = superior_ability(ReturnMatrix.of(returns), np.random.default_rng(1), draws=50)

    assert found.lane == 6


def test_the_same_generator_gives_the_same_numbers():
    one, two = (
        superior_ability(search(27, 100, 5), np.random.default_rng(9), draws=60) for _ in range(2)
    )

    assert (one.p, one.maxima.tolist()) == (two.p, two.maxima.tolist())


def test_what_cannot_be_said_is_empty_and_has_a_reason():
    idle = superior_ability(ReturnMatrix.of(np.zeros((50, 3))), np.random.default_rng(1))
    short = superior_ability(search(1, 19, 3), np.random.default_rng(1))

    assert (idle.p, idle.reason) == (None, "no trial traded")
    assert (short.p, short.reason) == (None, "19 sessions are too few, 20 are needed")
    assert idle.upper is idle.lower is idle.statistic is idle.lane is None
