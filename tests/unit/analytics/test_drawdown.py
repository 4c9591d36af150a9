import numpy as np
import pytest

from core.analytics import drawdown
from core.analytics.drawdown import (
    drawdowns,
    max_drawdown,
    mean_spell,
    money_drawdown,
    ulcer_index,
    underwater,
)
from core.analytics.undefined import Undefined

BLOCK = drawdown._BLOCK


def obvious_money_drawdown(equity, start):
    peak, worst = start, 0.0
    for value in equity.tolist():
        peak = max(peak, value)
        worst = max(worst, peak - value)
    return worst


def test_drawdowns_are_measured_from_the_peak_so_far():
    falls = drawdowns(np.array([110.0, 99.0, 120.0, 60.0]), 100.0)

    assert falls == pytest.approx([0.0, -0.1, 0.0, -0.5], rel=1e-15)


def test_the_starting_cash_is_a_peak():
    assert max_drawdown(np.array([80.0, 90.0]), 100.0) == pytest.approx(-0.2, rel=1e-15)
    assert money_drawdown(np.array([80.0, 90.0]), 100.0) == 20.0


def test_a_rising_account_has_no_drawdown():
    assert max_drawdown(np.array([100.0, 101.0, 101.0]), 100.0) == 0.0
    assert money_drawdown(np.array([100.0, 101.0, 101.0]), 100.0) == 0.0


def test_debt_is_a_drawdown_beyond_minus_one():
    assert max_drawdown(np.array([200.0, -40.0]), 100.0) == -1.2
    assert money_drawdown(np.array([200.0, -40.0]), 100.0) == 240.0


def test_no_equity_has_no_drawdown():
    assert max_drawdown(np.empty(0), 100.0) == 0.0
    assert money_drawdown(np.empty(0), 100.0) == 0.0


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5000])
@pytest.mark.parametrize("seed", range(8))
def test_walking_only_some_blocks_finds_the_same_fall_to_the_last_bit(length, seed):
    rng = np.random.default_rng(seed)
    drift = (-0.02, 0.0, 0.02, 0.5)[seed % 4]
    equity = 100.0 + np.cumsum(rng.normal(drift, 1.0, length))

    assert money_drawdown(equity, 100.0) == obvious_money_drawdown(equity, 100.0)


def test_a_fall_between_two_rises_inside_every_block_is_found():
    equity = 100.0 + np.arange(4 * BLOCK, dtype=np.float64)
    equity[3::7] -= 50.0

    assert money_drawdown(equity, 100.0) == obvious_money_drawdown(equity, 100.0)


def test_ulcer_index_is_the_root_mean_square():
    assert ulcer_index(np.array([0.0, -0.3, -0.4, 0.0])) == pytest.approx(0.25, rel=1e-15)


def test_ulcer_index_of_nothing_is_undefined():
    with pytest.raises(Undefined) as caught:
        ulcer_index(np.empty(0))

    assert caught.value.reason == "no_data"


@pytest.mark.parametrize(
    ("falls", "spells", "current"),
    [
        ([], [], 0),
        ([0.0, 0.0], [], 0),
        ([-0.1], [1], 1),
        ([-0.1, -0.1, 0.0, -0.1, 0.0], [2, 1], 0),
        ([0.0, -0.1, 0.0, -0.2, -0.1, -0.1], [1, 3], 3),
    ],
)
def test_spells_under_water_are_counted_in_rows(falls, spells, current):
    found = underwater(np.array(falls))

    assert found.spells.tolist() == spells
    assert found.current == current


def test_the_mean_spell_needs_a_spell():
    assert mean_spell(np.array([1, 4])) == 2.5
    with pytest.raises(Undefined) as caught:
        mean_spell(np.empty(0, dtype=np.int64))
    assert caught.value.reason == "no_drawdown"
