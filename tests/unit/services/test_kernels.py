"""Who compiles the kernel of accounts, and who waits for it."""

from __future__ import annotations

import fcntl
import os
import threading

import pytest

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.run import RunStatus
from core.domain.strategy import Strategy
from core.services import COMPILING, execution, worker
from tests.factories import random_bars


def test_who_comes_second_waits_for_the_first_and_does_not_compile_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    came = threading.Event()
    monkeypatch.setattr(worker, "warm_up_accounts", came.set)
    second = threading.Thread(target=worker.compile_the_rest)

    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second.start()
        assert not came.wait(0.3)
    second.join(10)

    assert came.is_set()


def test_a_kernel_that_is_there_is_not_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "portfolio.run_portfolio_python-1.py311.nbi").touch()
    monkeypatch.setattr(worker, "warm_up_accounts", lambda: pytest.fail("compiled again"))

    worker.compile_the_rest()


ACCOUNTS = "portfolio.run_portfolio_python-1.py311.nbi"
PATH = {"options": {"intrabar": "path"}}


@pytest.fixture
def cold(lab, tmp_path, monkeypatch):
    """A workbench whose kernel of accounts is not compiled, and compiling it a moment of its own.

    Compiling really takes half a minute, so here it leaves the file by which it is known to be
    done; the kernels used are those of the tests.
    """
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "kernels.run_scalar-1.py311.nbi").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    lab.services.system._kernels = folder
    lab.meanwhile = lambda: None

    def compile_it():
        lab.meanwhile()
        (folder / ACCOUNTS).touch()

    monkeypatch.setattr(worker, "warm_up_accounts", compile_it)
    return lab


def test_who_waits_for_the_compiler_is_told_for_as_long_as_it_works(cold, caplog):
    backtests = cold.services.backtests
    seen = []

    def look():
        (run,) = backtests.list().runs
        seen.append((run.status, backtests.is_compiling(run), backtests.notes(run)))

    cold.meanwhile = look
    assert not cold.services.system.is_compiled()
    assert "not compiled yet" in cold.services.system.health()["runner"]["detail"]

    run = cold.submit(**PATH)

    assert seen == [(RunStatus.RUNNING, True, (COMPILING,))]
    assert run.status is RunStatus.COMPLETED
    assert backtests.notes(run) == ()
    assert [record.message for record in caplog.records] == [COMPILING]
    assert cold.services.system.is_compiled()
    assert "compiled" not in cold.services.system.health()["runner"]["detail"]


def test_nobody_is_told_where_nothing_is_compiled(cold, caplog):
    cold.submit()  # needs no accounts
    assert not cold.services.system.is_compiled()

    cold.submit(**PATH)
    caplog.clear()
    cold.submit(**PATH, reuse=False)

    assert caplog.records == []


def test_who_asks_for_assumptions_and_who_reproduces_is_told_too(cold, caplog):
    run = cold.submit()
    assert caplog.records == []

    cold.services.backtests.assumptions(run.id)
    assert [record.message for record in caplog.records] == [COMPILING]

    accounts = cold.submit(**PATH)
    (cold.services.system._kernels / ACCOUNTS).unlink()
    caplog.clear()
    assert cold.services.backtests.reproduce(accounts.id).identical
    assert [record.message for record in caplog.records] == [COMPILING]


def test_a_run_that_fails_while_it_compiles_waits_for_nothing_any_more(cold):
    def fail():
        raise MemoryError

    cold.meanwhile = fail
    run = cold.submit(**PATH)

    assert run.status is RunStatus.FAILED
    assert not cold.services.backtests._compiling


def test_a_command_line_says_so_for_the_kernels_of_one_symbol_too(cold, monkeypatch, caplog):
    folder = cold.services.system._kernels
    for file in folder.glob("*.nbi"):
        file.unlink()
    monkeypatch.setattr(worker, "warm_up", (folder / "kernels.run-1.nbi").touch)

    cold.submit(**PATH)
    cold.submit(**PATH, reuse=False)

    assert [record.message for record in caplog.records] == [COMPILING]


def test_kernels_that_were_loaded_count_as_compiled_whatever_has_touched_the_code(
    cold, monkeypatch
):
    monkeypatch.setattr(worker, "warm_up_accounts", lambda: None)  # numba found it good
    old = cold.services.system._kernels / ACCOUNTS
    old.touch()
    os.utime(old, (1, 1))
    assert not cold.services.system.is_compiled()

    worker.compile_the_rest()

    assert cold.services.system.is_compiled()


class Whole(Strategy):
    universe = True


@pytest.mark.parametrize(
    ("strategy", "count", "rule", "costs", "needed"),
    [
        (Strategy, 1, {}, {}, False),
        (Strategy, 2, {}, {}, False),
        (Strategy, 1, {"account": "shared"}, {}, False),
        (Strategy, 2, {"account": "shared"}, {}, True),
        (Whole, 2, {}, {}, True),
        (Strategy, 1, {"intrabar": "path"}, {}, True),
        (Strategy, 1, {}, {"impact": 1.0}, True),
    ],
)
def test_only_what_the_general_driver_trades_waits(strategy, count, rule, costs, needed):
    bars = [random_bars(seed, 5) for seed in range(count)]
    rules = [EngineOptions(), EngineOptions(**rule)]

    assert execution.needs_accounts(strategy, bars, rules, CostModel(**costs)) is needed
