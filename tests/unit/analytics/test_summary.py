"""The table of edge cases, row by row, and what a summary adds to the numbers."""

from math import sqrt

import numpy as np
import pytest

from core.analytics.catalog import CATALOG
from core.analytics.summary import summarise
from core.domain.costs import CostModel
from core.domain.market import MARKETS
from core.domain.metrics import BADGES, COUNTER_NAMES, METRICS, REASONS
from core.domain.options import EngineOptions, OptionProxy
from core.domain.simulation import Counters
from core.domain.timeframe import Timeframe
from tests.factories import US_PER_DAY, ZERO
from tests.unit.analytics.simulations import OPEN, Trade, closed, from_returns, simulation_of

PAID = CostModel(bps=5.0)
RATIOS = (
    "sharpe",
    "sharpe_se",
    "psr",
    "min_trl",
    "sharpe_bar",
    "sortino",
    "calmar",
    "upi",
    "omega",
    "tail_ratio",
    "skewness",
    "kurtosis",
    "recovery_factor",
)
ZERO_AT_REST = (
    "total_return",
    "cagr",
    "net_profit",
    "volatility",
    "max_drawdown",
    "ulcer_index",
    "var_95",
    "cvar_95",
    "underwater_longest",
    "underwater_current",
    "exposure",
    "turnover",
    "trades",
    "open_trades",
    "fees",
    "slippage",
    "total_costs",
    "dividends",
    "borrow",
    "carry",
    "funding",
    "interest",
)
OF_TRADES = [name for name, metric in METRICS.items() if metric.group == "trades"]
OF_CLOSED_TRADES = [name for name in OF_TRADES if name not in {"trades", "open_trades"}]


def metrics_of(*simulations, options=EngineOptions(), costs=PAID, synthetic=False):  # noqa: B008
    found = summarise(simulations, options=options, costs=costs, synthetic=synthetic)
    assert list(found.values) == list(METRICS)
    assert set(found.reasons) == {name for name, value in found.values.items() if value is None}
    assert set(found.reasons.values()) <= set(REASONS)
    assert set(found.counters) == set(COUNTER_NAMES)
    assert set(found.badges) <= set(BADGES)
    return found


def test_the_catalogue_has_every_metric_in_order():
    assert list(CATALOG) == list(METRICS)


# The matrix ------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulations", [(), (simulation_of([], trades=()),)])
def test_an_empty_history_has_no_metrics_at_all(simulations):
    found = metrics_of(*simulations)

    assert set(found.values.values()) == {None}
    assert set(found.reasons.values()) == {"no_data"}
    assert found.badges == ()


def test_one_return_is_too_short_for_anything_but_the_return():
    found = metrics_of(from_returns([0.01]))

    assert found["total_return"] == pytest.approx(0.01, rel=1e-12)
    assert found["sessions"] == 1.0
    for name in ("cagr", "volatility", "ulcer_index", "turnover", "var_95", "cvar_95", *RATIOS):
        if name != "recovery_factor":
            assert (found[name], found.reasons[name]) == (None, "too_short"), name


def test_an_account_that_never_traded_has_no_ratios():
    found = metrics_of(from_returns([0.0] * 120, trades=(), held=[False] * 120))

    for name in ZERO_AT_REST:
        assert str(found[name]) == "0.0", name  # and not -0.0
    for name in (*RATIOS, *OF_CLOSED_TRADES, "cost_share", "breakeven_bps"):
        assert (found[name], found.reasons[name]) == (None, "no_trades"), name


def test_constant_gains_have_no_variance_downside_or_drawdown():
    found = metrics_of(from_returns([0.001] * 60))

    assert found.reasons["sharpe"] == "zero_variance"
    for name in ("sharpe_se", "psr", "min_trl"):
        assert found.reasons[name] == "zero_variance", name
    assert found.reasons["skewness"] == "zero_variance"
    assert found.reasons["kurtosis"] == "zero_variance"
    assert found.reasons["sortino"] == "no_downside"
    assert found.reasons["omega"] == "no_downside"
    for name in ("calmar", "upi", "recovery_factor", "underwater_mean"):
        assert found.reasons[name] == "no_drawdown", name


def test_gains_only_have_a_sharpe_and_a_negative_loss():
    returns = np.tile([0.001, 0.003], 60)

    found = metrics_of(from_returns(returns, trades=closed(1.0, 2.0)))

    assert found["sharpe"] == pytest.approx(2.0 * sqrt(119 / 120 * 252), rel=1e-9)
    assert found["psr"] == 1.0
    assert 1.0 < found["min_trl"] < 4.0
    assert found["var_95"] == pytest.approx(-0.001, rel=1e-9)
    assert found.reasons["sortino"] == "no_downside"
    assert found.reasons["calmar"] == "no_drawdown"
    assert found.reasons["profit_factor"] == "no_losses"


