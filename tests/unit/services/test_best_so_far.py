"""What is said of the best trial while a study runs is measured, and ends at the best there is."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.domain.ranking import MOST_RANKED, Ranking
from core.domain.study import StudySpec
from core.services import conduct as conducting
from core.services import standing
from strategies.sma_crossover import SMACrossoverStrategy
from tests.factories import make_bars

SAID = re.compile(r"^search: trial ([\d,]+) · best so far Sharpe (-?[\d.]+) at (.+)$")


def told_of(
    tmp_path: Path, monkeypatch, **given
) -> tuple[list[tuple[str, Ranking]], conducting.StudyResult]:
    monkeypatch.setattr(standing, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(standing, "LOOK_SHARE", 1e9)
    moves = np.random.default_rng(4).normal(0.0003, 0.01, 400)
    closes = 100 * np.exp(np.cumsum(moves))
    spec = StudySpec.model_validate(
        {
            "run": {"strategy": "sma_crossover", "symbols": ["AAA"]},
            "space": {"fast": {"min": 2, "max": 12}, "slow": {"min": 20, "max": 60, "step": 4}},
            "objectives": ["sharpe"],
            "requirements": ["trades >= 4"],
            "validation": {"share": 0.0},
            **given,
        }
    )
    told: list[tuple[str, Ranking]] = []
    result = conducting.conduct(
        spec,
        make_bars(np.r_[100.0, closes[:-1]], close=closes),
        SMACrossoverStrategy,
        code=Path("strategies"),
        code_hash="1",
        kept=tmp_path / "kept",
        tell=lambda _done, _whole, step, ranking: told.append((step, ranking)),
        threads=1,
    )
    return told, result


def steps_of(tmp_path: Path, monkeypatch, **given) -> tuple[list[str], conducting.StudyResult]:
    told, result = told_of(tmp_path, monkeypatch, **given)
    return [step for step, _ in told], result


def ranked_in(result: conducting.StudyResult) -> list[tuple[int, float]]:
    trials = result.frames["trials"]
    rows = trials.filter(trials["reason"].is_null()).select("number", "value_0").rows()
    return sorted(rows, key=lambda row: (-row[1], row[0]))


@pytest.mark.parametrize(
    ("method", "given"),
    [("grid", {"null_worlds": 2}), ("bayesian", {"max_trials": 64}), ("genetic", {})],
)
def test_the_ranking_grows_into_that_of_the_result(tmp_path, monkeypatch, method, given):
    told, result = told_of(tmp_path, monkeypatch, method=method, **given)
    rankings = [ranking for _, ranking in told]
    expected = ranked_in(result)
    values = dict(expected)

    for one, other in pairwise(rankings):
        assert one.trials <= other.trials
        assert one.is_whole <= other.is_whole
    assert len({ranking.trials for ranking in rankings}) > 2
    for ranking in rankings:
        shown = [(row.number, row.values[0]) for row in ranking.rows]
        assert shown == sorted(shown, key=lambda row: (-row[1], row[0]))
        assert all(values[number] == value for number, value in shown)
    last = rankings[-1]
    assert last.is_whole
    assert last.trials == len(result.frames["trials"])
    assert [(row.number, row.values[0]) for row in last.rows] == expected[:MOST_RANKED]
    # Whoever judges or makes worlds says so only when the ranking is whole.
    assert all(ranking.is_whole for step, ranking in told if not step.startswith("search"))


def test_of_several_objectives_the_front_is_ranked(tmp_path, monkeypatch):
    aims = ["total_return", "minimize volatility"]
    told, result = told_of(tmp_path, monkeypatch, objectives=aims)
    rows = told[-1][1].rows

    assert sorted(row.number for row in rows) == sorted(result.findings.front)
    assert [row.values[0] for row in rows] == sorted((row.values[0] for row in rows), reverse=True)


@pytest.mark.parametrize("method", ["grid", "bayesian"])
def test_each_best_so_far_is_a_trial_and_the_last_one_the_best(tmp_path, monkeypatch, method):
    given = {} if method == "grid" else {"max_trials": 64}
    said, result = steps_of(tmp_path, monkeypatch, method=method, **given)
    told = [found.groups() for step in said if (found := SAID.match(step))]
    values = [float(value) for _, value, _ in told]
    trials = result.frames["trials"]
    eligible = trials.filter(trials["reason"].is_null())
    rows = eligible.select("param_fast", "param_slow", "value_0").rows()
    known = {f"fast {fast}, slow {slow}": f"{value:.2f}" for fast, slow, value in rows}

    assert len(set(told)) > 3
    assert values == sorted(values)
    assert all(known[params] == value for _, value, params in told)
    assert values[-1] == pytest.approx(eligible["value_0"].max(), abs=0.005)


def test_of_worlds_without_edge_and_of_several_objectives_there_is_none(tmp_path, monkeypatch):
    said, _ = steps_of(tmp_path / "1", monkeypatch, null_worlds=2)
    worlds = [step for step in said if step.startswith("world ")]
    assert worlds
    assert not any("best so far" in step for step in worlds)

    said, _ = steps_of(tmp_path / "2", monkeypatch, objectives=["sharpe", "total_return"])
    assert any(step.startswith("search: trial") for step in said)
    assert not any("best so far" in step for step in said)


def test_the_edges_of_the_trial_at_the_bend_of_a_front_are_told(tmp_path, monkeypatch):
    space = {"fast": {"min": 2, "max": 8}, "slow": {"min": 20, "max": 28, "step": 4}}
    aims = ["total_return", "minimize volatility"]
    _, result = steps_of(tmp_path, monkeypatch, objectives=aims, space=space)
    found = result.findings
    ends = {"fast": (2, 8), "slow": (20, 28)}
    expected = {
        (name, side)
        for name, both in ends.items()
        for side, end in zip(("low", "high"), both, strict=True)
        if found.chosen.params[name] == end
    }

    assert len(found.front) > 1
    assert {(edge["name"], edge["side"]) for edge in found.edges} == expected
    assert expected


def test_before_anybody_may_win_nothing_is_said(tmp_path, monkeypatch):
    said, _ = steps_of(tmp_path, monkeypatch, requirements=["trades >= 10000"])

    assert not any("best so far" in step for step in said)
