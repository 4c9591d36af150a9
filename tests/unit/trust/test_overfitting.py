from itertools import combinations

import numpy as np
import pytest

from core.errors import InvalidInput
from core.trust import overfitting as module
from core.trust.matrix import ReturnMatrix
from core.trust.overfitting import overfitting
from tests.unit.trust.searches import exact_cscv, noise, search, slow_cscv

HALVES = list(combinations(range(4), 2))


@pytest.mark.parametrize(
    ("sessions", "lanes", "blocks"), [(24, 3, 4), (50, 7, 6), (67, 12, 8), (40, 2, 10)]
)
def test_every_choice_is_that_of_plain_loops(sessions, lanes, blocks):
    returns = noise(sessions, sessions, lanes)

    found = overfitting(ReturnMatrix.of(returns), blocks=blocks)

    expected = slow_cscv(returns, blocks)
    winners, inside, outside, logits = (np.array(column) for column in zip(*expected, strict=True))
    assert found.winners.tolist() == winners.tolist()
    assert found.in_sample == pytest.approx(inside, rel=1e-9)
    assert found.out_of_sample == pytest.approx(outside, rel=1e-9, abs=1e-12)
    assert found.logits == pytest.approx(logits, rel=1e-12)
    assert found.pbo == np.mean(logits <= 0)
    assert found.loss == np.mean(outside < 0)
    assert found.slope == pytest.approx(np.polyfit(inside, outside, 1)[0], rel=1e-9)
    assert found.reason is None


def test_lanes_that_rest_for_half_of_history_neither_win_there_nor_lose():
    returns = noise(13, 48, 6) - 0.004
    returns[:24, 1] = 0.0
    returns[12:36, 2] = 0.0
    returns[30:, 4] = 0.0005  # interest on idle cash

    found = overfitting(ReturnMatrix.of(returns), blocks=8)

    expected = slow_cscv(returns, 8)
    assert found.winners.tolist() == [each[0] for each in expected]
    assert found.out_of_sample == pytest.approx([each[2] for each in expected], rel=1e-9)
    assert found.logits == pytest.approx([each[3] for each in expected], rel=1e-12)
    assert np.isfinite(found.in_sample).all()


@pytest.mark.parametrize("rows", [3, 8, 101])
def test_no_bit_depends_on_how_much_is_done_at_once(monkeypatch, rows):
    """A product of matrices does: it is rounded by the shapes and by the threads it is given."""
    whole = overfitting(search(14, 160, 20))
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 20 * rows)
    parts = overfitting(search(14, 160, 20))

    assert parts.logits.tolist() == whole.logits.tolist()
    assert parts.winners.tolist() == whole.winners.tolist()
    assert parts.in_sample.tolist() == whole.in_sample.tolist()
    assert parts.out_of_sample.tolist() == whole.out_of_sample.tolist()


def test_sixteen_blocks_are_12870_choices():
    found = overfitting(search(15, 100, 3))

    assert len(found.logits) == len(found.in_sample) == len(found.winners) == 12_870


def test_rows_too_many_are_dropped_at_the_start():
    returns = noise(16, 83, 5)

    whole = overfitting(ReturnMatrix.of(returns), blocks=8)
    later = overfitting(ReturnMatrix.of(returns[3:]), blocks=8)

    assert whole.in_sample.tolist() == later.in_sample.tolist()


def test_a_lane_that_is_always_the_best_is_no_accident():
    found = overfitting(search(17, 320, 10, edge=1.5), blocks=8)

    assert (found.pbo, found.loss) == (0.0, 0.0)
    assert set(found.winners.tolist()) == {0}
    assert found.logits == pytest.approx(np.log(10.0))