def test_losses_only_have_an_omega_of_nothing():
    returns = np.tile([-0.001, -0.003], 60)

    found = metrics_of(from_returns(returns, trades=closed(-1.0, -2.0)))

    assert found["sharpe"] == pytest.approx(-2.0 * sqrt(119 / 120 * 252), rel=1e-9)
    assert found["psr"] == pytest.approx(0.0, abs=1e-80)
    assert found.reasons["min_trl"] == "no_excess"
    assert found["omega"] == 0.0
    assert found["profit_factor"] == 0.0
    assert found["max_drawdown"] == found["total_return"]
    assert found["underwater_current"] == found["underwater_longest"] == 120


def test_rounding_of_equity_is_no_fall_and_no_loss():
    equity = np.array([100.0, 110.0, 110.0 * (1.0 - 2e-16), 121.0])
    assert equity[2] < equity[1]

    found = metrics_of(simulation_of(equity))

    assert found["max_drawdown"] == 0.0
    assert found["underwater_longest"] == 0.0
    for name in ("calmar", "upi", "recovery_factor", "underwater_mean"):
        assert found.reasons[name] == "no_drawdown", name
    for name in ("sortino", "omega"):
        assert found.reasons[name] == "no_downside", name


def test_rounding_of_equity_is_no_profit_before_costs():
    trade = Trade(0, 1, pnl=-0.3, fees=0.3)
    equity = [100.0, 100.0 - 0.1 - 0.1 - 0.1 + 1e-14]

    found = metrics_of(simulation_of(equity, trades=[trade]))

    assert found.reasons["cost_share"] == "no_gross_profit"
    assert found["breakeven_bps"] == 0.0


@pytest.mark.parametrize("fall", [-1.0, -1.2])
def test_ruin_keeps_the_numbers_up_to_it(fall):
    before = np.tile([0.01, -0.02, 0.03], 10)
    equity = 100.0 * np.cumprod(1.0 + before)
    left = equity[-1] * (1.0 + fall)

    found = metrics_of(simulation_of([*equity, *[left] * 90]))

    lived = np.append(before, fall)
    assert found["cagr"] == -1.0
    assert found["max_drawdown"] == pytest.approx(left / equity.max() - 1.0, rel=1e-15)
    assert found["total_return"] == pytest.approx(left / 100.0 - 1.0, rel=1e-15)
    assert found["sharpe"] == pytest.approx(lived.mean() / lived.std(ddof=1) * sqrt(252), rel=1e-9)
    assert found["calmar"] == pytest.approx(-1.0 / abs(found["max_drawdown"]), rel=1e-15)
    assert found["sessions"] == 31.0
    assert 0.0 < found["psr"] < 0.5
    assert found.reasons["min_trl"] == "no_excess"
    assert "ruined" in found.badges


def test_ruin_within_a_session_ends_the_returns_of_bars_and_sessions():
    equity = [100.0, 120.0, 90.0, -30.0, -30.0, -30.0]
    session = [1, 1, 2, 2, 3, 3]

    found = metrics_of(simulation_of(equity, session=session, ts=range(6), timeframe=Timeframe.H1))

    assert found["volatility"] == pytest.approx(np.std([0.2, -1.25], ddof=1) * sqrt(252), rel=1e-12)


# Annualisation ---------------------------------------------------------------------------------


def test_less_than_a_year_is_annualised_by_the_nominal_sessions_and_badged():
    found = metrics_of(from_returns([0.01, -0.01] * 15, market=MARKETS["XNSE"]))

    assert found["volatility"] == pytest.approx(0.01 * sqrt(30 / 29 * 248), rel=1e-12)
    assert "short_history" in found.badges


def test_a_year_or_more_is_annualised_by_the_sessions_it_has():
    days = np.arange(0, 730, 2)  # every other day, 729 days in all

    found = metrics_of(from_returns([0.01, -0.01] * 182 + [0.0], ts=days * US_PER_DAY))

    sd = np.std([0.01, -0.01] * 182 + [0.0], ddof=1)
    assert found["volatility"] == pytest.approx(sd * sqrt(365 / (729 / 365.2425)), rel=1e-12)
    assert "short_history" not in found.badges


