"""The REST application: guard, request log, errors and routers around one set of services."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api import errors
from api.limits import CandleLimits
from api.logs import RequestLog
from api.routers import (
    backtests,
    backtests_v1,
    docs,
    health,
    jobs,
    mlflow,
    ohlcv,
    optimization,
    optimization_s0,
    strategies,
)
from core import bootstrap
from core.perimeter import CUSTOM_HEADER, MEGABYTE, Perimeter, Policy
from core.services import Services
from core.settings import Settings

TITLE = "Quant Workbench"
DESCRIPTION = """Backtests over a local lake of prices, for programs and agents.

Everything is deterministic: equal request, data and code give equal bits, and an equal request is
answered from the stored result. Undefined metrics are null with a reason. Percents are percents
where a field says so, and every percent has a `*_fraction` twin. All times are UTC; dates of
requests are session dates, both inclusive.

Errors are `application/problem+json` with a stable `code` of a closed set, the field, what was
found, what was expected and a hint. Types of JSON are exact: `"10"` is no number, and a whole
number is written without a point. There is no login: the server answers this machine only."""


class OnePath:
    """Reads `/api/backtests/` as `/api/backtests`, for every method and without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand in front of an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on."""
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self.app(scope, receive, send)


def create_app(services: Services | None = None, settings: Settings | None = None) -> FastAPI:
    """Build the application.

    Args:
        services: Whose wishes it serves; they stay the caller's to close. Without any, the
            application builds its own when it starts and closes them when it stops.
        settings: Where it listens and who may connect; from the environment unless given.
    """
    chosen = settings or (services.settings if services else Settings.load())
    policy, limits = perimeter_policy(chosen), CandleLimits.of(chosen)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if services is not None:
            yield
            return
        with open_services(chosen) as own:
            app.state.services = own
            yield

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=health.VERSION,
        lifespan=lifespan,
        docs_url=None,  # api/routers/docs.py: the stock pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=errors.problems(400, 403, 405, 413, 422, 500),
        middleware=[
            Middleware(RequestLog),
            Middleware(Perimeter, policy=policy),
            Middleware(
                CORSMiddleware,
                allow_origins=sorted(origins(chosen)),
                allow_credentials=False,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["content-type", "x-request-id", "idempotency-key", CUSTOM_HEADER],
                expose_headers=["x-request-id", "x-process-time", "location"],
            ),
            Middleware(errors.LastResort),
            Middleware(OnePath),
        ],
    )
    app.state.services = services
    app.state.candle_limits = limits
    errors.install(app)
    for module in (
        health,
        backtests,
        backtests_v1,
        jobs,
        optimization,
        optimization_s0,
        strategies,
        ohlcv,
        mlflow,
        docs,
    ):
        app.include_router(module.router)
    app.include_router(optimization.alias)
    app.include_router(optimization.walks)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def open_services(settings: Settings) -> Services:
    """Build what a server needs, ready for the first request.

    Raises:
        InvalidInput, Unavailable: it cannot be built; the error says why and what to do.
    """
    backtests_v1.sweep_uploads(settings.scratch_dir, time.time())
    services = bootstrap.build(settings, executor="child")
    services.strategies.list()  # scan now, not while the first request waits
    return services


def origins(settings: Settings) -> set[str]:
    """Web origins that may call besides the server's own: the UI's and the configured ones."""
    ui = {f"http://{host}:{settings.ui_port}" for host in ("localhost", "127.0.0.1")}
    return ui | set(settings.allowed_origins)


def perimeter_policy(settings: Settings) -> Policy:
    """Whom the guard lets in.

    Raises:
        InvalidInput: a configured host or origin is not exact.
    """
    return Policy.of(
        hosts=settings.allowed_hosts,
        origins=origins(settings),
        pages=("/", "/docs", "/redoc"),
        max_body=MEGABYTE,
        max_body_at=dict.fromkeys(
            (backtests_v1.UPLOAD_PATH, jobs.UPLOAD_PATH), (settings.max_upload_mb + 1) * MEGABYTE
        ),
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema, with the shape of problems and an example of every answer."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        problem = errors.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components.update(problem.pop("$defs"))
        components["Problem"] = problem
        for name, one in components.items():
            if name.startswith("Body_"):  # forms refuse unknown keys: api/strict.py
                one["additionalProperties"] = False
        _say_first_what_it_does(schema)
        _show_examples(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _say_first_what_it_does(schema: dict[str, Any]) -> None:
    """Take the first sentence of an operation's docstring as its summary, not its name."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            summary, _, _ = operation["description"].partition("\n\n")
            operation["summary"] = " ".join(summary.split()).removesuffix(".")


def _show_examples(schema: dict[str, Any]) -> None:
    """Put a real answer beside each that succeeds; tests/api/make_examples.py made them."""
    text = (files("api") / "assets" / "examples.json").read_text(encoding="utf-8")
    examples: dict[str, Any] = json.loads(text)
    for operations in schema["paths"].values():
        for operation in operations.values():
            own = operation["operationId"].removesuffix(optimization.SUFFIX)
            for status, answer in operation["responses"].items():
                example = examples.get(f"{own} {status}", examples.get(own))
                media = answer.get("content", {}).get("application/json")
                if status.startswith("2") and media is not None and example is not None:
                    media["example"] = example
