"""The sets of parameters a search may try: how many there are, which, and what is near one.

A set lies in the space if every parameter is a value of its dimension and every constraint of the
strategy holds. Parameters that are not varied have their given value, or their default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from core.domain.bars import FloatArray, IntArray
from core.domain.dimension import Dimension, bound_dimensions
from core.domain.formula import Column, Formula, Mask, order_of
from core.domain.parameters import ParamSpec, ParamValue, clean_params
from core.domain.study import CAPS, StudySpec
from core.errors import InvalidInput
from core.search.sobol import sobol

LISTED = 2_000_000
"""Rows looked at, at most, to list or count what constraints leave of a grid."""
PROBES = 1 << 14
"""Sets looked at where the share that constraints leave has to be estimated."""

LONGEST_CONSTRAINT = 10_000
"""Characters of a constraint: strategies write them, not requests."""

Params = dict[str, ParamValue]


class Count(NamedTuple):
    """How many sets there are.

    Attributes:
        sets: Their number; None where a dimension is continuous.
        exact: False where it was estimated by looking at some of them.
        share: Of the sets without constraints that constraints leave.
    """

    sets: int | None
    exact: bool
    share: float


class Below(NamedTuple):
    """An order between two dimensions that a constraint asks for."""

    smaller: str
    strictly: bool
    greater: str


@dataclass(frozen=True, eq=False)
class Space:
    """Dimensions in the order of the strategy's declaration, and what must hold among them.

    Attributes:
        dimensions: By name of the parameter, checked against its declaration.
        fixed: Every other parameter of the strategy.
        constraints: Formulas over both.
    """

    dimensions: Mapping[str, Dimension]
    fixed: Mapping[str, ParamValue]
    constraints: tuple[Formula, ...]

    @classmethod
    def of(
        cls,
        space: Mapping[str, Dimension],
        params: Mapping[str, Any],
        specs: Sequence[ParamSpec],
        constraints: Sequence[str],
    ) -> Space:
        """Check a space against a strategy.

        Args:
            space: What is varied.
            params: What is given; other parameters have their defaults.
            specs: Declaration of the parameters.
            constraints: Of the strategy.

        Raises:
            InvalidInput: unknown names, wrong types, values out of range; a parameter that is both
                varied and given; no set meets the constraints that can be decided.
        """
        both = [name for name in space if name in params]
        if both:
            raise InvalidInput(
                f"{', '.join(both)} is both varied and given",
                expected="each parameter in one place",
                field="space",
            )
        dimensions = bound_dimensions(space, specs)
        others = [spec for spec in specs if spec.name not in dimensions]
        fixed = clean_params(others, (), params)
        formulas = tuple(
            Formula.read(text, functions=False, longest=LONGEST_CONSTRAINT) for text in constraints
        )
        for formula in formulas:
            if unknown := sorted(set(formula.names) - {spec.name for spec in specs}):
                raise InvalidInput(
                    f"constraint {formula.text!r} speaks of {', '.join(unknown)}",
                    expected="parameters of the strategy: " + ", ".join(s.name for s in specs),
                )
        made = cls(dimensions, fixed, formulas)
        for formula in formulas:
            if not set(formula.names) & set(dimensions) and not made.holds({}, formula):
                raise InvalidInput(
                    f"no set of parameters meets {formula.text}",
                    expected="other values of " + ", ".join(formula.names),
                    field="space",
                )
        return made

    @classmethod
    def of_study(
        cls, spec: StudySpec, specs: Sequence[ParamSpec], constraints: Sequence[str]
    ) -> Space:
        """Check the space of a study, its size against the cap of its method too.

        Raises:
            InvalidInput: as `of`; the grid is too large, or there is none; a method that needs
                ordered dimensions has others.
        """
        space = cls.of(spec.space, spec.run.params, specs, constraints)
        if spec.method == "grid":
            space.check_grid(spec.trials)
        if spec.method == "cmaes":
            texts = [n for n, each in space.dimensions.items() if not each.is_ordered]
            if texts:
                raise InvalidInput(
                    f"cmaes cannot order the values of {', '.join(texts)}",
                    expected="dimensions of numbers",
                    hint="Use method bayesian or genetic",
                    field="space",
                )
            varied = [n for n, each in space.dimensions.items() if len(each.choices) != 1]
            if len(varied) < 2:  # noqa: PLR2004 - a matrix of covariances
                raise InvalidInput(
                    f"cmaes needs two dimensions that vary, and {len(varied)} does",
                    expected="two or more values in two dimensions",
                    hint="Use method grid",
                    field="space",
                )
        return space

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(self.dimensions)

    @property
    def is_continuous(self) -> bool:
        """Whether a dimension has every number between its ends."""
        return any(each.is_continuous for each in self.dimensions.values())

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Values of every dimension that has steps."""
        return {
            name: each.column() for name, each in self.dimensions.items() if not each.is_continuous
        }

    def check_grid(self, most: int = CAPS["grid"]) -> int:
        """Count the grid and refuse one that is too large.

        Raises:
            InvalidInput: a dimension has no step, no set meets the constraints, or there are more
                sets than `most`.
        """
        endless = [name for name, each in self.dimensions.items() if each.is_continuous]
        if endless:
            raise InvalidInput(
                f"{', '.join(endless)} has no step, so there is no grid",
                expected="a step for every range",
                hint="Use method sobol, random or bayesian, which take ranges without steps",
                field=f"space.{endless[0]}",
            )
        count = self.count()
        assert count.sets is not None  # noqa: S101 - for the type checker: nothing is continuous
        if count.sets > most:
            raise InvalidInput(
                f"the grid has {'' if count.exact else 'about '}{count.sets:,} sets of parameters",
                found=count.sets,
                expected=f"at most {most:,}",
                hint="Use greater steps, or method sobol, which tries an even subset of this grid",
                field="space",
            )
        if count.sets == 0:
            raise InvalidInput(
                "no set of the grid meets " + " and ".join(each.text for each in self.constraints),
                expected="a space in which the constraints can hold",
                field="space",
            )
        return count.sets

    def count(self, *, listed: int = LISTED) -> Count:
        """Count sets without listing them all.

        Dimensions that no constraint joins are multiplied. Orders such as `fast < slow` are
        counted exactly, however many sets there are; what else is small enough is listed, and the
        rest is estimated from 16,384 sets spread evenly.

        Args:
            listed: Sets that may be listed to be counted.
        """
        whole = [len(each) for each in self.dimensions.values() if not each.is_continuous]
        if self.is_continuous:
            share = 1.0 if not self.constraints else self._probe(self.names).mean().item()
            return Count(None, exact=False, share=share)
        sets, exact = 1, True
        for names in self._joined():
            found, is_exact = self._count_joined(names, listed)
            sets, exact = sets * found, exact and is_exact
        total = prod(whole)
        return Count(sets, exact=exact, share=sets / total)

    def grid(self) -> IntArray:
        """List every set, in the order of nested loops over the dimensions, the last innermost.

        Returns:
            Place of each value in its dimension, shape (N, dimensions).

        Raises:
            InvalidInput: a dimension has no step, or more than two million rows must be looked at.
        """
        return self._list(self.names)

    def sets(self, places: IntArray) -> list[Params]:
        """Give sets by the places of their values."""
        columns = [self.columns[name][places[:, d]] for d, name in enumerate(self.names)]
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    def some(self) -> Params | None:
        """Give one set of the space, however large it is; None if none is found.

        Raises:
            InvalidInput: next to no set meets the constraints, and there are too many to list.
        """
        columns = self.from_units(sobol(PROBES, len(self.names)))
        there = np.flatnonzero(self.feasible(columns))
        if len(there):
            return {name: column[there[0]].item() for name, column in columns.items()}
        return None if self.is_continuous else next(iter(self.sets(self.grid()[:1])), None)

    def __iter__(self) -> Iterator[Params]:
        """Walk over every set of a grid."""
        return iter(self.sets(self.grid()))

    def __contains__(self, params: object) -> bool:
        """Say whether a set lies in the space: values, names and constraints."""
        if not isinstance(params, Mapping) or set(params) != set(self.names):
            return False
        for name, each in self.dimensions.items():
            value = params[name]
            if each.is_continuous:
                if not (each.low <= value <= each.high):
                    return False
            elif not np.any(self.columns[name] == value):
                return False
        return self.holds(params)

    def holds(self, params: Mapping[str, Any], *formulas: Formula) -> bool:
        """Say whether constraints hold for one set."""
        row = {name: np.array([value]) for name, value in {**self.fixed, **params}.items()}
        return bool(_hold(formulas or self.constraints, row).all())

    def feasible(self, columns: Mapping[str, Column]) -> Mask:
        """Say of which rows all constraints hold.

        Args:
            columns: Values of every dimension, shape (N,).
        """
        rows = len(next(iter(columns.values())))
        fixed = {name: np.array([value]) for name, value in self.fixed.items()}
        held: Mask = np.broadcast_to(_hold(self.constraints, {**fixed, **columns}), rows)
        return held

    def from_units(self, units: FloatArray) -> dict[str, Column]:
        """Turn points of the unit cube into values.

        Args:
            units: In [0, 1), shape (N, dimensions).

        Returns:
            A column for each dimension. Steps and choices take equal parts of the unit interval;
            logarithmic ranges equal parts of the logarithm.
        """
        return {
            name: _spread(each, self.columns.get(name), units[:, d])
            for d, (name, each) in enumerate(self.dimensions.items())
        }

    def to_units(self, sets: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Give sets as points, each dimension from 0 to 1, for distances between them.

        Unordered values are at 0, 1, 2, … over their number less one, which says nothing of how
        alike they are; a dimension with one value is 0.
        """
        units = np.zeros((len(sets), len(self.names)))
        for d, (name, each) in enumerate(self.dimensions.items()):
            values = [params[name] for params in sets]
            if name in self.columns:
                place = {value: k for k, value in enumerate(self.columns[name].tolist())}
                units[:, d] = [place[value] / max(1, len(place) - 1) for value in values]
                continue
            low, high, here = float(each.low or 0), float(each.high or 0), np.array(values)
            if each.log:
                low, high, here = np.log(low), np.log(high), np.log(here)
            units[:, d] = (here - low) / (high - low)
        return units

    def neighbours(self, params: Mapping[str, Any]) -> list[Params]:
        """List the sets of the space at most one step away in every dimension, without itself.

        Edges cut the neighbourhood short. Values that have no order count as neighbours of none,
        and so do those of continuous dimensions: for these, `to_units` gives distances.
        """
        near: list[list[Any]] = []
        for name, each in self.dimensions.items():
            if not each.is_ordered or each.is_continuous:
                near.append([params[name]])
                continue
            values = self.columns[name].tolist()
            here = values.index(params[name])
            near.append(values[max(0, here - 1) : here + 2])
        around = [dict(zip(self.names, row, strict=True)) for row in product(*near)]
        return [each for each in around if each != dict(params) and self.holds(each)]

    def alone(self, name: str) -> Mask:
        """Say which values of a dimension meet the constraints that speak of no other."""
        column = self.columns[name]
        fixed = {other: np.array([value]) for other, value in self.fixed.items()}
        about = [f for f in self.constraints if set(f.names) & set(self.names) == {name}]
        held: Mask = np.broadcast_to(_hold(about, {**fixed, name: column}), len(column))
        return held

    @cached_property
    def orders(self) -> tuple[Below, ...]:
        """Orders between two ordered dimensions that constraints ask for, without contradiction."""
        found: list[Below] = []
        for formula in self.constraints:
            pairs = order_of(formula) or ()
            if all(self._is_ordered(name) for pair in pairs for name in (pair[0], pair[2])):
                found += [Below(*pair) for pair in pairs if Below(*pair) not in found]
        return tuple(found) if _sorted(self.names, found) is not None else ()

    @cached_property
    def ascending(self) -> tuple[str, ...]:
        """Names so that of two in an order the smaller comes first."""
        found = _sorted(self.names, self.orders)
        assert found is not None  # noqa: S101 - `orders` holds no circle
        return found

    def _is_ordered(self, name: str) -> bool:
        return name in self.dimensions and self.dimensions[name].is_ordered

    def _joined(self) -> list[tuple[str, ...]]:
        """Group dimensions that constraints speak of together."""
        groups = [{name} for name in self.names]
        for formula in self.constraints:
            about = set(formula.names) & set(self.names)
            if about:
                touched = [group for group in groups if group & about]
                groups = [group for group in groups if not group & about]
                groups.append(set().union(*touched))
        return [tuple(name for name in self.names if name in group) for group in groups]

    def _about(self, names: Sequence[str]) -> list[Formula]:
        """Constraints that speak of some of these, and of no other dimension."""
        others = set(self.names) - set(names)
        return [
            formula
            for formula in self.constraints
            if set(formula.names) & set(names) and not set(formula.names) & others
        ]

    def _count_joined(self, names: tuple[str, ...], listed: int) -> tuple[int, bool]:
        formulas = self._about(names)
        total = prod(len(self.dimensions[name]) for name in names)
        if not formulas:
            return total, True
        if total <= listed:
            return len(self._list(names)), True
        exact = self._count_tree(names, formulas)
        if exact is not None:
            return exact, True
        return round(self._probe(names).mean().item() * total), False

    def _count_tree(self, names: tuple[str, ...], formulas: Sequence[Formula]) -> int | None:
        """Count sets where constraints are of one dimension each, or orders that form a tree.

        Each dimension counts, for each of its values, the ways to fill what hangs below it: a sum
        over the values of each neighbour that the order allows.
        """
        if not all(self._is_ordered(name) for name in names):
            return None
        values: dict[str, Column] = {}
        orders: list[Below] = []
        for name in names:
            values[name] = self.columns[name][self.alone(name)]
        for formula in formulas:
            if len(set(formula.names) & set(self.names)) > 1:
                pairs = order_of(formula)
                if pairs is None or not all(
                    pair[0] in values and pair[2] in values for pair in pairs
                ):
                    return None
                orders += [Below(*pair) for pair in pairs]
        joined = {frozenset((order.smaller, order.greater)) for order in orders}
        if len(orders) != len(names) - 1 or len(joined) != len(orders):
            return None

        return int(sum(_ways(names[0], None, values, orders).tolist()))

    def _list(self, names: Sequence[str]) -> IntArray:
        """List sets of some dimensions, each constraint applied as soon as it can be."""
        places = np.zeros((1, 0), dtype=np.int64)
        fixed = {name: np.array([value]) for name, value in self.fixed.items()}
        for done, name in enumerate(names):
            length = len(self.dimensions[name])
            if len(places) * length > LISTED:
                raise InvalidInput(
                    f"more than {LISTED:,} sets have to be looked at to list the space",
                    expected="fewer values",
                    hint="Use greater steps, or method sobol",
                    field="space",
                )
            places = np.column_stack(
                [np.repeat(places, length, axis=0), np.tile(np.arange(length), len(places))]
            )
            known = set(names[: done + 1])
            ready = [f for f in self._about(names[: done + 1]) if name in f.names]
            if ready:
                columns = {
                    each: self.columns[each][places[:, d]]
                    for d, each in enumerate(names[: done + 1])
                    if each in known
                }
                held = np.broadcast_to(_hold(ready, {**fixed, **columns}), len(places))
                places = places[held]
        return places

    def _probe(self, names: Sequence[str]) -> Mask:
        """Say of sets spread evenly over some dimensions whether the constraints hold."""
        units = sobol(PROBES, len(names))
        columns = {
            name: _spread(self.dimensions[name], self.columns.get(name), units[:, d])
            for d, name in enumerate(names)
        }
        fixed = {name: np.array([value]) for name, value in self.fixed.items()}
        held: Mask = np.broadcast_to(_hold(self._about(names), {**fixed, **columns}), PROBES)
        return held


def _ways(
    name: str, parent: str | None, values: Mapping[str, Column], orders: Sequence[Below]
) -> Column:
    """Count, for each value of a dimension, the ways to fill what hangs below it."""
    here = np.ones(len(values[name]), dtype=object)
    for order in orders:
        other = order.greater if order.smaller == name else order.smaller
        if name not in {order.smaller, order.greater} or other == parent:
            continue
        below = np.cumsum([0, *_ways(other, name, values, orders)], dtype=object)
        is_left = order.strictly == (order.greater == name)
        place = np.searchsorted(values[other], values[name], "left" if is_left else "right")
        here = here * (below[place] if order.greater == name else below[-1] - below[place])
    return here


def _hold(formulas: Sequence[Formula], columns: Mapping[str, Column]) -> Mask:
    held = np.array([True])
    for formula in formulas:
        held = held & formula.truths({name: columns[name] for name in formula.names})
    return held


def _spread(dimension: Dimension, values: Column | None, units: FloatArray) -> Column:
    if values is not None and dimension.log:
        # Each whole number has the part of the logarithm from half a step below to half above.
        low, high = np.log(values[0] - 0.5), np.log(values[-1] + 0.5)
        found = np.rint(np.exp(low + units * (high - low))).astype(np.int64)
        near: Column = np.clip(found, values[0], values[-1])
        return near
    if values is not None:
        at: Column = values[np.minimum((units * len(values)).astype(np.int64), len(values) - 1)]
        return at
    low, high = float(dimension.low or 0), float(dimension.high or 0)
    if dimension.log:
        units, low, high = units * (np.log(high) - np.log(low)), np.log(low), np.log(high)
        between: Column = np.exp(np.minimum(low + units, high))
    else:
        between = low + units * (high - low)
    ends = float(dimension.low or 0), float(dimension.high or 0)
    inside: Column = np.clip(between, *ends)
    return inside


def _sorted(names: Sequence[str], orders: Sequence[Below]) -> tuple[str, ...] | None:
    """Sort names by orders, else as they stand; None if orders go round in a circle."""
    left, done = list(names), []
    while left:
        free = [n for n in left if not any(o.greater == n and o.smaller in left for o in orders)]
        if not free:
            return None
        done.append(free[0])
        left.remove(free[0])
    return tuple(done)


def canonical(params: Mapping[str, ParamValue]) -> tuple[tuple[str, ParamValue], ...]:
    """Give a set of parameters as what can be looked up."""
    return tuple(sorted(params.items()))
