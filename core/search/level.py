"""The level a search that learns must raise to go on: of plateaus, not of peaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np

from core.domain.dimension import Dimension
from core.domain.parameters import ParamValue
from core.trust.axes import Axis
from core.trust.stability import best_level


def axis_of(name: str, dimension: Dimension, values: Sequence[ParamValue]) -> Axis:
    """Give the values that trials had of one dimension, as numbers that have distances."""
    if not dimension.is_ordered:
        places = {choice: float(place) for place, choice in enumerate(dimension.choices)}
        return Axis(name, np.array([places[value] for value in values]), categorical=True)
    numbers = np.array([float(value) for value in values])
    return Axis(name, numbers, log=dimension.log, low=dimension.low, high=dimension.high)


class Level:
    """The greatest smoothed objective that there was after any batch."""

    def __init__(self, dimensions: Mapping[str, Dimension]) -> None:
        """Begin without trials."""
        self._dimensions = dimensions
        self._values: dict[str, list[ParamValue]] = {name: [] for name in dimensions}
        self._scores: list[float] = []
        self._height = -inf

    def rises(self, sets: Sequence[Mapping[str, ParamValue]], scores: Sequence[float]) -> bool:
        """Take the trials of a batch; say whether the level is higher than ever before.

        Args:
            sets: Of the trials that are new.
            scores: What competes, more is better; NaN where a trial is not eligible.
        """
        for name, column in self._values.items():
            column.extend(each[name] for each in sets)
        self._scores.extend(scores)
        axes = [axis_of(name, each, self._values[name]) for name, each in self._dimensions.items()]
        height = best_level(axes, np.array(self._scores, dtype=np.float64))
        if height is None or height <= self._height:
            return False
        self._height = height
        return True
