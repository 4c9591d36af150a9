"""The same request computed in a child process and inline gives the same bits."""

from __future__ import annotations

import shutil

import pytest

from core.bootstrap import build
from core.domain.run import RunSpec, RunStatus
from tests.laboratory import failing, settings_in, write_strategy

REQUESTS = [
    {"symbols": ("AAA",)},
    {"symbols": ("AAA", "BBB"), "params": {"span": 5}},
    {"symbols": ("BBB",), "timeframe": "1w"},
    {"symbols": ("AAA",), "options": {"fill": "close", "lot_size": 0}, "costs": {"name": "zero"}},
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, template):
    """Two workbenches of equal content, one inline and one with children."""
    built = []
    for executor in ("inline", "child"):
        folder = tmp_path_factory.mktemp(executor)
        shutil.copytree(template, folder, dirs_exist_ok=True)
        write_strategy(folder / "strategies", "bad", failing("x = 1 / 0"))
        settings = settings_in(folder, run_wait_seconds=120)
        built.append(build(settings, executor=executor))
    yield built
    for services in built:
        services.close()


def both(pair, request):
    spec = RunSpec.model_validate({"strategy": "simple", **request})
    return [services.backtests.submit(spec, reuse=False) for services in pair]


@pytest.mark.parametrize("request_", REQUESTS)
def test_both_give_the_same_key_metrics_and_bytes(pair, request_):
    here, there = both(pair, request_)

    assert here.status is there.status is RunStatus.COMPLETED
    assert there.run_key == here.run_key
    assert there.metrics == here.metrics
    assert there.by_symbol == here.by_symbol
    assert dict(there.artifacts) == dict(here.artifacts)


def test_both_give_the_same_reason_for_a_failure(pair):
    here, there = both(pair, {"strategy": "bad", "symbols": ("AAA",)})

    assert here.status is there.status is RunStatus.FAILED
    assert there.error == here.error


def test_both_check_strategies_alike(pair):
    here, there = (services.strategies.check("simple") for services in pair)

    assert there == here


def test_a_child_finds_a_stored_result_too(pair):
    spec = RunSpec.model_validate({"strategy": "simple", "symbols": ("AAA",)})
    _, child = pair

    first, second = child.backtests.submit(spec, reuse=False), child.backtests.submit(spec)

    assert second.reused
    assert second.run_key == first.run_key


def test_the_door_never_imports_strategy_code(pair):
    import sys

    _, child = pair
    child.backtests.submit(RunSpec(strategy="simple", symbols=("AAA",)), reuse=False)

    assert "strategies.simple" not in sys.modules


def test_no_waiting_gives_the_true_state_and_the_run_goes_on(pair):
    import time

    _, child = pair
    spec = RunSpec(strategy="simple", symbols=("BBB",), params={"span": 33})

    run = child.backtests.submit(spec, wait=0)

    assert run.status in {RunStatus.PENDING, RunStatus.RUNNING, RunStatus.COMPLETED}
    deadline = time.monotonic() + 60
    while not child.backtests.get(run.id).status.is_final and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.backtests.get(run.id).status is RunStatus.COMPLETED
    assert child.backtests.reproduce(run.id).identical
