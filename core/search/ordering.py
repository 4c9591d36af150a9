"""Coordinates in which orders such as `fast < slow` cannot be broken.

Samplers that learn do badly where half of what they ask for is refused. So of two ordered
dimensions the smaller is chosen among the values that leave room above, and the greater by its
share of what is left: 0 is the next value above the smaller, 1 the end of its range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.domain.formula import Column
from core.errors import InvalidInput
from core.search.space import Below, Params, Space


@dataclass(frozen=True, slots=True)
class Coordinate:
    """What a sampler chooses for one dimension.

    Attributes:
        length: Values to choose one of by its place; None for a share from 0 to 1.
    """

    length: int | None


class Ordering:
    """Coordinates of a space, and the way back.

    Attributes:
        coordinates: By dimension; those with one value have none.
    """

    def __init__(self, space: Space) -> None:
        """Find the values that leave room for those that must be greater.

        Raises:
            InvalidInput: there are none.
        """
        self._space = space
        self._above: dict[str, list[Below]] = {name: [] for name in space.names}
        for order in space.orders:
            self._above[order.greater].append(order)
        self._values: dict[str, Column] = {}
        self._ends: dict[str, tuple[float, float]] = {}
        for name in reversed(space.ascending):
            self._leave_room(name)
        self.coordinates = {
            name: Coordinate(self._length(name))
            for name in space.ascending
            if len(self._values.get(name, "ab")) > 1
        }

    def decode(self, chosen: Mapping[str, Any]) -> Params:
        """Turn what a sampler chose into a set of parameters."""
        params: Params = {}
        for name in self._space.ascending:
            params[name] = self._value(name, chosen.get(name, 0), params)
        return {name: params[name] for name in self._space.names}

    def encode(self, params: Mapping[str, Any]) -> dict[str, int | float]:
        """Give coordinates of a set of the space: `decode` of them is the set again.

        Continuous values come back up to the last digits.
        """
        return {name: self._coordinate(name, params) for name in self.coordinates}

    def _coordinate(self, name: str, params: Mapping[str, Any]) -> int | float:
        dimension = self._space.dimensions[name]
        if name not in self._values:
            low, high = self._ends[name]
            low = max(low, *(float(params[order.smaller]) for order in self._above[name]), low)
            if high <= low:
                return 0.0
            share = (params[name] - low) / (high - low)
            if dimension.log:
                share = np.log(params[name] / low) / np.log(high / low)
            return float(np.clip(share, 0.0, 1.0))
        values = self._room(name, params)
        if dimension.log:
            low, high = np.log(values[0] - 0.5), np.log(values[-1] + 0.5)
            return float((np.log(params[name]) - low) / (high - low))
        place = int(np.flatnonzero(values == params[name])[0])
        return (place + 0.5) / len(values) if self._above[name] else place

    def _room(self, name: str, params: Mapping[str, Any]) -> Column:
        """Give the values that are left above those that must be smaller."""
        values, first = self._values[name], 0
        for order in self._above[name]:
            floor = np.array(params[order.smaller])
            above = np.searchsorted(values, floor, "right" if order.strictly else "left")
            first = max(first, int(above))
        return values[first:]

    def _value(self, name: str, chosen: Any, params: Params) -> Any:
        dimension = self._space.dimensions[name]
        if name in self._values:
            values = self._values[name]
            if not self._above[name] and not dimension.log:
                return values[int(chosen)].item()
            values = self._room(name, params)
            if dimension.log:
                low, high = np.log(values[0] - 0.5), np.log(values[-1] + 0.5)
                place = round(float(np.exp(low + chosen * (high - low)))) - int(values[0])
            else:
                place = int(chosen * len(values))
            return values[min(max(place, 0), len(values) - 1)].item()
        low, high = self._ends[name]
        low = max(low, *(float(params[order.smaller]) for order in self._above[name]), low)
        if dimension.log:
            return min(max(float(np.exp(np.log(low) + chosen * np.log(high / low))), low), high)
        return min(low + float(chosen) * (high - low), high)

    def _length(self, name: str) -> int | None:
        is_share = name not in self._values or self._above[name]
        if is_share or self._space.dimensions[name].log:
            return None
        return len(self._values[name])

    def _leave_room(self, name: str) -> None:
        space, dimension = self._space, self._space.dimensions[name]
        roofs = [
            (self._top(order.greater), order.strictly)
            for order in space.orders
            if order.smaller == name
        ]
        if dimension.is_continuous:
            low, high = float(dimension.low or 0), float(dimension.high or 0)
            high = min(high, *(roof for roof, _ in roofs), high)
            if low > high or (low == high and any(strictly for _, strictly in roofs)):
                raise self._no_room(name)
            self._ends[name] = (low, high)
            return
        values = space.columns[name]
        fits = space.alone(name).copy()
        for roof, strictly in roofs:
            fits &= (values < roof) if strictly else (values <= roof)
        if not fits.any():
            raise self._no_room(name)
        # A filter may tear holes into a range that is taken by its logarithm.
        self._values[name] = values if dimension.log and not _is_run(fits) else values[fits]

    def _top(self, name: str) -> float:
        if name in self._values:
            return float(self._values[name][-1])
        return self._ends[name][1]

    def _no_room(self, name: str) -> InvalidInput:
        return InvalidInput(
            f"no value of {name} meets " + " and ".join(f.text for f in self._space.constraints),
            expected="a space in which the constraints can hold",
            field=f"space.{name}",
        )


def _is_run(fits: Column) -> bool:
    places = np.flatnonzero(fits)
    return bool(places[-1] - places[0] + 1 == len(places))
