"""`Signals.side` gives the code each row's conditions ask for, however it gets there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.signals import Signals
from core.engine.indicators import Condition, Indicator, Indicators, conditions, cross_above
from core.engine.indicators.series import cross_below
from core.errors import StrategyFailed
from tests.factories import random_bars

WORDS = ("long", "short", "exit", "exit_long", "exit_short")
SERIES = st.lists(st.sampled_from([1.0, 2.0, 3.0, float("nan")]), min_size=1, max_size=40)
RELATIONS = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def code_of(wants: set[str]) -> int:
    """The page writing_strategies.md, one row at a time."""
    if {"long", "short"} <= wants:
        return 2
    if "long" in wants:
        return 1
    if "short" in wants:
        return -1
    if "exit" in wants or {"exit_long", "exit_short"} <= wants:
        return 0
    if "exit_long" in wants:
        return 3
    return -3 if "exit_short" in wants else 2


@given(
    rows=st.lists(st.sets(st.sampled_from(WORDS)), min_size=1, max_size=60),
    words=st.sets(st.sampled_from(WORDS), min_size=1),
)
def test_every_combination_of_conditions_has_its_code(rows, words):
    flags = {word: np.array([word in wants for wants in rows]) for word in words}

    found = Signals.side(**flags)

    assert found.codes.tolist() == [code_of(wants & words) for wants in rows]
    assert found.codes.dtype == np.int8
    assert found.conflicts == sum({"long", "short"} <= (wants & words) for wants in rows)


@settings(max_examples=300)
@given(
    pairs=st.lists(
        st.tuples(*[st.sampled_from([1.0, 2.0, float("nan")])] * 2), min_size=1, max_size=40
    ),
    up=st.sampled_from(sorted(RELATIONS)),
    down=st.sampled_from(sorted(RELATIONS)),
    turned=st.booleans(),
)
def test_comparing_two_series_both_ways_in_one_pass_changes_no_code(pairs, up, down, turned):
    a, b = (
        Indicator((name,), np.array(x))
        for name, x in zip("ab", zip(*pairs, strict=True), strict=True)
    )
    other = (b, a) if turned else (a, b)

    fused = Signals.side(long=RELATIONS[up](a, b), short=RELATIONS[down](*other))

    one_by_one = Signals.side(
        long=RELATIONS[up](np.asarray(a), np.asarray(b)),
        short=RELATIONS[down](*(np.asarray(each) for each in other)),
    )
    assert fused.codes.tobytes() == one_by_one.codes.tobytes()
    assert fused.conflicts == one_by_one.conflicts


@given(rows=st.lists(st.tuples(*[st.sampled_from([1.0, 2.0, float("nan")])] * 2), min_size=1))
def test_compiled_comparisons_equal_their_plain_twins(rows):
    a, b = np.array(rows).T.copy()

    assert conditions.crossed(a, b).tolist() == conditions.crossed_python(a, b).tolist()
    for up in (False, True):
        for down in (False, True):
            codes, conflicts = conditions.sides(a, b, up, down)
            plain, counted = conditions.sides_python(a, b, up, down)
            assert (codes.tolist(), conflicts) == (plain.tolist(), counted)


@given(values=SERIES, level=st.sampled_from([1.5, 2.0]))
def test_crossing_a_level_is_crossing_a_series_that_stays_there(values, level):
    series, flat = np.array(values), np.full(len(values), level)

    assert np.asarray(cross_above(series, level)).tolist() == [
        t > 0 and values[t] > level and values[t - 1] <= level for t in range(len(values))
    ]
    assert np.asarray(cross_below(series, level)).tolist() == [
        t > 0 and values[t] < level and values[t - 1] >= level for t in range(len(values))
    ]
    assert np.array_equal(cross_above(series, flat), cross_above(series, level))


def test_a_comparison_is_an_ordinary_condition_once_somebody_looks():
    ind = Indicators(random_bars(4, 50))
    fast, slow = ind.ema(3), ind.ema(8)

    above = fast > slow

    assert isinstance(above, Condition)
    assert np.array_equal(above, np.asarray(fast) > np.asarray(slow))
    assert np.array_equal(above & ~(slow > fast), np.asarray(fast) > np.asarray(slow))
    assert len(above) == 50
    assert above.key == ("greater", fast.key, slow.key)
    assert not above.values.flags.writeable
    assert above.shift(1)[0] == np.False_


def test_series_made_with_plain_arrays_are_known_by_their_content():
    ind = Indicators(random_bars(4, 50))
    weights = np.linspace(1.0, 2.0, 50)

    first = ind.column("close") * weights
    weights[:] = 7.0
    second = ind.column("close") * weights

    assert first.key != second.key
    assert ind.sma(3, first) is not ind.sma(3, second)
    again = ind.column("close") * np.full(50, 7.0)
    assert ind.sma(3, again) is ind.sma(3, second)


def test_conditions_of_different_lengths_are_refused():
    with pytest.raises(StrategyFailed, match="differ in length"):
        Signals.side(long=np.ones(3, bool), short=np.ones(4, bool))
    with pytest.raises(ValueError, match="broadcast"):
        _ = Indicator(("a",), np.ones(3)) > Indicator(("b",), np.ones(4))
    with pytest.raises(StrategyFailed, match="without any condition"):
        Signals.side()
