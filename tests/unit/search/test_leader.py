"""The best so far: eligible, measured, the first of equal ones, and said in the house's words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.domain.objective import Objective
from core.domain.ranking import MOST_RANKED, Ranked, Ranking
from core.domain.study import StudySpec
from core.errors import DataProblem
from core.search.leader import Leader, leaders_of, merged, words_of
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
    ("found", "order"),
    [
        (answers((0.1, 0.2, 1.42, 0.3, 0.4)), [2, 4, 3, 1, 0]),
        (answers((0.1, 1.42, 1.42, 0.3, 0.3)), [1, 2, 3, 4, 0]),  # the first of equal ones
        (answers((0.1, 9.0, 1.42, 0.3, 0.4), trades=(40, 29, 30, 40, 40)), [2, 4, 3, 0]),
        (answers((0.1, np.nan, 1.42, np.nan, np.nan)), [2, 0]),  # not finished
        (answers((0.1, 9.0, 1.42, 0.3, 0.4), errors={1: "ruined"}), [2, 4, 3, 0]),
        (answers((-3.0, -2.0, np.inf, -4.0, -5.0)), [1, 0, 3, 4]),
    ],
)
def test_those_that_may_win_are_ranked_the_greatest_first(found, order):
    sharpe = found.columns["sharpe"]

    assert leaders_of(spec_of(), SETS, found, first=100) == [
        Leader((sharpe[place],), Ranked(100 + place, SETS[place], (sharpe[place],)))
        for place in order
    ]


def test_less_is_better_where_it_is_asked_for():
    spec = spec_of(objectives=["minimize sharpe"])
    first, *_, last = leaders_of(spec, SETS, answers((0.1, -0.2, 1.0, 0.3, 0.4)))

    assert (first.scores, first.trial) == ((0.2,), Ranked(1, SETS[1], (-0.2,)))
    assert last.trial.number == 2


@pytest.mark.parametrize(
    ("spec", "sets", "found"),
    [
        (spec_of(), SETS, answers((np.nan,) * 5)),
        (spec_of(), SETS, answers((1.0,) * 5, trades=(0,) * 5)),
        (spec_of(), [], answers(())),
        (
            spec_of(objectives=["sharpe", "maximize trades"]),
            SETS,
            answers((np.nan, 1.0, np.nan, np.nan, np.nan), trades=(40, 0, 40, 40, 40)),
        ),
    ],
    ids=["nothing finished", "nobody eligible", "no sets", "several objectives"],
)
def test_where_nobody_may_win_nobody_is_ranked(spec, sets, found):
    assert leaders_of(spec, sets, found) == []


def test_of_several_objectives_those_are_ranked_that_no_other_beats():
    spec = spec_of(objectives=["sharpe", "minimize trades"])
    found = leaders_of(spec, SETS, answers((1.0, 3.0, 2.0, 3.0, 0.5), trades=(50, 60, 40, 70, 45)))

    assert [(each.trial.number, each.trial.values) for each in found] == [
        (1, (3.0, 60.0)),
        (2, (2.0, 40.0)),
    ]


def leader(number: int, *scores: float) -> Leader:
    return Leader(scores, Ranked(number, {}, scores))


def numbers(leaders) -> list[int]:
    return [each.trial.number for each in leaders]


def test_a_later_one_must_be_better_to_go_before():
    early, later = [leader(0, 2.0), leader(1, 1.0)], [leader(2, 2.0), leader(3, 3.0)]

    assert numbers(merged(early, later)) == numbers(merged(later, early)) == [3, 0, 2, 1]
    assert merged(early, []) == merged([], early) == early
    assert merged([], []) == []


def test_a_front_loses_those_that_are_beaten_now():
    early, later = [leader(0, 3.0, 1.0), leader(1, 1.0, 3.0)], [leader(2, 3.0, 2.0)]

    assert numbers(merged(early, later)) == [2, 1]


def test_a_ranking_is_cut_where_nobody_reads_on():
    first = [leader(number, -float(number)) for number in range(MOST_RANKED)]
    best = leader(MOST_RANKED, 1.0)

    assert numbers(merged(first, [best])) == [MOST_RANKED, *range(MOST_RANKED - 1)]


def test_a_ranking_is_read_as_it_was_written():
    row = Ranked(7, {"fast": 3, "on": True, "kind": "ema"}, (1.5, -2.0))
    ranking = Ranking(1_200, is_whole=True, rows=(row,))

    assert Ranking.from_data(json.loads(json.dumps(ranking.to_data()))) == ranking


@pytest.mark.parametrize("data", [None, 3, [], {}, {"trials": 1, "is_whole": True, "rows": [{}]}])
def test_what_is_no_ranking_is_said_to_be_none(data):
    with pytest.raises(DataProblem, match="ranking of a search cannot be read"):
        Ranking.from_data(data)


@pytest.mark.parametrize(
    ("objective", "value", "params", "words"),
    [
        ("sharpe", 1.4249, {"fast": 12, "slow": 48}, "Sharpe 1.42 at fast 12, slow 48"),
        ("sharpe_lcb", -0.5, {"fast": 12}, "Sharpe less its error -0.50 at fast 12"),
        ("total_return", 0.1234, {"stop": 0.30000000000000004}, "Total return 12.3% at stop 0.3"),
        ("net_profit", 12345.678, {"on": True}, "Net profit 12,345.68 at on on"),
        ("-turnover", -12.3456, {"kind": "ema"}, "-turnover -12.35 at kind ema"),
    ],
)
def test_it_is_said_in_the_words_of_its_metric(objective, value, params, words):
    asked = Objective.model_validate(objective)

    assert words_of(asked, Ranked(0, params, (value,))) == words
