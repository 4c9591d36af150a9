"""The same decisions under the other fill rules a careful reader might have chosen (rule R2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from core.domain.metrics import Metrics
from core.domain.options import EngineOptions
from core.domain.run import Run
from core.domain.timeframe import Timeframe

FILL_RULES: Final = MappingProxyType(
    {
        "next_open": {"fill": "next_open", "delay": 0},
        "bar_later": {"fill": "next_open", "delay": 1},
        "same_close": {"fill": "close", "delay": 0},
    }
)
"""Admissible moments by name. The last one nobody can trade; it bounds what speed could bring."""

BAR_READINGS: Final = ("path", "conservative", "detail", "coarse")

RULE_LABELS: Final = MappingProxyType(
    {
        "as_asked": "As asked",
        "next_open": "Next open",
        "bar_later": "One bar later",
        "same_close": "Same close",
        "path": "Along one path",
        "conservative": "Stops first",
        "detail": "Finer bars",
        "coarse": "Without finer bars",
    }
)


@dataclass(frozen=True, slots=True)
class Assumption:
    """What a run gives under one fill rule.

    Attributes:
        rule: A name of `FILL_RULES`; `as_asked` where the run has a moment of its own; `path` or
            `conservative` for the other reading of prices inside a bar, `detail` or `coarse` for
            one with finer bars or without (R6).
        options: The run's options with that rule.
        is_own: Whether it is the rule of the run.
    """

    rule: str
    options: EngineOptions
    metrics: Metrics
    is_own: bool

    def detail(self) -> str | None:
        """Say how far finer bars decided; None where none were asked."""
        if self.options.detail is None:
            return None
        counters = self.metrics.counters
        missing, odd = counters["detail_missing"], counters["detail_conflicts"]
        undecided = [
            *([f"{missing} without any that tell all of them"] if missing else []),
            *([f"{odd} with some that go beyond them"] if odd else []),
        ]
        left = "; bars decided alone: " + ", ".join(undecided) if undecided else ""
        return f"{self.options.detail} bars decide inside a bar{left}"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """A run beside the same decisions under the other fill rules.

    Attributes:
        each: One entry per rule, in the order of `FILL_RULES`; an own rule comes first, the other
            readings of bars last, and only where they change anything.
        notes: Why a reading could not be computed.
    """

    run: Run
    each: Sequence[Assumption]
    notes: Sequence[str] = ()

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Give the least and the greatest value; None where no rule defines the metric.

        A rule under which the metric is undefined is left out, so look at `each` as well.
        """
        values = [value for one in self.each if (value := one.metrics[metric]) is not None]
        return (min(values), max(values)) if values else None


def fill_rules(options: EngineOptions, finer: Timeframe | None = None) -> dict[str, EngineOptions]:
    """Give the options of a run under every fill rule, its own among them.

    Args:
        options: Of the run.
        finer: Length of finer bars that are there, None for none.
    """
    own = _rule(options)
    rules = {name: options.model_copy(update=rule) for name, rule in FILL_RULES.items()}
    if own not in map(_rule, rules.values()):
        rules = {"as_asked": options, **rules}
    if options.protection == "intrabar":
        other = "conservative" if options.intrabar == "path" else "path"
        rules[other] = options.model_copy(update={"intrabar": other})
        if options.detail is not None:
            rules["coarse"] = options.model_copy(update={"detail": None})
        elif finer is not None:
            rules["detail"] = options.model_copy(update={"detail": finer})
    return rules


def is_same_rule(one: EngineOptions, other: EngineOptions) -> bool:
    """Whether two options fill at the same moments and read bars alike."""
    return _rule(one) == _rule(other)


def _rule(options: EngineOptions) -> tuple[Any, ...]:
    return options.fill, options.delay, options.intrabar, options.detail
