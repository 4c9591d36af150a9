import numpy as np
import pytest

from core.errors import InvalidInput
from core.trust import matrix
from core.trust.matrix import ReturnMatrix
from tests.unit.trust.searches import noise


def test_lanes_that_did_not_trade_or_failed_are_not_judged():
    returns = noise(1, 50, 6)
    returns[:, 1] = 0.0
    returns[:, 2] = 0.001 * (1 + 1e-13 * np.arange(50))  # interest on idle cash, rounded
    returns[7, 3] = np.nan
    returns[7, 4] = np.inf

    search = ReturnMatrix.of(returns)

    assert search.traded.tolist() == [0, 5]
    assert (search.sessions, search.lanes) == (50, 6)


def test_interest_on_idle_cash_is_no_edge():
    returns = noise(4, 60, 3).astype(np.float32)
    returns[:, 0] = 1e-4
    returns[::7, 0] = np.nextafter(np.float32(1e-4), np.float32(1))
    returns[:, 1] = np.where(np.arange(60) % 5 == 0, 3e-4, 1e-4)  # three days over a weekend

    assert ReturnMatrix.of(returns).traded.tolist() == [1, 2]
    idle = np.array([True, True, False])
    assert ReturnMatrix.of(returns, idle=idle).traded.tolist() == [2]
    with pytest.raises(InvalidInput, match="idle has shape"):
        ReturnMatrix.of(returns, idle=idle[:2])


@pytest.mark.parametrize("sessions", [0, 1])
def test_of_one_session_nothing_is_judged(sessions):
    search = ReturnMatrix.of(np.ones((sessions, 4)))

    assert search.traded.tolist() == []
    assert search.ratios().tolist() == []


def test_ratios_are_of_one_session_whatever_the_memory(monkeypatch):
    returns = noise(2, 40, 9).astype(np.float32)
    returns[:, 4] = 0.0
    traded = np.delete(returns.astype(np.float64), 4, axis=1)
    expected = traded.mean(axis=0) / traded.std(axis=0, ddof=1)
    monkeypatch.setattr(matrix, "STRIPE_BYTES", 8 * 40 * 2)

    search = ReturnMatrix.of(returns)

    assert [place.stop - place.start for place, _ in search.stripes()] == [2, 2, 2, 2]
    assert search.ratios() == pytest.approx(expected, rel=1e-12)


def test_a_matrix_may_lie_the_other_way_round():
    lanes_first = np.ascontiguousarray(noise(3, 40, 5).T)

    assert ReturnMatrix.of(lanes_first.T).ratios() == pytest.approx(
        ReturnMatrix.of(noise(3, 40, 5)).ratios(), rel=1e-12
    )


@pytest.mark.parametrize("wrong", [np.zeros(5), np.zeros((2, 2, 2)), np.array([["a", "b"]])])
def test_what_is_no_table_of_numbers_is_refused(wrong):
    with pytest.raises(InvalidInput, match="session returns have shape"):
        ReturnMatrix.of(wrong)


@pytest.mark.parametrize("lane", [-1, 4])
def test_a_lane_that_is_not_there_is_refused(lane):
    with pytest.raises(InvalidInput, match=f"lane {lane}"):
        ReturnMatrix.of(noise(1, 30, 4)).lane(lane)
