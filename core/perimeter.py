"""The guard in front of both doors: keeps "local, no login" safe while a browser visits the web.

A pure ASGI wrapper without any web framework, so that the UI and the API use the same one. It
decides from the request line and headers alone, before any routing, for HTTP and WebSocket:

1. The target is a path; `Host` is given once and names loopback or a configured host, exactly.
   A page that rebinds its own name to this machine fails here.
2. Forwarding headers mean a proxy stands in front: refused unless a login is configured.
3. `Origin`, when sent, is this very server or an allow-listed scheme, host and port.
4. A browser that says the request comes from another site must carry such an Origin, also for GET;
   top-level navigation to a page is the exception.
5. Methods are allow-listed.
6. What changes something, when sent by another origin, needs JSON or a custom header, so that no
   form and no "simple" request can act. CORS hides an answer; it does not stop the act.
7. Bodies are capped, with a declared length and without.

A client that sends neither Origin nor Sec-Fetch headers is a program on this machine: allowed.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from core.errors import InvalidInput

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
CUSTOM_HEADER = "x-requested-with"
ANY_PAGE = frozenset({"*"})
MEGABYTE = 1 << 20

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEB_SCHEMES = {"ws": "http", "wss": "https"}
_FORWARDING = frozenset({"forwarded", "x-real-ip"})
# Beyond letters, digits, dots and hyphens a host holds brackets, colons and nothing else.
_HOST_CHARACTERS = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,260}")
TITLES = {
    400: "Invalid input",
    403: "Refused at the perimeter",
    405: "Method not allowed",
    413: "Body too large",
}

log = logging.getLogger("workbench.perimeter")


@dataclass(frozen=True, slots=True)
class Policy:
    """What one server lets in.

    Attributes:
        hosts: Names accepted in `Host` besides loopback: exact, without port, never patterns.
        origins: Origins allowed besides the server's own: `scheme://host:port`, exact.
        pages: Paths another site may link to (top-level GET navigation); `ANY_PAGE` for all.
        max_body: Greatest request body in bytes.
        max_body_at: Other greatest sizes, by exact path.
        behind_login: A login is configured, so a forwarding proxy may stand in front.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    pages: frozenset[str] = frozenset()
    max_body: int = MEGABYTE
    max_body_at: Mapping[str, int] = field(default_factory=dict)
    behind_login: bool = False

    @classmethod
    def of(
        cls,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        pages: Iterable[str] = (),
        max_body: int = MEGABYTE,
        max_body_at: Mapping[str, int] | None = None,
        behind_login: bool = False,
    ) -> Policy:
        """Build a policy from names as people write them.

        Raises:
            InvalidInput: a host or origin is a pattern, carries a path or cannot be read.
        """
        names = set()
        for host in hosts:
            name = _host_name(host)
            if name is None:
                raise InvalidInput(
                    f"allowed host {host!r} cannot be used",
                    expected="one exact name without port, no pattern",
                    field="allowed_hosts",
                )
            names.add(name)
        allowed = set()
        for text in origins:
            origin = canonical_origin(text)
            if origin is None:
                raise InvalidInput(
                    f"allowed origin {text!r} cannot be used",
                    expected="http://host:port or https://host:port, exactly",
                    field="allowed_origins",
                )
            allowed.add(origin)
        return cls(
            hosts=frozenset(names),
            origins=frozenset(allowed),
            pages=frozenset(pages),
            max_body=max_body,
            max_body_at=dict(max_body_at or {}),
            behind_login=behind_login,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not let in; the code is one of `core.errors.CODES`."""

    status: Literal[400, 403, 405, 413]
    code: str
    detail: str
    field: str
    found: str | None
    expected: str
    hint: str


class Perimeter:
    """ASGI application that lets through to `app` only what the policy allows."""

    def __init__(self, app: ASGIApp, policy: Policy | None = None) -> None:
        """Stand in front of an application."""
        self.app = app
        self.policy = policy or Policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one connection."""
        kind = scope["type"]
        if kind == "lifespan":
            await self.app(scope, receive, send)
            return
        if kind not in {"http", "websocket"}:  # deny what is not known
            return
        refusal = judge(scope, self.policy)
        if refusal is not None:
            await _refuse(scope, receive, send, refusal)
        elif kind == "websocket":
            await self.app(scope, receive, send)
        else:
            limit = self.policy.max_body_at.get(scope["path"].rstrip("/"), self.policy.max_body)
            exchange = _CappedExchange(scope, receive, send, limit)
            await self.app(scope, exchange.receive, exchange.send)


def require_safe_bind(host: str, *, allow: bool) -> None:
    """Refuse to listen beyond this machine unless it was said explicitly.

    Args:
        host: Address or name to listen on.
        allow: Somebody said so (a container, a login in front).

    Raises:
        InvalidInput: the host is not loopback and `allow` is false.
    """
    if allow or _is_loopback(host.strip("[]").lower()):
        return
    raise InvalidInput(
        f"will not listen on {host!r}: other machines could reach it and there is no login",
        expected="a loopback address such as 127.0.0.1",
        hint="to do it anyway, for example in a container that publishes its port on 127.0.0.1, "
        "set WORKBENCH_ALLOW_UNAUTHENTICATED_BIND=true",
        field="host",
    )


def canonical_origin(text: str) -> str | None:
    """Write an origin as scheme, lower-case host and explicit port; None if it is not one."""
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        return None
    parts = _split_host(rest)
    if parts is None:
        return None
    name, port = parts
    return f"{scheme}://{name}:{port or _DEFAULT_PORTS[scheme]}"


def judge(scope: Scope, policy: Policy) -> Refusal | None:
    """Decide about one HTTP request or WebSocket handshake; None lets it in."""
    headers = _Headers(scope["headers"])
    refusal = (
        _judge_target(scope)
        or _judge_host(headers, policy)
        or _judge_forwarding(headers, policy)
        or _judge_site(scope, headers, policy)
    )
    if refusal is not None or scope["type"] == "websocket":
        return refusal
    return (
        _judge_method(scope)
        or _judge_simple(scope, headers)
        or _judge_length(scope, headers, policy)
    )


class _Headers:
    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in raw:
            key = name.decode("latin-1").lower()
            self.values.setdefault(key, []).append(value.decode("latin-1"))

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def one(self, name: str) -> str | None:
        """The only value of a header; None when it is absent or repeated."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None

    def shown(self, name: str) -> str | None:
        """A header as a refusal shows it; None when it is absent."""
        return ", ".join(self.all(name))[:200] if name in self.values else None


def _judge_target(scope: Scope) -> Refusal | None:
    if str(scope["path"]).startswith("/"):
        return None
    return Refusal(
        status=400,
        code="bad_target",
        detail="the request target is not a path",
        field="path",
        found=str(scope["path"])[:200],
        expected="a path that begins with /",
        hint="Ask the server directly, not as a proxy.",
    )


def _judge_host(headers: _Headers, policy: Policy) -> Refusal | None:
    host = headers.one("host")
    parts = None if host is None else _split_host(host)
    if parts is None:
        return Refusal(
            status=400,
            code="bad_host",
            detail="the Host header is missing, repeated or unreadable",
            field="host",
            found=headers.shown("host"),
            expected="one Host header such as 127.0.0.1:8000",
            hint="Send the host and port of the address, once.",
        )
    name, _ = parts
    if _is_loopback(name) or name in policy.hosts:
        return None
    return Refusal(
        status=403,
        code="foreign_host",
        detail=f"host {name!r} is not this server",
        field="host",
        found=name,
        expected="loopback or an allowed host",
        hint="Use 127.0.0.1 or localhost, or add the exact name to the allowed hosts.",
    )


def _judge_forwarding(headers: _Headers, policy: Policy) -> Refusal | None:
    if policy.behind_login:
        return None
    for name in headers.values:
        if name in _FORWARDING or name.startswith("x-forwarded-"):
            return Refusal(
                status=403,
                code="forwarded",
                detail=f"header {name!r} says a proxy stands in front, and there is no login",
                field=name,
                found=headers.shown(name),
                expected="no such header",
                hint="Connect directly, or configure a login first.",
            )
    return None


def _judge_site(scope: Scope, headers: _Headers, policy: Policy) -> Refusal | None:
    origins = headers.all("origin")
    if origins:
        if len(origins) == 1 and _origin_allowed(origins[0], scope, headers, policy):
            return None
        return Refusal(
            status=403,
            code="foreign_origin",
            detail=f"origin {', '.join(origins)!r} may not use this server",
            field="origin",
            found=headers.shown("origin"),
            expected="no origin, this server's own or an allowed one",
            hint="Call from this server's own pages, from a program, or add the exact origin "
            "(scheme, host and port) to the allowed origins.",
        )
    sites = headers.all("sec-fetch-site")
    if not sites or sites in (["same-origin"], ["none"]):
        return None
    if _is_navigation(scope, headers) and (
        policy.pages == ANY_PAGE or scope["path"] in policy.pages
    ):
        return None
    return Refusal(
        status=403,
        code="cross_site",
        detail="a page of another site asked for this",
        field="sec-fetch-site",
        found=headers.shown("sec-fetch-site"),
        expected="same-origin or none",
        hint="Open the address directly, or call it from a program.",
    )


def _judge_method(scope: Scope) -> Refusal | None:
    if scope["method"] in METHODS:
        return None
    return Refusal(
        status=405,
        code="method_not_allowed",
        detail=f"method {scope['method'][:40]!r} is not known",
        field="method",
        found=scope["method"][:200],
        expected=f"one of {', '.join(METHODS)}",
        hint="See the Allow header.",
    )


def _judge_simple(scope: Scope, headers: _Headers) -> Refusal | None:
    if scope["method"] in SAFE_METHODS:
        return None
    from_browser = headers.all("origin") or headers.all("sec-fetch-site")
    if not from_browser or _is_same_origin(scope, headers):
        return None
    if headers.all(CUSTOM_HEADER) or _is_json(headers.one("content-type")):
        return None
    return Refusal(
        status=403,
        code="simple_request",
        detail="a request from another origin that changes something needs JSON or a custom header",
        field="content-type",
        found=headers.shown("content-type"),
        expected="application/json",
        hint="Send Content-Type: application/json, or the header X-Requested-With.",
    )


def _judge_length(scope: Scope, headers: _Headers, policy: Policy) -> Refusal | None:
    declared = headers.all("content-length")
    if not declared:
        return None
    if len(declared) > 1 or not (declared[0].isascii() and declared[0].isdigit()):
        return Refusal(
            status=400,
            code="bad_length",
            detail="the Content-Length header is repeated or not a number",
            field="content-length",
            found=headers.shown("content-length"),
            expected="a number of bytes, once",
            hint="Send the length of the body, or none and the body in chunks.",
        )
    limit = policy.max_body_at.get(scope["path"].rstrip("/"), policy.max_body)
    # More digits than any sensible length would be slow to turn into a number.
    if len(declared[0]) > len(str(limit)) + 20 or int(declared[0]) > limit:
        return _too_large(limit, declared[0][:40])
    return None


def _too_large(limit: int, found: str) -> Refusal:
    return Refusal(
        status=413,
        code="body_too_large",
        detail=f"the body is larger than {limit} bytes",
        field="body",
        found=f"{found} bytes",
        expected=f"at most {limit} bytes",
        hint="Send less at once.",
    )


def _origin_allowed(text: str, scope: Scope, headers: _Headers, policy: Policy) -> bool:
    origin = canonical_origin(text)
    return origin is not None and (origin in policy.origins or origin == _own(scope, headers))


def _own(scope: Scope, headers: _Headers) -> str | None:
    """Origin of this server as the client addressed it; Host was found to be ours before."""
    scheme = str(scope.get("scheme", "http"))
    return canonical_origin(f"{_WEB_SCHEMES.get(scheme, scheme)}://{headers.one('host')}")


def _is_same_origin(scope: Scope, headers: _Headers) -> bool:
    origins, sites = headers.all("origin"), headers.all("sec-fetch-site")
    if origins and canonical_origin(origins[0]) != _own(scope, headers):
        return False
    return sites in ([], ["same-origin"])


def _is_navigation(scope: Scope, headers: _Headers) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and headers.all("sec-fetch-mode") == ["navigate"]
        and headers.all("sec-fetch-dest") == ["document"]
    )


def _is_json(content_type: str | None) -> bool:
    essence = (content_type or "").partition(";")[0].strip().lower()
    kind, _, subtype = essence.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _split_host(text: str) -> tuple[str, int | None] | None:
    """Read `name`, `name:port` or `[address]:port` into a lower-case name and a port."""
    if not _HOST_CHARACTERS.fullmatch(text) or text.endswith(":"):
        return None
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.netloc != text or (":" in name and not text.startswith("[")):
        return None
    return name, port


def _host_name(text: str) -> str | None:
    parts = _split_host(text)
    return None if parts is None or parts[1] is not None else parts[0]


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # Python versions differ on whether ::ffff:127.0.0.1 is loopback; nobody needs it here.
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return address.is_loopback and not mapped


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    headers = _Headers(scope["headers"])
    log.warning(
        "refused %s %s: %s (host=%r origin=%r)",
        scope.get("method", scope["type"]),
        str(scope["path"])[:200].encode("unicode_escape").decode(),
        refusal.code,
        ",".join(headers.all("host"))[:200],
        ",".join(headers.all("origin"))[:200],
    )
    start, body = _answer(scope, refusal)
    if scope["type"] == "websocket":
        await receive()  # the handshake itself
        if "websocket.http.response" in scope.get("extensions", {}):
            await send({**start, "type": "websocket.http.response.start"})
            await send({**body, "type": "websocket.http.response.body"})
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
        return
    await send(start)
    await send(body)


def _answer(scope: Scope, refusal: Refusal) -> tuple[Message, Message]:
    request_id = str(scope.get("state", {}).get("request_id") or secrets.token_hex(8))
    problem = {
        "type": f"urn:workbench:problem:{refusal.code}",
        "title": TITLES[refusal.status],
        **asdict(refusal),
        "problems": [],
        "instance": scope["path"],
        "request_id": request_id,
    }
    # ensure_ascii keeps a path that holds half a surrogate pair encodable.
    content = json.dumps(problem, ensure_ascii=True).encode()
    raw = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id.encode("latin-1")),
    ]
    if refusal.status == 405:  # noqa: PLR2004 - HTTP's own number
        raw.append((b"allow", ", ".join(METHODS).encode()))
    if refusal.status == 413:  # noqa: PLR2004 - HTTP's own number
        raw.append((b"connection", b"close"))
    start: Message = {"type": "http.response.start", "status": refusal.status, "headers": raw}
    return start, {"type": "http.response.body", "body": content}


class _CappedExchange:
    """One HTTP exchange whose body may not exceed a limit, declared or not."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._read = 0
        self._started = False
        self._overrun = False
        self._answered = False

    async def receive(self) -> Message:
        if self._overrun:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        self._read += len(message.get("body", b""))
        if self._read <= self._limit:
            return message
        self._overrun = True
        if not self._started:
            self._answered = True
            start, body = _answer(self._scope, _too_large(self._limit, f"at least {self._read}"))
            await self._send(start)
            await self._send(body)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._answered:  # the client has its 413; what the application says now is too late
            return
        if message["type"] == "http.response.start":
            self._started = True
            message = {**message, "headers": [*message.get("headers", ()), *_hardening(message)]}
        await self._send(message)


def _hardening(message: Message) -> list[tuple[bytes, bytes]]:
    """Headers every answer carries unless the application set them itself."""
    present = {name.lower() for name, _ in message.get("headers", ())}
    wanted = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"SAMEORIGIN"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]
    return [pair for pair in wanted if pair[0] not in present]
