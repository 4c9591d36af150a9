"""The real server as a process: where it listens, what it refuses on the wire, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from core import bootstrap
from core.settings import Settings
from tests.api.conftest import Prices

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
FAILING = '''
from core.domain.strategy import MarketView, Signals, Strategy


class FailingStrategy(Strategy):
    """Raises."""

    def generate_signals(self, view: MarketView) -> Signals:
        raise ZeroDivisionError("canary-9d2e")
'''
LEAVING = '''
import os

from core.domain.strategy import MarketView, Signals, Strategy


class LeavingStrategy(Strategy):
    """Leaves the process."""

    def generate_signals(self, view: MarketView) -> Signals:
        os._exit(0)
'''


POST = "POST /api/backtests/run HTTP/1.1\r\nContent-Type: application/json\r\n"
REBOUND_SOCKET = (
    "GET /_stcore/stream HTTP/1.1\r\nHost: evil.test\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def raw(self, text: str) -> str:
        """Send bytes as they are and give what comes back first."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
            wire.sendall(text.encode("latin-1"))
            return wire.recv(65_536).decode("latin-1")


def environment(**settings: object) -> dict[str, str]:
    given = {f"WORKBENCH_{name.upper()}": str(value) for name, value in settings.items()}
    return {**os.environ, **given}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prices: dict[str, Prices]) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("served")
    folder = tmp_path_factory.mktemp("own_strategies")
    for name in ("buy_and_hold", "sma_crossover"):
        (folder / f"{name}.py").write_text((ROOT / "strategies" / f"{name}.py").read_text())
    (folder / "failing.py").write_text(FAILING)
    (folder / "leaving.py").write_text(LEAVING)
    with bootstrap.build(Settings(data_dir=data_dir), executor="inline") as services:
        path = prices["AAPL"].path
        services.market.import_csv(path, name=path.name, symbol="AAPL", market="XNYS")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment(
            data_dir=data_dir, strategies_dir=folder, api_port=port, run_wait_seconds=60
        ),
        stderr=subprocess.PIPE,
    )
    started = Server(process, port, data_dir)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx2.get(f"{started.base}/health")
            break
        except httpx2.TransportError:
            time.sleep(0.1)
    yield started
    if process.poll() is None:
        process.kill()
    process.communicate()


def submit(server: Server, strategy: str) -> httpx2.Response:
    body = {"strategy": strategy, "symbols": ["AAPL"]}
    return httpx2.post(f"{server.base}/api/v1/backtests", json=body, timeout=90)


def test_a_backtest_runs_in_a_child_and_is_answered(server: Server) -> None:
    answer = submit(server, "buy_and_hold")

    assert answer.status_code == 200, answer.text
    curve = answer.json()["result"]["equity_curve"]
    assert len(curve) == 2_500


def test_a_strategy_that_raises_is_the_requests_fault_and_is_told_why(server: Server) -> None:
    answer = submit(server, "failing")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "strategy_failed")
    assert "canary-9d2e" in problem["detail"]
    assert "Traceback" not in answer.text
    listed = httpx2.get(f"{server.base}/api/backtests", params={"status": "failed"}).json()
    assert listed["backtests"][0]["error"]["code"] == "strategy_failed"
    assert "canary-9d2e" in listed["backtests"][0]["error"]["message"]
    refused = httpx2.get(f"{server.base}{listed['backtests'][0]['links']['results']}")
    assert refused.status_code == 409


def test_a_strategy_that_leaves_takes_nothing_with_it(server: Server) -> None:
    answer = submit(server, "leaving")

    assert answer.status_code == 422
    assert answer.json()["code"] == "no_result"
    assert submit(server, "sma_crossover").status_code == 200


