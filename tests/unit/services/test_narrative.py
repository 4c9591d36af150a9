"""The two sentences above every number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from core.domain.cost_presets import find_costs
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES, METRICS, Metrics
from core.domain.options import EngineOptions
from core.domain.run import Run, RunError, RunSpec, RunStatus, Trial
from core.services import narrative

GOOD = {"trades": 212.0, "open_trades": 0.0, "sharpe": 1.2, "sharpe_se": 0.3, "cost_share": 0.1}


def spec(**options):
    costs = options.pop("costs", find_costs("ibkr_fixed"))
    symbols = options.pop("symbols", ("AAA",))
    timeframe = options.pop("timeframe", "1d")
    return RunSpec(
        strategy="simple",
        symbols=symbols,
        timeframe=timeframe,
        options=EngineOptions(**options),
        costs=costs,
    )


def run_of(values=None, *, badges=(), counters=None, reasons=None, **changes):
    metrics = Metrics(
        values={**dict.fromkeys(METRICS), **GOOD, **(values or {})},
        reasons=reasons or {},
        counters={**dict.fromkeys(COUNTER_NAMES, 0), **(counters or {})},
        badges=badges,
    )
    run = Run(
        id=1,
        uuid="u",
        job_id="j",
        spec=spec(),
        title="Simple",
        status=RunStatus.COMPLETED,
        source="python",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        run_key="k",
        metrics=metrics,
    )
    return replace(run, **changes)


def curve(own, other, *, days=365.2425 * 2 - 1, low=0.0, other_low=0.0):
    """Equity and benchmark ending at these multiples of 100,000, with these worst falls."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    held = [1.0, 1.0 + other_low, other]
    return pl.DataFrame(
        {
            "timestamp": [start, start + timedelta(days=days / 2), start + timedelta(days=days)],
            "equity": [1e5, 1e5 * (1 + low), 1e5 * own],
            "benchmark": [1e5 * value for value in held],
            "drawdown": [0.0, low, 0.0],
        }
    )


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        (1.0, 1.44, "Lost to buy and hold by 20 points a year"),
        (1.44, 1.0, "Beat buy and hold by 20 points a year"),
        (1.0816, 1.0, "Beat buy and hold by 4.0 points a year"),
        (1.0, 1.002, "Made as much as buy and hold a year"),
        (0.81, 0.8102, "Lost as much as buy and hold a year"),
        (0.49, 0.81, "Lost to buy and hold by 20 points a year, and lost money,"),
        (0.81, 0.49, "Beat buy and hold by 20 points a year, and lost money,"),
    ],
)
def test_the_verdict_compares_with_buy_and_hold(own, other, said):
    run = run_of({"cagr": own**0.5 - 1.0})

    assert narrative.verdict(run, curve(own, other)).startswith(said)


def test_the_verdict_names_the_symbol_it_compares_with():
    run = run_of({"cagr": 0.2}, spec=spec().model_copy(update={"benchmark": "SPY"}))

    assert narrative.verdict(run, curve(1.44, 1.0)).startswith("Beat holding SPY by 20 points")
    run = run_of({"cagr": 0.0}, spec=spec().model_copy(update={"benchmark": "SPY"}))
    assert narrative.verdict(run, curve(1.0, 1.0)).startswith("Made as much as holding SPY a year")


@pytest.mark.parametrize(
    ("low", "other_low", "said"),
    [
        (-0.10, -0.30, "with a third of its drawdown"),
        (-0.15, -0.30, "with half its drawdown"),
        (-0.30, -0.30, "with about its drawdown"),
        (-0.60, -0.30, "with twice its drawdown"),
        (-0.90, -0.30, "with 3 times its drawdown"),
        (0.0, -0.30, "without any drawdown"),
        (-0.10, 0.0, "with a drawdown of 10% where holding had none"),
    ],
)
def test_the_verdict_compares_drawdowns(low, other_low, said):
    equity = curve(1.2, 1.1, low=low, other_low=other_low)

    assert said in narrative.verdict(run_of(), equity)


def test_less_than_a_year_is_not_annualised():
    run = run_of({"cagr": 0.9}, badges=("short_history",))

    said = narrative.verdict(run, curve(1.2, 1.1, days=100))

    assert "10.0 points over the whole period" in said


