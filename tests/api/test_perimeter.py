"""The guard alone, in front of an application that records what reached it (W1, W2, W5, W6, C9)."""

from __future__ import annotations

import itertools

import pytest

from core.errors import InvalidInput
from core.perimeter import ANY_PAGE, Perimeter, Policy, require_safe_bind
from tests.api.asgi import Recorder, call, handshake, run

OWN = "http://127.0.0.1:8000"
LISTED = "http://localhost:8501"
HOST = ("host", "127.0.0.1:8000")
POLICY = Policy.of(origins=[LISTED], max_body=1_000, max_body_at={"/upload": 5_000})

FOREIGN_ORIGINS = [
    "null",
    "",
    "http://evil.test",
    "http://localhost:3000",
    "http://127.0.0.1:8001",
    "http://127.0.0.1",
    "https://127.0.0.1:8000",
    "http://localhost:8501.evil.test",
    "http://evil.test:8501",
    "http://evil-localhost:8501",
    "http://[::1]:8000",
    "http://2130706433:8000",
    "http://user@127.0.0.1:8000",
    "http://127.0.0.1:8000/",
    "http://127.0.0.1:8000, http://evil.test",
    "file://",
    "chrome-extension://abcdefgh",
]
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"]
JSON_TYPES = ["application/json", "application/merge-patch+json; charset=utf-8"]
SIMPLE_TYPES = [
    None,
    "text/plain",
    "text/plain;application/json",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
]


def expected_status(who: str, method: str, content_type: str | None) -> int:
    if who == "foreign":
        return 403
    if method == "PROPFIND":
        return 405
    if who == "listed" and method in {"POST", "PUT", "PATCH", "DELETE"}:
        return 204 if content_type in JSON_TYPES else 403
    return 204


def test_only_own_pages_listed_origins_and_programs_act() -> None:
    callers = [("own", OWN), ("listed", LISTED), ("program", None)]
    callers += [("foreign", origin) for origin in FOREIGN_ORIGINS]
    app = Recorder()
    guard = Perimeter(app, POLICY)

    async def everything() -> list[str]:
        wrong = []
        for (who, origin), method, content_type in itertools.product(
            callers, METHODS, JSON_TYPES + SIMPLE_TYPES
        ):
            headers = [HOST]
            headers += [("origin", origin)] if origin is not None else []
            headers += [("content-type", content_type)] if content_type else []
            before = len(app.acts)
            answer = await call(guard, method, "/x", headers)
            wanted = expected_status(who, method, content_type)
            acted = len(app.acts) - before
            if answer.status != wanted or acted != int(wanted == 204):
                wrong.append(f"{who} {origin} {method} {content_type}: {answer.status}")
            if answer.status != 204 and answer.header("access-control-allow-origin"):
                wrong.append(f"{origin} got a CORS header with its refusal")
        return wrong

    assert run(everything) == []


def test_websockets_are_judged_like_requests() -> None:
    app = Recorder()
    guard = Perimeter(app, POLICY)

    async def everything() -> dict[str | None, int]:
        results: dict[str | None, int] = {}
        for origin in [OWN, LISTED, None, *FOREIGN_ORIGINS]:
            headers = [HOST] + ([("origin", origin)] if origin is not None else [])
            results[origin] = (await handshake(guard, headers)).status
            assert (await handshake(guard, headers, denial=False)).status == results[origin]
        return results

    results = run(everything)

    assert {origin for origin, status in results.items() if status == 101} == {OWN, LISTED, None}
    assert all(status == 403 for status in results.values() if status != 101)
    assert len(app.acts) == 6


