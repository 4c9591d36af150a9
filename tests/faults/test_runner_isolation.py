"""Strategies do what no strategy should; the run fails with its cause, everything else lives on.

One server computes in child processes. After every deed the same good run is computed afresh: its
files must have the same bytes as before.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.bootstrap import build
from core.domain.run import RunSpec, RunStatus
from tests.laboratory import failing, lay_prices, settings_in, wave, write_strategy

ROOT = Path(__file__).resolve().parents[2]
# Far apart, so that on a busy machine too the limit that is meant is reached first.
LIMITS = {
    "run_wait_seconds": 300,
    "run_wall_seconds": 120,
    "run_cpu_seconds": 2,
    "run_memory_mb": 512,
}
HASTY = {"run_wait_seconds": 300, "run_wall_seconds": 5, "run_cpu_seconds": 120}
NJIT = """
    import numpy as np
    from numba import njit
    from core.domain.strategy import MarketView, Signals, Strategy


    @njit
    def forever(x):
        total = 0.0
        while x >= 0.0:
            total += x
        return total


    class Compiled(Strategy):
        '''Loops in compiled code that holds the interpreter.'''

        def generate_signals(self, view: MarketView) -> Signals:
            forever(1.0)
            return Signals.side(long=view.close > view.open)
"""
DEEDS = {
    "python_loop": (
        failing("while True: pass"),
        "time_limit",
        "more than 2 s of processor time and was stopped (python_loop.py, line 8)",
    ),
    "compiled_loop": (NJIT, "time_limit", "(compiled_loop.py, line 18)"),
    "lists": (
        failing("kept = []\nwhile True: kept.append(bytearray(1 << 20))"),
        "memory_limit",
        "needed more memory than a run may use (lists.py, line 9)",
    ),
    "arrays": (
        failing("np.ones((1 << 17, 1 << 10))", imports="import numpy as np"),
        "memory_limit",
        "needed more memory than a run may use (arrays.py, line 8)",
    ),
    "frames": (
        failing(
            "pl.select(pl.repeat(1.0, 1 << 28)).to_series().to_list()",
            imports="import polars as pl",
        ),
        None,
        None,
    ),
    "segfault": (
        failing("ctypes.string_at(0)", imports="import ctypes"),
        "crashed",
        "segmentation fault (signal 11) (segfault.py, line 8)",
    ),
    "exit_zero": (
        failing("os._exit(0)", imports="import os"),
        "no_result",
        "without a result (exit code 0)",
    ),
    "sys_exit": (
        failing("sys.exit(0)", imports="import sys"),
        "strategy_failed",
        "tried to end its process (exit code 0)",
    ),
    "abort": (failing("os.abort()", imports="import os"), "crashed", "aborted (signal 6)"),
    "recursion": (
        failing("def f(): return f()\nf()"),
        "strategy_failed",
        "RecursionError: maximum recursion depth exceeded",
    ),
    "deaf": (
        failing(
            "for number in range(1, 32):\n"
            "    try: signal.signal(number, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\n"
            "while True: pass",
            imports="import signal",
        ),
        "time_limit",
        "processor time",
    ),
    "fork": (
        failing("while True: os.fork()", imports="import os"),
        "strategy_failed",
        "PermissionError: a run may not start a process (fork.py, line 8)",
    ),
    "network": (
        failing("socket.create_connection(('127.0.0.1', 9))", imports="import socket"),
        "strategy_failed",
        "a run may not open a network connection",
    ),
    "shell": (
        failing("subprocess.run(['true'])", imports="import subprocess"),
        "strategy_failed",
        "a run may not start a process",
    ),
    "vandal": (
        failing("open('../workbench.db', 'w').write('x')"),
        "strategy_failed",
        "PermissionError: a run may not write",
    ),
    "eraser": (
        failing("shutil.rmtree('..')", imports="import shutil"),
        "strategy_failed",
        "PermissionError: a run may not change",
    ),
    "descriptors": (
        failing("kept = []\nwhile True: kept.append(open('/dev/null'))"),
        "strategy_failed",
        "Too many open files",
    ),
    "talker": (
        failing("for _ in range(1 << 14): print('x' * 1023)\nos._exit(1)", imports="import os"),
        "no_result",
        "exit code 1",
    ),
    "wrong_length": (
        failing("return Signals.side(long=(view.close > 0)[:3])"),
        "strategy_failed",
        "expected int8 of shape (300,)",
    ),
    "huge_answer": (
        failing("raise ValueError('x' * (64 << 20))"),
        "strategy_failed",
        "ValueError: xxx",
    ),
}
WAITS = {
    "endless_sleep": failing("import time; time.sleep(600)"),
    "deadlock": failing(
        "lock = threading.Lock(); lock.acquire(); lock.acquire()", imports="import threading"
    ),
}
MUTATIONS = {
    "numpy": ("np.seterr(all='raise'); np.random.seed(5)", "import numpy as np"),
    "folder": ("os.chdir('/'); os.umask(0)", "import os"),
    "zone": ("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()", "import os, time"),
    "language": ("locale.setlocale(locale.LC_ALL, 'C')", "import locale"),
    "polars": (
        "pl.Config.set_tbl_rows(3); pl.enable_string_cache()",
        "import polars as pl",
    ),
    "interpreter": (
        "sys.setrecursionlimit(60); gc.disable(); sys.path.clear()",
        "import sys, gc",
    ),
    "patch": (
        "indicators.Indicators.sma = lambda self, n: view.close * 0",
        "from core.engine import indicators",
    ),
    "metrics": (
        "summary.CATALOG.clear()",
        "from core.analytics import summary",
    ),
    "warnings": ("warnings.simplefilter('error')", "import warnings"),
    "random": ("random.seed(3); random.random()", "import random"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("server")
    settings = settings_in(made)
    lay_prices(settings.lake_dir, "AAA", wave(300))
    write_strategy(settings.strategies_dir, "simple")
    for name, (body, _, _) in DEEDS.items():
        write_strategy(settings.strategies_dir, name, body)
    for name, body in WAITS.items():
        write_strategy(settings.strategies_dir, name, body)
    for name, (deed, imports) in MUTATIONS.items():
        write_strategy(settings.strategies_dir, f"changes_{name}", failing(deed, imports=imports))
    return made


@pytest.fixture(scope="module")
def server(folder):
    with build(settings_in(folder, **LIMITS), executor="child") as services:
        yield services


@pytest.fixture(scope="module")
def good(server):
    """The bytes of the good run before anything happened."""
    return dict(submit(server, "simple").artifacts)


def submit(server, strategy):
    return server.backtests.submit(RunSpec(strategy=strategy, symbols=("AAA",)), reuse=False)


def assert_unharmed(server, good):
    run = submit(server, "simple")

    assert run.status is RunStatus.COMPLETED, run.error
    assert dict(run.artifacts) == good
    assert server.system.is_ready()
    assert list(server.settings.scratch_dir.glob("*/run-*")) == []


def test_every_deed_is_a_strategy_that_can_be_listed(server):
    assert {info.id: info.error for info in server.strategies.list() if info.error} == {}


@pytest.mark.parametrize("name", sorted(DEEDS))
def test_the_run_fails_with_its_cause_and_nothing_else_is_harmed(server, good, name):
    _, code, said = DEEDS[name]

    run = submit(server, name)

    if code is not None:
        assert run.status is RunStatus.FAILED
        assert (run.error.code, said in run.error.message) == (code, True), run.error
        assert len(run.error.message) < 1_000
    assert_unharmed(server, good)


@pytest.mark.parametrize("name", sorted(WAITS))
def test_a_run_that_only_waits_is_ended_at_the_wall(folder, good, name):
    with build(settings_in(folder, **HASTY), executor="child") as hasty:
        run = submit(hasty, name)

    assert run.error.code == "time_limit"
    assert run.error.message == (
        f"the run took longer than 5 s and was stopped ({name}.py, line 8)"
    )


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_nothing_a_strategy_changes_reaches_the_next_run(server, good, name):
    submit(server, f"changes_{name}")

    assert_unharmed(server, good)


def test_a_hint_says_what_to_do(server, good):
    assert "WORKBENCH_RUN_CPU_SECONDS" in str(submit(server, "python_loop").error.hint)


# --- servers that die -----------------------------------------------------------------------------


def start_server(folder, strategy):
    """Start a server that runs a strategy; give it and the run's id once it is running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server_process", str(folder), strategy],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    line = process.stdout.readline()
    assert line, "the server did not start"
    return process, json.loads(line)["run"]


