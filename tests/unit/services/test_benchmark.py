"""Runs measured against another symbol: what is read, what is refused, what names the result."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy import stats

from core.domain.cost_presets import find_costs
from core.domain.metrics import METRICS
from core.domain.run import RunSpec, RunStatus
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput, NotFound
from core.services import execution
from tests.laboratory import lay_prices, wave, weekdays

RELATIVE = [name for name, metric in METRICS.items() if metric.group == "benchmark"]
# A sleeve of half the money does the same on half the scale.
SCALABLE = {"options": {"lot_size": 0.0}, "costs": find_costs("zero")}
INDEX = wave(300, period=33.0, drift=0.0002)


@pytest.fixture
def index(lab):
    lay_prices(lab.lake, "INDEX", INDEX)
    return lab


def absolute(run):
    return {name: value for name, value in run.metrics.values.items() if name not in RELATIVE}


def test_without_a_name_the_run_s_own_symbols_are_held(lab):
    run = lab.submit(symbols=("AAA", "BBB"))

    frame = lab.services.backtests.equity(run.id, None)

    assert run.spec.benchmark is None
    own = np.diff(frame["equity"].to_numpy(), prepend=100_000) / np.concatenate(
        ([100_000], frame["equity"][:-1])
    )
    held = np.diff(frame["benchmark"].to_numpy(), prepend=100_000) / np.concatenate(
        ([100_000], frame["benchmark"][:-1])
    )
    line = stats.linregress(held, own)
    assert run.metrics["beta"] == pytest.approx(line.slope, rel=1e-9)
    assert run.metrics["beta_t"] == pytest.approx(line.slope / line.stderr, rel=1e-9)


def test_a_named_one_is_held_instead_and_nothing_else_changes(index):
    own, named = index.submit(), index.submit(benchmark="index")

    frame = index.services.backtests.equity(named.id, None)

    assert named.spec.benchmark == "INDEX"
    assert absolute(named) == absolute(own)
    assert {name: named.metrics[name] for name in RELATIVE} != {
        name: own.metrics[name] for name in RELATIVE
    }
    closes = np.array(INDEX)
    assert frame["benchmark"].to_numpy() == pytest.approx(100_000 * closes / closes[0])
    equity = np.concatenate(([100_000], frame["equity"]))
    line = stats.linregress(
        np.diff(closes, prepend=closes[0]) / np.concatenate((closes[:1], closes[:-1])),
        equity[1:] / equity[:-1] - 1.0,
    )
    assert named.metrics["beta"] == pytest.approx(line.slope, rel=1e-9)
    assert named.metrics["correlation"] == pytest.approx(line.rvalue, rel=1e-9)


def test_its_name_and_its_prices_are_part_of_the_key(index):
    plain, named = index.submit(), index.submit(benchmark="INDEX")
    again = index.submit(benchmark="INDEX")

    assert plain.run_key != named.run_key == again.run_key
    assert again.reused
    assert list(named.data_hashes) == ["AAA", "INDEX"]
    assert list(plain.data_hashes) == ["AAA"]

    lay_prices(index.lake, "INDEX", [*INDEX[:-1], 50.0])
    other = index.submit(benchmark="INDEX")
    assert other.run_key != named.run_key
    assert not other.reused
    assert index.submit().reused


def test_its_prices_outside_the_run_are_not_read(index):
    before = index.submit(benchmark="INDEX")
    lay_prices(index.lake, "INDEX", [*INDEX, 500.0, 1.0])

    assert index.submit(benchmark="INDEX").reused
    assert index.services.backtests.reproduce(before.id).identical


def test_a_symbol_of_the_run_may_be_its_benchmark(lab):
    run = lab.submit(symbols=("AAA", "BBB"), benchmark="AAA", **SCALABLE)
    alone = lab.submit(symbols=("AAA",), **SCALABLE)

    assert list(run.data_hashes) == ["AAA", "BBB"]
    for name in ("beta", "correlation"):
        found = run.by_symbol["AAA"][name]
        assert found == pytest.approx(alone.metrics[name], rel=1e-9)


def test_every_symbol_is_measured_against_the_same(index):
    run = index.submit(symbols=("AAA", "BBB"), benchmark="INDEX", **SCALABLE)

    for symbol in ("AAA", "BBB"):
        alone = index.submit(symbols=(symbol,), benchmark="INDEX", **SCALABLE)
        found = run.by_symbol[symbol]
        for name in RELATIVE:
            assert found[name] == pytest.approx(alone.metrics[name], rel=1e-9)


def test_a_changed_benchmark_is_named_when_a_run_is_reproduced(index):
    run = index.submit(benchmark="INDEX")
    lay_prices(index.lake, "INDEX", [*INDEX[:-1], 50.0])

    outcome = index.services.backtests.reproduce(run.id)

    assert outcome.changed_inputs == ("data:INDEX",)
    assert not outcome.identical
    with pytest.raises(DataProblem, match="prices have changed"):
        index.services.backtests.assumptions(run)


def test_every_assumption_is_measured_against_it(index):
    run = index.submit(benchmark="INDEX")

    found = index.services.backtests.assumptions(run)

    own = next(one for one in found.each if one.is_own)
    assert own.metrics == run.metrics


def test_a_benchmark_of_part_of_the_time_shares_what_it_has(lab):
    days = weekdays(300)
    lay_prices(lab.lake, "YOUNG", wave(100), first=days[200])

    run = lab.submit(benchmark="YOUNG")
    frame = lab.services.backtests.equity(run.id, None)

    assert frame["benchmark"][199] == 100_000
    assert frame["benchmark"][299] == pytest.approx(100_000 * wave(100)[-1] / wave(100)[0])
    assert run.metrics["beta"] is not None
    short = lab.submit(benchmark="YOUNG", end=days[255])
    assert short.metrics.reasons["beta"] == "too_few_pairs"


@pytest.mark.parametrize("timeframe", [Timeframe.W1, Timeframe.MN1])
def test_weeks_and_months_of_both_end_on_the_same_day(index, timeframe):
    """The last, unfinished period of the benchmark is not cut at its label."""
    spec = RunSpec(
        strategy="simple", symbols=("AAA",), timeframe=timeframe, benchmark="INDEX"
    ).model_copy(update={"end": date(2020, 11, 12)})
    catalog = index.services.backtests._catalog
    bars = execution.load_bars(spec, catalog)

    held = execution.load_benchmark(spec, bars, catalog)

    assert held is not None
    assert held.session.tolist() == bars[0].session.tolist()
    days = [day for day in weekdays(300) if day <= date(2020, 11, 12)]
    assert held.close[-1] == INDEX[len(days) - 1]


def test_synthetic_prices_of_a_benchmark_are_badged(index):
    file = index.lake.parent / "made.csv"
    rows = "\n".join(f"{day},1,2,0.5,1.5" for day in weekdays(300))
    file.write_text(f"date,open,high,low,close\n{rows}\n")
    index.services.market.import_csv(file, name="made.csv", symbol="MADE", synthetic=True)

    assert "synthetic_data" in index.submit(benchmark="MADE").badges
    assert "synthetic_data" not in index.submit(benchmark="INDEX").badges


# Refusals ------------------------------------------------------------------------------------


def refusal(lab, kind, **request):
    with pytest.raises(kind) as caught:
        lab.submit(**request)
    assert caught.value.field == "benchmark"
    assert lab.count() == 0
    return caught.value


def test_a_benchmark_that_is_not_there(lab):
    error = refusal(lab, NotFound, benchmark="AAAA")

    assert "'AAAA' is not in the catalog" in error.message
    assert "AAA" in str(error.hint)


def test_a_benchmark_without_such_bars(lab):
    file = lab.lake.parent / "weeks.csv"
    rows = "\n".join(f"{day},1,2,0.5,1.5" for day in weekdays(300)[::5])
    file.write_text(f"date,open,high,low,close\n{rows}\n")
    lab.services.market.import_csv(file, name="weeks.csv", symbol="WEEKS", timeframe=Timeframe.W1)

    error = refusal(lab, InvalidInput, benchmark="WEEKS")

    assert error.message == "WEEKS has no bars of 1d"


def test_a_benchmark_of_another_time(lab):
    lay_prices(lab.lake, "OLD", wave(50), first=date(1990, 1, 1))

    error = refusal(lab, InvalidInput, benchmark="OLD")

    assert "the benchmark OLD has bars from 1990-01-01 to" in error.message
    assert "2020-01-02" in error.message


def test_a_benchmark_without_bars_between_the_dates(lab):
    lay_prices(lab.lake, "OLD", wave(50), first=date(2020, 1, 2))

    error = refusal(lab, NotFound, benchmark="OLD", start=date(2020, 10, 1))

    assert "no bars of OLD from 2020-10-01" in error.message


def test_a_benchmark_with_a_hole_where_the_run_is(lab):
    """What only reading shows is the reason of a failed run, not a traceback."""
    lay_prices(lab.lake, "GAP", wave(5), first=date(2019, 6, 3))
    lay_prices(lab.lake, "GAP", wave(5), first=date(2022, 6, 1))

    run = lab.submit(benchmark="GAP")

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "data_problem"
    assert "the benchmark GAP has no 1d bars between 2020-01-02 and" in run.error.message
