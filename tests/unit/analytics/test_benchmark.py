"""Alpha, beta and their kin: closed forms, scipy, empyrical, and what cannot be said."""

import warnings
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from core.analytics import benchmark
from core.analytics.account import account_of
from core.analytics.benchmark import Pairs, pairs_with
from core.analytics.summary import summarise
from core.analytics.undefined import Undefined
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.timeframe import Timeframe
from core.engine.measures import summarise_run
from tests.factories import US_PER_DAY, make_bars
from tests.unit.analytics.simulations import from_returns, simulation_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical

NAMES = ("alpha", "alpha_t", "beta", "beta_t", "correlation", "tracking_error", "info_ratio")


def pairs_of(own, other, per_year=252.0):
    own, other = np.asarray(own, dtype=float), np.asarray(other, dtype=float)
    return Pairs(own, other, per_year, len(own))


def drawn(seed, size=300):
    rng = np.random.default_rng(seed)
    other = rng.normal(0.0004, 0.01, size)
    return 0.0002 + 0.6 * other + rng.standard_t(4, size) * 0.006, other


def metrics_of(simulations, other=None):
    return summarise(simulations, options=EngineOptions(), costs=CostModel(), benchmark=other)


def market(returns, **rest):
    """A symbol that opens at 50 and has these returns, one a session."""
    closes = 50.0 * np.cumprod(1.0 + np.asarray(returns))
    return make_bars(np.concatenate(([50.0], closes[:-1])), close=closes, **rest)


# Above the riskless rate -----------------------------------------------------------------------


@pytest.mark.parametrize("rate", [-0.01, 0.05, 0.4])
def test_an_account_half_in_the_market_and_half_in_bills_has_no_alpha(rate):
    _, other = drawn(4)
    bill = (1.0 + rate) ** (1.0 / 252.0) - 1.0
    half = Pairs(0.5 * other + 0.5 * bill, other, 252.0, len(other), bill)

    assert benchmark.beta(half) == pytest.approx(0.5, rel=1e-12)
    assert benchmark.alpha(half) == pytest.approx(0.0, abs=1e-12)
    assert benchmark.correlation(half) == pytest.approx(1.0, rel=1e-12)
    # Without the rate, what the bills earn would pass for skill.
    idle = Pairs(half.own, other, 252.0, len(other))
    assert benchmark.alpha(idle) == pytest.approx(252.0 * 0.5 * bill, rel=1e-9)


def test_a_session_the_benchmark_lacks_earns_the_rate_of_two():
    """An account in bills alone, beside a market that is closed on three of its days."""
    _, other = drawn(5, 200)
    bills = from_returns(np.full(200, 1.1 ** (1.0 / 252.0) - 1.0))
    days = np.delete(bills.bars.session, [40, 41, 90])
    rules = {
        "options": EngineOptions(risk_free=0.1),
        "costs": CostModel(),
        "benchmark": market(other[:197], session=days),
    }

    for found in (summarise([bills], **rules), summarise_run(bills, **rules)):
        assert found["alpha"] == pytest.approx(0.0, abs=1e-11)
        assert found["beta"] == pytest.approx(0.0, abs=1e-12)
        assert found.reasons["correlation"] == "zero_variance"
        assert found.reasons["sharpe"] == "zero_variance"


# The line ------------------------------------------------------------------------------------