def descendants(pid):
    """Processes below one, from /proc; those of other sessions included."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry.name)] = (int(status[1]), status[0])
    found, waiting = set(), [pid]
    while waiting:
        above = waiting.pop()
        below = [child for child, (parent, _) in parents.items() if parent == above]
        found.update(below)
        waiting.extend(below)
    return found


def keeper_of(pid):
    """The youngest keeper below a process."""
    return max(
        below
        for below in living(descendants(pid))
        if b"core.jobs.keeper" in Path(f"/proc/{below}/cmdline").read_bytes()
        and Path(f"/proc/{below}/stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid)
    )


def living(pids):
    alive = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            alive.add(pid)
    return alive


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
@pytest.mark.parametrize("strategy", ["python_loop", "compiled_loop", "endless_sleep"])
def test_a_killed_server_leaves_no_process_and_its_run_is_found_lost(folder, server, strategy):
    process, run_id = start_server(folder, strategy)
    below = descendants(process.pid)
    assert len(below) >= 2  # the keeper and the run

    process.kill()
    process.communicate()
    deadline = time.monotonic() + 3.0
    while living(below) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert living(below) == set()
    server.backtests.recover(_presence(folder).is_alive)
    run = server.backtests.get(run_id)
    assert (run.status, run.error.code) == (RunStatus.FAILED, "lost")
    assert "run it again" in run.error.hint.lower()


@needs_proc
def test_the_run_of_a_living_server_is_not_lost(folder, server):
    process, run_id = start_server(folder, "endless_sleep")
    try:
        server.backtests.recover(_presence(folder).is_alive)

        assert server.backtests.get(run_id).status is RunStatus.RUNNING
    finally:
        process.kill()
        process.communicate()


@needs_proc
def test_a_server_that_starts_finds_the_runs_of_the_dead(folder):
    process, run_id = start_server(folder, "endless_sleep")
    process.kill()
    process.communicate()

    with build(settings_in(folder), executor="child") as services:
        assert services.backtests.get(run_id).error.code == "lost"


@needs_proc
def test_a_server_that_is_asked_to_stop_leaves_no_process(folder):
    process, _ = start_server(folder, "endless_sleep")
    below = descendants(process.pid)

    process.send_signal(signal.SIGTERM)
    process.communicate()
    deadline = time.monotonic() + 3.0
    while living(below) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert living(below) == set()


def test_a_closed_server_says_what_became_of_its_run(folder):
    settings = settings_in(folder, run_wait_seconds=0)
    with build(settings, executor="child") as services:
        run = services.backtests.submit(
            RunSpec(strategy="endless_sleep", symbols=("AAA",)), reuse=False
        )
        while services.backtests.get(run.id).status is RunStatus.PENDING:
            time.sleep(0.02)

    with build(settings) as services:
        found = services.backtests.get(run.id)
    assert (found.status, found.error.code) == (RunStatus.FAILED, "stopped")


@needs_proc
def test_a_killed_runner_is_replaced(server, good):
    os.kill(keeper_of(os.getpid()), signal.SIGKILL)

    assert_unharmed(server, good)


@needs_proc
def test_a_runner_killed_while_idle_comes_back_by_itself(server, good):
    assert server.system.is_ready()
    os.kill(keeper_of(os.getpid()), signal.SIGKILL)

    deadline = time.monotonic() + 60
    while server.system.is_ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    while not server.system.is_ready() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert server.system.is_ready()
    assert_unharmed(server, good)


@needs_proc
def test_a_run_whose_runner_is_killed_is_done_once_more(server, good, folder):
    write_strategy(
        server.settings.strategies_dir,
        "slow",
        failing("import time; time.sleep(1.5)"),
    )
    run = server.backtests.submit(RunSpec(strategy="slow", symbols=("AAA",)), wait=0)
    while server.backtests.get(run.id).status is RunStatus.PENDING:
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(keeper_of(os.getpid()), signal.SIGKILL)

    deadline = time.monotonic() + 60
    while not server.backtests.get(run.id).status.is_final and time.monotonic() < deadline:
        time.sleep(0.05)

    assert server.backtests.get(run.id).status is RunStatus.COMPLETED
    assert_unharmed(server, good)


@needs_proc
def test_whenever_the_runner_is_killed_the_run_is_done_by_living_children(server, good):
    """Children that stood ready die a moment after their keeper; none of them may be given work."""
    write_strategy(
        server.settings.strategies_dir, "slowish", failing("import time; time.sleep(0.3)")
    )
    for kill in range(8):
        cash = {"initial_cash": 1_000.0 + kill}  # a result of its own each time
        spec = RunSpec(strategy="slowish", symbols=("AAA",), options=cash)
        run = server.backtests.submit(spec, wait=0)
        while server.backtests.get(run.id).status is RunStatus.PENDING:
            time.sleep(0.002)
        time.sleep(0.03 * kill)
        os.kill(keeper_of(os.getpid()), signal.SIGKILL)

        deadline = time.monotonic() + 60
        while not server.backtests.get(run.id).status.is_final and time.monotonic() < deadline:
            time.sleep(0.02)

        ended = server.backtests.get(run.id)
        assert ended.status is RunStatus.COMPLETED, ended.error
    assert_unharmed(server, good)


def _presence(folder):
    from core.jobs.presence import Presence

    return Presence(settings_in(folder).data_dir / "presence")
