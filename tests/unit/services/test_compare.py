"""Runs side by side, with numbers worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from core.domain.metrics import METRICS, Metrics
from core.domain.options import EngineOptions
from core.domain.run import EQUITY_SCHEMA
from core.domain.timeframe import Timeframe
from core.services.compare import _align, _brief, _metric_row, _rebase


def run(number: int, timeframe: str = "1d", badges: tuple[str, ...] = (), **values: float) -> Any:
    given = dict.fromkeys(METRICS, None) | {"trades": 3.0, "open_trades": 0.0} | values
    spec = SimpleNamespace(
        timeframe=Timeframe(timeframe), options=EngineOptions(), symbols=("A",), benchmark=None
    )
    return SimpleNamespace(id=number, spec=spec, metrics=Metrics(values=given, badges=badges))


def curve(*points: tuple[date, float]) -> pl.DataFrame:
    rows = [
        (datetime(day.year, day.month, day.day, tzinfo=UTC), day, value, value, 0.0)
        for day, value in points
    ]
    return pl.DataFrame(rows, schema=EQUITY_SCHEMA, orient="row")


def told(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return [(row[0].date().isoformat(), *row[1:]) for row in frame.rows()]


def test_weeks_stand_at_their_sunday_beside_days() -> None:
    days = curve(
        (date(2020, 1, 10), 50.0),  # Friday
        (date(2020, 1, 13), 60.0),
        (date(2020, 1, 17), 75.0),
        (date(2020, 1, 20), 80.0),
    )
    weeks = curve((date(2020, 1, 6), 200.0), (date(2020, 1, 13), 300.0))

    found = _align([run(1), run(2, "1w")], [days, weeks], None)

    assert told(found) == [
        ("2020-01-12", 100.0, 100.0),
        ("2020-01-13", 120.0, 100.0),
        ("2020-01-17", 150.0, 100.0),
        ("2020-01-19", 150.0, 150.0),
        ("2020-01-20", 160.0, None),
    ]


def test_months_stand_at_their_last_day() -> None:
    days = curve((date(2020, 1, 31), 10.0), (date(2020, 2, 28), 11.0), (date(2020, 3, 2), 12.0))
    months = curve((date(2020, 1, 1), 100.0), (date(2020, 2, 1), 150.0))

    found = _align([run(1), run(2, "1M")], [days, months], None)

    assert found["timestamp"].dt.date().to_list() == [
        date(2020, 1, 31),
        date(2020, 2, 28),
        date(2020, 2, 29),
        date(2020, 3, 2),
    ]
    assert found["1"].to_list() == pytest.approx([100.0, 110.0, 110.0, 120.0])
    assert found["2"].to_list() == [100.0, 100.0, 150.0, None]


def test_before_any_value_the_initial_cash_counts() -> None:
    late = curve((date(2020, 1, 8), 150.0)).select("timestamp", pl.col("equity").alias("1"))

    found = _rebase(late, datetime(2020, 1, 6, tzinfo=UTC), 100.0)

    assert told(found) == [("2020-01-08", 150.0)]


@pytest.mark.parametrize("base", [0.0, -5.0])
def test_what_was_lost_at_the_common_start_has_no_multiples(base: float) -> None:
    lost = curve((date(2020, 1, 6), 100.0), (date(2020, 1, 7), base), (date(2020, 1, 8), base))
    late = curve((date(2020, 1, 7), 10.0), (date(2020, 1, 8), 20.0))

    found = _align([run(1), run(2)], [lost, late], None)

    assert told(found) == [("2020-01-07", None, 100.0), ("2020-01-08", None, 200.0)]


def test_idle_and_ruined_runs_are_not_the_best() -> None:
    runs = [
        run(1, trades=0.0, max_drawdown=0.0),
        run(2, badges=("ruined",), max_drawdown=-0.05),
        run(3, max_drawdown=-0.2),
        run(4, trades=0.0, open_trades=1.0, max_drawdown=-0.1),
    ]

    found = _metric_row("max_drawdown", runs)

    assert found.values == (0.0, -0.05, -0.2, -0.1)
    assert found.best == (3,)


def test_a_difference_of_many_parts_is_said_in_a_few_words() -> None:
    fees = [{"since": f"20{year:02}-01-01", "bps": year} for year in range(40)]

    assert _brief(fees) == _brief([{"bps": each["bps"], "since": each["since"]} for each in fees])
    assert _brief(fees).startswith("40 entries, ")
    assert len(_brief(fees)) < 30
    assert _brief(fees) != _brief(fees[::-1])
    assert _brief(fees[:1]).startswith("1 entry, ")
    assert _brief({"GME": True, "IBM": False}) == "GME yes, IBM no"
    assert _brief({"EUR": "EURUSD", "INR": "USDINR"}) == "EUR EURUSD, INR USDINR"
    assert _brief(["AAPL", "MSFT"]) == "AAPL, MSFT"
    assert (_brief([]), _brief({}), _brief(0.5), _brief(None)) == (None, None, 0.5, None)


def without_a_loss(number: int, why: str = "no_losses", won: float = 1.0) -> Any:
    found = run(number, win_rate=won)
    object.__setattr__(found.metrics, "reasons", {"profit_factor": why, "payoff": why})
    return found


@pytest.mark.parametrize(
    ("factors", "best"),
    [
        ((9.0, "no_losses", 2.0), (1,)),
        ((9.0, "no_losses", 12.0), (1,)),
        ((9.0, "no_losses", "no_losses"), (1, 2)),  # two are the best
        (("no_losses", "no_losses"), ()),  # all are equal
        ((9.0, "no_closed_trades", 2.0), (0,)),
        ((12.0, "no_losses", 25.0), (1,)),
        ((12.0, 25.0), (1,)),  # a sweep ranks both as 10; here stands what they are
        ((10.0, 25.0, 3.0), (1,)),
        ((10.0, 10.0, 3.0), (0, 1)),
        ((10.0, 10.0), ()),
    ],
)
def test_profit_factors_compete_as_what_they_are_and_no_loss_is_the_highest(factors, best) -> None:
    runs = [
        without_a_loss(number, each) if isinstance(each, str) else run(number, profit_factor=each)
        for number, each in enumerate(factors)
    ]

    found = _metric_row("profit_factor", runs)

    assert found.best == best
    assert found.values == tuple(None if isinstance(each, str) else each for each in factors)
    assert _metric_row("payoff", runs).best == ()


def test_trades_that_all_broke_even_have_no_profit_factor_to_be_the_best() -> None:
    runs = [without_a_loss(1, won=0.0), run(2, profit_factor=2.0), run(3, profit_factor=3.0)]

    assert _metric_row("profit_factor", runs).best == (2,)


@pytest.mark.parametrize(
    ("name", "best"),
    [("cagr", (2,)), ("calmar", (2,)), ("upi", (2,)), ("alpha", (2,)), ("total_return", (0,))],
)
def test_less_than_a_year_wins_no_annual_figure(name: str, best: tuple[int, ...]) -> None:
    runs = [run(1, badges=("short_history",), **{name: 9.0}), run(2, **{name: 1.0})]

    assert _metric_row(name, [*runs, run(3, **{name: 2.0})]).best == best
    assert _metric_row(name, runs).best == (() if best == (2,) else best)


@pytest.mark.parametrize(
    ("symbols", "benchmarks", "best"),
    [
        (("A", "A"), (None, None), (1,)),
        (("A", "B"), (None, None), ()),
        (("A", "B"), ("SPY", "SPY"), (1,)),
        (("A", "A"), ("SPY", "QQQ"), ()),
        (("A", "A"), ("SPY", None), ()),
        (("A", "B"), ("B", None), (1,)),
    ],
)
def test_runs_compete_for_alpha_only_against_one_benchmark(
    symbols: tuple[str, str], benchmarks: tuple[str | None, str | None], best: tuple[int, ...]
) -> None:
    runs = [run(1, alpha=0.01, sharpe=1.0), run(2, alpha=0.02, sharpe=2.0)]
    for each, symbol, benchmark in zip(runs, symbols, benchmarks, strict=True):
        each.spec.symbols, each.spec.benchmark = (symbol,), benchmark

    found = _metric_row("alpha", runs)

    assert found.best == best
    assert found.direction == ("higher" if best else "none")
    assert _metric_row("sharpe", runs).best == (1,)
