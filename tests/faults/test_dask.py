"""A study on a real Dask cluster: the same bytes as without it, whatever dies."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.bootstrap.shards import ENTRY
from core.bootstrap.worker import work
from core.catalog import Catalog
from core.domain.dimension import Dimension
from core.domain.findings import Study
from core.domain.job import JobState
from core.domain.run import RunSpec
from core.domain.study import StudySpec
from core.errors import Unavailable
from core.jobs.cluster import Cluster
from core.registry.load import strategy_class
from core.services import Services
from core.services.conduct import StudyResult, conduct
from core.services.dispatch import Dispatch
from core.services.execution import load_bars
from core.services.shards import AskedFor, ask_for
from core.settings import Settings
from core.store.studies import STUDY
from tests.faults.job_storm import children_of
from tests.faults.studies import closes, over, slowly, wait
from tests.laboratory import lay_prices, settings_in, write_strategy

PATIENCE = 60.0
ROOT = Path(__file__).resolve().parents[2]


class Hands:
    """A scheduler and two workers, each a process of its own that can be killed."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if name.startswith("NUMBA")},
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "WORKBENCH_DATA_DIR": str(settings.data_dir),
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self._gather()
        except BaseException:
            self.close()
            raise

    def _gather(self) -> None:
        told = self._folder / "scheduler.json"
        self._start("scheduler", "--port=0", f"--scheduler-file={told}")
        deadline = time.monotonic() + PATIENCE
        while not told.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address = str(json.loads(told.read_text())["address"])
        near = f"--local-directory={self._folder}"
        self.workers = [
            self._start("worker", self.address, "--nthreads=1", "--no-nanny", near) for _ in (1, 2)
        ]
        while self.count() < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _start(self, what: str, *given: str) -> subprocess.Popen[bytes]:
        quiet = ["--host=127.0.0.1", "--no-dashboard", "--dashboard-address=127.0.0.1:0"]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", what, *given, *quiet],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def count(self) -> int:
        try:
            with closing(Cluster(self.address, ENTRY)) as cluster:
                return cluster.slots
        except Unavailable:
            return 0

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("dask"))
    lay_prices(found.lake_dir, "AAA", closes(900))
    lay_prices(found.lake_dir, "BBB", closes(870, seed=2))
    write_strategy(found.strategies_dir, "slowly", slowly(0.01))
    write_strategy(found.strategies_dir, "sleepy", slowly(2))
    return found


@pytest.fixture(scope="module")
def hands(settings, tmp_path_factory) -> Iterator[Hands]:
    with closing(Hands(settings, tmp_path_factory.mktemp("cluster"))) as found:
        yield found


@contextmanager
def a_worker(settings: Settings, scheduler: str) -> Iterator[None]:
    stop = threading.Event()
    given = {"settings": settings.model_copy(update={"dask_scheduler": scheduler})}
    thread = threading.Thread(target=work, args=(stop,), kwargs=given)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


SPEC = StudySpec.model_validate(
    {
        "run": {"strategy": "slowly", "symbols": ["AAA"]},
        "space": {"span": {"min": 2, "max": 151, "step": 1}},
        "requirements": ["trades >= 5"],
        "null_worlds": 2,
        "walk_forward": {"train": 12, "test": 4, "step": 4},
        "seed": 11,
    }
)


SMALL = SPEC.model_copy(
    update={
        "space": {"span": Dimension(min=2, max=31, step=1)},
        "null_worlds": 0,
        "walk_forward": None,
    }
)


def submitted(services: Services, spec: StudySpec = SPEC) -> Study:
    return services.studies.submit(spec)


def conducted(
    services: Services,
    settings: Settings,
    kept: Path,
    connect: Any = None,
    *,
    spec: StudySpec = SPEC,
    here: bool = False,
    **changed: Any,
) -> StudyResult:
    """Conduct the study here, or where `connect` leads and then, unless it may, nothing here."""
    study = submitted(services, spec)
    services.jobs.cancel(study.job.id)
    spec = study.spec
    code = Path(services.jobs.get(study.job.id).payload["code"])
    bars = load_bars(spec.run, Catalog(settings.lake_dir))
    elsewhere = None
    if connect:
        dispatch = Dispatch(connect, kept / "arrived", "this study")
        common = ask_for(spec.run, "slowly", code, str(study.code_hash))
        elsewhere = AskedFor(lambda question: dispatch(question, lambda _: {}), common | changed)
    with strategy_class(code, spec.run.strategy) as strategy:
        if connect and not here:

            def refuse(*_: object) -> None:
                raise AssertionError("nothing of it is computed here")

            strategy.generate_signals = refuse  # type: ignore[method-assign, assignment]
        found = conduct(
            spec,
            bars,
            strategy,
            code=code,
            code_hash=str(study.code_hash),
            kept=kept,
            tell=lambda *_: None,
            threads=2,
            elsewhere=elsewhere,
        )
    if connect:
        dispatch.close()
    return found


