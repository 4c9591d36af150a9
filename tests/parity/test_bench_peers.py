"""`make bench-peers` counts a time only where the numbers agree, and names what it could not do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.peers import ours, plan, run, table, work
from benchmarks.peers.environments import CannotInstall


def a_run(**found):
    return {"equity": 1_000_000.0, "trades": 3, **found}


def test_equity_to_the_cent_and_the_same_trades_agree():
    assert run.disagreement(a_run(equity=1_000_000.009), a_run()) == ""
    assert "equity is 0.02 away" in run.disagreement(a_run(equity=1_000_000.02), a_run())
    assert "4 trades" in run.disagreement(a_run(trades=4), a_run())
    assert "equity" in run.disagreement(a_run(equity=float("nan")), a_run())


def test_each_lane_of_a_sweep_is_compared_with_its_own():
    truth = {"lanes": [[5, 20], [6, 20], [7, 20]], "equity": [1.0, 2.0, 3.0], "trades": [1, 2, 3]}
    part = {"lanes": [[7, 20], [5, 20]], "equity": [3.0, 1.0], "trades": [3, 1]}

    assert run.disagreement(part, truth) == ""
    assert "equity is 1.00 away" in run.disagreement({**part, "equity": [3.0, 2.0]}, truth)
    assert "trades" in run.disagreement({**part, "trades": [3, 2]}, truth)


def test_our_engine_is_what_the_loops_written_by_hand_say():
    bars = work.minutes(4_000)

    w1, w3, judges = ours.w1(bars), ours.w3(bars), ours.judges(bars)

    assert w1["bare"]()["trades"] > 100
    assert run.disagreement(w1["bare"](), w1["floor"]()) == ""
    assert run.disagreement(w3["bare"](), judges["ours"]()) == ""
    found = {name: judge()["equity"] for name, judge in judges.items()}
    assert len(set(found.values())) >= 4, "rules that differ by name must differ in money here"


def test_lanes_abreast_are_the_lanes_one_by_one():
    bars = work.minutes(2_000)

    one_by_one, abreast = ours.w2(bars)["floor scalar"](), ours.w2(bars)["floor lanes"]()

    assert run.disagreement(abreast, one_by_one) == ""


def test_our_sweep_and_our_shared_account_are_what_the_loops_say():
    bars, days = work.minutes(2_000), work.days(300, 30)

    sweeps, accounts = ours.w2(bars), ours.w4(days)

    assert run.disagreement(sweeps["sweep"](), sweeps["floor scalar"]()) == ""
    assert run.disagreement(accounts["bare"](), accounts["floor decision"]()) == ""


def test_a_peer_that_is_not_there_is_named_with_its_reason(monkeypatch, tmp_path):
    def refuse(peer):
        raise CannotInstall("no matching distribution")

    monkeypatch.setattr(run, "python_of", refuse)
    line = plan.Line("vectorbt", "rust", "vectorbt, rust")
    block = plan.Block("W1", 10_000, "W1, 10,000 bars", "W1: bare", (line,))

    result = run.Processes(tmp_path).measure(line, "W1", block.size)

    text = table.write([(block, [result])], {}, load=((0.0,) * 3, (0.0,) * 3), taken=0.0)
    assert (
        "| vectorbt, rust | - | - | - | - | - | not installed: no matching distribution |" in text
    )


def test_a_peer_that_fails_is_named_with_the_last_thing_it_said(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "python_of", lambda _peer: Path(sys.executable))
    line = plan.Line("vectorbt", "rust", "vectorbt, rust", limit=60)

    result = run.Processes(tmp_path).measure(line, "W1", 10_000)

    assert "No module named" in result.failed
    assert result.agrees


@pytest.mark.parametrize("block", plan.BLOCKS, ids=lambda block: block.title)
def test_lines_of_ours_and_judges_exist(block):
    bars = work.days(140, 3) if block.case == "W4" else work.minutes(400)
    cases = {"W1": ours.w1, "W1 services": ours.w1_services, "W2": ours.w2, "W3": ours.w3}
    cases |= {"W2 many": ours.w2_many, "W4": ours.w4, "judges": ours.judges}
    for line in block.lines:
        if line.who == plan.OURS:
            assert line.label in cases[line.case or block.case](bars)
        case, label = (line.judge or block.judge).split(": ")
        assert label in cases[case](bars)
