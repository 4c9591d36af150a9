"""One launcher, two servers and a worker: when one ends the rest is ended too."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import InvalidInput, Unavailable
from core.settings import PREFIX, Settings

READY_SECONDS = 240.0
GRACE_SECONDS = 10.0
TICK_SECONDS = 0.1
PROBE_SECONDS = 0.3
TAIL_LINES = 15
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Server:
    """One server to start.

    Attributes:
        name: For people.
        module: Run as `python -m module`.
        probe: Path that answers 200 once it can be used, kernels warm.
    """

    name: str
    module: str
    host: str
    port: int
    probe: str

    @property
    def address(self) -> str:
        """Where people and programs on this machine find it."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(slots=True)
class Group:
    """Processes started here, each leading a process group of its own."""

    stop: threading.Event
    logs: Path
    settings: Mapping[str, str]
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    reaper: subprocess.Popen[bytes] | None = None

    def start(self, name: str, module: str, *words: str, log: bool) -> None:
        """Start `python -m module`; its output goes to a log file or to the terminal."""
        if self.reaper is None:
            self.reaper = self._popen("core.launch.reaper", stdin=subprocess.PIPE)
        with contextlib.ExitStack() as files:
            output = files.enter_context((self.logs / f"{name}.log").open("wb")) if log else None
            child = self._popen(module, *words, output=output)
        self.children[name] = child
        if self.reaper.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.reaper.stdin.write(f"{child.pid}\n".encode())
                self.reaper.stdin.flush()

    def _popen(
        self, module: str, *words: str, stdin: int = subprocess.DEVNULL, output: Any = None
    ) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C reaches the launcher alone, which then ends all in order
        return subprocess.Popen(  # noqa: S603 - our own modules, words checked by argparse
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            env=os.environ | self.settings,
            start_new_session=True,
        )

    def dead(self) -> tuple[str, int] | None:
        """Name and exit code of a child that has ended."""
        for name, child in self.children.items():
            if child.poll() is not None:
                return name, child.returncode
        return None

    def tail(self, name: str) -> str:
        """Give the last lines a child wrote."""
        log = self.logs / f"{name}.log"
        if not log.exists():
            return ""
        return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-TAIL_LINES:])

    def end(self) -> None:
        """End every child: ask, wait, then insist. A second Ctrl-C insists at once."""
        self.stop.clear()
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while self._alive() and time.monotonic() < deadline and not self.stop.wait(TICK_SECONDS):
            pass
        self._signal(signal.SIGKILL)
        for child in self.children.values():
            child.wait()
        self.children.clear()
        if self.reaper is not None and self.reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.reaper.stdin.write(b"done\n")
                self.reaper.stdin.close()
            self.reaper.wait()
            self.reaper = None

    def _alive(self) -> bool:
        return any(child.poll() is None for child in self.children.values())

    def _signal(self, blow: signal.Signals) -> None:
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, blow)


def serve(
    *,
    ui_port: int | None = None,
    api_port: int | None = None,
    demo: bool,
    announce: Callable[[Mapping[str, str]], None],
    quiet: bool = False,
) -> int:
    """Prepare the records, start UI, API and a worker, and stay until a signal or one's end.

    Returns:
        0 when stopped by Ctrl-C or SIGTERM.

    Raises:
        InvalidInput: a port is taken; nothing has been started then.
        Unavailable: preparing failed, or a process ended or did not become ready.
    """
    given = {"ui_port": ui_port, "api_port": api_port}
    settings = Settings.load(**{name: port for name, port in given.items() if port is not None})
    servers = (
        Server("API", "api", settings.api_host, settings.api_port, "/api/v1/health/ready"),
        Server("UI", "ui", settings.ui_host, settings.ui_port, "/_stcore/health"),
    )
    check_ports(servers)
    with _stop_event() as stop:
        group = Group(stop, _log_folder(settings), _as_environment(settings))
        try:
            _prepare(group, demo=demo, quiet=quiet)
            if not stop.is_set():
                if not quiet:
                    print("Starting API, UI and a worker", flush=True)
                for server in servers:
                    group.start(server.name, server.module, log=True)
                group.start("worker", "core", "worker", log=True)
                _await_ready(group, servers)
            if not stop.is_set():
                places = {server.name.lower(): server.address for server in servers}
                announce(places | {"logs": str(group.logs)})
            while not stop.wait(TICK_SECONDS):
                _raise_if_dead(group)
        finally:
            group.end()
    if not quiet:
        print("\nStopped.", flush=True)
    return 0


