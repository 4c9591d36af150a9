"""Who compiles the kernel of accounts, and who waits for it."""

from __future__ import annotations

import fcntl
import threading

import pytest

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.strategy import Strategy
from core.services import execution, worker
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