def test_a_square_of_residuals_by_hand():
    """x takes -u and u, y = a + b x ± e in a pattern that is orthogonal to both."""
    u, a, b, e, count = 0.01, 0.0005, 0.7, 0.002, 80
    x = np.tile([-u, u, -u, u], count // 4)
    y = a + b * x + np.tile([e, e, -e, -e], count // 4)
    pairs = pairs_of(y, x, 250.0)

    error = e * sqrt(count / (count - 2))
    assert benchmark.alpha(pairs) == pytest.approx(250 * a, rel=1e-12)
    assert benchmark.beta(pairs) == pytest.approx(b, rel=1e-12)
    assert benchmark.alpha_t(pairs) == pytest.approx(a / (error / sqrt(count)), rel=1e-12)
    assert benchmark.beta_t(pairs) == pytest.approx(b / (error / (u * sqrt(count))), rel=1e-12)
    share = (b * u) ** 2 / ((b * u) ** 2 + e**2)
    assert benchmark.correlation(pairs) == pytest.approx(sqrt(share), rel=1e-12)


def test_the_difference_by_hand():
    other = np.tile([0.03, -0.02, 0.01, 0.0], 15)
    pairs = pairs_of(other + np.tile([0.003, -0.001], 30), other, 250.0)

    deviation = 0.002 * sqrt(60 / 59)
    assert benchmark.tracking_error(pairs) == pytest.approx(deviation * sqrt(250), rel=1e-12)
    ratio = 0.001 / deviation * sqrt(250)
    assert benchmark.information_ratio(pairs) == pytest.approx(ratio, rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_scipy_draws_the_same_line(seed):
    own, other = drawn(seed)
    line = stats.linregress(other, own)
    pairs = pairs_of(own, other)

    expected = {
        "alpha": 252.0 * line.intercept,
        "alpha_t": line.intercept / line.intercept_stderr,
        "beta": line.slope,
        "beta_t": line.slope / line.stderr,
        "correlation": line.rvalue,
    }
    found = {name: getattr(benchmark, name)(pairs) for name in expected}
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_empyrical_agrees_on_beta_and_on_alpha_before_compounding(seed):
    own, other = drawn(seed)
    pairs = pairs_of(own, other)

    assert benchmark.beta(pairs) == pytest.approx(empyrical.beta(own, other), rel=1e-10)
    compounded = (1.0 + benchmark.alpha(pairs) / 252.0) ** 252 - 1.0
    assert compounded == pytest.approx(empyrical.alpha(own, other), rel=1e-8)
    per_day = benchmark.information_ratio(pairs) / sqrt(252.0)
    assert per_day == pytest.approx(empyrical.excess_sharpe(own, other), rel=1e-10)


# Pairs ---------------------------------------------------------------------------------------


def test_a_session_one_side_lacks_makes_the_next_pair_longer():
    closes = np.array([101.0, 103.0, 102.0, 107.0, 110.0])
    other = make_bars([50, 52, 51, 53], close=[51.0, 52.5, 51.5, 54.0], session=[10, 11, 13, 20])

    pairs = pairs_with(other, np.arange(10, 15, dtype=np.int32), closes, 100.0, 250.0)

    assert pairs.own == pytest.approx([0.01, 103 / 101 - 1, 107 / 103 - 1])
    assert pairs.benchmark == pytest.approx([51 / 50 - 1, 52.5 / 51 - 1, 51.5 / 52.5 - 1])
    # Four sessions are covered by three pairs.
    assert pairs.per_year == pytest.approx(250.0 * 3 / 4)


def test_a_benchmark_that_begins_later_starts_from_its_first_common_close():
    closes = np.array([101.0, 103.0, 102.0, 107.0])
    other = make_bars([50, 52, 51], close=[51.0, 52.5, 51.5], session=[11, 12, 13])

    pairs = pairs_with(other, np.arange(10, 14, dtype=np.int32), closes, 100.0, 250.0)

    assert pairs.own == pytest.approx([102 / 103 - 1, 107 / 102 - 1])
    assert pairs.benchmark == pytest.approx([52.5 / 51 - 1, 51.5 / 52.5 - 1])
    assert pairs.per_year == 250.0


def test_a_benchmark_with_a_past_is_bought_at_the_open_of_the_first_session():
    bars = make_bars(
        [10.0, 20.0, 30.0, 40.0],
        close=[11.0, 21.0, 31.0, 41.0],
        session=[9, 10, 10, 11],
        ts=np.array([9, 10, 10.5, 11]) * US_PER_DAY,
        timeframe=Timeframe.M15,
    )

    pairs = pairs_with(bars, np.array([10, 11], dtype=np.int32), np.array([1.0, 2.0]), 1.0, 250.0)

    assert pairs.benchmark == pytest.approx([31 / 20 - 1, 41 / 31 - 1])


@pytest.mark.parametrize("session", [[1, 2], [14], [13, 99]])
def test_no_two_levels_in_common_are_no_pairs(session):
    other = make_bars(np.full(len(session), 50.0), session=session)

    pairs = pairs_with(other, np.arange(10, 15, dtype=np.int32), np.ones(5), 1.0, 250.0)

    assert len(pairs) == 0


# A run ---------------------------------------------------------------------------------------


def test_holding_the_benchmark_is_beta_one_and_nothing_else():
    _, other = drawn(1)
    bars = market(other)
    run = simulation_of(bars.close * 2.0, initial_cash=100.0)

    found = metrics_of([run], bars)

    assert found["beta"] == pytest.approx(1.0, abs=1e-12)
    assert found["correlation"] == pytest.approx(1.0, abs=1e-12)
    assert found["alpha"] == pytest.approx(0.0, abs=1e-12)
    assert found["tracking_error"] == pytest.approx(0.0, abs=1e-12)
    assert {name: found.reasons[name] for name in ("alpha_t", "beta_t", "info_ratio")} == {
        "alpha_t": "exact_fit",
        "beta_t": "exact_fit",
        "info_ratio": "zero_variance",
    }


def test_without_a_name_it_is_the_run_s_own_symbols():
    own, other = drawn(2)
    closes = 50.0 * np.cumprod(1.0 + other)
    run = from_returns(own, close=closes)
    # make_bars opens at the close of the first bar, so its first return is 0.
    same = metrics_of([run], market(np.concatenate(([0.0], other[1:]))))

    found = metrics_of([run])

    line = stats.linregress(np.concatenate(([0.0], other[1:])), own)
    assert found["beta"] == pytest.approx(line.slope, rel=1e-10)
    assert {name: found[name] for name in NAMES} == pytest.approx(
        {name: same[name] for name in NAMES}, rel=1e-9
    )


def test_half_the_sessions_in_common_count_half_a_year():
    """An account open every day beside a market open every other day."""
    own, _ = drawn(3, 730)
    run = from_returns(own)
    days = run.bars.session[::2]
    rng = np.random.default_rng(3)
    bars = market(rng.normal(0.0, 0.01, len(days)), session=days)
    levels = np.concatenate(([100.0], run.equity[2::2]))
    levels[0] = run.equity[0]
    mine = np.concatenate(([run.equity[0] / 100.0 - 1.0], levels[1:] / levels[:-1] - 1.0))
    theirs = np.concatenate(
        ([bars.close[0] / bars.open[0] - 1.0], bars.close[1:] / bars.close[:-1] - 1.0)
    )

    found = metrics_of([run], bars)

    per_year = 365.2425 * len(mine) / 729
    line = stats.linregress(theirs, mine)
    assert found["alpha"] == pytest.approx(line.intercept * per_year, rel=1e-9)
    deviation = float(np.std(mine - theirs, ddof=1))
    assert found["tracking_error"] == pytest.approx(deviation * sqrt(per_year), rel=1e-9)


# What cannot be said -------------------------------------------------------------------------


def test_sixty_pairs_are_enough_and_fifty_nine_are_not():
    own, other = drawn(4, 60)

    assert metrics_of([from_returns(own)], market(other))["beta"] is not None
    found = metrics_of([from_returns(own[:59])], market(other[:59]))
    assert {found.reasons[name] for name in NAMES[:5]} == {"too_short"}
    assert found["info_ratio"] is not None
    missing = metrics_of([from_returns(own)], market(other[:59]))
    assert {missing.reasons[name] for name in NAMES[:5]} == {"too_few_pairs"}


def test_twenty_pairs_are_enough_for_the_information_ratio():
    own, other = drawn(5, 40)

    assert metrics_of([from_returns(own)], market(other[:20]))["info_ratio"] is not None
    found = metrics_of([from_returns(own)], market(other[:19]))
    assert found.reasons["info_ratio"] == "too_few_pairs"
    assert found["tracking_error"] is not None


def test_a_benchmark_that_never_meets_the_run_leaves_everything_open():
    own, other = drawn(6)

    found = metrics_of([from_returns(own)], market(other, session=np.arange(len(other))))

    assert {found.reasons[name] for name in NAMES} == {"too_few_pairs"}


@pytest.mark.parametrize("step", [0.0, 0.001])
def test_a_benchmark_of_one_return_explains_nothing(step):
    own, _ = drawn(7, 100)

    found = metrics_of([from_returns(own)], market(np.full(100, step)))

    assert {found.reasons[name] for name in NAMES[:5]} == {"flat_benchmark"}
    assert found["info_ratio"] is not None


def test_an_account_of_one_return_correlates_with_nothing():
    _, other = drawn(8, 100)

    found = metrics_of([from_returns(np.full(100, 0.001))], market(other))

    assert found["beta"] == pytest.approx(0.0, abs=1e-12)
    assert found.reasons["correlation"] == "zero_variance"
    assert found.reasons["beta_t"] == "exact_fit"


def test_an_account_that_never_traded_has_only_a_tracking_error():
    _, other = drawn(9, 100)

    found = metrics_of([from_returns(np.zeros(100), trades=())], market(other))

    assert {found.reasons.get(name) for name in NAMES} == {"no_trades", None}
    expected = float(np.std(other, ddof=1)) * sqrt(252.0)
    assert found["tracking_error"] == pytest.approx(expected, rel=1e-10)


def test_pairs_end_with_ruin():
    own, other = drawn(10, 200)
    equity = 100.0 * np.cumprod(1.0 + own)
    equity[100:] = -5.0

    found = metrics_of([simulation_of(equity)], market(other))

    until = np.concatenate((own[:100], [-5.0 / equity[99] - 1.0]))
    line = stats.linregress(other[:101], until)
    assert found["beta"] == pytest.approx(line.slope, rel=1e-9)


def test_reasons_are_those_of_functions_too():
    own, other = drawn(11, 10)

    with pytest.raises(Undefined) as caught:
        benchmark.alpha(pairs_of(own, other))
    assert caught.value.reason == "too_short"


def test_a_benchmark_is_held_with_its_dividends():
    """Without its dividend of 2 it would have lost 2 %; own and other are the same account."""
    own = simulation_of([100.0, 100.0, 101.0])
    other = make_bars([100.0, 98.0, 99.0], dividend=[5.0, 2.0, 0.0])

    pairs = account_of([own], other).pairs

    assert pairs.benchmark == pytest.approx([0.0, 0.0, 0.01], abs=1e-15)
