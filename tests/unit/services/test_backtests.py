"""Submitting runs: what is refused, what is kept, what is given again."""

from __future__ import annotations

import random
import shutil
from datetime import date

import numpy as np
import polars as pl
import pytest

from core.domain.run import ARTIFACTS, RunSpec, RunStatus
from core.errors import Conflict, DataProblem, InvalidInput, NotFound, StrategyFailed
from core.store.artifacts import ArtifactStore
from tests.laboratory import SIMPLE, failing, lay_prices, wave, write_strategy


def hashes(run):
    return dict(run.artifacts)


# --- what is refused before anything is recorded --------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "kind", "said"),
    [
        ({"strategy": "simpel"}, NotFound, "Did you mean simple?"),
        ({"symbols": ("AAB",)}, NotFound, "Did you mean AAA"),
        ({"symbols": ("AAA", "aaa")}, InvalidInput, "Symbols are repeated"),
        ({"timeframe": "5m"}, InvalidInput, "AAA has no bars of 5m. Expected one of 1d"),
        ({"params": {"span": 1}}, InvalidInput, "Parameter 'span' is 1"),
        ({"params": {"spam": 5}}, InvalidInput, "Parameter 'spam' is not known"),
        ({"start": "2031-01-01"}, NotFound, "It has bars from 2020-01-02"),
        ({"end": "2001-01-01"}, NotFound, "It has bars from 2020-01-02"),
        ({"start": "2020-01-04", "end": "2020-01-05"}, NotFound, "AAA"),  # a weekend
    ],
)
def test_a_request_that_cannot_be_run_leaves_no_row(lab, request_, kind, said):
    with pytest.raises(kind) as caught:
        lab.submit(**request_)

    assert said.casefold() in caught.value.sentence().casefold()
    assert lab.count() == 0


def test_several_bad_parameters_are_named_together(lab):
    with pytest.raises(InvalidInput) as caught:
        lab.submit(params={"span": 1, "spam": 2})

    assert {problem.field for problem in caught.value.problems} == {"params.span", "params.spam"}


def test_a_broken_strategy_file_leaves_no_row(lab):
    write_strategy(lab.strategies, "broken", "class A(")

    with pytest.raises(StrategyFailed, match="SyntaxError"):
        lab.submit(strategy="broken")

    assert lab.count() == 0


# --- the completed request ------------------------------------------------------------------------


def test_a_request_is_completed(lab):
    spec = RunSpec(strategy="strategies.simple.Simple", symbols=("aaa", "Bbb"))

    done = lab.services.backtests.complete(spec)

    assert done.strategy == "simple"
    assert done.params == {"span": 10}
    assert done.symbols == ("AAA", "BBB")
    assert lab.services.backtests.complete(done) == done


def test_engine_options_of_the_strategy_yield_to_those_of_the_request(lab):
    body = SIMPLE.replace(
        "span: int", "engine = {'delay': 2, 'sizing': 'units', 'size': 5}\n\n        span: int"
    )
    write_strategy(lab.strategies, "choosy", body)
    spec = RunSpec.model_validate(
        {"strategy": "choosy", "symbols": ("AAA",), "options": {"size": 7}}
    )

    options = lab.services.backtests.complete(spec).options

    assert (options.delay, options.sizing, options.size) == (2, "units", 7)


def test_options_that_contradict_the_strategy_are_refused(lab):
    body = SIMPLE.replace("span: int", "engine = {'initial_margin': 0.2}\n\n        span: int")
    write_strategy(lab.strategies, "choosy", body)

    with pytest.raises(InvalidInput) as refused:
        lab.submit(strategy="choosy", options={"maintenance_margin": 0.5})

    assert refused.value.message.startswith("maintenance_margin 0.5 is above initial_margin 0.2")
    assert refused.value.hint == "Strategy choosy sets initial_margin"


