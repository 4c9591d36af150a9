"""A run under the other fill rules, judged by runs that asked for those rules themselves."""

from __future__ import annotations

import shutil

import pytest

from core.domain.options import EngineOptions
from core.domain.run import RunStatus
from core.errors import Conflict, DataProblem, NotFound, StrategyFailed
from tests.laboratory import SIMPLE, failing, lay_prices, wave, write_strategy

RULES = {
    "next_open": EngineOptions(),
    "bar_later": EngineOptions(delay=1),
    "same_close": EngineOptions(fill="close"),
}


@pytest.mark.parametrize("own", RULES)
def test_each_rule_gives_what_a_run_of_that_rule_gives(lab, own):
    runs = {
        rule: lab.submit(symbols=("AAA", "BBB"), options=options) for rule, options in RULES.items()
    }

    found = lab.services.backtests.assumptions(runs[own])

    assert [one.rule for one in found.each] == [*RULES]
    assert [one.rule for one in found.each if one.is_own] == [own]
    assert {one.rule: one.metrics for one in found.each} == {
        rule: run.metrics for rule, run in runs.items()
    }
    assert lab.count() == len(RULES)


def test_the_rules_differ_and_the_interval_spans_them(lab):
    found = lab.services.backtests.assumptions(lab.submit())

    at_open, later, at_close = returns = [one.metrics["total_return"] for one in found.each]
    assert at_open == at_close != later  # these prices open where the day before closed
    assert found.interval("total_return") == (min(returns), max(returns))
    assert "optimistic_fill" in found.each[2].metrics.badges


def test_a_rule_of_ones_own_stands_first(lab):
    run = lab.submit(options=EngineOptions(delay=3))

    first, *others = lab.services.backtests.assumptions(run.id).each

    assert (first.rule, first.is_own, first.metrics) == ("as_asked", True, run.metrics)
    assert [one.rule for one in others] == [*RULES]


PROTECTED = """
from core.domain.strategy import MarketView, Signals, Strategy, pct


class Protected(Strategy):
    def generate_signals(self, view: MarketView) -> Signals:
        return Signals.side(long=view.close > 0, stop=pct(1.0), target=pct(0.4))
"""


@pytest.mark.parametrize(("own", "other"), [("conservative", "path"), ("path", "conservative")])
def test_bars_are_read_the_other_way_where_levels_make_that_matter(lab, own, other):
    write_strategy(lab.strategies, "protected", PROTECTED)
    mine, others = (
        lab.submit(strategy="protected", options=EngineOptions(intrabar=reading))
        for reading in (own, other)
    )

    found = lab.services.backtests.assumptions(mine)

    assert mine.metrics != others.metrics
    assert [one.rule for one in found.each] == [*RULES, other]
    assert found.each[-1].metrics == others.metrics
    assert [one.rule for one in found.each if one.is_own] == ["next_open"]


def test_a_metric_no_rule_defines_has_no_interval(lab):
    write_strategy(lab.strategies, "idle", failing("return Signals.side(long=view.close < 0)"))

    found = lab.services.backtests.assumptions(lab.submit(strategy="idle"))

    assert found.interval("sharpe") is None
    assert found.interval("trades") == (0, 0)


def test_the_code_the_run_used_is_used_again(lab):
    run = lab.submit()
    before = lab.services.backtests.assumptions(run)
    write_strategy(lab.strategies, "simple", SIMPLE.replace("view.close >", "view.open <"))

    after = lab.services.backtests.assumptions(run)

    assert [one.metrics for one in after.each] == [one.metrics for one in before.each]


def test_bars_imported_since_change_nothing(lab):
    closes = wave(300)
    lay_prices(lab.lake, "GROWS", closes)
    run = lab.submit(symbols=("GROWS",))
    lay_prices(lab.lake, "GROWS", [*closes, 140.0, 90.0])

    found = lab.services.backtests.assumptions(run)

    assert found.each[0].metrics == run.metrics


def test_changed_prices_are_refused(lab):
    run = lab.submit(symbols=("AAA", "BBB"))
    lay_prices(lab.lake, "BBB", [101.0, *wave(300, period=25.0, drift=-0.0003)[1:]])

    with pytest.raises(DataProblem, match="prices have changed"):
        lab.services.backtests.assumptions(run)


def test_code_that_is_gone_is_told(lab):
    run = lab.submit()
    shutil.rmtree(lab.services.settings.snapshots_dir / run.code_hash)

    with pytest.raises(Conflict, match=f"code of run {run.id} is no longer kept"):
        lab.services.backtests.assumptions(run)


def test_only_completed_runs_have_them(lab):
    write_strategy(lab.strategies, "bad", failing("x = 1 / 0"))
    run = lab.submit(strategy="bad")

    assert run.status is RunStatus.FAILED
    with pytest.raises(Conflict, match="failed"):
        lab.services.backtests.assumptions(run)
    with pytest.raises(NotFound):
        lab.services.backtests.assumptions(999)


def test_a_strategy_that_fails_this_time_is_told(lab, tmp_path):
    switch = tmp_path / "off"
    body = f"import pathlib\nassert not pathlib.Path({str(switch)!r}).exists()"
    write_strategy(lab.strategies, "moody", failing(body))
    run = lab.submit(strategy="moody")
    assert run.status is RunStatus.COMPLETED
    switch.touch()

    with pytest.raises(StrategyFailed, match="AssertionError"):
        lab.services.backtests.assumptions(run)
