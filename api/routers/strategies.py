"""Strategies and their parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from api.deps import ServicesDep
from api.errors import problems
from api.schemas.strategies import (
    ParameterSchema,
    StrategyDetail,
    StrategyList,
    StrategyRow,
)
from api.strict import StrictRoute

router = APIRouter(prefix="/api/v1/strategies", tags=["strategies"], route_class=StrictRoute)

StrategyId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9_.-]{1,200}$",
        description="Id, or module and class.",
        examples=["momentum_strategy"],
    ),
]


@router.get("/discover", operation_id="discover_strategies")
def discover(services: ServicesDep) -> StrategyList:
    """List what the last scan of the strategies folder found, broken files included."""
    rows = [StrategyRow.of(info) for info in services.strategies.list()]
    return StrategyList(strategies=rows, total=len(rows))


@router.get("", operation_id="list_strategies")
def list_strategies(
    *,
    services: ServicesDep,
    active_only: Annotated[bool, Query(description="Leave out what cannot be run.")] = False,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
    format: Annotated[  # noqa: A002 - the query's own word
        Literal["object", "list"],
        Query(description="`list`: a bare array instead of an object."),
    ] = "object",
) -> StrategyList | list[StrategyRow]:
    """List strategies."""
    infos = [info for info in services.strategies.list() if info.usable or not active_only]
    rows = [StrategyRow.of(info) for info in infos[:limit]]
    return rows if format == "list" else StrategyList(strategies=rows, total=len(infos))


@router.get("/{id}", operation_id="get_strategy", responses=problems(404))
def get_strategy(id: StrategyId, services: ServicesDep) -> StrategyDetail:  # noqa: A002 - the path's word
    """Give a strategy and the schema of its parameters."""
    return StrategyDetail.detailed(services.strategies.get(id))


@router.get("/{id}/schema", operation_id="get_strategy_schema", responses=problems(404))
def get_schema(id: StrategyId, services: ServicesDep) -> ParameterSchema:  # noqa: A002 - the path's word
    """Give the schema of a strategy's parameters, keyed by name."""
    return ParameterSchema.of(services.strategies.get(id))
