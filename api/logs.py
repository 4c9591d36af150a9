"""One line per request in the log, and the headers that tie an answer to it."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_FIELDS = ("request_id", "method", "path", "status", "seconds", "client")

log = logging.getLogger("workbench.api.access")


class RequestLog:
    """Gives every request an id, times it, and logs it when it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _given_id(scope) or secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def stamp(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                seconds = f"{time.perf_counter() - began:.6f}"
                own = [
                    (b"x-request-id", request_id.encode()),
                    (b"x-process-time", seconds.encode()),
                ]
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"x-request-id"]
                message = {**message, "headers": [*kept, *own]}
            await send(message)

        try:
            await self.app(scope, receive, stamp)
        finally:
            log.info(
                "%s %s %s",
                scope["method"],
                _printable(scope["path"]),
                status or "aborted",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": _printable(scope["path"]),
                    "status": status,
                    "seconds": round(time.perf_counter() - began, 6),
                    "client": (scope.get("client") or ("",))[0],
                },
            )


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with its request, if it has one."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextLines(logging.Formatter):
    """One readable line, with request id and time where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        text = super().format(record)
        if hasattr(record, "request_id") and hasattr(record, "seconds"):
            return f"{text} {record.seconds * 1000:.1f} ms [{record.request_id}]"
        return text


def configure(level: str, form: Literal["text", "json"]) -> None:
    """Send all logs of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonLines() if form == "json" else TextLines("%(asctime)s %(levelname)-7s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _given_id(scope: Scope) -> str | None:
    """The id a client sent along, if it is one word of harmless characters."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return str(value.decode("ascii"))
    return None


def _printable(path: str) -> str:
    return path[:200].encode("unicode_escape").decode()