def test_the_verdict_counts_the_years_of_the_metrics():
    """Twelve months of bars are a year, though the last opens after eleven twelfths of it."""
    run = run_of({"cagr": 0.2}, spec=spec(timeframe="1M"))

    said = narrative.verdict(run, curve(1.2, 1.1, days=365.2425 * 11 / 12))

    assert said.startswith("Beat buy and hold by 10.0 points a year")


def test_a_short_history_quotes_no_annual_sharpe():
    run = run_of({"sharpe": 0.59}, badges=("short_history",))

    said = narrative.verdict(run, curve(1.2, 1.1, days=100))

    assert "its Sharpe is within what luck gives" in said
    assert "0.59" not in said


@pytest.mark.parametrize(
    ("values", "badges", "said"),
    [
        ({"trades": 29.0}, (), "29 closed trades are too few to call it skill"),
        ({"trades": 1.0}, (), "1 closed trade is too few"),
        ({"sharpe": 0.59}, (), "its Sharpe of 0.59 ± 0.30 is within what luck gives"),
        ({"sharpe": -0.59}, (), "its Sharpe of -0.59 ± 0.30 is within what luck gives"),
        ({"sharpe": -0.61}, (), "its Sharpe of -0.61 ± 0.30 is worse than bad luck explains"),
        ({"cost_share": 0.51}, (), "costs took 51% of the gross profit"),
        ({"cost_share": 1.2}, (), "costs took more than the gross profit"),
        ({}, ("optimistic_fill",), "filled at closes nobody can trade"),
        ({}, ("synthetic_data",), "the prices are synthetic"),
        ({}, ("coarse_bars",), "too coarse"),
        ({}, ("zero_cost",), "no costs were charged"),
        ({}, ("short_history",), "less than a year of history"),
    ],
)
def test_what_speaks_against_the_number_is_said(values, badges, said):
    assert said in narrative.verdict(run_of(values, badges=badges), curve(1.2, 1.1))


@pytest.mark.parametrize(
    ("values", "timeframe", "said"),
    [
        (
            {"sharpe": 0.4, "min_trl": 1_500.2, "sessions": 1_008.0},
            "1d",
            "within what luck gives (needs 1,501 sessions, has 1,008)",
        ),
        (
            {"sharpe": 1.2, "min_trl": 84.9, "sessions": 208.0},
            "1w",
            "more than luck gives one try (needs 85 weeks, has 208), and",
        ),
        ({"sharpe": 1.2, "min_trl": 1.0, "sessions": 99.0}, "1M", "(needs 1 month, has 99)"),
    ],
)
def test_a_verdict_says_how_long_such_a_sharpe_takes_and_how_long_there_is(values, timeframe, said):
    run = run_of(values, spec=spec(timeframe=timeframe))

    assert said in narrative.verdict(run, curve(1.2, 1.1))


@pytest.mark.parametrize(
    "values",
    [
        # 95% on one side is reached before two standard errors are: it would contradict the rest.
        {"sharpe": 0.55, "min_trl": 900.0, "sessions": 1_000.0},
        {"sharpe": -0.7, "min_trl": None, "sessions": 1_000.0},
        {"sharpe": 0.4, "min_trl": 1_500.0, "sessions": None},  # kept by an earlier version
    ],
)
def test_a_verdict_does_not_say_it_where_it_says_nothing(values):
    assert "needs" not in narrative.verdict(run_of(values), curve(1.2, 1.1))


@pytest.mark.parametrize(
    ("values", "unsaid"),
    [
        ({"trades": 30.0}, "too few"),
        ({"sharpe": 0.61}, "within what luck gives"),
        ({"cost_share": 0.5}, "gross profit"),
    ],
)
def test_thresholds_are_where_they_are_documented(values, unsaid):
    assert unsaid not in narrative.verdict(run_of(values), curve(1.2, 1.1))


def test_at_most_three_cautions_gravest_first():
    run = run_of(
        {"trades": 3.0, "sharpe": 0.1, "cost_share": 0.9},
        badges=("synthetic_data", "optimistic_fill", "zero_cost"),
    )

    said = narrative.verdict(run, curve(1.2, 1.1))

    assert said.index("synthetic") < said.index("closes nobody") < said.index("3 closed trades")
    assert "costs" not in said


