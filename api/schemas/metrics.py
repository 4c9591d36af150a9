"""Metrics in the names and units of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api import metrics as units
from api.schemas.base import Answer
from core.domain.metrics import BADGES, Metrics


class MetricValues(RootModel[dict[str, int | float | str | None]]):
    """Metrics by name; null where undefined, with the reason in `metric_reasons`."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Name every metric with its unit."""
        described = units.json_schema(units.SOURCES)
        return {"title": cls.__name__, "description": cls.__doc__ or "", **described}


class Headline(RootModel[dict[str, int | float | str | None]]):
    """The metrics a list shows; null where undefined."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Name every metric with its unit."""
        described = units.json_schema({name: units.SOURCES[name] for name in units.HEADLINE})
        return {"title": cls.__name__, "description": cls.__doc__ or "", **described}


Reasons = Annotated[
    dict[str, str],
    Field(description=f"Why a metric is null, by name of the metric. {units.REASON_TEXT}."),
]


class Badge(Answer):
    """A caution that travels with the numbers."""

    code: str
    text: str


def badges(codes: Sequence[str]) -> list[Badge]:
    """Say each caution in words."""
    return [Badge(code=code, text=BADGES.get(code, code)) for code in codes]


class SymbolMetrics(Answer):
    """Metrics of one symbol's sleeve, or of what it contributed to a shared account."""

    metrics: MetricValues
    metric_reasons: Reasons
    counters: dict[str, int]

    @classmethod
    def of(cls, found: Metrics) -> Self:
        """Put metrics into the units of the answers."""
        return cls(
            metrics=MetricValues(units.values(found)),
            metric_reasons=units.reasons(found),
            counters=dict(found.counters),
        )