def test_a_request_may_hold_overnight_what_the_strategy_squares_off(lab):
    body = SIMPLE.replace(
        "span: int", "engine = {'intraday': True, 'square_off': '15:00'}\n\n        span: int"
    )
    write_strategy(lab.strategies, "choosy", body)
    spec = {"strategy": "choosy", "symbols": ("AAA",), "options": {"intraday": False}}

    options = lab.services.backtests.complete(RunSpec.model_validate(spec)).options

    assert (options.intraday, options.square_off) == (False, None)


# --- results --------------------------------------------------------------------------------------


def test_a_run_is_recorded_with_everything_its_number_depends_on(lab):
    run = lab.submit()

    assert run.status is RunStatus.COMPLETED
    assert run.title == "Simple"
    assert run.source == "python"
    assert run.bars == 300
    assert run.code_hash
    assert run.engine_version
    assert set(run.data_hashes) == {"AAA"}
    assert set(run.artifacts) == {f"{name}.parquet" for name in ARTIFACTS}
    assert [event.to_status for event in lab.services.backtests.history(run.id)] == [
        "pending",
        "running",
        "completed",
    ]


def test_nothing_is_left_in_the_scratch_folder(lab):
    lab.submit()
    lab.submit(strategy="simple", params={"span": 20})

    assert [path for path in lab.settings.scratch_dir.rglob("*") if path.is_file()] == []


def test_the_same_request_is_computed_once(lab):
    first, second = lab.submit(), lab.submit()

    assert (first.reused, second.reused) == (False, True)
    assert second.id != first.id
    assert second.run_key == first.run_key
    assert second.metrics == first.metrics


def test_reuse_survives_a_restart(lab):
    from core.bootstrap import build

    first = lab.submit()
    with build(lab.settings) as again:
        second = again.backtests.submit(RunSpec(strategy="Simple", symbols=("AAA",)))

    assert second.reused
    assert second.run_key == first.run_key


def test_computing_again_gives_the_same_bytes(lab):
    first, second = lab.submit(), lab.submit(reuse=False)

    assert not second.reused
    assert second.run_key == first.run_key
    assert hashes(second) == hashes(first)


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"span": 11}},
        {"symbols": ("BBB",)},
        {"start": "2020-02-03"},
        {"options": {"initial_cash": 50_000}},
        {"costs": {"name": "zero"}},
    ],
)
def test_every_part_of_the_request_is_in_the_key(lab, change):
    assert lab.submit(**change).run_key != lab.submit().run_key


def test_an_edited_strategy_is_computed_again(lab):
    first = lab.submit()

    write_strategy(lab.strategies, "simple", SIMPLE.replace("view.close >", "view.open >"))
    second = lab.submit()

    assert not second.reused
    assert second.run_key != first.run_key
    assert hashes(second) != hashes(first)


def test_an_edited_helper_is_computed_again(lab):
    write_strategy(lab.strategies, "_base", SIMPLE)
    write_strategy(
        lab.strategies, "uses", "from strategies._base import Simple\nclass Uses(Simple): ..."
    )
    first = lab.submit(strategy="uses")

    write_strategy(lab.strategies, "_base", SIMPLE.replace("Param(10", "Param(12"))
    second = lab.submit(strategy="uses")

    assert (second.reused, second.spec.params) == (False, {"span": 12})
    assert second.code_hash != first.code_hash


def test_changed_prices_are_computed_again(lab):
    first = lab.submit()

    lay_prices(lab.lake, "AAA", [*wave(299), 55.5])
    second = lab.submit()

    assert not second.reused
    assert second.data_hashes != first.data_hashes


def test_a_damaged_result_is_not_given_again_but_repaired(lab):
    first = lab.submit()
    path = lab.services.backtests.artifact_path(first.id, "equity")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    second = lab.submit()

    assert not second.reused
    assert hashes(second) == hashes(first)
    assert lab.services.backtests.equity(second.id).height == 300


def test_a_lost_result_is_computed_again(lab):
    first = lab.submit()
    shutil.rmtree(lab.services.backtests.artifact_path(first.id, "equity").parent)

    assert not lab.submit().reused


