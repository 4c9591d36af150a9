"""Who is alive: told by a lock the kernel drops at any death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs.presence import Presence

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def other(tmp_path):
    """Another process that is present, and the name it goes by."""
    code = (
        "import sys; from pathlib import Path; from core.jobs.presence import Presence\n"
        f"print(Presence(Path({str(tmp_path)!r})).name, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_the_living_are_alive_and_the_killed_are_not(tmp_path, other):
    process, name = other
    me = Presence(tmp_path)
    assert me.is_alive(name)

    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert not me.is_alive(name)
    assert not me.is_alive(name)
    assert list(tmp_path.iterdir()) == []


def test_looking_does_not_kill(tmp_path, other):
    _, name = other
    me = Presence(tmp_path)

    assert [me.is_alive(name) for _ in range(3)] == [True] * 3


def test_a_process_knows_itself_alive(tmp_path):
    me = Presence(tmp_path)

    assert me.is_alive(me.name)
    assert not me.name.startswith(":")
    assert me.name.split(":")[1] == str(os.getpid())


def test_two_signs_of_one_process_are_different(tmp_path):
    first, second = Presence(tmp_path), Presence(tmp_path)

    assert first.name != second.name
    assert second.is_alive(first.name)
    first.close()
    assert not second.is_alive(first.name)


def test_a_stranger_of_this_host_is_dead_and_of_another_perhaps_alive(tmp_path):
    me = Presence(tmp_path)
    host = me.name.split(":")[0]

    assert not me.is_alive(f"{host}:1:abcd")
    assert me.is_alive("elsewhere:1:abcd")


def test_a_container_that_never_comes_back_is_dead(tmp_path):
    """Its host name is unknown here, but its file is, and nobody holds it."""
    gone = "0a1b2c3d:1:abcd"
    (tmp_path / "0a1b2c3d,1,abcd.lock").touch()

    assert not Presence(tmp_path).is_alive(gone)


def test_no_sign_is_left_by_who_owned_nothing(tmp_path):
    me = Presence(tmp_path / "absent")

    assert me.label
    me.close()

    assert not (tmp_path / "absent").exists()


def test_a_name_cannot_lead_out_of_the_folder(tmp_path):
    victim = tmp_path / "victim.lock"
    victim.touch()

    Presence(tmp_path / "signs").is_alive("x:1:/../../victim")

    assert victim.exists()


def test_silence_lasts_since_the_last_beat(tmp_path):
    me = Presence(tmp_path)
    file = tmp_path / f"{me.name.replace(':', ',')}.lock"
    assert me.silence()[me.name] < 60

    os.utime(file, (0, 0))
    assert me.silence()[me.name] > 1_000_000_000
    me.beat()

    assert me.silence()[me.name] < 60
    me.close()
    me.beat()
    assert Presence(tmp_path).silence() == {}


def test_only_the_living_of_this_host_are_silent(tmp_path, other):
    process, name = other
    (tmp_path / "0a1b2c3d,1,abcd.lock").touch()
    looker = Presence(tmp_path)
    assert set(looker.silence()) == {name}

    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert looker.silence() == {}
    assert [file.name for file in tmp_path.iterdir()] == ["0a1b2c3d,1,abcd.lock"]
