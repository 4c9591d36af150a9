"""Whether the server and its parts are well."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Request, Response

from api.deps import ServicesDep
from api.schemas.health import (
    DetailedHealth,
    Health,
    HealthV1,
    Ok,
    PartHealth,
    Readiness,
    RootAnswer,
)

SERVICE = "quant-workbench"
try:
    VERSION = version(SERVICE)
except PackageNotFoundError:  # run from a checkout that was not installed
    VERSION = "0+source"

router = APIRouter(tags=["health"])


@router.get("/", operation_id="root")
def root(request: Request) -> RootAnswer:
    """Say what this server is and where to look next."""
    return RootAnswer(
        message="Quant Workbench: backtests over a local lake of prices",
        service=SERVICE,
        version=VERSION,
        docs="/docs",
        redoc="/redoc",
        openapi="/openapi.json",
        health="/health",
        endpoints=_endpoints(request),
    )


@router.get("/health", operation_id="health")
def health() -> Health:
    """Say that the server answers."""
    return Health(service=SERVICE, version=VERSION)


@router.get("/api/health", operation_id="api_health")
def api_health() -> Ok:
    """Say that the server answers, in one word."""
    return Ok()


@router.get("/api/v1/health", operation_id="health_v1")
def health_v1() -> HealthV1:
    """Say that the server answers, and when."""
    return HealthV1(service=SERVICE, version=VERSION, timestamp=datetime.now(UTC))


@router.get("/api/v1/health/detailed", operation_id="health_detailed")
def detailed(services: ServicesDep) -> DetailedHealth:
    """Look at every part; `storage` is the lake and the artifacts together.

    Work can be taken on without `queue` and `mlflow`: readiness does not ask them.
    """
    parts = _shown(services.system.health(beside=True))
    parts["storage"] = _storage(parts)
    well = all(part.status == "healthy" for part in parts.values())
    return DetailedHealth(
        status="healthy" if well else "degraded",
        service=SERVICE,
        version=VERSION,
        timestamp=datetime.now(UTC),
        dependencies=parts,
    )


@router.get(
    "/api/v1/health/ready",
    operation_id="health_ready",
    responses={503: {"model": Readiness, "description": "A part is unhealthy"}},
)
def ready(services: ServicesDep, response: Response) -> Readiness:
    """Say whether work can be taken on now."""
    parts = _shown(services.system.health())
    if all(part.status == "healthy" for part in parts.values()):
        return Readiness(status="ready", checks=parts)
    response.status_code = 503
    return Readiness(status="not_ready", checks=parts)


def _shown(parts: Mapping[str, Mapping[str, str]]) -> dict[str, PartHealth]:
    found: dict[str, PartHealth] = {
        name: PartHealth.model_validate(part) for name, part in parts.items()
    }
    return found


def _storage(parts: dict[str, PartHealth]) -> PartHealth:
    """The parts that keep files, as one."""
    kept = {name: parts[name] for name in ("lake", "artifacts") if name in parts}
    well = all(part.status == "healthy" for part in kept.values())
    return PartHealth(
        status="healthy" if well else "unhealthy",
        detail="; ".join(f"{name}: {part.detail}" for name, part in kept.items()),
    )


def _endpoints(request: Request) -> dict[str, str]:
    """Path of each operation, by its id."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    return {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