# --- strategies that fail -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = 1 / 0", "ZeroDivisionError: division by zero (bad.py, line 8)"),
        ("import sys; sys.exit(0)", "tried to end its process (exit code 0) (bad.py, line 8)"),
        ("return None", "generate_signals gave NoneType"),
        ("return Signals.side(long=view.close)", "condition 'long' has dtype float64"),
        ("return Signals.side(long=(view.close > 0)[1:])", "(299,)"),
    ],
)
def test_a_strategy_that_fails_gives_a_failed_run_and_its_line(lab, body, said):
    write_strategy(lab.strategies, "bad", failing(body))

    run = lab.submit(strategy="bad")

    assert run.status is RunStatus.FAILED
    assert run.error.code == "strategy_failed"
    assert said in run.error.message
    assert "Traceback" not in run.error.message
    assert str(lab.settings.data_dir) not in run.error.message


def test_a_strategy_that_runs_out_of_memory_is_told_what_to_change(lab):
    write_strategy(lab.strategies, "bad", failing("raise MemoryError"))

    error = lab.submit(strategy="bad").error

    assert error.code == "memory_limit"
    assert error.message == "needed more memory than a run may use (bad.py, line 8)"
    assert "WORKBENCH_RUN_MEMORY_MB" in str(error.hint)


def test_a_failed_run_is_not_given_again(lab):
    write_strategy(lab.strategies, "bad", failing("x = 1 / 0"))
    lab.submit(strategy="bad")

    write_strategy(lab.strategies, "bad", failing("pass"))

    assert lab.submit(strategy="bad").status is RunStatus.COMPLETED


def test_a_strategy_that_forgot_its_seed_gives_the_same_bits_again(lab):
    body = failing(
        "return Signals.side(long=np.random.random(len(view)) > random.random())",
        imports="import random\n    import numpy as np",
    )
    write_strategy(lab.strategies, "dice", body)

    first, second = lab.submit(strategy="dice"), lab.submit(strategy="dice", reuse=False)

    assert hashes(first) == hashes(second)


def test_an_exit_rule_of_an_earlier_system_that_forgot_its_seed_gives_the_same_bits_again(lab):
    write_strategy(
        lab.strategies,
        "leaver",
        """
        import random
        import numpy as np

        class Leaver:
            def generate_signals(self, df):
                df["signal"] = 1
                return df

            def should_exit(self, position, row, entry_price):
                return random.random() + np.random.random() < 0.8, "Dice"
        """,
    )
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002, TID251 - those of the caller
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002 - likewise

    first, second = lab.submit(strategy="leaver"), lab.submit(strategy="leaver", reuse=False)

    assert first.metrics["trades"] > 2
    assert hashes(first) == hashes(second)
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before  # noqa: NPY002


# --- several symbols ------------------------------------------------------------------------------


def test_several_symbols_are_equal_sleeves(lab):
    both = lab.submit(symbols=("AAA", "BBB"), options={"initial_cash": 100_000})
    alone = [
        lab.submit(symbols=(symbol,), options={"initial_cash": 50_000}) for symbol in ("AAA", "BBB")
    ]
    read = lab.services.backtests

    curves = [read.equity(run.id, None)["equity"] for run in alone]

    assert read.equity(both.id, None)["equity"].to_list() == (curves[0] + curves[1]).to_list()
    assert list(both.by_symbol) == ["AAA", "BBB"]
    for run in alone:
        (symbol,) = run.spec.symbols
        assert both.by_symbol[symbol] == run.by_symbol[symbol]
    assert both.bars == 600


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARTIFACTS)
def test_frames_have_the_promised_schema(lab, name):
    run = lab.submit(symbols=("AAA", "BBB"))
    frame = getattr(lab.services.backtests, name)(run.id)

    more = {"mae_r": pl.Float64, "mfe_r": pl.Float64} if name == "trades" else {}
    assert dict(frame.schema) == {**ARTIFACTS[name], **more}
    assert frame.height


