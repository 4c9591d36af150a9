"""Strategies to search, and evaluations that cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.domain.parameters import ParamSpec
from core.domain.study import StudySpec
from core.search.search import Evaluations
from core.search.space import Space

SPECS = (
    ParamSpec("fast", "int", 12, ge=2, le=200),
    ParamSpec("slow", "int", 48, ge=5, le=500),
    ParamSpec("stop", "float", 0.02, ge=0.0, le=0.5),
    ParamSpec("kind", "choice", "ema", choices=("ema", "sma", "wma")),
    ParamSpec("short", "bool", default=True),
)
ORDER = ("fast < slow",)


def study(**fields: Any) -> StudySpec:
    given = {
        "run": {"strategy": "toy", "symbols": ["T"]},
        "space": {"fast": {"min": 2, "max": 40}, "slow": {"min": 5, "max": 120}},
        "requirements": [],
        "objectives": ["sharpe"],
        **fields,
    }
    return StudySpec.model_validate(given)


def space_of(spec: StudySpec, constraints: tuple[str, ...] = ORDER) -> Space:
    return Space.of_study(spec, SPECS, constraints)


def hill(params: Any) -> dict[str, float]:
    """Metrics of one set: a smooth hill with its top at fast 20, slow 70, stop 0.1."""
    fast, slow = params.get("fast", 20), params.get("slow", 70)
    stop = params.get("stop", 0.1)
    height = 2 - ((fast - 20) / 20) ** 2 - ((slow - 70) / 50) ** 2 - ((stop - 0.1) / 0.1) ** 2
    bonus = {"ema": 0.0, "sma": 0.25, "wma": -0.25}[params.get("kind", "ema")]
    return {
        "sharpe": height + bonus,
        "sharpe_se": 0.1 + 0.01 * fast,
        "total_return": height / 10,
        "turnover": 100.0 / fast,
        "max_drawdown": -0.01 * slow,
        "trades": float(2000 // slow),
        "sessions": 500.0,
        "ambiguous_pct": 0.0,
        "volatility": 0.1 + 0.001 * fast,
    }


def climb(sets: Any) -> Evaluations:
    rows = [hill(params) for params in sets]
    return Evaluations({name: np.array([row[name] for row in rows]) for name in rows[0]})
