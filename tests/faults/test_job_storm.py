"""Workers, keepers and children are killed at random; every job is done once, and whole.

The tests marked `storm` are long; `make faults` runs them and prints what they saw.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from core.bootstrap import build
from core.domain.job import JobEvent, JobState
from core.domain.run import RunSpec
from core.services import Services
from core.settings import Settings
from core.store import migrate
from tests.contract.conftest import a_database, postgres  # noqa: F401 - a fixture
from tests.faults.job_storm import ROOT, storm
from tests.faults.test_queued_runs import SLOW
from tests.laboratory import lay_prices, settings_in, wave, write_strategy

PATIENCE = 120.0
TAKEOVER_SECONDS = 20.0  # what docs/jobs.md promises of a lease of ten seconds


def calm_after(outcome, *, kills: int) -> None:
    assert outcome.states == {"completed": outcome.jobs}
    assert sum(outcome.kills.values()) == kills
    assert {"worker", "keeper", "child"} <= outcome.kills.keys()
    assert outcome.attempts > outcome.jobs  # or nothing was interrupted, and nothing was shown
    assert (outcome.lost, outcome.twice, outcome.torn, outcome.left_behind) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("kills", "jobs"), [(30, 300), pytest.param(1_000, 12_000, marks=pytest.mark.storm)]
)
def test_kills_on_sqlite(tmp_path, kills, jobs):
    url = f"sqlite:///{tmp_path / 'workbench.db'}"
    migrate.upgrade(url)

    outcome = storm(tmp_path / "storm", url, kills=kills, jobs=jobs, seed=20260401)

    print(outcome)  # noqa: T201
    calm_after(outcome, kills=kills)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("kills", "jobs"), [(15, 200), pytest.param(200, 3_000, marks=pytest.mark.storm)]
)
def test_kills_on_postgresql(tmp_path, postgres, kills, jobs):  # noqa: F811
    with a_database(postgres) as url:
        migrate.upgrade(url)

        outcome = storm(tmp_path / "storm", url, kills=kills, jobs=jobs, seed=7)

    print(outcome)  # noqa: T201
    calm_after(outcome, kills=kills)


@pytest.mark.storm
def test_another_worker_takes_over_what_a_dead_one_had(tmp_path):
    """`workbench worker` as users start it, with the lease it has there."""
    settings = settings_in(tmp_path)
    lay_prices(settings.lake_dir, "AAA", wave(300))
    write_strategy(settings.strategies_dir, "slow", SLOW)
    with build(settings) as services, a_process(settings) as first:
        run = services.backtests.submit(RunSpec(strategy="slow", symbols=("AAA",)), queue=True)
        until(services, run.queued_as, lambda events: events[-1].to_state is JobState.RUNNING)
        with a_process(settings):
            time.sleep(5.0)  # the second is there, and looks
            killed = datetime.now(UTC)
            first.kill()
            events = until(services, run.queued_as, lambda events: events[-1].attempt == 2)
        services.jobs.cancel(run.queued_as)

    took = (events[-1].at - killed).total_seconds()
    print(f"taken over after {took:.1f} s")  # noqa: T201
    assert took <= TAKEOVER_SECONDS


@contextmanager
def a_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    given = {
        f"WORKBENCH_{name.upper()}": str(getattr(settings, name))
        for name in settings.model_fields_set
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "core", "worker"], cwd=ROOT, env={**os.environ, **given}
    )
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)


def until(
    services: Services, job: int, is_so: Callable[[tuple[JobEvent, ...]], bool]
) -> tuple[JobEvent, ...]:
    deadline = time.monotonic() + PATIENCE
    while not is_so(events := tuple(services.jobs.history(job))):
        assert time.monotonic() < deadline, events
        time.sleep(0.1)
    return events