def test_trades_give_their_excursions_over_their_risk(lab):
    body = """
        from core.domain.strategy import MarketView, Signals, Strategy, pct


        class Stopped(Strategy):
            # long, with a stop and a target

            def generate_signals(self, view: MarketView) -> Signals:
                return Signals.side(long=view.close > 0, stop=pct(2.0), target=pct(5.0))
    """
    write_strategy(lab.strategies, "stopped", body)
    run = lab.submit(strategy="stopped", costs={"name": "free"})

    trades = lab.services.backtests.trades(run)

    # A stop 2% below the entry: the excursions are fractions of the entry over 0.02.
    closed = trades.filter(~pl.col("open"))
    assert closed.height > 5
    for name in ("mae", "mfe"):
        expected = (closed[name] / 0.02).to_list()
        assert closed[f"{name}_r"].to_list() == pytest.approx(expected, rel=1e-9)
        assert run.metrics[f"{name}_r"] == pytest.approx(sum(expected) / closed.height, rel=1e-9)
    assert lab.services.backtests.trades(lab.submit())["mae_r"].null_count() > 0


def test_the_frames_tell_one_story(lab):
    run = lab.submit(symbols=("AAA", "BBB"))
    read = lab.services.backtests
    trades, fills, positions = read.trades(run.id), read.fills(run.id), read.positions(run.id)
    equity = read.equity(run.id, None)

    closed = trades.filter(~pl.col("open"))
    ends = positions.group_by("symbol", maintain_order=True).last()

    assert len(fills) == 2 * len(closed) + (len(trades) - len(closed))
    assert fills["fee"].sum() == pytest.approx(trades["fees"].sum(), rel=1e-12)
    for symbol, quantity in ends.select("symbol", "quantity").iter_rows():
        traded = fills.filter(pl.col("symbol") == symbol)["quantity"].sum()
        assert traded == pytest.approx(quantity, abs=1e-9)
    assert equity["equity"][-1] == pytest.approx(ends["equity"].sum(), rel=1e-12)
    assert equity["equity"][-1] == pytest.approx(100_000 + trades["pnl"].sum(), rel=1e-9)
    assert run.metrics["final_equity"] == equity["equity"][-1]
    assert equity["drawdown"].min() == pytest.approx(run.metrics["max_drawdown"], rel=1e-12)
    assert closed["exit_time"].null_count() == 0
    assert set(trades["direction"]) == {"long"}
    assert trades["entry_time"].is_sorted()


def test_the_benchmark_buys_every_symbol_at_its_first_open(lab):
    run = lab.submit(symbols=("AAA", "BBB"), options={"initial_cash": 1_000})
    held = lab.services.backtests.equity(run.id, None)["benchmark"][-1]

    growth = [wave(300)[-1] / wave(300)[0], wave(300, period=25.0, drift=-0.0003)[-1] / 100.0]

    assert held == pytest.approx(500 * sum(growth), rel=1e-12)


def test_prices_are_those_the_run_used(lab):
    run = lab.submit(start="2020-03-02", end="2020-06-30")
    read = lab.services.backtests

    prices = read.prices(run.id, "aaa", None)

    assert prices["timestamp"][0].date() == date(2020, 3, 2)
    assert prices["close"].to_list() == read.positions(run.id)["close"].to_list()


def test_prices_imported_since_do_not_show(lab):
    run = lab.submit()
    lay_prices(lab.lake, "AAA", wave(320))

    assert lab.services.backtests.prices(run.id, "AAA", None).height == 300


def test_prices_that_changed_since_are_not_shown_as_if_they_were_the_runs(lab):
    run = lab.submit()
    lay_prices(lab.lake, "AAA", [50.0, *wave(300)[1:]])

    with pytest.raises(DataProblem, match="changed since run"):
        lab.services.backtests.prices(run.id, "AAA")


def test_symbols_a_run_does_not_trade_are_not_found(lab):
    run = lab.submit()

    with pytest.raises(NotFound):
        lab.services.backtests.prices(run.id, "BBB")
    with pytest.raises(NotFound):
        lab.services.backtests.positions(run.id, "BBB")


