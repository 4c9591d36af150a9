"""Every way to write a dimension, and what it is checked against."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.domain.dimension import Dimension, bound_dimensions
from core.domain.parameters import ParamSpec
from core.errors import InvalidInput
from tests.unit.search.toys import SPECS

READ = TypeAdapter(Dimension).validate_python
INT, FLOAT = SPECS[0], SPECS[2]


@given(
    low=st.integers(-500, 500),
    step=st.integers(1, 40),
    count=st.integers(1, 60),
    beyond=st.integers(0, 39),
)
def test_every_way_to_write_a_range_gives_the_same_dimension(low, step, count, beyond):
    values = [low + k * step for k in range(count)]
    stop = values[-1] + min(beyond, step - 1)

    dimensions = {
        READ(way).model_dump_json()
        for way in (
            values,
            values[::-1],
            [float(value) for value in values],
            {"type": "range", "start": low, "stop": stop, "step": step},
            {"type": "choice", "values": values},
            {"type": "categorical", "choices": values},
            {"type": "int", "low": low, "high": stop, "step": step},
            {"type": "float", "low": low, "high": stop, "step": float(step)},
            {"min": low, "max": stop, "step": step},
            {"low": low, "high": stop, "step": step},
        )
    }

    assert len(dimensions) == 1
    assert list(READ(values).values()) == values


@given(
    places=st.integers(0, 6),
    low=st.integers(-10_000, 10_000),
    step=st.integers(1, 999),
    count=st.integers(2, 200),
)
def test_steps_are_decimal(places, low, step, count):
    scale = 10**places
    exact = [Fraction(low + k * step, scale) for k in range(count)]

    dimension = READ({"min": low / scale, "max": float(exact[-1]), "step": step / scale})

    # float(Fraction) is the float nearest to the decimal, as a literal in source is
    assert list(dimension.values()) == [float(value) for value in exact]
    assert len(dimension) == count


def test_a_tenth_three_times_is_three_tenths():
    dimension = READ({"type": "range", "start": 0.1, "stop": 0.5, "step": 0.1})

    assert dimension.values() == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert repr(dimension.values()[2]) == "0.3"
    assert dimension == READ([0.1, 0.2, 0.3, 0.4, 0.5])


def test_very_small_steps_do_not_overflow():
    dimension = READ({"min": 1e-30, "max": 4e-30, "step": 1e-30})

    assert dimension.values() == (1e-30, 2e-30, 3e-30, 4e-30)


@given(st.data())
def test_a_dimension_survives_its_own_json(data):
    way = data.draw(
        st.one_of(
            st.lists(st.integers(-99, 99), min_size=1, max_size=9, unique=True),
            st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=9, unique=True),
            st.just([True, False]),
            st.just({"type": "float", "low": 0.5, "high": 2.0}),
            st.just({"type": "float", "low": 0.5, "high": 2.0, "log": True}),
        )
    )
    dimension = READ(way)

    assert READ(json.loads(dimension.model_dump_json())) == dimension


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ([], "the list of values is empty"),
        ([1, 1], "stands there twice"),
        ([1, "a"], "mixes numbers and texts"),
        ([True, 1], "mixes numbers and true or false"),
        ([float("nan")], "a value is nan; expected a number of ordinary size"),
        (7, "7 is no dimension; expected [v, v]"),
        ("5:20", "is no dimension"),
        ({"type": "loguniform", "low": 1, "high": 2}, "type 'loguniform' is not known"),
        ({"type": "range", "from": 1, "stop": 2}, "from is not known; expected start, stop, step"),
        ({"type": "range", "start": 1}, "an end is missing"),
        ({"type": "int", "low": 1.5, "high": 4}, "1.5 is no whole number"),
        ({"type": "int", "choices": [1, 2.5]}, "2.5 is no whole number"),
        ({"min": 5, "max": 2}, "goes from 5 to 2; expected the lower end first"),
        ({"min": 1, "max": 2, "step": 0}, "step is 0; expected more than 0"),
        ({"min": 1, "max": 2, "step": -1}, "step is -1"),
        ({"min": 0, "max": 1e7, "step": 1}, "10,000,001 values; expected at most 1,000,000"),
        ({"min": "1", "max": 2}, "low is '1'; expected a number"),
        ({"min": True, "max": 2}, "low is True; expected a number"),
        ({"type": "float", "low": 0, "high": 2, "log": True}, "begins at 0; expected more than 0"),
        (
            {"type": "float", "low": 1, "high": 9, "step": 2, "log": True},
            "has step 2; expected none",
        ),
        ({"low": 1, "high": 9, "choices": [1]}, "both a range and a list"),
        ({"type": "int", "low": 1, "high": 3, "log": 1}, "log is 1; expected true or false"),
    ],
)
def test_what_is_no_dimension_is_refused_and_says_why(way, says):
    with pytest.raises(ValidationError) as refusal:
        READ(way)

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "way", "found", "expected"),
    [
        (INT, [1, 300], "space.fast has low 1, high 300", "a whole number from 2 to 200"),
        (INT, [2, 3.5, 9], "space.fast has 3.5", "a whole number from 2 to 200"),
        (INT, {"min": 2, "max": 9, "step": 0.5}, "space.fast has step 0.5", "a whole number"),
        (INT, ["12"], "space.fast has '12'", "a whole number"),
        (FLOAT, {"min": -1, "max": 0.1}, "space.stop has low -1", "a number from 0 to 0.5"),
        (SPECS[3], ["ema", "hma"], "space.kind has 'hma'", "one of ema, sma, wma"),
        (SPECS[3], {"min": 1, "max": 2}, "space.kind is a range of numbers", "one of ema"),
        (SPECS[4], [0, 1], "space.short is a range of numbers", "true or false"),
    ],
)
def test_a_dimension_is_checked_against_the_declaration(spec, way, found, expected):
    with pytest.raises(InvalidInput) as refusal:
        READ(way).bound(spec)

    assert found in refusal.value.message
    assert expected in (refusal.value.expected or "")
    assert refusal.value.field == f"space.{spec.name}"


def test_all_that_is_wrong_with_a_space_is_said_at_once():
    space = {"fast": READ([1]), "speed": READ([1]), "kind": READ(["x"]), "stop": READ([0.1])}

    with pytest.raises(InvalidInput) as refusal:
        bound_dimensions(space, SPECS)

    assert {each.field for each in refusal.value.problems} == {
        "space.fast",
        "space.speed",
        "space.kind",
    }
    assert "3 dimensions are wrong" in refusal.value.message
    assert "one of fast, slow, stop, kind, short" in (refusal.value.expected or "")


def test_types_and_steps_come_from_the_declaration():
    stepped = ParamSpec("x", "float", 1.0, ge=0, le=10, step=0.25)
    listed = ParamSpec("n", "choice", 10.0, choices=(10.0, 20.0, 50.0))

    assert READ({"min": 2, "max": 5}).bound(INT).values() == (2, 3, 4, 5)
    assert READ({"min": 0, "max": 0.2}).bound(FLOAT).is_continuous
    assert READ({"min": 1, "max": 2}).bound(stepped).values() == (1.0, 1.25, 1.5, 1.75, 2.0)
    assert [type(v) for v in READ([0, 1]).bound(ParamSpec("y", "float", 0.0)).values()] == [
        float
    ] * 2
    assert READ([10, 20]).bound(listed).values() == (10.0, 20.0)
    assert READ([True, False]).bound(SPECS[4]).values() == (True, False)


def test_the_schema_shows_every_way_to_write_it():
    schema = TypeAdapter(dict[str, Dimension]).json_schema()

    shown = json.dumps(schema)
    for word in ("range", "choice", "categorical", "start", "stop", "min", "max", "log"):
        assert f'"{word}"' in shown
