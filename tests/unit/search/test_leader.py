"""The best so far: eligible, measured, the first of equal ones, and said in the house's words."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.objective import Objective
from core.domain.study import StudySpec
from core.search.leader import Leader, better, leader_of, words_of
from core.search.search import Evaluations

SETS = [{"fast": fast, "slow": 48} for fast in (5, 8, 12, 15, 20)]


def spec_of(**given) -> StudySpec:
    return StudySpec.model_validate(
        {
            "run": {"strategy": "any", "symbols": ["AAA"]},
            "space": {"fast": [5, 8, 12, 15, 20]},
            "objectives": ["sharpe"],
            "requirements": ["trades >= 30"],
            **given,
        }
    )


def answers(sharpe, trades=(40, 40, 40, 40, 40), errors=None) -> Evaluations:
    columns = {"sharpe": np.array(sharpe, dtype=float), "trades": np.array(trades, dtype=float)}
    return Evaluations(columns, errors or {})


@pytest.mark.parametrize(
    ("found", "best"),
    [
        (answers((0.1, 0.2, 1.42, 0.3, 0.4)), 2),
        (answers((0.1, 1.42, 1.42, 0.3, 0.4)), 1),  # the first of equal ones
        (answers((0.1, 9.0, 1.42, 0.3, 0.4), trades=(40, 29, 30, 40, 40)), 2),  # too few trades
        (answers((0.1, np.nan, 1.42, np.nan, np.nan)), 2),  # not finished
        (answers((0.1, 9.0, 1.42, 0.3, 0.4), errors={1: "ruined"}), 2),
        (answers((-3.0, -2.0, np.inf, -4.0, -5.0)), 1),
    ],
)
def test_the_best_is_the_greatest_of_those_that_may_win(found, best):
    leader = leader_of(spec_of(), SETS, found)

    assert leader == Leader(
        found.columns["sharpe"][best], found.columns["sharpe"][best], SETS[best]
    )


def test_less_is_better_where_it_is_asked_for():
    spec = spec_of(objectives=["minimize sharpe"])
    leader = leader_of(spec, SETS, answers((0.1, -0.2, 1.0, 0.3, 0.4)))

    assert (leader.score, leader.value, leader.params) == (0.2, -0.2, SETS[1])


@pytest.mark.parametrize(
    ("spec", "sets", "found"),
    [
        (spec_of(), SETS, answers((np.nan,) * 5)),
        (spec_of(), SETS, answers((1.0,) * 5, trades=(0,) * 5)),
        (spec_of(), [], answers(())),
        (spec_of(objectives=["sharpe", "maximize trades"]), SETS, answers((1.0,) * 5)),
    ],
    ids=["nothing finished", "nobody eligible", "no sets", "several objectives"],
)
def test_where_there_is_no_best_nothing_is_said(spec, sets, found):
    assert leader_of(spec, sets, found) is None


def test_a_later_one_must_be_better_to_lead():
    first, equal, more = (
        Leader(1.0, 1.0, {"a": 1}),
        Leader(1.0, 1.0, {"a": 2}),
        Leader(2.0, 2.0, {}),
    )

    assert better(first, equal) is first
    assert better(first, more) is more
    assert better(None, first) is first
    assert better(first, None) is first
    assert better(None, None) is None


@pytest.mark.parametrize(
    ("objective", "value", "params", "words"),
    [
        ("sharpe", 1.4249, {"fast": 12, "slow": 48}, "Sharpe 1.42 at fast 12, slow 48"),
        ("sharpe_lcb", -0.5, {"fast": 12}, "Sharpe less its error -0.50 at fast 12"),
        ("total_return", 0.1234, {"stop": 0.30000000000000004}, "Total return 12.3 % at stop 0.3"),
        ("net_profit", 12345.678, {"on": True}, "Net profit 12,345.68 at on on"),
        ("-turnover", -12.3456, {"kind": "ema"}, "-turnover -12.35 at kind ema"),
    ],
)
def test_it_is_said_in_the_words_of_its_metric(objective, value, params, words):
    asked = Objective.model_validate(objective)

    assert words_of(asked, Leader(value, value, params)) == words
