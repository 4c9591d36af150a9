"""Whether the server and its parts are well."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from api.schemas.base import Answer


class RootAnswer(Answer):
    """What this server is and where to look next."""

    message: str
    service: str
    version: str
    status: Literal["running"] = "running"
    docs: str
    redoc: str
    openapi: str
    health: str
    endpoints: dict[str, str]


class Ok(Answer):
    """The server answers."""

    status: Literal["ok"] = "ok"


class Health(Ok):
    """The server answers, and what it is."""

    service: str
    version: str


class HealthV1(Answer):
    """The server answers, and since when."""

    status: Literal["healthy"] = "healthy"
    service: str
    version: str
    environment: Literal["local"] = "local"
    timestamp: datetime


class PartHealth(Answer):
    """State of one part."""

    status: Literal["healthy", "unhealthy"]
    detail: str


class DetailedHealth(Answer):
    """State of every part: degraded when one of them is unhealthy."""

    status: Literal["healthy", "degraded"]
    service: str
    version: str
    timestamp: datetime
    dependencies: dict[str, PartHealth]


class Readiness(Answer):
    """Whether work can be taken on now."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, PartHealth]
