"""Runs that wait for a worker: the same bits, the same errors, and nothing left when cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from core.bootstrap import build
from core.domain.job import JobState
from core.domain.run import Run, RunSpec, RunStatus
from core.errors import Conflict
from core.services import Services
from core.settings import Settings
from tests.faults.test_runner_isolation import NJIT
from tests.laboratory import (
    a_worker,
    failing,
    lay_prices,
    settings_in,
    vanishes,
    wave,
    write_strategy,
)

PATIENCE = 120.0
SLOW = """
    import time

    from core.domain.strategy import MarketView, Signals, Strategy


    class Slow(Strategy):
        '''Thinks for a while.'''

        def generate_signals(self, view: MarketView) -> Signals:
            time.sleep(600)
            return Signals.side(long=view.close > view.open)
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("queue"))
    lay_prices(found.lake_dir, "AAA", wave(300))
    for name, body in {
        "simple": None,
        "other": None,
        "broken": failing("raise ValueError('no idea')"),
        "slow": SLOW,
        "compiled": NJIT,
    }.items():
        write_strategy(found.strategies_dir, name, *([body] if body else []))
    return found


@contextmanager
def busy(services: Services) -> Iterator[None]:
    """Keep the worker's one slot taken."""
    run = ask(services, "slow")
    wait(services, run, lambda run: run.status is RunStatus.RUNNING)
    try:
        yield
    finally:
        services.jobs.cancel(run.queued_as)
        over(services, run)


def ask(services: Services, strategy: str, *, queue: bool = True, **given) -> Run:
    spec = RunSpec(strategy=strategy, symbols=("AAA",))
    return services.backtests.submit(spec, queue=queue, **given)


def wait(services: Services, run: Run, is_so: Callable[[Run], bool]) -> Run:
    deadline = time.monotonic() + PATIENCE
    while not is_so(now := services.backtests.get(run.id)):
        assert time.monotonic() < deadline, f"still {now.status}"
        time.sleep(0.05)
    return now


def over(services: Services, run: Run) -> Run:
    return wait(services, run, lambda each: each.status.is_final)


def test_who_leaves_lets_the_run_wait_again(settings, services):
    """The first test: the worker of the others would take it at once."""
    with a_worker(settings):
        queued = ask(services, "slow")
        wait(services, queued, lambda run: run.status is RunStatus.RUNNING)

    assert services.backtests.get(queued.id).status is RunStatus.PENDING
    states = [event.to_status.value for event in services.backtests.history(queued.id)]
    assert states == ["pending", "running", "pending"]
    services.jobs.cancel(queued.queued_as)


@pytest.mark.usefixtures("worker")
class TestQueuedRuns:
    def test_it_has_the_bits_of_one_computed_at_once(self, services):
        done = over(services, ask(services, "simple"))

        assert done.status is RunStatus.COMPLETED
        assert services.jobs.get(done.queued_as).state is JobState.COMPLETED
        assert services.backtests.reproduce(done).identical
        again = ask(services, "simple", queue=False)
        assert (again.reused, again.artifacts) == (True, done.artifacts)

    def test_a_result_that_is_there_is_given(self, services):
        first = ask(services, "simple", queue=False)
        queued = over(services, ask(services, "simple"))
        anew = over(services, ask(services, "simple", reuse=False))

        assert (queued.reused, anew.reused) == (True, False)
        assert queued.artifacts == anew.artifacts == first.artifacts

    def test_the_code_is_that_of_the_submission(self, settings, services):
        with busy(services):
            queued = ask(services, "other")
            write_strategy(settings.strategies_dir, "other", failing("raise ValueError('newer')"))

        assert over(services, queued).status is RunStatus.COMPLETED

    def test_a_failure_has_the_words_of_one_at_once(self, services):
        queued = over(services, ask(services, "broken"))
        at_once = ask(services, "broken", queue=False)

        assert queued.error == at_once.error
        job = services.jobs.get(queued.queued_as)
        assert (job.state, job.error.message) == (JobState.FAILED, queued.error.message)

    @pytest.mark.parametrize("strategy", ["slow", "compiled"])
    def test_a_running_one_is_cancelled_wherever_it_is(self, settings, services, strategy):
        """In Python, and in a compiled loop that never gives the interpreter back."""
        before = set(settings.artifacts_dir.glob("[0-9a-f][0-9a-f]/*"))
        queued = ask(services, strategy)
        wait(services, queued, lambda run: run.status is RunStatus.RUNNING)
        services.jobs.cancel(queued.queued_as)
        done = over(services, queued)

        assert (done.status, done.run_key) == (RunStatus.CANCELLED, None)
        assert set(settings.artifacts_dir.glob("[0-9a-f][0-9a-f]/*")) == before
        assert vanishes(settings.scratch_dir / f"job-{queued.queued_as}")

    def test_a_waiting_one_is_cancelled_at_once(self, services):
        with busy(services):
            queued = ask(services, "simple")
            services.jobs.cancel(queued.queued_as)

            assert services.backtests.get(queued.id).status is RunStatus.CANCELLED
            with pytest.raises(Conflict, match="cancelled already"):
                services.jobs.cancel(queued.queued_as)


def test_big_runs_are_queued_by_themselves(settings):
    modest = settings.model_copy(update={"queue_bars": 200})
    with build(modest, executor="child") as services:
        run = services.backtests.submit(RunSpec(strategy="simple", symbols=("AAA",)))
        assert run.queued_as is not None
        part = RunSpec(strategy="simple", symbols=("AAA",), start="2020-03-02", end="2020-06-30")
        assert services.backtests.submit(part).queued_as is None
    with build(modest) as services:  # in a command's own process nobody else would do it
        run = services.backtests.submit(RunSpec(strategy="simple", symbols=("AAA",)))
        assert (run.status, run.queued_as) == (RunStatus.COMPLETED, None)
