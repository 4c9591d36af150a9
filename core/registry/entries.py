"""Strategies as JSON, for the child that looks at a file and for the scan kept on disk."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from core.domain.parameters import ParamSpec
from core.domain.strategy import StrategyInfo


def param_to_json(spec: ParamSpec) -> dict[str, Any]:
    """Give a parameter as plain data."""
    return asdict(spec)


def param_from_json(data: dict[str, Any]) -> ParamSpec:
    """Read what `param_to_json` gave."""
    return ParamSpec(**{**data, "choices": tuple(data["choices"])})


def info_to_json(info: StrategyInfo) -> dict[str, Any]:
    """Give a strategy as plain data."""
    return asdict(info)


def info_from_json(data: dict[str, Any]) -> StrategyInfo:
    """Read what `info_to_json` gave."""
    return StrategyInfo(
        **{
            **data,
            "params": tuple(param_from_json(spec) for spec in data["params"]),
            "constraints": tuple(data["constraints"]),
        }
    )
