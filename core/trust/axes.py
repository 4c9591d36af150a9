"""A parameter that was searched, as the numbers that each trial had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.domain.bars import FloatArray
from core.errors import InvalidInput


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """One parameter over all n trials of a search.

    Attributes:
        name: Of the parameter.
        values: Of each trial, shape (n,), finite; of a choice or a switch the number of the choice.
        categorical: Whether values have no order: then only equal ones are near each other.
        log: Whether distances are those of logarithms; values and ends are above 0 then.
        low, high: Ends of the range that was searched; None for those of the trials.
    """

    name: str
    values: FloatArray
    categorical: bool = False
    log: bool = False
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a number, and what has no logarithm."""
        if self.values.ndim != 1 or not bool(np.isfinite(self.values).all()):
            raise InvalidInput(
                f"values of {self.name} have shape {self.values.shape} or are not all numbers",
                expected="one finite number per trial",
                field=self.name,
            )
        if self.log and not self.categorical and len(self.values) and not min(self.ends) > 0.0:
            raise InvalidInput(
                f"{self.name} has values that are not above 0",
                expected="none on an axis of logarithms",
                field=self.name,
            )

    @property
    def ends(self) -> tuple[float, float]:
        """Least and greatest value of the range that was searched; of no trials 0 and 0."""
        if not len(self.values):
            return 0.0, 0.0
        low, high = float(self.values.min()), float(self.values.max())
        return (
            low if self.low is None else min(low, self.low),
            high if self.high is None else max(high, self.high),
        )

    @property
    def scaled(self) -> FloatArray:
        """Places in the range searched, 0 to 1, shape (n,); all 0 where the range is a point."""
        low, high = self.ends
        values = self.values.astype(np.float64)
        if self.log:
            low, high, values = float(np.log(low)), float(np.log(high)), np.log(values)
        if high == low:
            return np.zeros(len(values))
        places: FloatArray = (values - low) / (high - low)
        return places

    @property
    def varies(self) -> bool:
        """Whether trials have different values of it."""
        return len(self.values) > 0 and bool((self.values != self.values[0]).any())


def same_length(axes: tuple[Axis, ...], objective: FloatArray) -> None:
    """Refuse axes and an objective of different numbers of trials.

    Raises:
        InvalidInput: they do not have the same length.
    """
    for axis in axes:
        if len(axis.values) != len(objective):
            raise InvalidInput(
                f"{axis.name} has {len(axis.values)} values for {len(objective)} trials",
                expected="one per trial",
                field=axis.name,
            )