REFUSED_HOSTS = [
    "evil.test",
    "evil.test:8000",
    "10.evil.test",
    "192.168.evil.test",
    "localhost.evil.test",
    "evil.localhost",
    "127.0.0.1.nip.test",
    "127.0.0.1.",
    "localhost.",
    "localhost.:8000",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]:8000",
    "[::2]",
    "[::1%25lo]",
    "::1",
    "[::1",
    "::1]",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.000.000.001",
    "0.0.0.0",  # noqa: S104 - refused
    "10.0.0.1",
    "192.168.1.7:8000",
    "",
    " ",
    ":8000",
    "localhost:",
    "localhost:99999",
    "localhost:http",
    "localhost:-1",
    "user@localhost",
    "localhost@evil.test",
    "localhost/evil",
    "localhost?x",
    "localhost#x",
    "localhost\\evil",
    "localhost,evil.test",
    "localhost evil.test",
    "local\thost",
    "locaﬁhost".encode().decode("latin-1"),
    "*",
    "*.localhost",
    "http://localhost",
    "workbench.internal.evil.test",
]
ACCEPTED_HOSTS = [
    "localhost",
    "localhost:8000",
    "LOCALHOST:8000",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.9.9.9:8000",
    "[::1]",
    "[::1]:8000",
    "workbench.internal",
    "workbench.internal:8443",
]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_only_loopback_and_exactly_configured_hosts_are_served(kind: str) -> None:
    app = Recorder()
    guard = Perimeter(app, Policy.of(hosts=["workbench.internal"]))

    async def status(*hosts: str) -> int:
        headers = [("host", host) for host in hosts]
        ask = call(guard, "GET", "/x", headers) if kind == "http" else handshake(guard, headers)
        return (await ask).status

    async def everything() -> tuple[list[str], list[str], list[int]]:
        let_in = [host for host in REFUSED_HOSTS if await status(host) not in {400, 403}]
        shut_out = [host for host in ACCEPTED_HOSTS if await status(host) in {400, 403}]
        repeated = [await status(), await status("localhost", "localhost")]
        return let_in, shut_out, [*repeated, await status("localhost", "evil.test")]

    let_in, shut_out, repeated = run(everything)

    assert let_in == []
    assert shut_out == []
    assert repeated == [400, 400, 400]
    assert len(app.acts) == len(ACCEPTED_HOSTS)


@pytest.mark.parametrize("target", ["http://evil.test/", "*", "", "evil"])
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    answer = run(lambda: call(Perimeter(Recorder()), "GET", target))

    assert answer.status == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense", "same-origin, none"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_a_foreign_site_without_origin_is_refused(site: str, method: str) -> None:
    headers = [HOST, ("sec-fetch-site", site), ("content-type", "application/json")]

    assert run(lambda: call(Perimeter(Recorder()), method, "/x", headers)).status == 403


def test_another_site_may_link_to_pages_and_to_nothing_else() -> None:
    navigate = [
        HOST,
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ]
    frame = [*navigate[:3], ("sec-fetch-dest", "iframe")]
    api = Perimeter(Recorder(), Policy.of(pages=["/docs"]))
    ui = Perimeter(Recorder(), Policy.of(pages=ANY_PAGE))

    async def everything() -> list[int]:
        return [
            (await call(api, "GET", "/docs", navigate)).status,
            (await call(ui, "GET", "/backtests", navigate)).status,
            (await call(api, "GET", "/api/backtests", navigate)).status,
            (await call(ui, "GET", "/backtests", frame)).status,
            (await call(ui, "POST", "/backtests", navigate)).status,
            (await handshake(ui, navigate)).status,
        ]

    assert run(everything) == [204, 204, 403, 403, 403, 403]


def test_a_listed_origin_posts_a_form_only_with_the_custom_header() -> None:
    form = [HOST, ("origin", LISTED), ("content-type", "multipart/form-data; boundary=x")]
    guard = Perimeter(Recorder(), POLICY)

    async def everything() -> list[int]:
        with_header = [*form, ("x-requested-with", "workbench")]
        own = [HOST, ("origin", OWN), ("sec-fetch-site", "same-origin"), form[2]]
        typed = [HOST, ("sec-fetch-site", "none"), form[2]]
        return [
            (await call(guard, "POST", "/upload", headers)).status
            for headers in (form, with_header, own, typed)
        ]

    assert run(everything) == [403, 204, 204, 403]


def test_an_origin_is_own_only_with_the_same_scheme_host_and_port() -> None:
    guard = Perimeter(Recorder())

    async def status(host: str, origin: str, scheme: str) -> int:
        headers = [("host", host), ("origin", origin)]
        return (await call(guard, "POST", "/x", headers, scheme=scheme)).status

    async def everything() -> list[int]:
        return [
            await status("localhost", "http://localhost", "http"),
            await status("localhost:80", "http://localhost", "http"),
            await status("[::1]:8000", "http://[::1]:8000", "http"),
            await status("localhost:8000", "https://localhost:8000", "https"),
            await status("localhost:8000", "http://localhost:8000", "https"),
            await status("localhost:8000", "http://127.0.0.1:8000", "http"),
            await status("localhost:8000", "http://localhost:8001", "http"),
        ]

    assert run(everything) == [204, 204, 204, 204, 403, 403, 403]


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "X-Forwarded-Host", "x-forwarded-proto", "forwarded", "x-real-ip"]
)
def test_a_proxy_without_a_login_is_refused(header: str) -> None:
    headers = [HOST, (header, "203.0.113.7")]

    async def everything() -> list[int]:
        closed, open_ = Perimeter(Recorder()), Perimeter(Recorder(), Policy(behind_login=True))
        return [
            (await call(closed, "GET", "/x", headers)).status,
            (await handshake(closed, headers)).status,
            (await call(open_, "GET", "/x", headers)).status,
        ]

    assert run(everything) == [403, 403, 204]


