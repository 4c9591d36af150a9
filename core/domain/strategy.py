"""Strategy: a frozen set of parameters that turns a market view into signals.

from core.domain.strategy import MarketView, Param, Signals, Strategy

class EMACrossoverStrategy(Strategy):
    \"\"\"Always in the market: long while the fast EMA is above the slow one, short below.\"\"\"

    fast: int = Param(12, ge=3, le=60)
    slow: int = Param(48, ge=10, le=240)
    constraints = ("fast < slow",)

    def generate_signals(self, view: MarketView) -> Signals:
        fast, slow = view.ind.ema(self.fast), view.ind.ema(self.slow)
        return Signals.side(long=fast > slow, short=fast < slow)
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

from core.domain.parameters import Kind, Param, ParamSpec, ParamValue, clean_params
from core.domain.signals import Code, Level, Signals, Weights, pct, points, price
from core.domain.universe import UniverseView
from core.domain.view import MarketView
from core.errors import StrategyFailed

__all__ = [
    "Code",
    "Level",
    "MarketView",
    "Param",
    "ParamSpec",
    "Signals",
    "Strategy",
    "StrategyInfo",
    "UniverseView",
    "Weights",
    "pct",
    "points",
    "price",
]


class Strategy(BaseModel):
    """Base of every strategy. Fields are parameters; the docstring says what it does.

    Class attributes a strategy may set:
        title: Name for people; derived from the class name when empty.
        constraints: Expressions in parameter names that must hold, e.g. `("fast < slow",)`.
        engine: Engine options this strategy expects, e.g. `{"intraday": True}`; a run may override.
        legacy: Whether it is an adapter around a class of the earlier systems.
        universe: Whether it sees all symbols of a run together and answers with `Weights`. Such
            runs always share one cash account.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: ClassVar[str] = ""
    constraints: ClassVar[tuple[str, ...]] = ()
    engine: ClassVar[dict[str, Any]] = {}
    legacy: ClassVar[bool] = False
    universe: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: Any) -> Any:
        return clean_params(cls.param_specs(), cls.constraints, given)

    def generate_signals(self, view: Any) -> Signals | Weights:
        """Decide every bar: row t may use columns up to row t.

        Args:
            view: A `MarketView`, answered with `Signals`; a `UniverseView`, answered with
                `Weights`, where `universe` is true.

        Raises:
            StrategyFailed: the strategy does not implement this.
        """
        raise StrategyFailed(
            f"{type(self).__name__} has no generate_signals, so {len(view)} bars stay undecided"
        )

    @classmethod
    def param_specs(cls) -> tuple[ParamSpec, ...]:
        """The declared parameters, in order."""
        specs = []
        for name, info in cls.model_fields.items():
            extra = info.json_schema_extra
            hints: dict[str, Any] = extra.get("param", {}) if isinstance(extra, dict) else {}  # type: ignore[assignment]
            choices = tuple(hints.get("choices") or ())
            if get_origin(info.annotation) is Literal:
                choices = get_args(info.annotation)
            kind: Kind
            if choices:
                kind = "choice"
            elif info.annotation is bool:
                kind = "bool"
            elif info.annotation is int:
                kind = "int"
            elif info.annotation is float:
                kind = "float"
            elif info.annotation is str:
                kind = "text"
            else:
                raise StrategyFailed(
                    f"parameter {name!r} of {cls.__name__} has type {info.annotation}",
                    expected="int, float, bool, str, or Param(..., choices=[...])",
                )
            specs.append(
                ParamSpec(
                    name=name,
                    kind=kind,
                    default=info.default,
                    ge=hints.get("ge"),
                    le=hints.get("le"),
                    step=hints.get("step"),
                    log=bool(hints.get("log")),
                    choices=choices,
                    unit=hints.get("unit") or "",
                    help=info.description or "",
                )
            )
        return tuple(specs)

    @classmethod
    def get_params_config(cls) -> list[dict[str, Any]]:
        """The parameters as a list of form fields, one dictionary each.

        Keys: name, param_key, type (`number_input`, `checkbox`, `text_input` or `selectbox`),
        label, default, min, max, step, description, and `choices` for a selectbox. Absent bounds
        are None.
        """
        widgets = {
            "int": "number_input",
            "float": "number_input",
            "bool": "checkbox",
            "text": "text_input",
        }
        items = []
        for spec in cls.param_specs():
            step = spec.step or (1 if spec.kind == "int" else None)
            item: dict[str, Any] = {
                "name": spec.name,
                "param_key": spec.name,
                "type": widgets.get(spec.kind, "selectbox"),
                "label": spec.label,
                "default": spec.default,
                "min": spec.ge,
                "max": spec.le,
                "step": step,
                "description": spec.help,
            }
            if spec.choices:
                item["choices"] = list(spec.choices)
            items.append(item)
        return items

    @classmethod
    def display_title(cls) -> str:
        """Name for people."""
        return cls.title or cls.__name__.removesuffix("Strategy")

    @classmethod
    def summary(cls) -> str:
        """First paragraph of the docstring."""
        text = inspect.getdoc(cls) or ""
        return " ".join(text.split("\n\n")[0].split())

    @classmethod
    def build(cls, params: dict[str, ParamValue]) -> Self:
        """Make the strategy from parameters as users give them."""
        return cls.model_validate(params)


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """A strategy as the registry knows it, without importing it.

    Attributes:
        id: Stem of its file in `strategies/`; the name users type.
        module, class_name: Where it lives; `module.class_name` and both parts alone also find it.
        version: First 12 hex digits of the hash of its source and of the strategy files it imports.
        error: Why it cannot be used, None when it can.
        legacy: Whether it is a class of the earlier systems, run by an adapter.
        universe: Whether it weighs all symbols of a run together.
    """

    id: str
    module: str
    class_name: str
    title: str
    summary: str
    path: str
    version: str
    params: tuple[ParamSpec, ...] = ()
    constraints: tuple[str, ...] = ()
    engine: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    legacy: bool = False
    universe: bool = False

    @property
    def usable(self) -> bool:
        """Whether it can be run."""
        return self.error is None

    @property
    def default_params(self) -> dict[str, ParamValue]:
        """Every parameter at its default."""
        return {spec.name: spec.default for spec in self.params}
