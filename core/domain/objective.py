"""What a search looks for, and what a trial must show to be looked at."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    RootModel,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from core.domain.bars import FloatArray
from core.domain.formula import LONGEST, Column, Formula, Mask
from core.domain.metrics import METRICS
from core.errors import InvalidInput

Aim = Literal["maximize", "minimize"]

LCB: Final = "sharpe_lcb"
"""The Sharpe ratio less its standard error: a lower confidence bound."""
DERIVED: Final[dict[str, str]] = {LCB: "sharpe - sharpe_se"}
"""Names that stand for a formula."""
DERIVED_LABELS: Final[dict[str, str]] = {LCB: "Sharpe less its error"}
SYNONYMS: Final[dict[str, str]] = {
    "sharpe_ratio": "sharpe",
    "sortino_ratio": "sortino",
    "calmar_ratio": "calmar",
    "annualized_return": "cagr",
    "total_trades": "trades",
}
"""Names of the earlier systems."""
LOSSES: Final = frozenset({"max_drawdown", "average_loss", "mae_mean", "mae_r"})
"""Metrics that are at most 0: who asks for the least of them means the greatest."""


class Objective(BaseModel):
    """A number that a search makes as great, or as small, as it can.

    Written as `sharpe`, `minimize volatility`, `-turnover`, `total_return / turnover`, or as its
    two fields.

    Attributes:
        metric: A metric, `sharpe_lcb` (Sharpe ratio less its standard error), or a formula of
            metrics: + - * /, abs, sqrt, min, max.
        direction: That of the metric where nothing is said; formulas are maximized.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str = Field(LCB, min_length=1, max_length=LONGEST)
    direction: Aim = "maximize"

    @model_validator(mode="before")
    @classmethod
    def _in_any_words(cls, given: Any) -> Any:
        if isinstance(given, str):
            words = re.fullmatch(r"\s*(maximize|minimize)\s+(.+)", given, re.DOTALL)
            given = {"metric": words[2], "direction": words[1]} if words else {"metric": given}
        if not isinstance(given, Mapping) or not isinstance(given.get("metric", ""), str):
            return given
        metric = _known(given.get("metric", LCB))
        said = given.get("direction")
        return {**given, "metric": metric, "direction": said or _natural(metric)}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        formula = _read(self.metric)
        if formula.compares:
            raise ValueError(f"{self.metric!r} is true or false; expected a number")
        for name in LOSSES & set(formula.names):
            worse = (self.metric == name, self.metric.replace(" ", "") == f"-{name}")
            if worse[0] and self.direction == "minimize":
                raise ValueError(_backwards(f"minimize {name}", name))
            if worse[1] and self.direction == "maximize":
                raise ValueError(_backwards(f"-{name}", name))
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Show that a text is enough."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        if getattr(handler, "mode", "validation") != "validation":
            return schema
        text = {
            "type": "string",
            "maxLength": LONGEST,
            "examples": ["sharpe_lcb", "minimize volatility", "total_return / turnover"],
        }
        return {"title": "Objective", "anyOf": [text, schema]}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of `METRICS` it is computed from."""
        return _metrics_of(self.metric)

    @property
    def is_maximized(self) -> bool:
        """Whether more is better."""
        return self.direction == "maximize"

    @property
    def is_loss(self) -> bool:
        """Whether it is an amount to be kept small: what competes is at most 0 then.

        What is minimized, drawdowns and other metrics that are at most 0, and `-turnover` or
        `-abs(max_drawdown)`.
        """
        negated = re.fullmatch(r"-\s*(\w+|abs\(\s*\w+\s*\))", self.metric) is not None
        return (self.metric in LOSSES or negated) if self.is_maximized else not negated

    def values(self, columns: Mapping[str, Column]) -> FloatArray:
        """Compute it for every row.

        Args:
            columns: A column of shape (N,) for each of `metrics`, NaN where undefined.

        Returns:
            Shape (N,), NaN where it is undefined or not finite.
        """
        return _read(self.metric).numbers(_with_derived(columns))

    def scores(self, columns: Mapping[str, Column]) -> FloatArray:
        """Compute what competes: its values, negative where less is better."""
        values = self.values(columns)
        return values if self.is_maximized else -values

    def sentence(self) -> str:
        """Say it in words: `the greatest sharpe_lcb`."""
        return f"the {'greatest' if self.is_maximized else 'least'} {self.metric}"


class Requirement(RootModel):  # type: ignore[type-arg] # a named parameter would become a class here
    """What a trial must show, such as `trades >= 30` or `max_drawdown >= -0.3`."""

    model_config = ConfigDict(frozen=True)

    root: str = Field(min_length=1, max_length=LONGEST)

    @field_validator("root")
    @classmethod
    def _is_one(cls, text: str) -> str:
        text = _known(text)
        if not _read(text).compares:
            raise ValueError(f"{text!r} is a number; expected a comparison such as trades >= 30")
        return text

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of `METRICS` it is computed from."""
        return _metrics_of(self.root)

    def holds(self, columns: Mapping[str, Column]) -> Mask:
        """Say for every row whether it holds; it does not where a metric is undefined.

        Args:
            columns: A column of shape (N,) for each of `metrics`, NaN where undefined.
        """
        formula = _read(self.root)
        known = _with_derived(columns)
        defined = np.logical_and.reduce([np.isfinite(known[name]) for name in formula.names])
        held: Mask = formula.truths(known) & defined
        return held

    def reason(self, row: Mapping[str, float]) -> str:
        """Say why a row does not hold: `trades is 12, expected trades >= 30`."""
        found = ", ".join(
            f"{name} is {row[name]:.6g}" if np.isfinite(row[name]) else f"{name} is not defined"
            for name in self.metrics
        )
        return f"{found}, expected {self.root}"


