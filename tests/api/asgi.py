"""A bare ASGI client: sends exactly the headers a test names, which no HTTP library would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]
Pairs = Iterable[tuple[str, str]]


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    messages: list[str] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        return found[0] if found else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Recorder:
    """An application that counts what reached it and reads the whole body."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.read = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            self.acts.append(f"WS {scope['path']}")
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            return
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.read += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        self.acts.append(f"{scope['method']} {scope['path']}")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def call(
    app: App,
    method: str = "GET",
    path: str = "/",
    headers: Pairs = (("host", "127.0.0.1:8000"),),
    *,
    chunks: Iterable[bytes] = (b"",),
    scheme: str = "http",
) -> Answer:
    """Send one HTTP request."""
    parts = list(chunks)
    inbox = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        for index, part in enumerate(parts)
    ]
    answer = Answer()

    async def receive() -> Any:
        return inbox.pop(0) if inbox else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answer.messages.append(message["type"])
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(k.decode(), v.decode()) for k, v in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await app(_scope("http", method, path, headers, scheme), receive, send)
    return answer


async def handshake(
    app: App, headers: Pairs, *, path: str = "/_stcore/stream", denial: bool = True
) -> Answer:
    """Open a WebSocket; 101 when accepted, else the status of the denial (bare close: 403)."""
    answer = Answer()

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        answer.messages.append(message["type"])
        if message["type"] == "websocket.accept":
            answer.status = 101
        elif message["type"] == "websocket.http.response.start":
            answer.status = message["status"]
            answer.headers = [(k.decode(), v.decode()) for k, v in message["headers"]]
        elif message["type"] == "websocket.close" and not answer.status:
            answer.status = 403

    scope = _scope("websocket", "GET", path, headers, "ws")
    scope["extensions"] = {"websocket.http.response": {}} if denial else {}
    await app(scope, receive, send)
    return answer


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run one coroutine to its end."""

    async def main() -> Any:
        return await work()

    return asyncio.run(main())


def _scope(kind: str, method: str, path: str, headers: Pairs, scheme: str) -> dict[str, Any]:
    target, _, query = path.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": target,
        "raw_path": target.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