def hashes(found: StudyResult) -> dict[str, str]:
    content = STUDY.encode_all(found.frames)
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}


@pytest.fixture(scope="module")
def alone(services, settings, tmp_path_factory) -> StudyResult:
    """What the study finds without a cluster."""
    return conducted(services, settings, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def small(services, settings, tmp_path_factory) -> StudyResult:
    """What the small one finds."""
    return conducted(services, settings, tmp_path_factory.mktemp("small"), spec=SMALL)


def assert_the_same(study: Study, alone: StudyResult) -> None:
    assert study.job.state is JobState.COMPLETED, study.job.error
    assert (study.key, dict(study.artifacts)) == (alone.key, hashes(alone))
    assert study.findings.sentence == alone.findings.sentence


def test_every_chunk_of_a_study_may_come_from_elsewhere(services, settings, hands, tmp_path):
    """The strategy refuses to be asked here, and what is found is the same to the byte.

    Nothing is required: what trainings must meet is looked at here, whoever computes the rest.
    """
    free = SPEC.model_copy(update={"requirements": ()})
    alone = conducted(services, settings, tmp_path / "alone", spec=free)
    found = conducted(
        services, settings, tmp_path, lambda: Cluster(hands.address, ENTRY), spec=free
    )

    assert (found.key, hashes(found)) == (alone.key, hashes(alone))
    assert found.findings.trials == 150
    assert list((tmp_path / "arrived").iterdir()) == []


def test_so_may_those_of_several_symbols(services, settings, hands, tmp_path):
    given = {"symbols": ["AAA", "BBB"], "options": {"account": "shared"}}
    run = {**SMALL.run.model_dump(), **given}
    two = SMALL.model_copy(update={"run": RunSpec.model_validate(run), "null_worlds": 1})
    alone = conducted(services, settings, tmp_path / "alone", spec=two)

    found = conducted(
        services, settings, tmp_path / "there", lambda: Cluster(hands.address, ENTRY), spec=two
    )

    assert (found.key, hashes(found)) == (alone.key, hashes(alone))
    assert found.frames["worlds"].height == 1


def test_a_machine_with_another_engine_is_not_listened_to(services, settings, hands, small, caplog):
    kept = settings.scratch_dir / "engine"

    def connect() -> Cluster:
        return Cluster(hands.address, ENTRY)

    with caplog.at_level(logging.WARNING):
        found = conducted(
            services, settings, kept, connect, spec=SMALL, here=True, engine="0+yesterday"
        )

    assert hashes(found) == hashes(small)
    assert "this machine has engine" in caplog.text


def test_without_a_scheduler_it_is_done_here(services, settings, small, tmp_path, caplog):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with caplog.at_level(logging.WARNING):
            found = conducted(
                services, settings, tmp_path, lambda: Cluster(address, ENTRY), spec=SMALL, here=True
            )

    assert (found.key, hashes(found)) == (small.key, hashes(small))
    assert f"the Dask scheduler {address} does not answer; it goes on here alone" in caplog.text


def test_a_cancelled_study_leaves_no_shard_running(services, settings, hands):
    """A shard would take a quarter of a minute, and ends before its next lane."""
    sleepy = SMALL.run.model_copy(update={"strategy": "sleepy"})
    with a_worker(settings, hands.address):
        study = submitted(services, SMALL.model_copy(update={"run": sleepy}))
        wait(services, study, lambda _: shards_of(hands))
        services.jobs.cancel(study.job.id)
        study = over(services, study)
        deadline = time.monotonic() + 10
        while running := shards_of(hands):
            assert time.monotonic() < deadline, running
            time.sleep(0.1)

    assert study.job.state is JobState.CANCELLED


def shards_of(hands: Hands) -> list[int]:
    """Processes that compute a shard: children of the keepers of the Dask workers."""
    keepers = [keeper for each in hands.workers for keeper in children_of(each.pid)]
    return [child for keeper in keepers for child in children_of(keeper)]


def test_killing_a_dask_worker_in_the_middle_changes_nothing(
    services, settings, hands, alone, caplog
):
    with caplog.at_level(logging.WARNING), a_worker(settings, hands.address):
        study = submitted(services)
        wait(services, study, lambda each: each.job.done > 0)
        victim = hands.workers[0]
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        before = services.studies.get(study.id).job
        study = over(services, study)

    assert before.done < before.total
    assert_the_same(study, alone)
    assert "alone" not in caplog.text


def test_losing_the_cluster_in_the_middle_changes_nothing(services, settings, hands, alone, caplog):
    """The last of all: it ends the scheduler, and the worker that is left."""
    with caplog.at_level(logging.WARNING), a_worker(settings, hands.address):
        study = submitted(services)
        wait(services, study, lambda each: each.job.done > 0)
        hands.close()
        study = over(services, study)

    assert_the_same(study, alone)
    assert "the Dask scheduler" in caplog.text
    assert "it goes on here alone" in caplog.text
