"""Ranges of number widgets, read off the models of the core so that both accept the same."""

from __future__ import annotations

from math import inf, nextafter
from typing import NamedTuple

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel


class Limits(NamedTuple):
    """The least and the greatest value a field accepts, both included."""

    low: int | float
    high: int | float


def limits(model: type[BaseModel], name: str) -> Limits:
    """Read the range of a number; every field the form shows declares both ends."""
    low: int | float | None = None
    high: int | float | None = None
    for rule in model.model_fields[name].metadata:
        match rule:
            case Ge(ge=int() | float() as least):
                low = least
            case Gt(gt=int() | float() as bound):
                low = nextafter(bound, inf)
            case Le(le=int() | float() as greatest):
                high = greatest
    if low is None or high is None:
        raise TypeError(f"{model.__name__}.{name} declares no range")
    return Limits(low, high)
