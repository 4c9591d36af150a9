"""Counting, listing and measuring spaces, against loops that do it the long way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from core.domain.dimension import Dimension
from core.domain.parameters import ParamSpec, holds
from core.errors import InvalidInput
from core.search.ordering import Ordering
from core.search.sobol import sobol
from core.search.space import Space
from tests.unit.search.toys import ORDER, SPECS, space_of, study

NUMBERS = tuple(ParamSpec(name, "int", 1, ge=-1000, le=1000) for name in "abcd")
CONSTRAINTS = (
    "a < b",
    "b <= c",
    "a < b < c",
    "a > c",
    "a + b < 9",
    "d != 3",
    "d > 2 or a < 4",
    "a / b < 2",
    "not c == d",
    "c >= 0",
)


def numbers(constraints, **dimensions) -> Space:
    space = {name: Dimension.model_validate(way) for name, way in dimensions.items()}
    return Space.of(space, {}, NUMBERS, constraints)


def by_loops(space: Space):
    """List a space by nested loops and the scalar reading of every constraint."""
    found = []
    for row in itertools.product(*(each.values() for each in space.dimensions.values())):
        params = dict(zip(space.names, row, strict=True))
        try:
            if all(holds(each.text, {**space.fixed, **params}) for each in space.constraints):
                found.append(params)
        except InvalidInput:  # it divides by zero
            continue
    return found


ways = st.lists(st.integers(-3, 12), min_size=1, max_size=6, unique=True)


@given(
    dimensions=st.dictionaries(st.sampled_from("abcd"), ways, min_size=1, max_size=4),
    constraints=st.lists(st.sampled_from(CONSTRAINTS), max_size=3, unique=True),
)
def test_counts_and_lists_are_those_of_nested_loops(dimensions, constraints):
    try:
        space = numbers(constraints, **dimensions)
    except InvalidInput:
        reject()  # what is fixed breaks a constraint

    expected = by_loops(space)

    count = space.count()
    assert (count.sets, count.exact) == (len(expected), True)
    assert list(space) == expected
    assert all(params in space for params in expected)


@given(
    dimensions=st.dictionaries(st.sampled_from("abcd"), ways, min_size=1, max_size=4),
    constraints=st.lists(st.sampled_from(CONSTRAINTS), max_size=3, unique=True),
)
def test_some_set_is_one_of_the_space_if_there_is_any(dimensions, constraints):
    try:
        space = numbers(constraints, **dimensions)
    except InvalidInput:
        reject()

    some = space.some()

    assert (some in by_loops(space)) == bool(by_loops(space))
    assert (some is None) == (not by_loops(space))


def test_some_set_of_a_space_is_found_without_listing_it():
    wide = {"min": -1000, "max": 1000}
    space = numbers(["a < b"], a=wide, b=wide, c=wide, d=wide)

    some = space.some()

    assert some is not None
    assert some["a"] < some["b"]
    assert space.count().sets == 2001**2 * (2001 * 2000 // 2)


@settings(max_examples=40)
@given(
    lengths=st.tuples(*[st.integers(1, 7)] * 4),
    orders=st.sampled_from(
        [
            ("a < b",),
            ("a < b <= c",),
            ("a < b", "a < c", "a >= d"),
            ("a < b and b < c", "d > c"),
            ("a < c", "b < c", "c <= d"),
            ("a > b", "a != 3", "b > -2"),
        ]
    ),
    pace=st.integers(1, 3),
)
def test_orders_are_counted_without_listing(lengths, orders, pace):
    dimensions = {
        name: {"min": place, "max": place + pace * (length - 1), "step": pace}
        for place, (name, length) in enumerate(zip("abcd", lengths, strict=True))
    }
    try:
        space = numbers(orders, **dimensions)
    except InvalidInput:
        reject()
    expected = len(by_loops(space))

    count = space.count(listed=0)

    assert (count.sets, count.exact) == (expected, True)


def test_a_thousand_million_sets_are_counted_at_once():
    thousand = {"min": 1, "max": 1000}
    space = numbers(("a < b < c",), a=thousand, b=thousand, c=thousand)

    assert space.count().sets == 1000 * 999 * 998 // 6
    assert space.count().exact
    assert space.count().share == pytest.approx(1 / 6, rel=0.01)


def test_what_cannot_be_counted_is_estimated_and_says_so():
    thousand = {"min": 1, "max": 1000}
    space = numbers(("a * a + b * b + c * c < 1000000",), a=thousand, b=thousand, c=thousand)

    count = space.count()

    assert not count.exact
    assert count.sets == pytest.approx(1e9 * np.pi / 6, rel=0.02)


def test_continuous_dimensions_have_no_count_but_a_share():
    space = space_of(
        study(
            method="random",
            space={"stop": {"type": "float", "low": 0.0, "high": 0.4}, "fast": [2, 3]},
        ),
        ("stop < 0.1",),
    )

    count = space.count()

    assert (count.sets, count.exact) == (None, False)
    assert count.share == pytest.approx(0.25, abs=0.01)


def test_a_grid_that_is_too_large_names_the_way_out():
    spec = study(space={"fast": {"min": 2, "max": 200}, "slow": {"min": 5, "max": 500}})

    with pytest.raises(InvalidInput) as refusal:
        space_of(spec)

    count = sum(fast < slow for fast in range(2, 201) for slow in range(5, 501))
    assert refusal.value.found == count
    assert f"{count:,}" in refusal.value.message
    assert "at most 10,000" in (refusal.value.expected or "")
    assert "sobol" in (refusal.value.hint or "")


def test_refusals_of_a_space():
    continuous = {"stop": {"type": "float", "low": 0.0, "high": 0.4}}

    with pytest.raises(InvalidInput, match="stop has no step, so there is no grid"):
        space_of(study(space=continuous))
    with pytest.raises(InvalidInput, match="no set of the grid meets fast < slow"):
        space_of(study(space={"fast": [50, 60], "slow": [10, 20]}))
    with pytest.raises(InvalidInput, match="no value of fast meets fast < slow"):
        Ordering(space_of(study(method="bayesian", space={"fast": [50, 60], "slow": [10, 20]})))
    with pytest.raises(InvalidInput, match="cmaes cannot order the values of kind"):
        space_of(study(method="cmaes", space={"kind": ["ema", "sma"], "fast": [2, 3]}))
    with pytest.raises(InvalidInput, match="cmaes needs two dimensions that vary, and 1 does"):
        space_of(study(method="cmaes", space={"slow": [60], "fast": [2, 3]}))
    with pytest.raises(InvalidInput, match="both varied and given"):
        Space.of({"fast": Dimension.model_validate([2])}, {"fast": 3}, SPECS, ORDER)
    with pytest.raises(InvalidInput, match="no set of parameters meets fast < slow"):
        Space.of({"stop": Dimension.model_validate([0.1])}, {"fast": 90}, SPECS, ORDER)


def test_constraints_may_be_long_and_must_speak_of_parameters():
    long = " and ".join(["fast < slow"] * 40)
    space = {"fast": Dimension.model_validate([10, 60])}

    assert list(Space.of(space, {}, SPECS, (long, "short == True"))) == [{"fast": 10}]
    with pytest.raises(InvalidInput, match="'quick < slow' speaks of quick"):
        Space.of(space, {}, SPECS, ("quick < slow",))


def test_given_parameters_take_part_in_constraints():
    spec = study(
        space={"fast": {"min": 2, "max": 20}},
        run={"strategy": "toy", "symbols": ["T"], "params": {"slow": 7}},
    )

    space = space_of(spec)

    assert [params["fast"] for params in space] == [2, 3, 4, 5, 6]
    assert {
        params["fast"] for params in map(Ordering(space).decode, ({"fast": k} for k in range(5)))
    } == {2, 3, 4, 5, 6}


@given(
    seed=st.integers(0, 2**32 - 1),
    constraint=st.sampled_from(["a < b", "a <= b < c", "c < a", "a < b and a < c", "b > 3"]),
    log=st.booleans(),
)
@settings(max_examples=60)
def test_coordinates_cannot_break_an_order(seed, constraint, log):
    specs = tuple(
        ParamSpec(name, "float" if name == "c" else "int", 1, ge=1, le=50) for name in "abc"
    )
    space = Space.of(
        {
            "a": Dimension.model_validate({"min": 2, "max": 46}),
            "b": Dimension.model_validate([1, 4, 5, 17, 40]),
            "c": Dimension.model_validate({"type": "float", "low": 1.5, "high": 44.0, "log": log}),
        },
        {},
        specs,
        (constraint,),
    )
    ordering, random = Ordering(space), np.random.default_rng(seed)

    for _ in range(20):
        chosen = {
            name: random.random() if each.length is None else int(random.integers(each.length))
            for name, each in ordering.coordinates.items()
        }
        params = ordering.decode(chosen)
        assert params in space
        again = ordering.decode(ordering.encode(params))
        assert (again["a"], again["b"]) == (params["a"], params["b"])
        assert again["c"] == pytest.approx(params["c"], rel=1e-12)


def test_coordinates_reach_every_set():
    space = numbers(("a < b < c",), a=[1, 3, 5, 9], b={"min": 0, "max": 8}, c=[2, 4, 6, 8])
    ordering = Ordering(space)
    fine = np.linspace(0, 1, 60)
    axes = [
        fine.tolist() if each.length is None else list(range(each.length))
        for each in ordering.coordinates.values()
    ]

    reached = {
        tuple(ordering.decode(dict(zip(ordering.coordinates, row, strict=True))).values())
        for row in itertools.product(*axes)
    }

    assert reached == {tuple(params.values()) for params in by_loops(space)}


@given(
    dimensions=st.dictionaries(st.sampled_from("abc"), ways, min_size=1, max_size=3),
    constraints=st.lists(
        st.sampled_from(["a < b", "b <= c", "a + b < 9"]), max_size=2, unique=True
    ),
)
def test_neighbours_are_one_step_away_in_every_dimension(dimensions, constraints):
    try:
        space = numbers(constraints, **dimensions)
    except InvalidInput:
        reject()
    everything = by_loops(space)
    assume(everything)
    place = {name: list(each.values()).index for name, each in space.dimensions.items()}
    here = everything[len(everything) // 2]

    expected = [
        other
        for other in everything
        if other != here
        and all(
            abs(place[name](other[name]) - place[name](here[name])) <= 1 for name in space.names
        )
    ]

    assert space.neighbours(here) == expected


def test_texts_are_nobodys_neighbours_and_numbers_have_distances():
    space = space_of(study(space={"kind": ["ema", "sma"], "fast": [2, 4, 9]}))

    assert space.neighbours({"fast": 4, "kind": "ema"}) == [
        {"fast": 2, "kind": "ema"},
        {"fast": 9, "kind": "ema"},
    ]
    assert space.to_units([{"fast": 4, "kind": "sma"}]).tolist() == [[0.5, 1.0]]


def test_logarithmic_ranges_take_equal_parts_of_the_logarithm():
    space = space_of(
        study(method="random", space={"slow": {"type": "int", "low": 5, "high": 500, "log": True}}),
        (),
    )

    values = space.from_units(sobol(4096, 1))["slow"]

    # half of the logarithm of 4.5 to 500.5 lies below its geometric mean
    assert np.median(values) == pytest.approx((4.5 * 500.5) ** 0.5, abs=1)
    assert (values.min(), values.max()) == (5, 500)


def test_dimensions_stand_in_the_order_of_the_declaration():
    one = study(space={"slow": [50], "fast": [3, 4]})
    other = study(space={"fast": [3, 4], "slow": [50]})

    assert space_of(one).names == space_of(other).names == ("fast", "slow")
    assert one.canonical() == other.canonical()


def test_the_sobol_sequence_is_that_of_scipy():
    from scipy.stats import qmc

    for dimensions in (1, 2, 7, 32):
        expected = qmc.Sobol(dimensions, scramble=False, bits=30).random(512)
        assert (sobol(512, dimensions) == expected).all()
        assert (sobol(100, dimensions, skip=37) == expected[37:137]).all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_shifted_points_fill_every_part_once(seed):
    points = sobol(64, 5, seed=seed)

    for d in range(5):
        assert sorted((points[:, d] * 64).astype(int)) == list(range(64))
    # the first two dimensions are even in squares too
    assert len({tuple(cell) for cell in (points[:, :2] * 8).astype(int)}) == 64


def test_more_dimensions_than_directions_are_refused():
    with pytest.raises(InvalidInput, match="33 dimensions"):
        sobol(4, 33)
