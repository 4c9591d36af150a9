"""Runs whose bars are decided by finer ones, from the lake to the record."""

from __future__ import annotations

import pytest

from core.domain.options import EngineOptions
from core.domain.run import RunStatus
from core.errors import InvalidInput
from tests.laboratory import lay_hours, lay_prices, wave, write_strategy

PROTECTED = """
from core.domain.strategy import MarketView, Signals, Strategy, pct


class Protected(Strategy):
    def generate_signals(self, view: MarketView) -> Signals:
        return Signals.side(long=view.close > 0, stop=pct(0.5), target=pct(0.5))
"""
DAYS = 300
HOURS = EngineOptions(detail="1h")


@pytest.fixture
def detailed(lab):
    write_strategy(lab.strategies, "protected", PROTECTED)
    lay_hours(lab.lake, "AAA", wave(DAYS))
    return lab


def counters(run):
    assert run.metrics is not None, run.error
    return run.metrics.counters


def test_finer_bars_decide_and_are_part_of_what_the_run_was_computed_from(detailed):
    coarse = detailed.submit(strategy="protected")
    fine = detailed.submit(strategy="protected", options=HOURS)
    backtests = detailed.services.backtests

    assert counters(coarse)["ambiguous_bars"] > 50
    assert counters(fine)["ambiguous_bars"] == 0
    assert counters(fine)["detail_missing"] == counters(fine)["detail_conflicts"] == 0
    # Hours come high first on every second day, and stop and target lie within each day.
    reasons = backtests.trades(fine)["exit_reason"].value_counts()
    assert set(reasons["exit_reason"]) >= {"stop", "target"}
    assert set(backtests.trades(coarse)["exit_reason"].drop_nulls()) == {"stop"}
    assert set(fine.data_hashes) == {"AAA", "AAA 1h"}
    assert fine.data_hashes["AAA"] == coarse.data_hashes["AAA"]
    assert backtests.reproduce(fine).identical
    assert backtests.prices(fine, "AAA").height == DAYS
    assert "inside a bar its 1h bars decide" in backtests.policy(fine)


def test_other_finer_bars_make_another_run(detailed):
    before = detailed.submit(strategy="protected", options=HOURS)
    lay_hours(detailed.lake, "AAA", [*wave(DAYS - 1), 100.0])

    after = detailed.submit(strategy="protected", options=HOURS)

    assert before.run_key != after.run_key
    assert detailed.services.backtests.reproduce(before).changed_inputs == ("data:AAA 1h",)


def test_days_without_hours_or_with_others_are_counted(detailed):
    lay_hours(detailed.lake, "AAA", wave(DAYS // 2))

    half = counters(detailed.submit(strategy="protected", options=HOURS))

    assert 100 < half["detail_missing"] <= DAYS // 2
    assert half["ambiguous_bars"] > 25


def test_the_interval_reads_a_run_by_the_finest_bars_there_are(detailed):
    coarse = detailed.submit(strategy="protected")
    fine = detailed.submit(strategy="protected", options=HOURS)

    of_coarse, of_fine = (
        {one.rule: one for one in detailed.services.backtests.assumptions(run).each}
        for run in (coarse, fine)
    )

    assert of_coarse["detail"].metrics == fine.metrics
    assert of_coarse["detail"].options.detail == "1h"
    assert not of_coarse["detail"].is_own
    assert "coarse" not in of_coarse
    assert of_fine["coarse"].metrics == coarse.metrics
    assert of_fine["next_open"].is_own
    assert of_fine["next_open"].metrics == fine.metrics
    assert "detail" not in of_fine
    assert of_coarse["detail"].detail() == "1h bars decide inside a bar"


def test_finer_bars_that_contradict_are_said_and_the_rest_of_the_interval_stands(detailed):
    lay_hours(detailed.lake, "AAA", wave(DAYS), stretch=1.02)
    run = detailed.submit(strategy="protected")

    found = detailed.services.backtests.assumptions(run)
    asked = detailed.submit(strategy="protected", options=HOURS)

    assert "detail" not in [one.rule for one in found.each]
    (note,) = found.notes
    assert "no 1d bar of AAA has 1h bars that fit it" in note
    assert "those inside from" in note
    assert asked.status is RunStatus.FAILED
    assert asked.error.code == "data_problem"
    assert note in asked.error.message
    assert "without detail" in asked.error.hint


def test_a_reading_takes_bars_that_all_symbols_have(detailed):
    both = detailed.submit(strategy="protected", symbols=("AAA", "BBB"))
    assert "detail" not in [one.rule for one in detailed.services.backtests.assumptions(both).each]

    lay_hours(detailed.lake, "BBB", wave(DAYS, period=25.0, drift=-0.0003))
    shared = EngineOptions(account="shared", detail="1h")
    fine = detailed.submit(strategy="protected", symbols=("AAA", "BBB"), options=shared)

    assert set(fine.data_hashes) == {"AAA", "BBB", "AAA 1h", "BBB 1h"}
    assert counters(fine)["ambiguous_bars"] == 0
    assert "detail" in [one.rule for one in detailed.services.backtests.assumptions(both).each]


@pytest.mark.parametrize(
    ("symbol", "detail", "words"),
    [
        ("BBB", "1h", "BBB has no 1h bars that its 1d bars are made of"),
        ("AAA", "1m", "detail of 1h"),
        ("AAA", "1d", "detail of 1h"),
        ("AAA", "1w", "detail of 1h"),
    ],
)
def test_finer_bars_that_are_not_there_are_refused_at_the_door(detailed, symbol, detail, words):
    with pytest.raises(InvalidInput) as caught:
        detailed.submit(symbols=(symbol,), options=EngineOptions(detail=detail))

    assert words in f"{caught.value.message} {caught.value.expected}"
    assert detailed.count() == 0


def test_prices_imported_since_do_not_change_the_interval(detailed):
    run = detailed.submit(strategy="protected", options=HOURS)
    closes = [*wave(DAYS), 140.0, 90.0]
    lay_prices(detailed.lake, "AAA", closes)
    lay_hours(detailed.lake, "AAA", closes)

    found = detailed.services.backtests.assumptions(run)

    assert next(one for one in found.each if one.is_own).metrics == run.metrics