def test_lanes_that_win_in_one_half_and_lose_in_the_other_are_overfitted():
    returns = noise(18, 320, 6) * 0.1
    signs = np.array([[1 if n in half else -1 for n in range(4)] for half in HALVES])
    returns += 0.01 * np.repeat(signs.T, 80, axis=0)

    found = overfitting(ReturnMatrix.of(returns), blocks=4)

    assert (found.pbo, found.loss) == (1.0, 1.0)
    assert found.winners.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_first_of_equal_lanes_ranks_below_its_copies():
    returns = np.repeat(noise(19, 64, 1, edge=2.0), 5, axis=1)
    returns[:, 3] -= 0.04  # worse than the others, always

    found = overfitting(ReturnMatrix.of(returns), blocks=4)

    assert found.logits == pytest.approx(np.log((2 / 6) / (4 / 6)))
    assert (found.pbo, set(found.winners.tolist())) == (1.0, {0})


def test_of_lanes_that_are_all_the_same_none_was_chosen():
    found = overfitting(ReturnMatrix.of(np.repeat(noise(19, 64, 1), 4, axis=1)), blocks=4)

    assert (found.pbo, found.error, found.lanes) == (None, None, 4)
    assert found.reason == "all trials that traded have the same returns"


@pytest.mark.parametrize("seed", range(30))
def test_lanes_that_seldom_trade_tie_where_fractions_say_so(seed):
    """One return in a half gives the same ratio whatever its size; rounding must not rank it."""
    rng = np.random.default_rng(seed)
    sessions, lanes, blocks = int(rng.integers(12, 60)), int(rng.integers(2, 8)), 6
    returns = rng.uniform(0.002, 0.02, (sessions, lanes)) * rng.choice([-1, 1], (sessions, lanes))
    returns[rng.random((sessions, lanes)) < 0.85] = 0.0
    returns[0] += 0.003  # every lane has two values

    search = ReturnMatrix.of(returns)
    found = overfitting(search, blocks=blocks)

    expected = exact_cscv(returns[:, search.traded], blocks)
    if expected is None:
        assert found.reason == "in some half of history no trial traded"
        return
    assert found.winners.tolist() == search.traded[[each[0] for each in expected]].tolist()
    assert found.logits == pytest.approx([each[1] for each in expected])


def test_the_error_is_that_of_noise_with_as_many_independent_lanes():
    """One row of the table again, with other numbers: 60 searches of 50 lanes."""
    found = [overfitting(search(seed, 160, 50), blocks=10) for seed in range(60)]

    shares = np.array([each.pbo for each in found])
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert shares.std() == pytest.approx(np.mean([each.error for each in found]), rel=0.25)
    low, high = found[0].noise
    assert np.mean((shares < low) | (shares > high)) < 0.25


def test_more_independent_lanes_have_less_error_and_copies_change_nothing():
    few, many = search(20, 400, 5), search(20, 400, 200)
    copies = ReturnMatrix.of(np.repeat(noise(20, 400, 5), 40, axis=1))

    assert overfitting(few).error > 1.5 * overfitting(many).error
    assert overfitting(copies).error == pytest.approx(overfitting(few).error, rel=0.05)


def test_what_cannot_be_said_is_empty_and_has_a_reason():
    returns = noise(21, 100, 4)
    returns[:, 1:] = 0.0
    quiet = noise(21, 100, 4)
    quiet[20:] = 0.0

    alone = overfitting(ReturnMatrix.of(returns))
    short = overfitting(search(21, 31, 4))
    resting = overfitting(ReturnMatrix.of(quiet), blocks=8)

    assert (alone.pbo, alone.reason) == (None, "fewer than two trials traded")
    assert (short.pbo, short.reason) == (None, "31 sessions are too few for 16 blocks")
    assert (resting.pbo, resting.reason) == (None, "in some half of history no trial traded")
    for each in (alone, short, resting):
        assert each.error is each.noise is each.slope is each.loss is None
        assert len(each.logits) == len(each.winners) == 0


@pytest.mark.parametrize("blocks", [2, 7, 22, 0, -4])
def test_blocks_that_have_no_halves_or_too_many_are_refused(blocks):
    with pytest.raises(InvalidInput, match=f"blocks are {blocks}"):
        overfitting(search(1, 100, 3), blocks=blocks)
