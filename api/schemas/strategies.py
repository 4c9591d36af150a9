"""Strategies and their parameters."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field

from api.schemas.base import Answer
from core.domain.parameters import ParamSpec, ParamValue
from core.domain.strategy import StrategyInfo


class Parameter(Answer):
    """One parameter of a strategy."""

    type: Literal["int", "float", "bool", "text", "choice"]
    default: ParamValue
    min: int | float | None
    max: int | float | None
    step: int | float | None
    label: str
    description: str
    unit: str
    choices: list[ParamValue] | None

    @classmethod
    def of(cls, spec: ParamSpec) -> Self:
        """Describe a declared parameter."""
        return cls(
            type=spec.kind,
            default=spec.default,
            min=_number(spec, spec.ge),
            max=_number(spec, spec.le),
            step=_number(spec, 1 if spec.step is None and spec.kind == "int" else spec.step),
            label=spec.label,
            description=spec.help,
            unit=spec.unit,
            choices=list(spec.choices) or None,
        )


def _number(spec: ParamSpec, value: float | None) -> float | None:
    """Write a number as one of the parameter's kind: 2 for an int, 2.0 for a float."""
    if value is None:
        return None
    return int(value) if spec.kind == "int" and float(value).is_integer() else float(value)


class StrategyRow(Answer):
    """A strategy; one that cannot be used says why in `error`."""

    id: str
    name: str
    kind: Literal["registered"] = "registered"
    module_path: str
    class_name: str
    description: str
    version: str = Field(description="Changes with the code.")
    is_active: bool = Field(description="Whether it can be run.")
    error: str | None
    legacy: bool = Field(description="A class of the earlier systems, run bar by bar: slower.")
    universe: bool = Field(
        description="Whether it weighs all symbols of a run together, on one shared account."
    )
    parameters: dict[str, Parameter]
    constraints: list[str]

    @classmethod
    def of(cls, info: StrategyInfo) -> Self:
        """Show a strategy."""
        return cls(
            id=info.id,
            name=info.title,
            module_path=info.module,
            class_name=info.class_name,
            description=info.summary,
            version=info.version,
            is_active=info.usable,
            error=info.error,
            legacy=info.legacy,
            universe=info.universe,
            parameters={spec.name: Parameter.of(spec) for spec in info.params},
            constraints=list(info.constraints),
        )


class StrategyList(Answer):
    """Strategies."""

    success: Literal[True] = True
    strategies: list[StrategyRow]
    total: int


class ParameterSchema(Answer):
    """The parameters of a strategy: keyed by name, with type, range and default."""

    success: Literal[True] = True
    strategy: str
    parameters_schema: dict[str, Parameter]
    default_parameters: dict[str, ParamValue]
    constraints: list[str] = Field(description="Expressions in parameter names that must hold.")

    @classmethod
    def of(cls, info: StrategyInfo) -> Self:
        """Describe the parameters of a strategy."""
        return cls(
            strategy=info.id,
            parameters_schema={spec.name: Parameter.of(spec) for spec in info.params},
            default_parameters=info.default_params,
            constraints=list(info.constraints),
        )


class StrategyDetail(StrategyRow):
    """A strategy with the parameters as a schema."""

    success: Literal[True] = True
    parameters_schema: dict[str, Parameter]
    default_parameters: dict[str, ParamValue]
    engine_options: dict[str, Any] = Field(description="What it sets unless a run overrides it.")

    @classmethod
    def detailed(cls, info: StrategyInfo) -> Self:
        """Show a strategy."""
        row = StrategyRow.of(info)
        return cls(
            **row.model_dump(),
            parameters_schema=row.parameters,
            default_parameters=info.default_params,
            engine_options=dict(info.engine),
        )