def test_a_failed_run_has_no_artifacts(lab):
    write_strategy(lab.strategies, "bad", failing("x = 1 / 0"))
    run = lab.submit(strategy="bad")

    with pytest.raises(Conflict, match="is failed"):
        lab.services.backtests.equity(run.id)


def test_runs_are_found_by_every_name(lab):
    run = lab.submit()

    found = [lab.services.backtests.get(ref).id for ref in (run.id, run.uuid, run.job_id)]

    assert found == [run.id] * 3


# --- reproducing ----------------------------------------------------------------------------------


def test_a_run_is_reproduced_bit_for_bit(lab):
    run = lab.submit(symbols=("AAA", "BBB"))

    again = lab.services.backtests.reproduce(run.id)

    assert again.identical
    assert again.changed_inputs == ()
    assert {name: stored for name, (stored, _) in again.artifacts.items()} == hashes(run)
    assert lab.count() == 1


def test_changed_prices_are_told_when_reproducing(lab):
    run = lab.submit(symbols=("AAA", "BBB"))
    lay_prices(lab.lake, "BBB", [101.0, *wave(300, period=25.0, drift=-0.0003)[1:]])

    again = lab.services.backtests.reproduce(run.id)

    assert again.changed_inputs == ("data:BBB",)
    assert not again.identical


def test_changed_code_is_told_when_reproducing(lab):
    run = lab.submit()
    write_strategy(lab.strategies, "simple", SIMPLE.replace("view.close >", "view.open >"))

    again = lab.services.backtests.reproduce(run.id)

    assert again.changed_inputs == ("code",)
    assert not again.identical


def test_a_changed_comment_is_changed_code_and_the_same_result(lab):
    run = lab.submit()
    write_strategy(lab.strategies, "simple", SIMPLE + "\n    # a comment")

    again = lab.services.backtests.reproduce(run.id)

    assert again.changed_inputs == ("code",)
    assert again.identical


def test_damage_to_a_stored_result_does_not_spoil_reproducing(lab):
    run = lab.submit()
    lab.services.backtests.artifact_path(run.id, "equity").write_bytes(b"junk")

    assert lab.services.backtests.reproduce(run.id).identical


def test_what_fails_when_reproducing_is_raised(lab):
    run = lab.submit()
    write_strategy(lab.strategies, "simple", SIMPLE.replace("average = view", "average = views"))

    with pytest.raises(StrategyFailed, match="NameError"):
        lab.services.backtests.reproduce(run.id)


def test_a_failed_run_cannot_be_reproduced(lab):
    write_strategy(lab.strategies, "bad", failing("x = 1 / 0"))

    with pytest.raises(Conflict):
        lab.services.backtests.reproduce(lab.submit(strategy="bad").id)


def test_the_thinned_curve_keeps_the_extremes_of_the_benchmark(lab):
    run = lab.submit()
    whole = lab.services.backtests.equity(run.id, max_points=None)

    thinned = lab.services.backtests.equity(run.id, max_points=8)

    assert thinned.height <= 8
    for name in ("equity", "benchmark", "drawdown"):
        assert (thinned[name].min(), thinned[name].max()) == (whole[name].min(), whole[name].max())


# --- side by side ---------------------------------------------------------------------------------


def test_runs_are_compared(lab):
    runs = [lab.submit(params={"span": span}) for span in (5, 10, 20)]

    found = lab.services.backtests.compare([run.id for run in runs])

    assert [run.id for run in found.runs] == [run.id for run in runs]
    assert found.equity.columns == ["timestamp", *[str(run.id) for run in runs]]
    assert found.equity.row(0)[1:] == (100.0, 100.0, 100.0)
    assert [each.name for each in found.differences] == ["params.span"]
    assert found.differences[0].values == (5, 10, 20)
    returns = next(row for row in found.metrics if row.name == "total_return")
    assert returns.values == tuple(run.metrics["total_return"] for run in runs)
    assert returns.best == (returns.values.index(max(returns.values)),)