@pytest.mark.parametrize(("days", "is_short"), [(365, True), (366, False)])
def test_a_gregorian_year_is_a_history(days, is_short):
    found = metrics_of(from_returns([0.01, -0.01] * (days // 2) + [0.0] * (days % 2)))

    assert ("short_history" in found.badges) is is_short


@pytest.mark.parametrize(
    ("timeframe", "step", "per_year"), [(Timeframe.W1, 7, 52), (Timeframe.MN1, 31, 12)]
)
def test_weeks_and_months_are_their_own_periods(timeframe, step, per_year):
    days = np.arange(40) * step

    found = metrics_of(
        from_returns([0.01, -0.01] * 20, ts=days * US_PER_DAY, session=days, timeframe=timeframe)
    )

    assert found["volatility"] == pytest.approx(0.01 * sqrt(40 / 39 * per_year), rel=1e-12)


def test_headline_figures_come_from_sessions_and_not_from_bars():
    rng = np.random.default_rng(3)
    equity = 100.0 * np.cumprod(1.0 + rng.normal(0.0, 0.01, 120))
    session = np.repeat(np.arange(30), 4)
    ts = np.arange(120) * 3_600_000_000

    found = metrics_of(simulation_of(equity, session=session, ts=ts, timeframe=Timeframe.H1))
    daily = metrics_of(simulation_of(equity[3::4]))

    names = ("sharpe", "psr", "sortino", "volatility", "omega", "skewness", "ulcer_index")
    for name in (*names, "sessions"):
        assert found[name] == pytest.approx(daily[name], rel=1e-14), name
    assert found["max_drawdown"] < daily["max_drawdown"]
    bars = equity / np.concatenate(([100.0], equity[:-1])) - 1.0
    assert found["sharpe_bar"] == pytest.approx(
        bars.mean() / bars.std(ddof=1) * sqrt(252 * 4), rel=1e-9
    )


def test_with_one_bar_a_session_both_sharpes_agree():
    found = metrics_of(from_returns([0.02, -0.01] * 20))

    assert found["sharpe_bar"] == pytest.approx(found["sharpe"], rel=1e-14)


# Above the riskless rate -----------------------------------------------------------------------

ABOVE = {"sharpe", "sharpe_se", "psr", "min_trl", "sharpe_bar", "sortino", "upi"}


def test_ratios_are_of_what_is_earned_above_the_rate():
    rate = 0.06
    bill = (1.0 + rate) ** (1.0 / 252.0) - 1.0
    excess = np.tile([0.004, -0.002, 0.001, -0.001], 30)

    found = metrics_of(from_returns(excess + bill), options=EngineOptions(risk_free=rate))
    plain = metrics_of(from_returns(excess))

    for name in ABOVE - {"upi"}:
        assert found[name] == pytest.approx(plain[name], rel=1e-10), name
    ulcer, growth = found["ulcer_index"], found["cagr"]
    assert found["upi"] == pytest.approx((growth - rate) / ulcer, rel=1e-14)
    assert found["omega"] > plain["omega"]  # its threshold is 0
    # What does not stand on excess returns knows no rate.
    idle = metrics_of(from_returns(excess + bill))
    assert {name for name in METRICS if found[name] != idle[name]} == ABOVE


def test_what_earns_the_rate_on_average_has_a_sharpe_of_nothing():
    bill = 1.05 ** (1.0 / 252.0) - 1.0
    sample = np.tile([bill + 0.01, bill - 0.01], 60)

    found = metrics_of(from_returns(sample), options=EngineOptions(risk_free=0.05))

    assert found["sharpe"] == pytest.approx(0.0, abs=1e-10)
    assert found["psr"] == pytest.approx(0.5, abs=1e-10)


def test_a_rate_of_zero_changes_no_bit():
    run = from_returns(np.random.default_rng(1).normal(0.001, 0.01, 300))

    assert metrics_of(run, options=EngineOptions(risk_free=0.0)) == metrics_of(run)


# Trades and costs ------------------------------------------------------------------------------


def test_an_open_trade_is_no_closed_trade():
    found = metrics_of(from_returns([0.01, -0.01], trades=(OPEN,)))

    assert found["trades"] == 0
    assert found["open_trades"] == 1
    for name in OF_CLOSED_TRADES:
        assert (found[name], found.reasons[name]) == (None, "no_closed_trades"), name


def test_open_trades_stay_out_of_the_statistics():
    trades = [*closed(10.0, -5.0), Trade(entry_bar=4, pnl=1000.0)]

    found = metrics_of(from_returns([0.0] * 6, trades=trades))

    assert (found["trades"], found["open_trades"]) == (2, 1)
    assert found["expectancy"] == 2.5
    assert found["best_trade"] == 0.1


def test_durations_are_in_bars_and_in_time():
    trades = [Trade(0, 3, pnl=1.0), Trade(3, 3, pnl=1.0), Trade(4, 5, pnl=1.0)]

    found = metrics_of(from_returns([0.0] * 6, trades=trades))

    assert (found["bars_max"], found["bars_median"]) == (3, 1)
    assert found["bars_mean"] == pytest.approx(4 / 3, rel=1e-15)
    assert (found["duration_max"], found["duration_median"]) == (3 * 86_400, 86_400)
    assert found["duration_mean"] == pytest.approx(4 / 3 * 86_400, rel=1e-15)


def test_sqn_counts_in_risk_only_if_every_trade_has_some():
    stopped = closed(10.0, -5.0, 20.0, risk=10.0, quantity=10.0)
    mixed = [*stopped[:2], *closed(20.0, quantity=10.0)]
    multiples, fractions = np.array([1.0, -0.5, 2.0]), np.array([0.01, -0.005, 0.02])

    in_risk = metrics_of(from_returns([0.0] * 6, trades=stopped))
    in_money = metrics_of(from_returns([0.0] * 6, trades=mixed))

    def t(values):
        return values.mean() / values.std(ddof=1) * sqrt(3)

    assert in_risk["sqn"] == pytest.approx(t(multiples), rel=1e-12)
    assert in_money["sqn"] == pytest.approx(t(fractions), rel=1e-12)
    assert in_risk["expectancy_r"] == pytest.approx(2.5 / 3, rel=1e-15)
    assert in_money["expectancy_r"] == 0.25


def test_no_stop_means_no_risk_unit():
    found = metrics_of(from_returns([0.0] * 4, trades=closed(1.0, -1.0)))

    for name in ("expectancy_r", "mae_r", "mfe_r"):
        assert found.reasons[name] == "no_stop", name


def test_excursions_in_risk_are_of_the_money_at_risk():
    # 2 units from 100 with a stop at 95, 5 money a point: 50 at risk, 40 lost and 100 won at most.
    risky = Trade(0, 1, pnl=30.0, quantity=-2.0, mae=-0.04, mfe=0.1, risk=50.0)
    stopped = Trade(2, 3, pnl=-50.0, quantity=2.0, mae=-0.05, mfe=0.01, risk=50.0)
    free = Trade(4, 5, pnl=1.0, mae=-0.5, mfe=0.5)

    found = metrics_of(from_returns([0.0] * 6, trades=[risky, stopped, free], multiplier=5.0))

    assert found["mae_r"] == pytest.approx((-0.8 - 1.0) / 2, rel=1e-15)
    assert found["mfe_r"] == pytest.approx((2.0 + 0.2) / 2, rel=1e-15)
    assert found["mae_mean"] == pytest.approx(-0.59 / 3, rel=1e-15)


def test_costs_reconcile_with_equity():
    # 100 in, 130 out after 6 of fees and 4 of slippage: 40 gross, of which 25 % went.
    trades = [Trade(0, 2, pnl=30.0, fees=6.0, slippage=4.0, quantity=2.0, exit_price=120.0)]

    found = metrics_of(simulation_of([100.0, 110.0, 130.0], trades=trades, multiplier=5.0))

    assert (found["fees"], found["slippage"], found["total_costs"]) == (6.0, 4.0, 10.0)
    assert found["cost_share"] == 0.25
    assert found["breakeven_bps"] == pytest.approx(1e4 * 40 / 2200, rel=1e-15)
    assert found["turnover"] == pytest.approx(1100 / (340 / 3) / (3 / 365.2425), rel=1e-14)


def test_open_positions_count_as_gross_profit_at_their_last_mark():
    found = metrics_of(simulation_of([100.0, 109.0], trades=[Trade(pnl=9.0, fees=1.0)]))

    assert found["breakeven_bps"] == pytest.approx(1e4 * 10 / 100, rel=1e-14)


# Several symbols -------------------------------------------------------------------------------


def test_sleeves_are_measured_as_one_account():
    up = simulation_of([110.0, 110.0, 130.0], trades=closed(30.0), held=[True, True, False])
    down = simulation_of([90.0, 80.0, 80.0], trades=closed(-20.0), held=[True, False, False])

    found = metrics_of(up, down)

    assert found["final_equity"] == 210.0
    assert found["total_return"] == pytest.approx(0.05, rel=1e-14)
    assert found["max_drawdown"] == pytest.approx(-0.05, rel=1e-14)
    assert found["recovery_factor"] == 1.0
    assert found["exposure"] == 0.5
    assert found["trades"] == 2
    assert found["profit_factor"] == 1.5


def test_exposure_weighs_sleeves_by_their_bars():
    long = simulation_of([100.0] * 3, held=[True] * 3)
    short = simulation_of([100.0], held=[False])

    assert metrics_of(long, short)["exposure"] == 0.75


def test_streaks_follow_the_exits_across_sleeves():
    # Win, loss, win, loss in time; one sleeve after the other it would be two of each in a row.
    first = simulation_of([100.0] * 5, trades=[Trade(0, 1, pnl=1.0), Trade(2, 3, pnl=1.0)])
    second = simulation_of([100.0] * 5, trades=[Trade(0, 2, pnl=-1.0), Trade(3, 4, pnl=-1.0)])

    found = metrics_of(first, second)

    assert (found["win_streak"], found["loss_streak"]) == (1, 1)


def test_a_mixture_of_markets_uses_the_longer_year():
    stock = from_returns([0.01, -0.01] * 10)
    coin = from_returns([0.01, -0.01] * 10, market=MARKETS["24/7"])

    found = metrics_of(stock, coin)

    assert found["volatility"] == pytest.approx(0.01 * sqrt(20 / 19 * 365), rel=1e-12)


def test_one_ruined_sleeve_marks_the_account_and_does_not_end_it():
    ruined = simulation_of([50.0, -10.0, -10.0, -10.0])
    other = simulation_of([100.0, 110.0, 121.0, 133.1])

    found = metrics_of(ruined, other)

    assert "ruined" in found.badges
    assert found["total_return"] == pytest.approx(123.1 / 200 - 1.0, rel=1e-14)
    total = np.array([150.0, 100.0, 111.0, 123.1])
    returns = total / np.array([200.0, 150.0, 100.0, 111.0]) - 1.0
    assert found["volatility"] == pytest.approx(returns.std(ddof=1) * sqrt(252), rel=1e-12)


# Counters and badges ---------------------------------------------------------------------------


def test_counters_are_summed_over_sleeves():
    one = simulation_of([100.0], counters=Counters(entries=3, rejected=1), ambiguous_bars=2)
    two = simulation_of([100.0], counters=Counters(entries=4, expired=5))

    found = metrics_of(one, two)

    assert found.counters == {
        "entries": 7,
        "conflicts": 0,
        "dropped_lot": 0,
        "scaled_cash": 0,
        "rejected": 1,
        "expired": 5,
        "blocked": 0,
        "limited": 0,
        "volume_capped": 0,
        "margin_calls": 0,
        "ambiguous_bars": 2,
        "missed_limits": 0,
        "detail_missing": 0,
        "detail_conflicts": 0,
        "unsized": 0,
    }


def test_one_sleeve_that_ended_early_marks_the_account():
    found = metrics_of(simulation_of([100.0, 90.0], stopped=True), simulation_of([100.0, 101.0]))

    assert "drawdown_limit" in found.badges


@pytest.mark.parametrize(
    ("ambiguous", "count", "is_coarse"),
    [(1, 20, False), (2, 20, True), (50, 1000, False), (51, 1000, True)],
)
def test_more_than_one_ambiguous_bar_in_twenty_trades_is_too_coarse(ambiguous, count, is_coarse):
    trades = closed(*[1.0, -1.0] * (count // 2))

    found = metrics_of(from_returns([0.0] * 2 * count, trades=trades, ambiguous_bars=ambiguous))

    assert found["ambiguous_pct"] == ambiguous / count
    assert ("coarse_bars" in found.badges) is is_coarse


def test_badges_come_in_the_order_of_their_list():
    found = metrics_of(
        simulation_of([100.0, -1.0], trades=closed(-1.0), ambiguous_bars=1, stopped=True),
        options=EngineOptions(fill="close", adjust="total_return", option=OptionProxy()),
        costs=ZERO,
        synthetic=True,
    )

    # One symbol alone cannot be stale: tests/unit/analytics/test_stale.py.
    assert found.badges == tuple(name for name in BADGES if name != "stale_prices")


def test_a_long_honest_run_has_no_badges():
    days = np.arange(400)

    assert metrics_of(from_returns([0.01, -0.01] * 200, ts=days * US_PER_DAY)).badges == ()
