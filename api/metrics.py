"""One table from the metrics inside, which are fractions, to the names and units of the answers.

Answers use percents where their readers expect them (`total_return` 15.5 is 15.5%), with the
fraction beside it as `total_return_fraction`. Every metric of the catalogue is there: those whose
unit is a fraction as `<name>_fraction`, all others under their own name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.domain.metrics import METRICS, REASONS, Metrics

PERCENT = 100.0

MetricValue = float | int | str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A metric under the name and in the unit of the answers.

    Attributes:
        source: Name in the catalogue.
        scale: What the value inside is multiplied by.
        unit: For the documentation.
    """

    name: str
    source: str
    scale: float
    unit: Literal["percent", "fraction", "ratio", "money", "count", "text"]


ANSWERED: tuple[Shown, ...] = (
    Shown("total_return", "total_return", PERCENT, "percent"),
    Shown("annualized_return", "cagr", PERCENT, "percent"),
    Shown("sharpe_ratio", "sharpe", 1.0, "ratio"),
    Shown("sortino_ratio", "sortino", 1.0, "ratio"),
    Shown("calmar_ratio", "calmar", 1.0, "ratio"),
    Shown("max_drawdown", "max_drawdown", PERCENT, "percent"),
    Shown("volatility", "volatility", PERCENT, "percent"),
    # As the seeds sign them: a loss is negative. The fraction twins are signed like their percent.
    Shown("var_95", "var_95", -PERCENT, "percent"),
    Shown("cvar_95", "cvar_95", -PERCENT, "percent"),
    Shown("win_rate", "win_rate", 1.0, "fraction"),
    Shown("profit_factor", "profit_factor", 1.0, "ratio"),
    Shown("total_trades", "trades", 1.0, "count"),
    Shown("avg_win", "average_win", 1.0, "money"),
    Shown("avg_loss", "average_loss", 1.0, "money"),
    Shown("avg_trade_duration", "duration_mean", 1.0, "text"),
)
HEADLINE = (
    "total_return",
    "total_return_fraction",
    "annualized_return",
    "annualized_return_fraction",
    "sharpe_ratio",
    "max_drawdown",
    "max_drawdown_fraction",
    "win_rate",
    "profit_factor",
    "total_trades",
    "final_equity",
)
_TWINS = {f"{shown.name}_fraction": shown.source for shown in ANSWERED if shown.unit == "percent"}
_OWN = {
    (f"{name}_fraction" if metric.unit == "fraction" else name): name
    for name, metric in METRICS.items()
}
# Name in an answer -> name in the catalogue; the order is that of the answer.
SOURCES: dict[str, str] = {shown.name: shown.source for shown in ANSWERED} | _TWINS | _OWN
_SCALES = {shown.name: shown.scale for shown in ANSWERED} | {
    f"{shown.name}_fraction": shown.scale / PERCENT for shown in ANSWERED if shown.unit == "percent"
}


def values(metrics: Metrics) -> dict[str, MetricValue]:
    """Every metric under its answered name, None where it is not defined."""
    found: dict[str, MetricValue] = {}
    for name, source in SOURCES.items():
        value = metrics.values.get(source)
        if value is None or not math.isfinite(value):
            found[name] = None
        elif name == "avg_trade_duration":
            found[name] = duration(value)
        elif METRICS[source].unit == "count":
            found[name] = int(value)
        else:
            # Adding zero turns -0.0, which -100 times 0.0 is, into 0.0.
            found[name] = value * _SCALES.get(name, 1.0) + 0.0
    return found


def reasons(metrics: Metrics) -> dict[str, str]:
    """Why each missing value is missing: a code of `REASONS`, under the answered names."""
    return {
        name: metrics.reasons.get(source, "no_data")
        for name, source in SOURCES.items()
        if metrics.values.get(source) is None
    }


def headline(metrics: Metrics) -> dict[str, MetricValue]:
    """The few metrics a list shows."""
    every = values(metrics)
    return {name: every[name] for name in HEADLINE}


def duration(seconds: float) -> str:
    """Say a length of time in its natural unit, one decimal: `4.5 minutes`."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def json_schema(names: Mapping[str, str]) -> dict[str, Any]:
    """Describe an object of metrics: each name, its unit and what it means."""
    shown = {item.name: item for item in ANSWERED}
    properties: dict[str, Any] = {}
    for name, source in names.items():
        metric = METRICS[source]
        unit = shown[name].unit if name in shown else metric.unit
        kind = "string" if unit == "text" else "number"
        properties[name] = {
            "anyOf": [{"type": kind}, {"type": "null"}],
            "title": metric.label,
            "description": f"{_signed(name, metric.help)} Unit: {unit}.",
        }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _signed(name: str, text: str) -> str:
    """What a metric means under the sign of the answer, which may not be that of the catalogue."""
    if _SCALES.get(name, 1.0) > 0:
        return text
    return f"{text.replace(', positive = loss', '')} A loss is negative."


REASON_TEXT = "; ".join(f"`{code}`: {text}" for code, text in REASONS.items())
