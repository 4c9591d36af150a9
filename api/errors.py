"""Errors at the door: one table from class to status, one shape for everything that goes wrong.

Answers are `application/problem+json` (RFC 9457) with a stable `code`, what was found, what was
expected and what to do. A traceback goes to the log under the request id, never to the client.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.faults import Cause, Fault, Text
from api.strict import FAULTS_AT_MOST
from core import perimeter
from core.errors import (
    Cancelled,
    Conflict,
    DataProblem,
    InvalidInput,
    NotFound,
    StrategyFailed,
    Unavailable,
    WorkbenchError,
)

STATUS: dict[type[WorkbenchError], int] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    Cancelled: 409,
    DataProblem: 409,
    StrategyFailed: 422,
    Unavailable: 503,
    WorkbenchError: 500,
}
TITLES: dict[int, str] = {
    **perimeter.TITLES,
    404: "Not found",
    409: "Not possible in this state",
    415: "Unsupported media type",
    422: "Cannot be processed",
    500: "Internal error",
    503: "Unavailable",
}
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "5"

log = logging.getLogger("workbench.api")


class Problem(Cause):
    """What went wrong, for machines and people."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:workbench:problem:not_found",
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "Strategy 'momentun' does not exist",
                "found": "momentun",
                "expected": None,
                "hint": "Did you mean 'momentum_strategy'?",
                "field": "strategy",
                "problems": [],
                "request_id": "5f0c1c2d9a7e4b31",
                "instance": "/api/backtests/run",
            }
        }
    )

    type: str = Field(description="urn:workbench:problem:{code}")
    title: str
    status: int
    detail: Text
    problems: list[Fault] = Field(default=[], description="Every fault, when there are several.")
    request_id: str = Field(description="Also in the X-Request-ID header and in the log.")
    instance: Text


class ProblemResponse(JSONResponse):
    """A problem on its way out."""

    media_type = MEDIA_TYPE


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document answers of an operation that are problems."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def request_id_of(request: Request) -> str:
    """The id under which this request is logged."""
    return str(request.scope.get("state", {}).get("request_id", "-"))


def install(app: FastAPI) -> None:
    """Teach an application to answer every error as a problem."""
    app.add_exception_handler(WorkbenchError, _core_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http_error)


class LastResort:
    """Answers what nobody foresaw with 500 and the request id; the log has the traceback."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on and catch what falls out."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:
            return
        except Exception:
            request = Request(scope)
            log.exception("unhandled error in request %s", request_id_of(request))
            if started:  # too late to say anything: the server cuts the connection
                raise
            response = _answer(
                request,
                500,
                Fault(
                    code="internal_error",
                    hint="Try again; if it stays, look for the request id in the server's log.",
                    message="Something failed inside the server",
                ),
            )
            await response(scope, receive, send)


def _core_error(request: Request, error: Exception) -> ProblemResponse:
    problem = cast("WorkbenchError", error)
    status = next(STATUS[kind] for kind in type(problem).__mro__ if kind in STATUS)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == STATUS[Unavailable] else None
    parts = [Fault.of(part) for part in problem.problems]
    return _answer(request, status, Fault.of(problem), parts, headers)


def _malformed(request: Request, error: Exception) -> ProblemResponse:
    items = cast("RequestValidationError", error).errors()
    faults = [Fault.read(item) for item in items[:FAULTS_AT_MOST]]
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:5])
    if len(items) == 1:
        whole = faults[0].model_copy(update={"message": f"One value is malformed: {detail}"})
    else:
        message = f"{len(items)} values are malformed: {detail}"
        whole = Fault(code="invalid_input", message=message)
    whole.hint = whole.hint or "The schema is at /openapi.json."
    return _answer(request, 422, whole, faults if len(items) > 1 else ())


def _http_error(request: Request, error: Exception) -> ProblemResponse:
    http = cast("HTTPException", error)
    path, method = request.url.path, request.method
    if http.status_code == 404:  # noqa: PLR2004 - HTTP's own number
        fault = Fault(
            code="no_such_path",
            field="path",
            found=path,
            hint="All paths are listed at /openapi.json.",
            message=f"nothing is at {path}",
        )
    elif http.status_code == 405:  # noqa: PLR2004 - HTTP's own number
        allowed = (http.headers or {}).get("Allow")
        fault = Fault(
            code="method_not_allowed",
            field="method",
            found=method,
            expected=f"one of {allowed}" if allowed else None,
            hint="See the Allow header.",
            message=f"{path} has no {method}",
        )
    else:
        fault = Fault(code="bad_request", message=str(http.detail))
    return _answer(request, http.status_code, fault, headers=http.headers)


def _answer(
    request: Request,
    status: int,
    fault: Fault,
    parts: Sequence[Fault] = (),
    headers: Any = None,
) -> ProblemResponse:
    problem = Problem(
        **fault.model_dump(exclude={"message"}),
        type=f"urn:workbench:problem:{fault.code}",
        title=TITLES.get(status, "Error"),
        status=status,
        detail=fault.message,
        problems=list(parts),
        request_id=request_id_of(request),
        instance=request.url.path,
    )
    return ProblemResponse(problem.model_dump(), status_code=status, headers=headers)
