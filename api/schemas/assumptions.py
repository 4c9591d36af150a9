"""A run under the other fill rules."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from api import metrics as units
from api.schemas.base import Answer
from api.schemas.metrics import Badge, MetricValues, Reasons, badges
from core.domain.assumptions import RULE_LABELS, Assumption, Assumptions
from core.domain.metrics import METRICS
from core.domain.timeframe import Timeframe

Rule = Literal[
    "as_asked",
    "next_open",
    "bar_later",
    "same_close",
    "path",
    "conservative",
    "detail",
    "coarse",
]


class AssumptionRow(Answer):
    """What the decisions of a run give under one fill rule."""

    rule: Rule
    label: str
    fill: Literal["next_open", "close"]
    delay: int
    intrabar: Literal["conservative", "path"]
    detail: Timeframe | None = Field(description="Finer bars that decide inside a bar.")
    ambiguous_bars: int
    detail_missing: int = Field(description="Bars without finer ones that tell all of them.")
    detail_conflicts: int = Field(description="Bars whose finer ones go beyond them.")
    is_own: bool = Field(description="Whether it is the rule of the run.")
    metrics: MetricValues
    metric_reasons: Reasons
    badges: list[Badge]

    @classmethod
    def of(cls, one: Assumption) -> Self:
        """Show one rule."""
        return cls(
            rule=one.rule,
            label=RULE_LABELS[one.rule],
            fill=one.options.fill,
            delay=one.options.delay,
            intrabar=one.options.intrabar,
            detail=one.options.detail,
            ambiguous_bars=one.metrics.counters["ambiguous_bars"],
            detail_missing=one.metrics.counters["detail_missing"],
            detail_conflicts=one.metrics.counters["detail_conflicts"],
            is_own=one.is_own,
            metrics=MetricValues(units.values(one.metrics)),
            metric_reasons=units.reasons(one.metrics),
            badges=badges(one.metrics.badges),
        )


class Interval(Answer):
    """Least and greatest value over the rules, in the unit inside (fractions, not percent)."""

    low: float
    high: float


class AssumptionsAnswer(Answer):
    """A run beside the same decisions under the other fill rules; nothing of it is stored."""

    id: int
    rules: list[AssumptionRow]
    intervals: dict[str, Interval | None] = Field(
        description="By name of the catalogue of metrics; null where no rule defines the metric."
    )
    notes: list[str] = Field(description="Why a rule could not be computed.")

    @classmethod
    def of(cls, found: Assumptions) -> Self:
        """Show all rules and how far they lie apart."""
        spans = {name: found.interval(name) for name in METRICS}
        return cls(
            id=found.run.id,
            rules=[AssumptionRow.of(one) for one in found.each],
            intervals={
                name: span and Interval(low=span[0], high=span[1]) for name, span in spans.items()
            },
            notes=list(found.notes),
        )