def test_a_good_number_is_not_praised_beyond_what_one_run_shows():
    said = narrative.verdict(run_of(), curve(1.4, 1.1))

    assert "more than luck gives one try" in said
    assert said.endswith("how many were made it does not know.")


def test_a_trial_of_a_study_knows_that_it_was_chosen():
    said = narrative.verdict(run_of(trial=Trial(study=3, number=14)), curve(1.4, 1.1))

    assert said.endswith("more than luck gives one try, and it is one of the many a study made.")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("too_short", "over 212 trades, with too short a history to judge luck."),
        ("zero_variance", "over 212 trades, with every return the same"),
        ("not_finite", "over 212 trades, with no Sharpe ratio to judge luck by."),
    ],
)
def test_a_missing_sharpe_is_explained(reason, said):
    run = run_of({"sharpe": None, "sharpe_se": None}, reasons={"sharpe": reason})

    assert said in narrative.verdict(run, curve(1.4, 1.1))


@pytest.mark.parametrize(
    ("final", "said"),
    [
        (0.0, "Ruined: the account lost everything. Lost to"),
        (-0.125, "Ruined: the account lost everything and owes 12,500.00. Lost to"),
    ],
)
def test_ruin_comes_first(final, said):
    run = run_of({"cagr": -1.0}, badges=("ruined",))

    verdict = narrative.verdict(run, curve(final, 1.1, low=-1.0))

    assert verdict.startswith(said)
    assert "Sharpe" not in verdict


def test_a_ruined_symbol_is_not_the_whole_account():
    ruined, well = run_of(badges=("ruined",)).metrics, run_of().metrics
    run = run_of(
        badges=("ruined",), spec=spec(symbols=("A", "B")), by_symbol={"A": ruined, "B": well}
    )

    verdict = narrative.verdict(run, curve(1.4, 1.1))

    assert verdict.startswith("1 of 2 symbols was ruined. Beat buy and hold")
    assert "Sharpe" not in verdict


def test_an_early_end_comes_first():
    run = run_of(badges=("drawdown_limit",), spec=spec(max_dd_limit=0.2))

    verdict = narrative.verdict(run, curve(1.4, 1.1, low=-0.2))

    said = "Ended early on 30 Dec 2020, at its drawdown limit of 20%. Beat buy and hold"
    assert verdict.startswith(said)


def test_a_sleeve_that_ended_early_is_not_the_whole_account():
    ended, well = run_of(badges=("drawdown_limit",)).metrics, run_of().metrics
    run = run_of(
        badges=("drawdown_limit",),
        spec=spec(symbols=("A", "B"), max_dd_limit=0.2),
        by_symbol={"A": ended, "B": well},
    )

    verdict = narrative.verdict(run, curve(1.4, 1.1))

    assert verdict.startswith("1 of 2 symbols ended early, at a drawdown of 20%. Beat")


@pytest.mark.parametrize(
    ("options", "counters", "said"),
    [
        ({}, {"rejected": 37}, "every signal came to nothing (37 refused)."),
        (
            {},
            {"expired": 3},
            "every signal came to nothing (3 expired unfilled, or with their session).",
        ),
        (
            {},
            {"unsized": 4},
            "every signal came to nothing (4 without a stop or volatility to be sized by).",
        ),
        ({}, {}, "no signal reached a bar in which it could be filled."),
        ({"intraday": True}, {}, "intraday rules cannot fill daily bars."),
        (
            {"intraday": True, "timeframe": "1w"},
            {"blocked": 2},
            "intraday rules cannot fill weekly bars (2 outside the hours allowed).",
        ),
        (
            {"intraday": True, "timeframe": "1h"},
            {},
            "no signal reached a bar in which it could be filled.",
        ),
    ],
)
def test_no_trades_are_explained_by_rules_and_counters(options, counters, said):
    run = run_of({"trades": 0.0, "open_trades": 0.0}, counters=counters, spec=spec(**options))

    assert narrative.verdict(run, curve(1.0, 1.1)) == f"Traded nothing: {said}"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (RunStatus.PENDING, "Waiting for its turn."),
        (RunStatus.RUNNING, "Running."),
        (RunStatus.CANCELLED, "Cancelled before it had a result."),
    ],
)
def test_unfinished_runs_say_so(status, said):
    assert narrative.verdict(run_of(status=status), None) == said


