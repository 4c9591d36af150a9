"""What a sweep promises beside its numbers: errors stay in their lane, nothing finished is lost."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from core.analytics.summary import summarise
from core.domain.costs import CostModel
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.signals import Signals, points
from core.domain.strategy import MarketView, Param, Strategy
from core.engine import sweep as sweeping
from core.engine import version
from core.engine.measures import REASON_CODES, SLOTS, summarise_run
from core.engine.simulate import simulate
from core.engine.sweep import Chunk, Eligibility, Progress, SweepResult, sweep
from core.engine.view import view_of
from core.errors import Cancelled, Conflict, DataProblem, InvalidInput, StrategyFailed
from strategies.ema_crossover import EMACrossoverStrategy
from tests.factories import random_bars
from tests.property.test_detail import itself

ROOT = Path(__file__).parents[3]
OPTIONS, COSTS = EngineOptions(), CostModel(bps=1.0)
BARS = random_bars(1, 600, sessions=150)
SETS = [{"fast": f, "slow": s} for f in range(2, 8) for s in range(5, 15) if f < s]
CHUNKS = -(-len(SETS) // 4)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(sweeping, "LONGEST_CHUNK", 4)
    monkeypatch.setattr(sweeping, "FEWEST_CHUNKS", 1)


def run(sets: Any = SETS, strategy: type[Strategy] = EMACrossoverStrategy, **rest: Any):
    given = {"threads": 2, "code_hash": "this", **rest}
    return sweep(strategy, BARS, sets, OPTIONS, COSTS, **given)


def assert_same(one: SweepResult, other: SweepResult) -> None:
    assert one.plan == other.plan
    assert one.params == other.params
    assert one.errors == other.errors
    for name in ("metrics", "why", "daily", "counters", "ruined"):
        assert getattr(one.rows, name).tobytes() == getattr(other.rows, name).tobytes(), name


class Moody(Strategy):
    """Does whatever its mood says."""

    mood: int = Param(0)

    def generate_signals(self, view: MarketView) -> Signals:  # noqa: C901 - a list of moods
        count = len(view)
        match self.mood:
            case 1:
                raise ValueError("bad\nmood")
            case 2:
                return [1, 2, 3]  # type: ignore[return-value]
            case 3:
                return Signals(codes=np.full(count, 7, dtype=np.int8))
            case 4:
                return Signals(codes=np.ones(count - 1, dtype=np.int8))
            case 5:
                return Signals.side(long=np.ones(count, bool), stop=points(-1.0))
            case 6:
                sys.exit(3)
            case 7:
                view.close.values[0] = 1.0
            case 8:
                return Signals(codes=np.ones(count))  # type: ignore[arg-type]
            case 9:
                np.seterr(all="raise")
            case 10:
                view.ind.ema(0)
        return Signals.side(long=view.close > view.ind.sma(3), short=view.close < view.ind.sma(3))


def test_a_lane_that_fails_says_why_and_stops_nobody(capsys):
    result = run([{"mood": mood} for mood in range(12)], Moody)

    assert sorted(result.errors) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert result.errors[1] == "ValueError: bad mood"
    assert "enerate_signals gave list" in result.errors[2]
    assert "code 7 at bar 0" in result.errors[3]
    assert "(599,)" in result.errors[4]
    assert "not above 0" in result.errors[5]
    assert result.errors[6] == "SystemExit: 3"
    assert "read-only" in result.errors[7]
    assert "float64" in result.errors[8]
    assert "whole number of at least 1" in result.errors[10]
    for lane in result.errors:
        assert np.isnan(result.rows.metrics[lane]).all()
        with pytest.raises(StrategyFailed):
            result.metrics(lane)
    for lane in (9, 11):
        assert result.rows.metrics[lane].tobytes() == result.rows.metrics[0].tobytes()
    assert set(result.ranked("total_return").tolist()) <= {0, 9, 11}
    assert capsys.readouterr() == ("", "")


def test_wrong_parameters_are_lanes_with_an_error():
    sets = [{"fast": 3, "slow": 9}, {"fast": 9, "slow": 7}, {"quick": 1}, {"fast": "x"}]

    result = run(sets)

    assert sorted(result.errors) == [1, 2, 3]
    assert "fast < slow" in result.errors[1]
    assert "'quick' is not known" in result.errors[2]
    assert result.params[2] == {"quick": 1}


@pytest.mark.parametrize(
    "given", [None, 5, "fast", [("fast", 3)], {1: 2}, {"fast": [3]}, {"fast": None}], ids=str
)
def test_what_is_no_set_of_parameters_is_a_lane_with_an_error(given):
    result = run([{"fast": 3, "slow": 9}, given])

    assert list(result.errors) == [1]
    assert "arameter" in result.errors[1]
    assert np.isfinite(result.column("total_return")[0])


class Unlevel(Strategy):
    """Gives a number where a level belongs."""

    name: str = Param("stop")

    def generate_signals(self, view: MarketView) -> Signals:
        codes = np.ones(len(view), dtype=np.int8)
        return Signals(codes, **{self.name: 2.0})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["stop", "target", "trail"])
def test_a_number_for_a_level_is_told_as_in_a_run_alone(name):
    signals = Signals(np.ones(len(BARS), dtype=np.int8), **{name: 2.0})  # type: ignore[arg-type]
    with pytest.raises(StrategyFailed) as alone:
        simulate(BARS, signals, OPTIONS, COSTS)

    result = run([{"name": name}], Unlevel)

    assert result.errors == {0: alone.value.sentence()}


def test_equal_sets_are_one_lane():
    sets = [{"fast": 3, "slow": 9}, {"slow": 48}, {"slow": 9.0, "fast": 3}, {"fast": 12}, {}]

    result = run(sets)

    assert result.lane_of.tolist() == [0, 1, 0, 1, 1]
    assert result.params == ({"fast": 3, "slow": 9}, {"fast": 12, "slow": 48})


def test_no_sets_no_bars_and_no_threads():
    assert len(run([])) == 0
    assert run([]).ranked("sharpe").tolist() == []
    with pytest.raises(DataProblem, match="no bars"):
        sweep(EMACrossoverStrategy, BARS.head(0), SETS, OPTIONS, COSTS)
    for wrong in ({"threads": 0}, {"memory": 0}):
        with pytest.raises(InvalidInput, match="is 0"):
            run(**wrong)


def test_progress_is_measured_and_ends_at_the_end():
    seen: list[Progress] = []

    result = run(on_progress=seen.append)

    lanes = [each.lanes for each in seen]
    assert lanes == sorted(lanes)
    assert lanes[-1] == seen[-1].total == len(result)
    assert all(each.seconds >= 0 and each.lane_seconds > 0 for each in seen)
    assert len(seen) == CHUNKS


class Met(Strategy):
    """In each thread the first lane waits until all threads have one."""

    n: int = Param(0)
    door: ClassVar[threading.Barrier]
    seen: ClassVar[set[int]]

    def generate_signals(self, view: MarketView) -> Signals:
        if threading.get_ident() not in self.seen:
            self.seen.add(threading.get_ident())
            self.door.wait(20)
        return Signals.side(long=view.close > 0.0)


def test_few_lanes_keep_every_thread_at_work_and_show_how_far_they_are(monkeypatch):
    monkeypatch.undo()  # chunks as they are for users
    Met.door, Met.seen = threading.Barrier(2), set()
    seen: list[Progress] = []
    sets = [{"n": n} for n in range(200)]

    two = run(sets, Met, on_progress=seen.append)
    Met.door, Met.seen = threading.Barrier(1), set()
    one = run(sets, Met, threads=1)

    assert two.errors == {}
    assert len(seen) >= 16
    assert_same(one, two)


def test_a_cancelled_sweep_ends_after_the_lane_it_is_in():
    asked, calls, kept = threading.Event(), [], []

    class Slow(Strategy):
        n: int = Param(0)

        def generate_signals(self, view: MarketView) -> Signals:
            calls.append(self.n)
            assert asked.wait(60)
            time.sleep(0.2)
            return Signals.side(long=view.close > 0.0)

    def leave() -> bool:
        if calls:
            asked.set()
        return bool(calls)

    sweeping.LONGEST_CHUNK = 256  # the fixture gives it back
    with pytest.raises(Cancelled):
        run([{"n": n} for n in range(40)], Slow, threads=1, cancelled=leave, on_chunk=kept.append)

    assert len(calls) < 10
    assert kept == []


class Gated(EMACrossoverStrategy):
    """Waits for a permit, so that the sweep cannot end before somebody cancels it."""

    gate: ClassVar[threading.Semaphore]

    def generate_signals(self, view: MarketView) -> Signals:
        assert self.gate.acquire(timeout=60)
        return super().generate_signals(view)


def test_a_cancelled_sweep_hands_out_what_it_finished_and_is_resumed_to_the_same_bits():
    kept: list[Chunk] = []
    Gated.gate = threading.Semaphore(5 * 4)  # lanes of five chunks

    def enough() -> bool:
        if len(kept) < 3:
            return False
        Gated.gate.release(1_000)
        return True

    with pytest.raises(Cancelled):
        run(strategy=Gated, on_chunk=kept.append, cancelled=enough)
    assert 3 <= len(kept) < CHUNKS
    fresh: list[Chunk] = []
    again = run(strategy=Gated, done=kept, on_chunk=fresh.append)

    assert_same(run(strategy=Gated), again)
    assert {each.number for each in fresh}.isdisjoint(each.number for each in kept)
    assert len(fresh) + len(kept) == CHUNKS


def test_nothing_runs_on_after_a_cancelled_sweep():
    calls: list[int] = []

    class Slow(Strategy):
        n: int = Param(0)

        def generate_signals(self, view: MarketView) -> Signals:
            calls.append(self.n)
            time.sleep(0.01)
            return Signals.side(long=view.close > 0.0)

    with pytest.raises(Cancelled):
        run([{"n": n} for n in range(400)], Slow, cancelled=lambda: len(calls) > 5)
    made = len(calls)
    time.sleep(0.1)

    assert len(calls) == made < 400
    assert not [each for each in threading.enumerate() if each.name.startswith("sweep")]


def test_a_door_that_raises_stops_the_sweep_and_its_threads():
    def leave(_: Chunk) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(on_chunk=leave)
    assert not [each for each in threading.enumerate() if each.name.startswith("sweep")]


def test_shares_are_disjoint_and_together_the_whole():
    whole: list[Chunk] = []
    expected = run(on_chunk=whole.append)
    shares: list[list[Chunk]] = []
    for k in (2, 0, 1):
        shares.append([])
        part = run(share=(k, 3), on_chunk=shares[-1].append)
        lanes = sum(len(chunk.rows.metrics) for chunk in shares[-1])
        assert np.isfinite(part.column("trades")).sum() == lanes

    numbers = [chunk.number for share in shares for chunk in share]
    assert sorted(numbers) == sorted(chunk.number for chunk in whole)
    assert [{number % 3 for number in map(_number, share)} for share in shares] == [{2}, {0}, {1}]
    assert_same(run(done=[chunk for share in shares for chunk in share], skip=range(99)), expected)


def test_chunks_that_somebody_has_are_skipped():
    here: list[Chunk] = []
    run(share=(1, 2), skip={1, 5}, on_chunk=here.append)

    assert {1, 2, 5}.isdisjoint(map(_number, here))
    assert {3, 7} <= set(map(_number, here))


def _number(chunk: Chunk) -> int:
    return chunk.number


@pytest.mark.parametrize("share", [(0, 0), (2, 2), (-1, 2), (3, 1)])
def test_a_share_that_does_not_exist_is_refused(share):
    with pytest.raises(InvalidInput, match=f"share {share[0]} of {share[1]}"):
        run(share=share)


@pytest.mark.parametrize(
    "change",
    [
        {"code_hash": "other"},
        {"sets": SETS[:-1]},
        {"options": EngineOptions(delay=1)},
        {"costs": CostModel(bps=2.0)},
        {"bars": random_bars(2, 600, sessions=150)},
        {"benchmark": random_bars(2, 600, sessions=150)},
        {"bars": replace(BARS, detail=itself(BARS))},
    ],
)
def test_chunks_of_another_plan_are_refused(change):
    kept: list[Chunk] = []
    run(on_chunk=kept.append)
    asked = {"bars": BARS, "sets": SETS, "options": OPTIONS, "costs": COSTS, "code_hash": "this"}
    asked |= change

    with pytest.raises(Conflict, match="another plan"):
        sweep(
            EMACrossoverStrategy,
            asked["bars"],
            asked["sets"],
            asked["options"],
            asked["costs"],
            code_hash=asked["code_hash"],
            benchmark=asked.get("benchmark"),
            done=kept[:1],
        )


def test_chunks_without_the_hash_of_their_code_are_refused():
    kept: list[Chunk] = []
    run(on_chunk=kept.append, code_hash="")

    with pytest.raises(InvalidInput, match="without the hash"):
        run(done=kept, code_hash="")


def test_chunks_of_another_engine_are_refused(monkeypatch):
    kept: list[Chunk] = []
    run(on_chunk=kept.append)
    monkeypatch.setattr(sweeping, "code_digest", lambda: "another")

    with pytest.raises(Conflict, match="another plan"):
        run(done=kept)


def test_the_hash_of_the_engine_is_that_of_its_code(monkeypatch, tmp_path):
    for room in ("domain", "engine", "analytics"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "rules.py").write_text("one")
    monkeypatch.setattr(version.core, "__file__", str(tmp_path / "__init__.py"))
    fresh = version.code_digest.__wrapped__
    seen = [fresh()]
    for room in ("domain", "engine", "analytics"):
        (tmp_path / room / "rules.py").write_text("two")
        seen.append(fresh())

    assert len(set(seen)) == len(seen)
    assert fresh() == seen[-1]


def test_the_order_of_sets_does_not_change_the_plan():
    assert run().plan == run(SETS[::-1]).plan


def test_a_killed_sweep_is_resumed_from_what_was_written(tmp_path):
    """The process dies without a word in the middle; chunks on disk are accepted again."""
    script = textwrap.dedent("""
        import os, pathlib, pickle, sys, time
        from tests.unit.engine import sweep_job
        sweep_job.work(pathlib.Path(sys.argv[1]))
    """)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, env=environment
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("*.chunk"))) < 3:
        assert child.poll() is None, "the child ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL

    from tests.unit.engine import sweep_job

    kept = [pickle.loads(file.read_bytes()) for file in tmp_path.glob("*.chunk")]  # noqa: S301
    fresh: list[Chunk] = []
    resumed = sweep_job.sweep_with(done=kept, on_chunk=fresh.append)

    assert_same(resumed, sweep_job.sweep_with())
    assert len(fresh) > 0
    assert {each.number for each in fresh}.isdisjoint(each.number for each in kept)


def test_lanes_are_measured_against_the_benchmark_that_is_named():
    other = random_bars(2, 600, sessions=150)
    named = run(SETS[:2], benchmark=other)
    signals = EMACrossoverStrategy.build(SETS[1]).generate_signals(view_of(BARS))

    expected = summarise(
        [simulate(BARS, signals, OPTIONS, COSTS)], options=OPTIONS, costs=COSTS, benchmark=other
    )

    values, _ = named.metrics(1)
    assert values["beta"] == pytest.approx(expected.values["beta"], rel=1e-12)
    assert values["beta"] != run(SETS[:2]).metrics(1)[0]["beta"]
    assert values["sharpe"] == run(SETS[:2]).metrics(1)[0]["sharpe"]


def test_lanes_have_their_ratios_above_the_riskless_rate():
    rules = OPTIONS.model_copy(update={"risk_free": 0.05})
    other = random_bars(2, 600, sessions=150)
    signals = EMACrossoverStrategy.build(SETS[1]).generate_signals(view_of(BARS))

    found = sweep(EMACrossoverStrategy, BARS, SETS[:2], rules, COSTS, benchmark=other)

    alone = summarise_run(
        simulate(BARS, signals, rules, COSTS), options=rules, costs=COSTS, benchmark=other
    )
    values, reasons = found.metrics(1)
    assert (values, reasons) == (alone.values, alone.reasons)
    without, _ = run(SETS[:2], benchmark=other).metrics(1)
    assert values["sharpe"] < without["sharpe"]
    assert values["total_return"] == without["total_return"]


# Ranking ----------------------------------------------------------------------------------------


class Size(Strategy):
    """Trades more or less often; 0 never."""

    every: int = Param(0, ge=0)

    def generate_signals(self, view: MarketView) -> Signals:
        t = np.arange(len(view))
        wants = (t // max(self.every, 1)) % 2 == 0
        return Signals.side(long=wants & (self.every > 0), short=~wants & (self.every > 0))


def test_only_lanes_with_enough_to_show_are_ranked_and_the_best_is_first():
    result = run([{"every": n} for n in (0, 1, 2, 3, 5, 9, 200)], Size)

    best = result.ranked("sharpe")
    out = result.ineligible("sharpe")

    values = result.column("sharpe")[best]
    assert (np.diff(values) <= 0).all()
    assert set(best.tolist()) == {1, 2, 3, 4, 5}
    assert out == {0: "0 closed trades, 30 are needed", 6: "2 closed trades, 30 are needed"}
    assert result.ranked("max_drawdown")[0] == best[np.argmax(result.column("max_drawdown")[best])]
    lowest = result.ranked("volatility")
    assert (np.diff(result.column("volatility")[lowest]) >= 0).all()


def test_a_lane_that_never_traded_wins_nothing_whatever_is_asked():
    result = run([{"every": 0}, {"every": 3}], Size)

    for name, metric in METRICS.items():
        if metric.direction != "none":
            found = result.ranked(name, Eligibility(trades=0, sessions=0, ambiguous=1.0))
            undefined = REASON_CODES[result.rows.why[0, SLOTS[name]]]
            assert (0 in found) == (undefined == "" and name not in {"cagr", "calmar", "upi"})


def test_profit_factors_rank_up_to_ten_and_no_loss_at_all_counts_as_ten():
    result = run([{"every": n} for n in (1, 2, 3, 4, 5)], Size)
    slot = SLOTS["profit_factor"]
    result.rows.metrics[:, slot] = [9.0, 12.0, np.nan, 11.0, 10.5]
    result.rows.why[:, slot] = 0
    result.rows.why[2, slot] = REASON_CODES.index("no_losses")

    assert result.ranked("profit_factor").tolist() == [1, 2, 3, 4, 0]
    assert result.ineligible("payoff").keys() == {
        lane for lane in range(5) if result.rows.why[lane, SLOTS["payoff"]]
    }
    result.rows.why[2, slot] = REASON_CODES.index("no_trades")
    assert 2 not in result.ranked("profit_factor")


def test_short_histories_ruin_and_ambiguity_are_out():
    result = run([{"every": 3}], Size)
    few = Eligibility(sessions=1_000)
    assert result.ineligible("sharpe", few) == {0: "150 sessions, 1000 are needed"}
    assert result.years < 1.0
    assert result.ineligible("cagr") == {0: "less than a year of data"}
    result.rows.metrics[0, SLOTS["ambiguous_pct"]] = 0.21
    assert "21%" in result.ineligible("sharpe")[0]
    result.rows.ruined[0] = True
    assert result.ineligible("sharpe") == {0: "ruined"}


def test_equal_lanes_keep_their_order():
    result = run([{"every": 3}, {"every": 4}, {"every": 5}], Size)
    result.rows.metrics[:, SLOTS["sharpe"]] = 1.0

    assert result.ranked("sharpe").tolist() == [0, 1, 2]


@pytest.mark.parametrize("metric", ["kurtosis", "trades", "nonsense"])
def test_a_metric_without_a_better_end_is_refused(metric):
    with pytest.raises(InvalidInput):
        run().ranked(metric)


def test_values_and_reasons_and_counters_of_a_lane():
    result = run([{"every": 0}], Size)

    values, reasons = result.metrics(0)

    assert values["total_return"] == 0.0
    assert values["sharpe"] is None
    assert reasons["sharpe"] == "no_trades"
    assert set(values) == set(METRICS)
    assert result.counters(0)["entries"] == 0
    assert result.sessions.tolist() == sorted(set(BARS.session.tolist()))


class Checked(EMACrossoverStrategy):
    """Has a validator of its own, which must be asked."""

    slow: int = Param(48, ge=5, le=500)

    def model_post_init(self, _: object, /) -> None:
        if self.slow == 7:
            raise ValueError("seven is not allowed")


def test_what_a_strategy_checks_itself_is_checked_in_every_lane():
    result = run([{"fast": 2, "slow": 7}, {"fast": 2, "slow": 8}], Checked)

    assert list(result.errors) == [0]
    assert "seven" in result.errors[0]
