"""Objectives, requirements and the formulas they are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.domain.formula import Formula, order_of
from core.domain.metrics import METRICS
from core.domain.objective import Objective, Requirement, metrics_of
from core.domain.parameters import holds
from core.errors import InvalidInput

AIM = TypeAdapter(Objective).validate_python


def one(**columns):
    return {name: np.array([value], dtype=float) for name, value in columns.items()}


def test_the_default_is_the_sharpe_ratio_less_its_error():
    aim = Objective()

    assert (aim.metric, aim.direction) == ("sharpe_lcb", "maximize")
    assert aim.metrics == ("sharpe", "sharpe_se")
    assert aim.values(one(sharpe=1.5, sharpe_se=0.4)) == [1.1]


def test_directions_are_those_of_the_catalogue():
    for name, metric in METRICS.items():
        if metric.direction == "none":
            with pytest.raises(ValidationError, match="neither more nor less"):
                AIM(name)
        else:
            assert AIM(name).is_maximized == (metric.direction == "higher"), name


@pytest.mark.parametrize(
    ("written", "metric", "direction"),
    [
        ("volatility", "volatility", "minimize"),
        ("maximize volatility", "volatility", "maximize"),
        ("minimize sharpe", "sharpe", "minimize"),
        ({"metric": "sharpe_ratio"}, "sharpe", "maximize"),
        ({"metric": "trades", "direction": "minimize"}, "trades", "minimize"),
        ("-turnover", "-turnover", "maximize"),
        ("max_drawdown", "max_drawdown", "maximize"),
        ("minimize abs(max_drawdown)", "abs(max_drawdown)", "minimize"),
        ("total_return /  turnover", "total_return / turnover", "maximize"),
        ("sharpe_ratio - 2 * sharpe_se", "sharpe - 2 * sharpe_se", "maximize"),
    ],
)
def test_an_objective_can_be_written_in_several_ways(written, metric, direction):
    aim = AIM(written)

    assert (aim.metric, aim.direction) == (metric, direction)
    assert AIM(aim.model_dump()) == aim


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("sharp", "metric 'sharp' is not known; expected the name of a metric such as sharpe_lcb"),
        ("sharp", "did you mean sharpe or"),
        ("nonsense", "total_return or max_drawdown"),
        ("sharpe > 1", "is true or false; expected a number"),
        ("3 + 4", "names no metric"),
        ("sharpe +", "is not an expression; expected names and numbers with + - * / between them"),
        ("sharpe ** 2", "cannot be read"),
        ("sharpe.real", "cannot be read"),
        ("__import__('os').system('true')", "cannot be read"),
        ("open(sharpe)", "cannot be read"),
        ("sharpe if trades else 0", "cannot be read"),
        ("'a' * trades", "cannot be read"),
        ("(" * 150 + "sharpe" + ")" * 40, "is not an expression"),
        ("sharpe" + " + sharpe" * 40, "at most 200"),
        ("sharpe * 1e400", "cannot be read"),
        ("minimize max_drawdown", "looks for the worst"),
        ("-max_drawdown", "looks for the worst"),
        ({"metric": "sharpe", "direction": "up"}, "direction"),
        ({"metric": "sharpe", "weight": 2}, "weight"),
        (7, "valid dictionary"),
    ],
)
def test_what_is_no_objective_is_refused(written, says):
    with pytest.raises(ValidationError) as refusal:
        AIM(written)

    assert says in str(refusal.value)


def test_scores_are_more_where_the_objective_is_better():
    assert AIM("volatility").scores(one(volatility=0.2)) == [-0.2]
    assert AIM("sharpe").scores(one(sharpe=0.2)) == [0.2]
    found = AIM("total_return / turnover").values(
        {"total_return": np.array([1.0, 2.0, np.nan]), "turnover": np.array([4.0, 0.0, 1.0])}
    )
    assert found[0] == 0.25
    assert np.isnan(found[1:]).all()


def test_conditions_hold_or_say_what_was_found():
    requirement = Requirement("trades >= 30")
    rows = {"trades": np.array([29.0, 30.0, np.nan])}

    assert requirement.holds(rows).tolist() == [False, True, False]
    assert requirement.reason({"trades": 12.0}) == "trades is 12, expected trades >= 30"
    assert (
        requirement.reason({"trades": math.nan}) == "trades is not defined, expected trades >= 30"
    )
    assert Requirement("0.1 < exposure < 0.9 and trades > 5").metrics == ("exposure", "trades")
    with pytest.raises(ValidationError, match="expected a comparison"):
        Requirement("trades")


def test_an_undefined_metric_meets_no_condition_not_even_that_it_is_not_something():
    assert Requirement("not trades > 5").holds({"trades": np.array([np.nan, 3.0])}).tolist() == [
        False,
        True,
    ]


def test_the_metrics_of_a_study_stand_in_the_order_of_the_catalogue():
    names = metrics_of([AIM("turnover"), Objective()], [Requirement("trades > 1")])

    assert names == ("sharpe", "sharpe_se", "turnover", "trades")


NAMES = ("a", "b", "c")


def formulas():
    number = st.one_of(
        st.sampled_from(NAMES),
        st.integers(0, 4).map(str),
        st.sampled_from(["0.5", "1.25", "True", "False"]),
    )
    term = st.recursive(
        number,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({' '.join(t)})"),
            inner.map(lambda text: f"-{text}"),
        ),
        max_leaves=4,
    )
    signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    comparison = st.tuples(term, signs, term).map(" ".join)
    chain = st.tuples(term, signs, term, signs, term).map(" ".join)
    return st.recursive(
        st.one_of(comparison, chain),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
                lambda t: f"(({t[0]}) {t[1]} ({t[2]}))"
            ),
            inner.map(lambda text: f"not ({text})"),
        ),
        max_leaves=3,
    )


@given(
    text=formulas().filter(lambda text: len(text) <= 200),
    rows=st.lists(
        st.tuples(st.integers(-3, 3), st.sampled_from([-1.5, 0.0, 0.5, 2.0]), st.booleans()),
        min_size=1,
        max_size=5,
    ),
)
def test_many_rows_at_once_hold_where_each_alone_does(text, rows):
    def alone(row):
        try:
            return holds(text, dict(zip(NAMES, row, strict=True)))
        except InvalidInput:  # it divides by zero
            return False

    columns = {name: np.array(column) for name, column in zip(NAMES, zip(*rows), strict=True)}  # noqa: B905

    assert Formula.read(text).truths(columns).tolist() == [alone(row) for row in rows]


def test_orders_are_read_out_of_comparisons():
    def read(text):
        return order_of(Formula.read(text))

    assert read("a < b") == (("a", True, "b"),)
    assert read("a >= b") == (("b", False, "a"),)
    assert read("a < b <= c") == (("a", True, "b"), ("b", False, "c"))
    assert read("a < b and c > b") == (("a", True, "b"), ("b", True, "c"))
    assert read("a < b or c > b") is None
    assert read("a < b - 1") is None
    assert read("a != b") is None


@pytest.mark.parametrize(
    ("text", "is_loss"),
    [
        ("sharpe", False),
        ("sharpe_lcb", False),
        ("max_drawdown", True),
        ("minimize volatility", True),
        ("-turnover", True),
        ("-abs(max_drawdown)", True),
        ("minimize -sharpe", False),
        ("-turnover + sharpe", False),
        ("total_return / turnover", False),
    ],
)
def test_amounts_to_be_kept_small_are_known(text, is_loss):
    assert Objective.model_validate(text).is_loss is is_loss
