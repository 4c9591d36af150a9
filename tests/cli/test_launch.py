"""Starting and stopping: both servers or neither, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def free_ports(count: int) -> list[int]:
    with suppress(OSError):
        sockets = [socket.socket() for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
    return ports


def launch(data: Path, *words: str) -> subprocess.Popen[str]:
    ui_port, api_port = free_ports(2)
    ports = ["--ui-port", str(ui_port), "--api-port", str(api_port)]
    return subprocess.Popen(
        [sys.executable, "-m", "core", "serve", "--json", *ports, *words],
        env=os.environ | {"WORKBENCH_DATA_DIR": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def places_of(launcher: subprocess.Popen[str]) -> dict[str, str]:
    """Read the addresses, which are printed once both servers can be used."""
    assert launcher.stdout is not None
    text = ""
    for line in launcher.stdout:
        text += line
        if line.startswith("}"):
            return dict(json.loads(text))
    assert launcher.stderr is not None
    pytest.fail(f"the launcher ended: {text}{launcher.stderr.read()}")


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`, with its start time, so that a number used again is told apart."""
    parents: dict[int, int] = {}
    born: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)], born[int(entry.name)] = int(fields[1]), fields[19]
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: born[each] for each in found - {pid}}


def living(processes: dict[int, str]) -> set[int]:
    alive = set()
    for pid, born in processes.items():
        with suppress(OSError):
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[18] == born and state != "Z":
                alive.add(pid)
    return alive


def await_end_of(processes: dict[int, str], seconds: float = 30.0) -> set[int]:
    deadline = time.monotonic() + seconds
    while living(processes) and time.monotonic() < deadline:
        time.sleep(0.1)
    return living(processes)


@contextmanager
def running(data: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str], dict[int, str]]]:
    launcher = launch(data)
    try:
        places = places_of(launcher)
        yield launcher, places, descendants(launcher.pid)
    finally:
        if launcher.poll() is None:
            launcher.terminate()
        launcher.communicate(timeout=60)


def get(address: str) -> int:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own servers
        return int(answer.status)


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_both_servers_and_all_their_children(
    tmp_path: Path, how: signal.Signals
) -> None:
    with running(tmp_path / "data") as (launcher, places, children):
        answers = [
            get(places["ui"] + "/_stcore/health"),
            get(places["api"] + "/api/v1/health/ready"),
        ]

        launcher.send_signal(how)
        code = launcher.wait(timeout=60)

        assert answers == [200, 200]
        assert code == 0
        assert len(children) >= 4  # two servers, each with the keeper of its runs
        assert await_end_of(children) == set()


@linux_only
@pytest.mark.slow
def test_a_server_that_dies_takes_the_other_along_and_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (launcher, _, children):
        (ui,) = [
            pid for pid in children
            if b"\0-m\0ui\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]  # fmt: skip

        os.kill(ui, signal.SIGKILL)
        out, _ = launcher.communicate(timeout=60)

        error = json.loads(out)["error"]
        assert launcher.returncode == 1
        assert "the UI was killed by signal 9" in error["message"]
        assert await_end_of(children) == set()


@linux_only
@pytest.mark.slow
def test_a_launcher_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (launcher, _, children):
        launcher.kill()

        assert await_end_of(children) == set()


@pytest.mark.parametrize(("option", "name"), [("--ui-port", "UI"), ("--api-port", "API")])
def test_a_taken_port_is_named_before_anything_starts(
    tmp_path: Path, option: str, name: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        launcher = launch(tmp_path / "data", option, str(port))
        out, _ = launcher.communicate(timeout=60)

    error: dict[str, Any] = json.loads(out)["error"]
    assert launcher.returncode == 2
    assert f"port {port}" in error["message"]
    assert re.search(rf"`workbench serve {option} (\d+)`", error["hint"])[1] != str(port)
    assert f"WORKBENCH_{name}_PORT" in error["hint"]
    assert "make" not in error["hint"]
    assert not (tmp_path / "data").exists()


def test_one_port_cannot_serve_both(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    launcher = launch(tmp_path / "data", "--ui-port", str(port), "--api-port", str(port))
    out, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 2
    assert "wanted by the API and the UI" in json.loads(out)["error"]["message"]


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder", "utf-8")
    launcher = launch(tmp_path / "data")
    out, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 1
    assert str(tmp_path / "data") in json.loads(out)["error"]["message"]