def test_curves_start_together_where_the_later_one_begins(lab):
    early, late = lab.submit(), lab.submit(start="2020-06-01", end="2020-12-31")

    found = lab.services.backtests.compare([early.id, late.id], max_points=None).equity

    assert found["timestamp"][0].date() == date(2020, 6, 1)
    assert found.row(0)[1:] == (100.0, 100.0)
    assert found[str(late.id)].null_count() > 0  # it ends before the other
    assert found[str(early.id)].null_count() == 0


def test_curves_without_a_common_moment_each_start_at_their_own(lab):
    first, second = lab.submit(end="2020-05-29"), lab.submit(start="2020-06-01")

    found = lab.services.backtests.compare([first.id, second.id], max_points=None).equity

    assert found[str(first.id)].drop_nulls()[0] == 100.0
    assert found[str(second.id)].drop_nulls()[0] == 100.0


def test_runs_of_different_timeframes_are_aligned_by_session(lab):
    days, weeks = lab.submit(), lab.submit(timeframe="1w")

    found = lab.services.backtests.compare([days.id, weeks.id], max_points=None)

    assert "timeframe" in {each.name for each in found.differences}
    assert found.equity["timestamp"].is_sorted()
    assert found.equity["timestamp"].n_unique() == found.equity.height


@pytest.mark.parametrize("count", [0, 1, 13])
def test_too_few_and_too_many_runs_cannot_be_compared(lab, count):
    with pytest.raises(InvalidInput, match=f"{count} runs"):
        lab.services.backtests.compare([1] * count)


def test_a_run_cannot_be_compared_with_itself(lab):
    run = lab.submit()

    with pytest.raises(InvalidInput, match="twice"):
        lab.services.backtests.compare([run.id, run.uuid])


# --- the rest -------------------------------------------------------------------------------------


def test_health_says_what_works(lab):
    health = lab.services.system.health()

    assert {name: part["status"] for name, part in health.items()} == {
        "database": "healthy",
        "lake": "healthy",
        "artifacts": "healthy",
        "runner": "healthy",
    }
    assert lab.services.system.is_ready()


def test_health_says_what_does_not(lab, monkeypatch):
    def full(_self):
        from core.errors import Unavailable

        raise Unavailable("only 3 MB are free")

    monkeypatch.setattr(ArtifactStore, "refuse_when_full", full)

    assert lab.services.system.health()["artifacts"] == {
        "status": "unhealthy",
        "detail": "only 3 MB are free",
    }
    assert not lab.services.system.is_ready()


def test_a_strategy_is_checked_on_made_up_bars(lab):
    report = lab.services.strategies.check("simple", {"span": "7"})

    assert (report["valid"], report["errors"], report["warnings"]) == (True, [], [])
    assert report["params"] == {"span": 7}
    assert report["trades"] > 0


@pytest.mark.parametrize(
    ("body", "params", "said"),
    [
        ("pass", {"x": 1}, "Parameter 'x' is not known"),
        ("x = 1 / 0", {}, "ZeroDivisionError: division by zero (bad.py, line 8)"),
        ("x = (", {}, "SyntaxError"),
    ],
)
def test_a_check_says_what_is_wrong(lab, body, params, said):
    write_strategy(lab.strategies, "bad", failing(body))
    lab.services.strategies.rescan()

    report = lab.services.strategies.check("bad", params)

    assert not report["valid"]
    assert said in report["errors"][0]


def test_a_strategy_that_asks_for_nothing_is_warned_about(lab):
    write_strategy(lab.strategies, "idle", failing("return Signals.side(long=view.close < 0)"))
    lab.services.strategies.rescan()

    report = lab.services.strategies.check("idle")

    assert report["valid"]
    assert "no position" in report["warnings"][0]


def test_closing_twice_does_nothing(lab):
    lab.services.close()
    lab.services.close()
