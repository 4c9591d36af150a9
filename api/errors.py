"""Errors at the door: one table from class to status, one shape for everything that goes wrong.

Answers are `application/problem+json` (RFC 9457) with a stable `code`, what was found, what was
expected and what to do. A traceback goes to the log under the request id, never to the client.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    400: "Invalid input",
    403: "Refused at the perimeter",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible in this state",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Cannot be processed",
    500: "Internal error",
    503: "Unavailable",
}
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "5"

# Where a value stood in the request; part of every location, of no use to a reader.
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_LONGEST = 300
_NOT_AN_OBJECT = frozenset({"model_attributes_type", "model_type", "dict_type"})

log = logging.getLogger("workbench.api")


class Fault(BaseModel):
    """One of several things that are wrong."""

    code: str
    message: str
    field: str | None = None
    found: str | None = None
    expected: str | None = None
    hint: str | None = None


class Problem(BaseModel):
    """What went wrong, for machines and people."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:workbench:problem:not_found",
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "Strategy 'momentun' does not exist",
                "found": None,
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
    code: str = Field(description="Stable: programs may branch on it.")
    detail: str
    found: str | None = None
    expected: str | None = None
    hint: str | None = None
    field: str | None = Field(None, description="The input at fault, dotted: `parameters.fast`.")
    problems: list[Fault] = Field(default=[], description="Every fault, when there are several.")
    request_id: str = Field(description="Also in the X-Request-ID header and in the log.")
    instance: str


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


@contextmanager
def as_request(*prefix: str) -> Iterator[None]:
    """Report a failed validation of a domain word as a fault of the request.

    Raises:
        RequestValidationError: what was validated inside is malformed.
    """
    try:
        yield
    except ValidationError as error:
        faults = [{**fault, "loc": (*prefix, *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None


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
                code="internal_error",
                detail="Something failed inside the server",
                hint="Try again; if it stays, look for the request id in the server's log.",
            )
            await response(scope, receive, send)


def _core_error(request: Request, error: Exception) -> ProblemResponse:
    problem = cast("WorkbenchError", error)
    status = next(STATUS[kind] for kind in type(problem).__mro__ if kind in STATUS)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == STATUS[Unavailable] else None
    return _answer(
        request,
        status,
        code=problem.code,
        detail=problem.message,
        expected=problem.expected,
        hint=problem.hint,
        field=problem.field,
        faults=[
            Fault(
                code=part.code,
                message=_text(part.message),
                field=part.field,
                expected=_text(part.expected),
                hint=_text(part.hint),
            )
            for part in problem.problems
        ],
        headers=headers,
    )


def _malformed(request: Request, error: Exception) -> ProblemResponse:
    faults = [_fault(item) for item in cast("RequestValidationError", error).errors()]
    first = faults[0]
    count = "One value is" if len(faults) == 1 else f"{len(faults)} values are"
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:5])
    return _answer(
        request,
        422,
        code=first.code if len(faults) == 1 else "malformed",
        detail=f"{count} malformed: {detail}",
        found=first.found if len(faults) == 1 else None,
        expected=first.expected if len(faults) == 1 else None,
        hint=first.hint or "The schema is at /openapi.json.",
        field=first.field if len(faults) == 1 else None,
        faults=faults,
    )


def _http_error(request: Request, error: Exception) -> ProblemResponse:
    http = cast("HTTPException", error)
    path = request.url.path
    code, detail, hint = {
        404: ("no_such_path", f"nothing is at {path}", "All paths are listed at /openapi.json."),
        405: ("method_not_allowed", f"{path} has no {request.method}", "See the Allow header."),
    }.get(http.status_code, ("bad_request", str(http.detail), None))
    return _answer(
        request, http.status_code, code=code, detail=detail, hint=hint, headers=http.headers
    )


def _answer(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    found: str | None = None,
    expected: str | None = None,
    hint: str | None = None,
    field: str | None = None,
    faults: Sequence[Fault] = (),
    headers: Any = None,
) -> ProblemResponse:
    problem = Problem(
        type=f"urn:workbench:problem:{code}",
        title=TITLES.get(status, "Error"),
        status=status,
        code=code,
        detail=_text(detail) or "",
        found=found,
        expected=_text(expected),
        hint=_text(hint),
        field=_text(field),
        problems=list(faults),
        request_id=request_id_of(request),
        instance=_text(request.url.path) or "/",
    )
    return ProblemResponse(problem.model_dump(), status_code=status, headers=headers)


def _fault(item: dict[str, Any]) -> Fault:
    context = item.get("ctx") or {}
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "json_invalid":
        message = f"not JSON: {context.get('error', message)}"
    elif item["type"] in _NOT_AN_OBJECT:
        message = "not an object"
    expected = context.get("expected")
    return Fault(
        code=str(item["type"]),
        message=_text(message) or "",
        field="body" if item["type"] == "json_invalid" else _text(_field(item["loc"])),
        found=_found(item),
        expected=_text(str(expected)) if expected is not None else None,
        hint=_text(context.get("hint")),
    )


def _field(location: Sequence[Any]) -> str:
    parts = list(location)
    place = str(parts.pop(0)) if parts and parts[0] in _PLACES else "body"
    # A body of several kinds puts the name of the model it was read as into the location.
    named = [str(part) for part in parts if not (isinstance(part, str) and part.endswith("Body"))]
    return ".".join(named) or place


def _found(item: dict[str, Any]) -> str | None:
    """The value at fault as JSON would write it, if it is short enough to show."""
    value = item.get("input")
    if item["type"] in {"missing", "json_invalid"}:
        return None
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str | bytes):
        return _text(repr(value[:_LONGEST]))
    return repr(value) if isinstance(value, int | float) else None


def _text(text: str | None) -> str | None:
    """Make any text safe to send: bounded, and encodable even with half a surrogate pair."""
    if text is None:
        return None
    clipped = text if len(text) <= _LONGEST * 4 else text[: _LONGEST * 4] + "…"
    return clipped.encode("utf-8", "backslashreplace").decode()