def test_it_listens_on_loopback_only(server: Server) -> None:
    """W6: every listening socket of the server and its children."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    if not children.exists():
        pytest.skip("needs /proc")
    waiting, family = [server.process.pid], []
    while waiting:
        pid = waiting.pop()
        family.append(pid)
        path = Path(f"/proc/{pid}/task/{pid}/children")
        waiting += [int(text) for text in path.read_text().split()] if path.exists() else []
    inodes = {
        str(link.readlink())
        for pid in family
        for link in Path(f"/proc/{pid}/fd").glob("*")
        if link.is_symlink() and os.path.lexists(link)
    }
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                listening.append(fields[1])

    assert len(listening) == 1
    assert listening[0].startswith("0100007F:")


@pytest.mark.parametrize(
    ("request_text", "statuses"),
    [
        ("GET /health HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", {200}),
        ("GET /health HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", {200}),
        ("GET /health HTTP/1.1\r\nHost: evil.test\r\n\r\n", {403}),
        ("GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", {400}),
        ("GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", {400}),
        ("GET /health HTTP/1.1\r\n\r\n", {400}),
        ("GET /health HTTP/1.0\r\n\r\n", {400}),
        ("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", {403}),
        ("GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", {403}),
        ("GET http://evil.test/health HTTP/1.1\r\nHost: evil.test\r\n\r\n", {400, 403}),
        ("CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n", {400, 403, 405}),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404, 405}),
        ("PROPFIND /health HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}),
        (
            REBOUND_SOCKET,
            {403},
        ),
        (
            POST + "Host: localhost\r\nContent-Length: 9999999999\r\n\r\n",
            {413},
        ),
        (
            POST + "Host: localhost\r\nOrigin: http://evil.test\r\nContent-Length: 2\r\n\r\n{}",
            {403},
        ),
    ],
)
def test_what_arrives_on_the_wire_is_judged(
    server: Server, request_text: str, statuses: set[int]
) -> None:
    answer = server.raw(request_text)

    assert int(answer.split(" ", 2)[1]) in statuses, answer
    assert "uvicorn" not in answer.lower()


def test_a_chunked_body_over_the_limit_ends_with_413(server: Server) -> None:
    chunk = "10000\r\n" + "x" * 0x10000 + "\r\n"
    text = (
        "POST /api/backtests/run HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(text.encode())
        try:
            for _ in range(40):
                wire.sendall(chunk.encode())
        except OSError:  # refused before everything was sent
            pass
        answer = wire.recv(65_536).decode("latin-1")

    assert answer.startswith("HTTP/1.1 413")


def test_it_ends_cleanly_when_told(server: Server) -> None:
    """Last of this file: the server is stopped, its children with it."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    family = [int(text) for text in children.read_text().split()] if children.exists() else []

    server.process.send_signal(signal.SIGTERM)
    _, log = server.process.communicate(timeout=30)

    assert server.process.returncode in {0, -signal.SIGTERM}
    assert b"Traceback" not in log
    for _ in range(50):
        left = [pid for pid in family if Path(f"/proc/{pid}").exists()]
        if not left:
            break
        time.sleep(0.1)
    assert left == [] if family else True


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7"])  # noqa: S104 - refused
def test_it_refuses_to_listen_beyond_this_machine(host: str, tmp_path: Path) -> None:
    """R-WEB 21."""
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment(api_host=host, data_dir=tmp_path, api_port=free_port()),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert "no login" in done.stderr
    assert "WORKBENCH_ALLOW_UNAUTHENTICATED_BIND" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment(allowed_hosts="*", data_dir=tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert "allowed host '*' cannot be used" in done.stderr.lower()
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    done = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment(data_dir=tmp_path / "file" / "data"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "file" in done.stderr


def test_the_log_is_one_json_object_per_line(tmp_path: Path) -> None:
    script = (
        "import logging; from api.logs import configure; configure('info', 'json');"
        "logging.getLogger('workbench.api.access').info('GET /x 200',"
        " extra={'request_id': 'r1', 'status': 200, 'seconds': 0.1})"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    line = json.loads(done.stderr)
    assert (line["request_id"], line["status"], line["level"]) == ("r1", 200, "info")