def _log_folder(settings: Settings) -> Path:
    folder = settings.data_dir / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "launch.log").write_text(f"started as process {os.getpid()}\n", "utf-8")
    except OSError as problem:
        raise Unavailable(
            f"the data folder {settings.data_dir} cannot be written: {problem.strerror}",
            hint=f"make it writable, or name another with {PREFIX}DATA_DIR",
        ) from None
    return folder


def _as_environment(settings: Settings) -> dict[str, str]:
    # the servers work in the project's folder, so they are told everything that was read here
    words = {}
    for name, value in settings.model_dump().items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words[PREFIX + name.upper()] = text.lower() if isinstance(value, bool) else text
    return words


def check_ports(servers: tuple[Server, ...]) -> None:
    """See that every port is free.

    Raises:
        InvalidInput: one is taken, or two servers want the same.
    """
    wanted: dict[int, str] = {}
    for server in servers:
        option = f"{server.name}_PORT"
        if server.port in wanted:
            problem = (
                f"port {server.port} is wanted by the {wanted[server.port]} and the {server.name}"
            )
        elif is_taken(server.host, server.port):
            problem = (
                f"port {server.port}, wanted by the {server.name}, is taken by another program"
            )
        else:
            wanted[server.port] = server.name
            continue
        free = next(
            (
                port
                for port in range(server.port + 1, min(server.port + 200, 65_536))
                if port not in wanted and not is_taken(server.host, port)
            ),
            None,
        )
        choice = f"make run {option}={free or '…'}"
        raise InvalidInput(
            problem,
            hint=f"choose another: `{choice}`, or set {PREFIX}{option}",
            field=option.lower(),
        )


def is_taken(host: str, port: int) -> bool:
    """Whether another program listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    # some systems let two sockets share an address; who answers is there first
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def _prepare(group: Group, *, demo: bool, quiet: bool) -> None:
    words = ["demo" if demo else "migrate", *(["--json"] if quiet else [])]
    group.start("prepare", "core", *words, log=quiet)
    while (ended := group.dead()) is None:
        if group.stop.wait(TICK_SECONDS):
            return
    del group.children["prepare"]
    if ended[1] != 0:
        raise Unavailable(
            f"`workbench {words[0]}` ended with code {ended[1]}",
            hint=group.tail("prepare") if quiet else "its message stands above",
        )


def _await_ready(group: Group, servers: tuple[Server, ...]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    waiting = list(servers)
    while waiting and not group.stop.wait(PROBE_SECONDS):
        _raise_if_dead(group)
        waiting = [server for server in waiting if not _answers(server)]
        if waiting and time.monotonic() > deadline:
            late = waiting[0].name
            raise Unavailable(
                f"the {late} was not ready after {READY_SECONDS:.0f} seconds",
                hint=f"its log is {group.logs / late}.log. It ends with:\n{group.tail(late)}",
            )


def _answers(server: Server) -> bool:
    try:
        with urllib.request.urlopen(server.address + server.probe, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


def _raise_if_dead(group: Group) -> None:
    ended = group.dead()
    if ended is None:
        return
    name, code = ended
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    raise Unavailable(
        f"the {name} {how}; everything else was stopped",
        hint=f"its log is {group.logs / name}.log. It ends with:\n{group.tail(name)}",
    )


@contextmanager
def _stop_event() -> Iterator[threading.Event]:
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