def test_a_failed_run_says_why():
    run = run_of(status=RunStatus.FAILED, error=RunError("crashed", "the run crashed"))

    assert narrative.verdict(run, None) == "Failed: the run crashed."


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Decides at a close, fills at the next open; 100% of equity in each position"),
        ({"delay": 2}, "fills at an open, 2 bars later than the next"),
        ({"fill": "close"}, "Fills at the close that decided it, which nobody can trade"),
        ({"lot_size": 0}, "in fractions"),
        ({"sizing": "lots", "size": 2, "lot_size": 75}, "2 lots of 75 in each position"),
        ({"sizing": "units", "size": 10}, "; 10 units in each position"),
        ({"sizing": "units", "size": 100, "lot_size": 75}, "; 75 units in each position"),
        ({"sizing": "units", "size": 1.5, "lot_size": 0}, "; 1.5 units in each position"),
        ({"sizing": "units", "size": 10, "lot_size": 75}, "which is less than one lot of 75"),
        ({"sizing": "lots", "size": 1.9, "lot_size": 75}, "; 1 lot of 75 in each position"),
        ({"sizing": "value", "size": 12_500}, "; 12,500 in each position, in whole units"),
        (
            {"sizing": "risk", "size": 1.5, "lot_size": 0},
            "; 1.5% of equity at risk to the stop of each position, in fractions",
        ),
        (
            {"sizing": "vol_target", "size": 15},
            "; each position sized to fluctuate by 15% a year, in whole units",
        ),
        ({"max_dd_limit": 0.25}, "; ends 25% below its peak;"),
        (
            {"maintenance_margin": 0.25, "intrabar_margin": True},
            "margin calls below 25%; tested at the worst price of a bar too;",
        ),
        ({"initial_margin": 0.1}, "in whole units, on 10% margin;"),
        ({"max_participation": 0.025}, "; at most 2.5% of volume;"),
        ({"multiplier": 50}, "in whole units, each point worth 50;"),
        ({"delay": 1}, "fills at an open, 1 bar later than the next"),
        ({"delay": 1, "fill": "close"}, "Fills at the close 1 bar later, which"),
        ({"allow_short": False}, "long only"),
        ({"intraday": True, "square_off": "15:15"}, "flat at the end of every session (15:15)"),
        ({"no_entry_after": "15:00"}, "no entries from 15:00"),
        ({"symbols": ("A", "B")}, "cash in 2 equal sleeves"),
        ({"close_at_end": True}, "sold at the last close"),
        ({"risk_free": 0.045}, "ratios above a rate of 4.5% a year"),
        ({"borrow_rate": 0.003}, "shorts borrow at 0.3% a year"),
        ({"cash_rate": 0.02}, "cash earns 2% a year"),
        ({"margin_rate": 0.065}, "borrowed cash costs 6.5% a year"),
        ({"costs": CostModel(name="zero")}, "costs: no costs at all."),
    ],
)
def test_the_policy_says_the_rules(options, said):
    assert said in narrative.policy(spec(**options))


def test_the_rate_of_other_shorts_is_left_out_where_every_symbol_has_its_own():
    plain = spec(borrow_rate=0.03)
    (symbol,) = plain.symbols
    own = spec(borrow_rate=0.03, borrow_rates={symbol: 0.4})

    assert "; shorts borrow at 3% a year;" in narrative.policy(plain)
    assert "shorts borrow at" not in narrative.policy(own)
    assert f"; shorts of {symbol} borrow at 40% a year;" in narrative.policy(own)


@pytest.mark.parametrize(
    ("costs", "is_free", "said"),
    [
        ({}, True, "no costs at all"),
        ({"tick": 0.25}, False, "no fees, rounded to ticks of 0.25"),
        ({"bps": 5, "tick": 0.25}, False, "5 bps of value, rounded to ticks of 0.25"),
        ({"minimum": 1, "bps": 5, "maximum_rate": 0}, True, "no costs at all"),
        (
            {"bps": 5, "maximum_rate": 0, "slippage_bps": 1},
            False,
            "no fees, 1 bps slippage and spread",
        ),
        ({"fixed": 2, "maximum_rate": 0.01}, False, "2 per order, at most 1% of value"),
    ],
)
def test_costs_are_free_only_when_nothing_is_charged(costs, is_free, said):
    model = CostModel(**costs)

    assert model.is_free is is_free
    assert model.sentence() == said
