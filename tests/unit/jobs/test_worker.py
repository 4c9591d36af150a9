"""A worker does jobs in children of its own and records how each ended, whatever it did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from core.domain.job import Job, JobState
from core.errors import Unavailable
from core.jobs.limits import Limits
from core.jobs.nursery import Nursery
from core.jobs.worker import LARGEST_INTERIM, Terms, Worker
from core.store import Store, migrate, open_store
from core.store.jobs import JobRepository
from tests.faults.counting_job import HANDLER, TABLE, Counting
from tests.faults.job_storm import children_of, lives
from tests.unit.jobs.conftest import is_alive

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
TERMS = Terms(lease=5.0, beat=0.2, look=0.05, limits=Limits(cpu_seconds=30))


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def counters(tmp_path_factory) -> Iterator[Nursery]:
    folder = tmp_path_factory.mktemp("nursery")
    with Nursery(preload=["tests.faults.counting_job"], folder=folder) as started:
        yield started


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'workbench.db'}"
    migrate.upgrade(url)
    with open_store(url, tmp_path / "artifacts") as opened:
        with opened._database.write() as connection:
            connection.execute(text(TABLE))
        (tmp_path / "published").mkdir()
        yield opened


@pytest.fixture
def working(store, counters, tmp_path):
    """Run a worker beside the test; gives back the queue."""

    @contextmanager
    def work(terms: Terms = TERMS, name: str = "one") -> Iterator[JobRepository]:
        queue = JobRepository(store._database)
        worker = Worker(
            queue,
            {"count": Counting(tmp_path / "published")},
            counters,
            name=name,
            entry=HANDLER,
            config={},
            scratch=tmp_path / "scratch",
            clock=now,
            terms=terms,
        )
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            yield queue
        finally:
            stop.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()

    return work


def ask(queue: JobRepository, **payload) -> int:
    return queue.submit("count", {"number": 1, **payload}, now=now()).id


def wait(queue: JobRepository, job_id: int, is_so: Callable[[Job], bool]) -> Job:
    deadline = time.monotonic() + PATIENCE
    while not is_so(job := queue.get(job_id)):
        assert time.monotonic() < deadline, f"still {job.state}: {queue.history(job_id)}"
        time.sleep(0.02)
    return job


def over(queue: JobRepository, job_id: int) -> Job:
    return wait(queue, job_id, lambda job: job.state.is_final)


def effects(store: Store) -> list[tuple[int, int]]:
    with store._database.read() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM effects")).all()]


def test_a_job_is_done_published_and_recorded_once(working, store, tmp_path):
    with working() as queue:
        job = over(queue, ask(queue, number=7))

    assert (job.state, job.progress, job.attempt) == (JobState.COMPLETED, 1.0, 1)
    assert set(json.loads((tmp_path / "published" / "1.json").read_text())) == {7}
    assert effects(store) == [(job.id, 7)]
    assert not list((tmp_path / "scratch").glob("job-*"))


def test_progress_is_what_the_child_said(working):
    with working() as queue:
        job_id = ask(queue, steps=400, pause=0.01)
        job = wait(queue, job_id, lambda job: job.done > 3)

        assert job.total == 400
        assert job.step == f"step {job.done}"
        assert job.seconds_left(now()) > 0
        queue.cancel(job_id, now=now())
        over(queue, job_id)


def test_a_thousand_words_a_second_are_two_writes(working, store):
    """Progress is written by the beat, however often the child speaks."""
    with working(replace(TERMS, beat=0.5)) as queue:
        began = time.monotonic()
        before = _writes(store)
        over(queue, ask(queue, steps=3_000, pause=0.0))
        beats = (time.monotonic() - began) / 0.5

        assert _writes(store) - before < 3 * beats + 30


def _writes(store: Store) -> int:
    path = store._database.path
    return Path(f"{path}-wal").stat().st_size // 4_096


def test_slots_work_side_by_side(working):
    with working(replace(TERMS, slots=2)) as queue:
        first, second = ask(queue, steps=600, pause=0.01), ask(queue, steps=600, pause=0.01)
        for job_id in (first, second):
            wait(queue, job_id, lambda job: job.done > 0)
        assert queue.get(first).state is queue.get(second).state is JobState.RUNNING
        for job_id in (first, second):
            queue.cancel(job_id, now=now())
            over(queue, job_id)


@pytest.mark.parametrize("payload", [{"steps": 10_000, "pause": 0.01}, {"spin": 10**15}])
def test_a_job_is_cancelled_wherever_it_is(working, store, tmp_path, payload):
    """Also inside a compiled call that would take days."""
    with working() as queue:
        job_id = ask(queue, **payload)
        wait(queue, job_id, lambda job: job.done > 0)
        pid = _child_of(os.getpid())
        queue.cancel(job_id, now=now())
        job = over(queue, job_id)

        assert job.state is JobState.CANCELLED
        assert not is_alive(pid)
        assert [event.note for event in queue.history(job_id)][-2:] == [
            "cancel wanted",
            "cancelled",
        ]
    assert effects(store) == []
    assert not list((tmp_path / "published").iterdir())
    assert not list((tmp_path / "scratch").glob("job-*"))


def _child_of(pid: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for keeper in children_of(pid):
            if lives(keeper) and (children := children_of(keeper)):
                return children[0]
        time.sleep(0.01)
    raise AssertionError("no child was made")


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        ({"crash": signal.SIGSEGV}, "signal", "crashed: segmentation fault (signal 11)"),
        ({"steps": "many"}, "no_result", "ended its process without a result"),
        ({"scratch": "/nowhere"}, "no_result", "ended its process without a result"),
    ],
)
def test_its_own_fault_is_not_tried_again(working, payload, code, words):
    with working() as queue:
        job = over(queue, ask(queue, **payload))

    assert (job.state, job.attempt, job.error.code) == (JobState.FAILED, 1, code)
    assert words in job.error.message


def test_what_cannot_be_published_fails(working, store, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with working() as queue:
        job = over(queue, ask(queue, scratch=str(elsewhere)))

    assert (job.state, job.error.message) == (JobState.FAILED, "the child wrote nothing")
    assert effects(store) == []


def test_a_kill_nobody_explains_is_tried_once_more(working):
    with working() as queue:
        job = over(queue, ask(queue, crash=signal.SIGKILL))

        assert (job.state, job.attempt, job.error.code) == (JobState.FAILED, 2, "killed")
        notes = [event.note for event in queue.history(job.id)]
        assert any("its process crashed: killed" in note for note in notes)


def test_poison_among_good_jobs(working, store):
    with working(replace(TERMS, slots=2)) as queue:
        bad = [ask(queue, crash=signal.SIGSEGV), ask(queue, steps="x")]
        good = [ask(queue, number=number) for number in range(20)]
        assert {over(queue, job_id).state for job_id in bad} == {JobState.FAILED}
        assert {over(queue, job_id).state for job_id in good} == {JobState.COMPLETED}
    assert sorted(effects(store)) == [(job_id, number) for number, job_id in enumerate(good)]


def test_too_long_is_a_cause(working):
    with working(replace(TERMS, wall=0.3)) as queue:
        job = over(queue, ask(queue, steps=10_000, pause=0.01))

    assert (job.state, job.error.code) == (JobState.FAILED, "time")


def test_who_leaves_gives_back_what_is_not_finished(working, store):
    with working() as queue:
        job_id = ask(queue, steps=100, pause=0.02)
        wait(queue, job_id, lambda job: job.done > 0)
    job = store.jobs.get(job_id)
    assert (job.state, job.attempt) == (JobState.PENDING, 0)
    assert store.jobs.history(job_id)[-1].note == "one was stopped"

    with working(name="two") as queue:
        assert over(queue, job_id).attempt == 1
    assert effects(store) == [(job_id, 1)]


def test_a_worker_that_slept_past_its_lease_publishes_nothing(store, tmp_path, working):
    """Stopped in the middle of a job, it wakes up when another one has done it."""
    words = (str(store._database.url), str(tmp_path), "1", "1.0", "2")
    with (tmp_path / "log").open("wb") as output:
        sleeper = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker_process", *words],
            cwd=ROOT,
            stderr=output,
            start_new_session=True,
        )
    try:
        job_id = ask(store.jobs, number=5, steps=150, pause=0.02)
        wait(store.jobs, job_id, lambda job: job.done > 3)
        sleeper.send_signal(signal.SIGSTOP)
        with working() as queue:
            wait(queue, job_id, lambda job: job.worker == "one")
            assert over(queue, job_id).attempt == 2
            sleeper.send_signal(signal.SIGCONT)
            next_one = ask(queue, number=6, steps=1)
            over(queue, next_one)
            time.sleep(1.0)  # it has said all it had to say
    finally:
        sleeper.send_signal(signal.SIGCONT)
        sleeper.terminate()
        sleeper.wait(30)

    assert sorted(effects(store)) == [(job_id, 5), (next_one, 6)]
    assert "lost" in " ".join(event.note for event in store.jobs.history(job_id))


def test_what_a_child_shows_is_there_before_the_next_beat(working):
    """Whoever waits for a first result need not wait for a lease to be renewed."""
    with working(replace(TERMS, lease=600.0, beat=300.0)) as queue:
        shown = {"rows": [1, 2]}
        job_id = ask(queue, says={"done": 1, "total": 9, "interim": shown}, spin=1 << 40)
        # It looks up once before there is anything; the next beat is minutes away.
        wait(queue, job_id, lambda _: queue.interim(job_id) is not None)

        assert queue.interim(job_id) == shown
        queue.cancel(job_id, now=now())


def test_a_child_that_shows_too_much_fails_its_job(working):
    with working() as queue:
        long = "x" * (LARGEST_INTERIM + 1)
        job = over(queue, ask(queue, says={"done": 1, "total": 9, "interim": long}))

        assert job.state is JobState.FAILED
        assert "before it is done" in job.error.message
        assert queue.interim(job.id) is None


@pytest.mark.parametrize(
    "says",
    [None, 3, {}, {"done": 2, "total": 1}, {"done": -1, "total": 1}, {"done": "1", "total": 2}],
)
def test_progress_that_makes_no_sense_fails_its_job_and_no_other(working, says):
    with working() as queue:
        bad, good = ask(queue, says=says), ask(queue)
        job = over(queue, bad)
        assert (job.state, job.attempt) == (JobState.FAILED, 1)
        assert job.error.message.startswith("its process says of its progress")
        assert over(queue, good).state is JobState.COMPLETED


def test_what_the_killed_left_of_jobs_that_are_over_is_removed(working, store, tmp_path):
    store.jobs.submit("other", {}, now=now())
    left = [tmp_path / "scratch" / name for name in ("job-1", "job-99", "job-x")]
    for folder in left:
        (folder / "1").mkdir(parents=True)
    with working() as queue:
        over(queue, ask(queue))
    assert [folder.exists() for folder in left] == [True, False, True]


def test_a_mistake_of_ours_fails_the_job_at_once(working):
    with working() as queue:
        job = over(queue, ask(queue, number=None))

    assert (job.state, job.attempt) == (JobState.FAILED, 1)


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_worker_shows_signs_of_life_while_the_queue_answers(store, counters, tmp_path, is_busy):
    """With a slot free it asks for jobs, with all of them taken it renews leases."""
    deaf, beats = threading.Event(), []

    class Queue(JobRepository):
        def claim(self, *given, **named):
            return super().claim(*given, **named) if not deaf.is_set() else self.fail_to_answer()

        def beat(self, *given, **named):
            return super().beat(*given, **named) if not deaf.is_set() else self.fail_to_answer()

        def fail_to_answer(self):
            raise Unavailable("the server is gone")

    def beating(count):
        deadline = time.monotonic() + PATIENCE
        while len(beats) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    queue = Queue(store._database)
    if is_busy:
        number = ask(queue, pause=600)
    worker = Worker(
        queue,
        {"count": Counting(tmp_path / "published")},
        counters,
        name="one",
        entry=HANDLER,
        config={},
        scratch=tmp_path / "scratch",
        clock=now,
        terms=TERMS,
        alive=lambda: beats.append(time.monotonic()),
    )
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        if is_busy:
            wait(queue, number, lambda job: job.state is JobState.RUNNING)
        beating(len(beats) + 3)
        deaf.set()
        time.sleep(4 * TERMS.beat)
        silent = len(beats)
        time.sleep(4 * TERMS.beat)
        assert len(beats) == silent
        deaf.clear()
        beating(silent + 1)
    finally:
        deaf.clear()
        stop.set()
        thread.join(PATIENCE)