def metrics_of(
    objectives: Sequence[Objective], requirements: Sequence[Requirement]
) -> tuple[str, ...]:
    """Name the metrics that a search needs of every trial, in the order of the catalogue."""
    needed = {name for each in objectives for name in each.metrics}
    needed |= {name for each in requirements for name in each.metrics}
    return tuple(name for name in METRICS if name in needed)


def _known(text: str) -> str:
    """Read a formula and put our names for those of the earlier systems."""
    formula = _read(text)
    text = " ".join(text.split())
    for name in formula.names:
        if name in SYNONYMS:
            text = re.sub(rf"\b{name}\b", SYNONYMS[name], text)
    unknown = [name for name in _read(text).names if name not in METRICS and name not in DERIVED]
    if unknown:
        close = difflib.get_close_matches(unknown[0], (*DERIVED, *METRICS), n=3, cutoff=0.5)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"metric {unknown[0]!r:.60} is not known; expected the name of a metric such as "
            f"{LCB}, total_return or max_drawdown{meant}"
        )
    if not formula.names:
        raise ValueError(f"{text!r} names no metric; expected one, such as sharpe_lcb")
    return text


def _read(text: str) -> Formula:
    try:
        return Formula.read(text)
    except InvalidInput as error:
        raise ValueError(f"{error.message}; expected {error.expected or 'one'}") from None


def _natural(metric: str) -> Aim:
    """Give the direction of a single metric from the catalogue; formulas are maximized."""
    if metric not in METRICS:
        return "maximize"
    direction = METRICS[metric].direction
    if direction == "none":
        raise ValueError(
            f"neither more nor less {metric} is better; "
            f"expected maximize {metric}, minimize {metric}, or another metric"
        )
    return "maximize" if direction == "higher" else "minimize"


def _backwards(asked: str, name: str) -> str:
    return (
        f"{asked} looks for the worst: {name} is at most 0 and nearer 0 is better; "
        f"expected {name}, or minimize abs({name})"
    )


def _metrics_of(text: str) -> tuple[str, ...]:
    names: set[str] = set()
    for name in _read(text).names:
        names |= set(_read(DERIVED[name]).names) if name in DERIVED else {name}
    return tuple(name for name in METRICS if name in names)


def _with_derived(columns: Mapping[str, Column]) -> dict[str, Column]:
    known = dict(columns)
    for name, text in DERIVED.items():
        formula = _read(text)
        if set(formula.names) <= set(known):
            known[name] = formula.numbers({each: known[each] for each in formula.names})
    return known
