"""Real servers as `make run` starts them, a real Chromium, and nothing that leaves this machine."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserType, Page, Request

from core.bootstrap import build
from core.settings import PREFIX
from tests.laboratory import settings_in, write_strategy

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "test-results"
READY_SECONDS = 240
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]

SLOW = """
    import time

    from core.domain.strategy import MarketView, Signals, Strategy


    class Slow(Strategy):
        '''Takes its time.'''

        def generate_signals(self, view: MarketView) -> Signals:
            time.sleep(8)
            return Signals.side(long=view.close > view.ind.sma(20), exit=view.close < view.open)
"""


@dataclass(frozen=True)
class Workbench:
    """Two running servers over one data folder."""

    ui: str
    api: str
    ui_process: int

    def post(self, **body: Any) -> dict[str, Any]:
        """Submit a backtest over REST, as an agent does."""
        return self._ask("/api/backtests/run", body)

    def search(self, **body: Any) -> int:
        """Start a study of a grid over REST; give its number."""
        return int(self._ask("/api/v1/optimization/grid-search", body)["id"])

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        address = urlsplit(self.api)
        server = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        with closing(server) as connection:
            connection.request(
                "POST",
                path,
                json.dumps(body),
                {"content-type": "application/json"},
            )
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status == 202, text
        taken: dict[str, Any] = json.loads(text)
        return taken


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo prices, and the strategies with a slow one among them."""
    made = tmp_path_factory.mktemp("e2e")
    settings = settings_in(made)
    shutil.copytree(
        ROOT / "strategies",
        settings.strategies_dir,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    write_strategy(settings.strategies_dir, "slow", SLOW)
    with build(settings, executor="inline") as services:
        services.market.import_demo()
    return made


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Workbench]:
    """Run `python -m ui` and `python -m api` on free ports until they are no longer needed."""
    ports = {"UI": free_port(), "API": free_port()}
    environment = os.environ | {
        f"{PREFIX}DATA_DIR": str(folder / "data"),
        f"{PREFIX}STRATEGIES_DIR": str(folder / "strategies"),
        **{f"{PREFIX}{name}_PORT": str(port) for name, port in ports.items()},
        **{f"{PREFIX}{name.upper()}": value for name, value in settings.items()},
    }
    logs = {name: folder / f"{name.lower()}-{port}.log" for name, port in ports.items()}
    children: list[subprocess.Popen[bytes]] = []
    try:
        for name, port in ports.items():
            with logs[name].open("wb") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", name.lower()],
                    cwd=ROOT,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            children.append(child)
            wait_until_open(port, child, logs[name])
        addresses = (f"http://127.0.0.1:{ports[name]}" for name in ("UI", "API"))
        yield Workbench(*addresses, ui_process=children[0].pid)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"the server on port {port} did not start:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def workbench(folder: Path) -> Iterator[Workbench]:
    """Servers whose pages look for news every second."""
    with serving(folder, poll_seconds="1", run_wait_seconds="1") as running:
        yield running


@pytest.fixture(scope="session")
def worker(folder: Path) -> Iterator[None]:
    """A worker over the same data folder, as `make run` starts one."""
    environment = os.environ | {
        f"{PREFIX}DATA_DIR": str(folder / "data"),
        f"{PREFIX}STRATEGIES_DIR": str(folder / "strategies"),
    }
    with (folder / "worker.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "core", "worker"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    yield
    child.terminate()
    try:
        child.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@pytest.fixture(scope="session")
def workbench_as_shipped(folder: Path) -> Iterator[Workbench]:
    """Servers with every setting at its default."""
    with serving(folder) as running:
        yield running


def chromium(browser_type: BrowserType) -> str | None:
    """Find a Chromium: named, installed, or Playwright's own (None)."""
    named = os.environ.get("CHROMIUM_PATH")
    installed = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if installed or Path(browser_type.executable_path).exists():
        return installed
    return pytest.fail(
        "These tests need a Chromium: install one (apt install chromium), run "
        "`playwright install chromium`, or set CHROMIUM_PATH."
    )


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type: BrowserType) -> dict[str, Any]:
    path = chromium(browser_type)
    return {"args": ARGUMENTS} | ({"executable_path": path} if path else {})


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {
        "viewport": {"width": 1440, "height": 900},
        "timezone_id": "Europe/London",
        "locale": "en-GB",
        "accept_downloads": True,
    }


@pytest.fixture(autouse=True)
def nothing_leaves(page: Page) -> Iterator[None]:
    """Fail a test whose page asked anybody but this machine, or raised an error in the browser."""
    asked: list[str] = []
    errors: list[str] = []

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname != "127.0.0.1":
            asked.append(request.url)

    page.on("request", note)
    page.on(
        "websocket", lambda socket: asked.append(socket.url) if is_foreign(socket.url) else None
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield
    assert asked == []
    assert errors == []


def is_foreign(address: str) -> bool:
    return urlsplit(address).hostname != "127.0.0.1"