def test_a_declared_body_over_the_limit_is_refused_unread() -> None:
    app = Recorder()
    guard = Perimeter(app, POLICY)

    async def status(path: str, length: str) -> int:
        headers = [HOST, ("content-length", length)]
        return (await call(guard, "POST", path, headers, chunks=[b"x"])).status

    async def everything() -> list[int]:
        return [
            await status("/x", "1000"),
            await status("/x", "1001"),
            await status("/upload", "5000"),
            await status("/upload/", "5000"),
            await status("/upload", "5001"),
            await status("/x", "9" * 5_000),
            await status("/x", "-1"),
            await status("/x", "ten"),
            await status("/x", "¹"),
        ]

    assert run(everything) == [204, 413, 204, 204, 413, 413, 400, 400, 400]
    assert app.read == 3


def test_an_undeclared_body_is_read_no_further_than_one_chunk_past_the_limit() -> None:
    app = Recorder()
    chunks = [b"x" * 400] * 10

    answer = run(lambda: call(Perimeter(app, POLICY), "POST", "/x", [HOST], chunks=chunks))

    assert answer.status == 413
    assert answer.json["code"] == "body_too_large"
    assert answer.messages == ["http.response.start", "http.response.body"]
    assert app.read == 800
    assert app.acts == []


def test_a_refusal_is_a_problem_that_says_what_to_do() -> None:
    headers = [HOST, ("origin", "http://evil.test")]

    answer = run(lambda: call(Perimeter(Recorder()), "POST", "/api/backtests/run", headers))

    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json
    assert problem["status"] == 403
    assert problem["code"] == "foreign_origin"
    assert problem["instance"] == "/api/backtests/run"
    assert problem["hint"]
    assert problem["request_id"] == answer.header("x-request-id")


def test_answers_carry_hardening_headers_without_overwriting_the_applications() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raw = [(b"X-Frame-Options", b"DENY")]
        await send({"type": "http.response.start", "status": 200, "headers": raw})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    answer = run(lambda: call(Perimeter(app)))

    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("x-frame-options") is None
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize("text", ["*", "*.local", "localhost:8000", "http://x", "a/b", ""])
def test_a_configured_host_is_an_exact_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="allowed host"):
        Policy.of(hosts=[text])


@pytest.mark.parametrize("text", ["*", "localhost", "http://*", "ftp://x", "http://x/path", "null"])
def test_a_configured_origin_is_exact(text: str) -> None:
    with pytest.raises(InvalidInput, match="allowed origin"):
        Policy.of(origins=[text])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_loopback_binds_are_fine(host: str) -> None:
    require_safe_bind(host, allow=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "workbench", "127.1"])  # noqa: S104
def test_other_binds_need_to_be_said(host: str) -> None:
    with pytest.raises(InvalidInput, match="no login"):
        require_safe_bind(host, allow=False)
    require_safe_bind(host, allow=True)


GUARDS = [
    ("_judge_target", "GET", "http://evil.test/", [HOST]),
    ("_judge_host", "GET", "/x", [("host", "evil.test")]),
    ("_judge_forwarding", "GET", "/x", [HOST, ("x-forwarded-for", "203.0.113.7")]),
    ("_judge_site", "GET", "/x", [HOST, ("origin", "http://evil.test")]),
    ("_judge_site", "GET", "/x", [HOST, ("sec-fetch-site", "cross-site")]),
    ("_judge_method", "PROPFIND", "/x", [HOST]),
    ("_judge_simple", "POST", "/x", [HOST, ("origin", LISTED), ("content-type", "text/plain")]),
    ("_judge_length", "POST", "/x", [HOST, ("content-length", "9999")]),
]


@pytest.mark.parametrize(("guard", "method", "path", "headers"), GUARDS)
def test_each_guard_carries_weight(
    *,
    monkeypatch: pytest.MonkeyPatch,
    guard: str,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
) -> None:
    """R-TRUST 32: what a guard refuses is let in when that guard, and no other, is removed."""
    app = Recorder()
    with_it = run(lambda: call(Perimeter(app, POLICY), method, path, headers))
    assert (with_it.status // 100, app.acts) == (4, [])

    monkeypatch.setattr(f"core.perimeter.{guard}", lambda *_: None)

    assert run(lambda: call(Perimeter(app, POLICY), method, path, headers)).status == 204
    assert len(app.acts) == 1
