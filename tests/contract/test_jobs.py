"""What every database must do for jobs; the same class on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from core.domain.job import JOB_TRANSITIONS, Claim, JobError, JobQuery, JobState, Progress
from core.errors import Conflict, InvalidInput, NotFound, WorkbenchError
from core.store import open_store
from core.store.jobs import JobRepository
from core.store.leases import Instant, lease_clock
from core.store.tables import JobRow
from tests.contract.samples import NOW

LEASE = 10.0
BOOM = JobError("strategy_failed", "it broke", "mend it")
PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = JobState


class HandClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.name, self.seconds = "boot-1", 1_000.0

    def __call__(self, _connection: object) -> Instant:
        return Instant(self.name, self.seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def jobs(store, clock) -> JobRepository:
    return JobRepository(store._database, clock=clock)


def ask(jobs: JobRepository, number: int = 1, **given):
    return jobs.submit("count", {"to": number}, **{"now": NOW, **given})


def take(jobs: JobRepository, worker: str = "one") -> Claim:
    claim = jobs.claim(worker, lease=LEASE, now=NOW)
    assert claim is not None
    return claim


def complete(jobs: JobRepository, claim: Claim) -> None:
    with jobs.completing(claim, now=NOW):
        pass


def fail(jobs: JobRepository, claim: Claim, error: JobError = BOOM) -> None:
    jobs.fail(claim, error, now=NOW)


def cancel(jobs: JobRepository, claim: Claim) -> None:
    jobs.cancelled(claim, now=NOW)


def story(jobs: JobRepository, ref: int) -> list[str]:
    return [event.to_state.value for event in jobs.history(ref)]


class TestQueue:
    def test_a_job_waits_with_its_payload(self, jobs):
        job = ask(jobs, 7, priority=3)
        assert (job.state, job.payload, job.priority, job.attempt) == (PENDING, {"to": 7}, 3, 0)
        assert job.progress == 0.0
        assert jobs.get(job.id) == jobs.get(job.uuid) == job
        assert story(jobs, job.id) == ["pending"]

    def test_higher_priorities_first_then_older_ones(self, jobs):
        numbers = [ask(jobs, priority=priority).id for priority in (0, 5, 0, -2, 5)]
        taken = [take(jobs).job.id for _ in numbers]
        assert taken == [numbers[i] for i in (1, 4, 0, 2, 3)]
        assert jobs.claim("one", lease=LEASE, now=NOW) is None

    def test_a_worker_takes_only_what_it_can_do(self, jobs):
        ask(jobs)
        assert jobs.claim("one", lease=LEASE, now=NOW, kinds=["study"]) is None
        assert jobs.claim("one", lease=LEASE, now=NOW, kinds=["study", "count"]) is not None

    def test_a_claim_says_who_and_from_when(self, jobs):
        ask(jobs)
        claim = take(jobs, "host:7")
        assert (claim.job.state, claim.job.worker, claim.job.attempt) == (RUNNING, "host:7", 1)
        assert claim.job.started_at == NOW
        assert story(jobs, claim.job.id) == ["pending", "running"]

    def test_progress_steps_and_the_time_left(self, jobs):
        ask(jobs)
        claim = take(jobs)
        assert jobs.beat({claim: Progress(25, 100, "trial 25 of 100")}, lease=LEASE) == {
            claim: False
        }
        job = jobs.get(claim.job.id)
        assert (job.done, job.total, job.step, job.progress) == (25, 100, "trial 25 of 100", 0.25)
        assert job.seconds_left(NOW + timedelta(seconds=10)) == 30.0

    def test_what_is_completed_is_whole(self, jobs):
        ask(jobs)
        claim = take(jobs)
        jobs.beat({claim: Progress(3, 4)}, lease=LEASE)
        complete(jobs, claim)
        job = jobs.get(claim.job.id)
        assert (job.state, job.progress, job.completed_at) == (COMPLETED, 1.0, NOW)
        assert job.seconds_left(NOW) is None

    def test_what_a_job_shows_stays_until_it_shows_something_else(self, jobs):
        ask(jobs)
        claim = take(jobs)
        assert jobs.interim(claim.job.id) is None
        jobs.beat({claim: Progress(1, 9, interim='{"a":[1,"\u00e9"]}')}, lease=LEASE)
        jobs.beat({claim: Progress(2, 9)}, lease=LEASE)
        assert jobs.interim(claim.job.id) == {"a": [1, "\u00e9"]}
        jobs.beat({claim: Progress(3, 9, interim="[2]")}, lease=LEASE)
        assert jobs.interim(claim.job.id) == [2]

    def test_a_completed_job_has_its_result_and_shows_nothing_else(self, jobs):
        for end in (complete, fail):
            ask(jobs)
            claim = take(jobs)
            jobs.beat({claim: Progress(1, 9, interim="[1]")}, lease=LEASE)
            end(jobs, claim)
            assert jobs.interim(claim.job.id) == (None if end is complete else [1])

    def test_who_lost_a_job_shows_nothing_of_it(self, jobs):
        ask(jobs)
        claim = take(jobs)
        complete(jobs, claim)
        assert jobs.beat({claim: Progress(1, 9, interim="[1]")}, lease=LEASE) == {}
        assert jobs.interim(claim.job.id) is None

    def test_a_failure_keeps_its_cause(self, jobs):
        ask(jobs)
        claim = take(jobs)
        fail(jobs, claim)
        job = jobs.get(claim.job.id)
        assert (job.state, job.error) == (FAILED, BOOM)
        assert jobs.history(job.id)[-1].note == "strategy_failed: it broke"

    def test_texts_of_unknown_origin_are_stored(self, jobs):
        ask(jobs)
        claim = take(jobs)
        jobs.beat({claim: Progress(1, 2, "a\x00b\ud800" + "x" * 1_000)}, lease=LEASE)
        assert len(jobs.get(claim.job.id).step) == 200
        fail(jobs, claim, JobError("c" * 100, "m\x00" * 20_000, None))
        error = jobs.get(claim.job.id).error
        assert (len(error.code), len(error.message), error.hint) == (64, 10_000, None)

    @pytest.mark.parametrize(
        "ref",
        [
            0,
            -1,
            99,
            2**40,
            pytest.param(10**5_000, id="huge"),
            "99999999999999999999",
            "nobody",
            "a\x00b",
            "",
        ],
    )
    def test_who_is_not_there_is_not_found(self, jobs, ref):
        with pytest.raises(NotFound, match="does not exist"):
            jobs.get(ref)

    def test_lists_pages_and_counts(self, jobs):
        numbers = [ask(jobs, number).id for number in range(5)]
        complete(jobs, take(jobs))
        page = jobs.list(JobQuery(limit=2, offset=1))
        assert ([job.id for job in page.jobs], page.total) == ([numbers[3], numbers[2]], 5)
        page = jobs.list(JobQuery(state=PENDING, oldest_first=True))
        assert ([job.id for job in page.jobs], page.total) == (numbers[1:], 4)
        assert jobs.list(JobQuery(kind="study")).total == 0
        stats = jobs.stats()
        assert stats.counts == {PENDING: 4, RUNNING: 0, COMPLETED: 1, FAILED: 0, CANCELLED: 0}
        assert stats.mean_seconds == 0.0

    def test_the_token_changes_with_states_and_progress_only(self, jobs):
        ask(jobs)
        seen = [jobs.change_token()]
        claim = take(jobs)
        seen.append(jobs.change_token())
        jobs.beat({claim: Progress(1, 10)}, lease=LEASE)
        seen.append(jobs.change_token())
        assert len(set(seen)) == 3
        jobs.beat({claim: Progress(1, 10)}, lease=LEASE)
        assert jobs.change_token() == seen[-1]


class TestKeys:
    def test_the_same_wish_under_the_same_key_is_one_job(self, jobs):
        first = ask(jobs, key="k")
        assert ask(jobs, key="k") == first
        assert jobs.list(JobQuery()).total == 1
        complete(jobs, take(jobs))
        assert ask(jobs, key="k").state is COMPLETED

    def test_another_wish_under_the_same_key_is_refused(self, jobs):
        ask(jobs, 1, key="k")
        with pytest.raises(Conflict, match="'k' was used for another request, job 1"):
            ask(jobs, 2, key="k")
        with pytest.raises(Conflict, match="was used for another request"):
            jobs.submit("other", {"to": 1}, now=NOW, key="k")

    def test_a_hundred_at_once_make_one_job(self, jobs):
        with ThreadPoolExecutor(20) as threads:
            found = list(threads.map(lambda _: ask(jobs, key="k").id, range(100)))
        assert len(set(found)) == 1
        assert jobs.list(JobQuery()).total == 1

    @pytest.mark.parametrize("key", ["", "x" * 201, "a\x00b"])
    def test_a_key_must_be_storable(self, jobs, key):
        with pytest.raises(InvalidInput, match="the idempotency key is"):
            ask(jobs, key=key)

    def test_a_priority_has_bounds(self, jobs):
        with pytest.raises(InvalidInput, match="priority is 1001"):
            ask(jobs, priority=1_001)

    def test_what_belongs_together_is_written_together(self, jobs):
        with pytest.raises(RuntimeError), jobs.submitting("count", {}, now=NOW):
            raise RuntimeError
        assert jobs.list(JobQuery()).total == 0
        ask(jobs)
        claim = take(jobs)
        with pytest.raises(RuntimeError), jobs.completing(claim, now=NOW):
            raise RuntimeError
        assert jobs.get(claim.job.id).state is RUNNING


class TestLeases:
    def test_a_renewed_lease_lasts(self, jobs, clock):
        ask(jobs)
        claim = take(jobs)
        for _ in range(10):
            clock.seconds += LEASE - 0.5
            assert jobs.claim("two", lease=LEASE, now=NOW) is None
            assert jobs.beat({claim: Progress()}, lease=LEASE) == {claim: False}
        complete(jobs, claim)

    def test_a_lease_that_ends_lets_another_worker_in(self, jobs, clock):
        ask(jobs)
        first = take(jobs, "one")
        clock.seconds += LEASE + 0.1
        second = take(jobs, "two")
        assert second.job.id == first.job.id
        assert (second.job.attempt, second.fence) == (2, first.fence + 1)
        notes = [event.note for event in jobs.history(first.job.id)]
        assert notes[2] == "lost: one did not renew its lease"

    def test_who_lost_a_job_can_write_nothing(self, jobs, clock):
        ask(jobs)
        first = take(jobs, "one")
        clock.seconds += LEASE + 0.1
        second = take(jobs, "two")
        assert jobs.beat({first: Progress(9, 9)}, lease=LEASE) == {}
        for end in (complete, fail, cancel):
            with pytest.raises(Conflict, match="no longer this worker's"):
                end(jobs, first)
        with pytest.raises(Conflict, match="no longer this worker's"):
            jobs.give_back(first, "leaving", now=NOW, counts=False)
        complete(jobs, second)
        assert jobs.get(first.job.id).done == 1

    def test_a_machine_that_started_again_has_lost_its_jobs(self, jobs, clock):
        ask(jobs)
        take(jobs)
        clock.name, clock.seconds = "boot-2", 3.0
        assert take(jobs, "two").job.attempt == 2

    def test_three_lost_attempts_are_enough(self, jobs, clock):
        job = ask(jobs)
        for _ in range(3):
            take(jobs)
            clock.seconds += LEASE + 0.1
        assert jobs.claim("two", lease=LEASE, now=NOW) is None
        lost = jobs.get(job.id)
        assert (lost.state, lost.error.code) == (FAILED, "lost")
        assert "died 3 times" in lost.error.message

    def test_leaving_is_no_attempt_and_an_unexplained_end_is(self, jobs):
        ask(jobs)
        jobs.give_back(take(jobs), "its worker was stopped", now=NOW, counts=False)
        assert take(jobs).job.attempt == 1
        with pytest.raises(Conflict):
            ask(jobs, key="k") and complete(jobs, Claim(jobs.get(2), 1))
        jobs.give_back(Claim(jobs.get(1), 2), "it was killed", now=NOW, counts=True)
        assert take(jobs).job.attempt == 2

    @pytest.mark.parametrize("counts", [False, True])
    def test_who_leaves_a_job_that_is_to_be_cancelled_ends_it(self, jobs, counts):
        ask(jobs)
        claim = take(jobs)
        jobs.cancel(claim.job.id, now=NOW)

        jobs.give_back(claim, "its worker was stopped", now=NOW, counts=counts)

        job = jobs.get(claim.job.id)
        assert (job.state, job.completed_at, job.attempt) == (CANCELLED, NOW, 1)
        assert jobs.history(job.id)[-1].note == "its worker was stopped; cancelled"
        assert jobs.claim("two", lease=LEASE, now=NOW) is None

    def test_real_clocks_go_forward_and_have_a_name(self, store):
        with store._database.read() as connection:
            first = lease_clock(connection)
            second = lease_clock(connection)
        assert first.clock == second.clock != ""
        assert second.seconds >= first.seconds > 0


def test_which_jobs_are_over(jobs):
    waits, runs, done = ask(jobs), ask(jobs, priority=1), ask(jobs, priority=2)
    complete(jobs, take(jobs))
    take(jobs)
    assert jobs.over([waits.id, runs.id, done.id, 99]) == {done.id, 99}
    assert jobs.over([]) == set()


class TestCancelling:
    def test_what_waits_is_cancelled_at_once(self, jobs):
        job = ask(jobs)
        assert jobs.cancel(job.id, now=NOW).state is CANCELLED
        assert jobs.claim("one", lease=LEASE, now=NOW) is None

    def test_what_runs_is_ended_by_its_worker(self, jobs):
        ask(jobs)
        claim = take(jobs)
        asked = jobs.cancel(claim.job.id, now=NOW)
        assert (asked.state, asked.is_cancel_wanted) == (RUNNING, True)
        assert jobs.cancel(claim.job.id, now=NOW) == asked  # asking twice changes nothing
        assert jobs.beat({claim: Progress()}, lease=LEASE) == {claim: True}
        cancel(jobs, claim)
        assert jobs.get(claim.job.id).state is CANCELLED
        assert [event.note for event in jobs.history(claim.job.id)][2:] == [
            "cancel wanted",
            "cancelled",
        ]

    def test_whose_worker_died_meanwhile_is_cancelled_too(self, jobs, clock):
        ask(jobs)
        claim = take(jobs)
        jobs.cancel(claim.job.id, now=NOW)
        clock.seconds += LEASE + 0.1
        assert jobs.claim("two", lease=LEASE, now=NOW) is None
        assert jobs.get(claim.job.id).state is CANCELLED

    @pytest.mark.parametrize("end", [complete, fail, cancel])
    def test_what_is_over_cannot_be_cancelled(self, jobs, end):
        ask(jobs)
        claim = take(jobs)
        end(jobs, claim)
        with pytest.raises(Conflict, match="already"):
            jobs.cancel(claim.job.id, now=NOW)


class TestMany:
    def test_no_job_is_taken_twice(self, url, tmp_path):
        """Several connections, as several workers have them."""
        workers = 6
        with open_store(url, tmp_path) as store:
            for number in range(60):
                ask(store.jobs, number)
        barrier = threading.Barrier(workers)

        def work(worker: int) -> list[int]:
            with open_store(url, tmp_path) as store:
                barrier.wait()
                taken = []
                while (claim := store.jobs.claim(f"w{worker}", lease=60, now=NOW)) is not None:
                    taken.append(claim.job.id)
                    complete(store.jobs, claim)
                return taken

        with ThreadPoolExecutor(workers) as threads:
            taken = list(itertools.chain(*threads.map(work, range(workers))))
        assert sorted(taken) == list(range(1, 61))

    def test_a_state_the_code_does_not_know_cannot_be_stored(self, jobs, store):
        ask(jobs)
        with pytest.raises(Exception, match=r"(?i)check|constraint"), store._database.write() as c:
            c.execute(update(JobRow).values(state="lost"))


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(WorkbenchError):
        yield


def machine_of(jobs: JobRepository, clock: HandClock) -> type[RuleBasedStateMachine]:  # noqa: C901 - many rules
    """A model of the queue, in a dictionary, beside the queue; time is the model's."""

    class Queue(RuleBasedStateMachine):
        claims = Bundle("claims")

        def __init__(self) -> None:
            super().__init__()
            while jobs.claim("sweeper", lease=0.001, now=NOW):  # what an earlier example left
                clock.seconds += 1
            clock.seconds += 1_000
            while jobs.claim("sweeper", lease=0.001, now=NOW):
                clock.seconds += 1
            self.states: dict[int, JobState] = {}
            self.attempts: dict[int, int] = {}
            self.fences: dict[int, int] = {}
            self.until: dict[int, float] = {}
            self.wanted: set[int] = set()

        def sweep(self) -> None:
            for job_id, state in self.states.items():
                if state is RUNNING and self.until[job_id] < clock.seconds:
                    if job_id in self.wanted:
                        self.states[job_id] = CANCELLED
                    elif self.attempts[job_id] < 3:
                        self.states[job_id] = PENDING
                    else:
                        self.states[job_id] = FAILED

        def holds(self, claim: Claim) -> bool:
            job_id = claim.job.id
            return self.states[job_id] is RUNNING and self.fences[job_id] == claim.fence

        @rule(number=st.integers(0, 3))
        def submit(self, number: int) -> None:
            job_id = ask(jobs, number).id
            self.states[job_id], self.attempts[job_id], self.fences[job_id] = PENDING, 0, 0

        @rule(target=claims)
        def claim(self):
            self.sweep()
            waiting = sorted(job for job, state in self.states.items() if state is PENDING)
            claim = jobs.claim("w", lease=LEASE, now=NOW)
            assert (claim is None) == (not waiting)
            if claim is None:
                return None
            job_id = claim.job.id
            assert job_id == waiting[0]
            assert claim.fence == self.fences[job_id] + 1
            self.states[job_id] = RUNNING
            self.fences[job_id] = claim.fence
            self.attempts[job_id] += 1
            self.until[job_id] = clock.seconds + LEASE
            return claim

        @rule(claim=claims, done=st.integers(0, 9))
        def beat(self, claim: Claim | None, done: int) -> None:
            if claim is None:
                return
            answer = jobs.beat({claim: Progress(done, 9)}, lease=LEASE)
            if self.holds(claim):
                assert answer == {claim: claim.job.id in self.wanted}
                self.until[claim.job.id] = clock.seconds + LEASE
            else:
                assert answer == {}

        @rule(claim=claims, how=st.sampled_from([complete, fail, cancel]))
        def end(self, claim: Claim | None, how) -> None:
            if claim is None:
                return
            if self.holds(claim):
                how(jobs, claim)
                ends = {complete: COMPLETED, fail: FAILED, cancel: CANCELLED}
                self.states[claim.job.id] = ends[how]
            else:
                with refused():
                    how(jobs, claim)

        @rule(claim=claims, counts=st.booleans())
        def give_back(self, claim: Claim | None, counts: bool) -> None:  # noqa: FBT001
            if claim is None:
                return
            if self.holds(claim):
                jobs.give_back(claim, "back", now=NOW, counts=counts)
                if claim.job.id in self.wanted:
                    self.states[claim.job.id] = CANCELLED
                else:
                    self.states[claim.job.id] = PENDING
                    self.attempts[claim.job.id] -= not counts
            else:
                with refused():
                    jobs.give_back(claim, "back", now=NOW, counts=counts)

        @rule(place=st.integers(0, 5))
        def want_cancel(self, place: int) -> None:
            if place >= len(self.states):
                return
            job_id = sorted(self.states)[place]
            state = self.states[job_id]
            if state.is_final:
                with refused():
                    jobs.cancel(job_id, now=NOW)
                return
            jobs.cancel(job_id, now=NOW)
            if state is PENDING:
                self.states[job_id] = CANCELLED
            else:
                self.wanted.add(job_id)

        @rule(seconds=st.sampled_from([0.0, 4.0, 11.0]))
        def wait(self, seconds: float) -> None:
            clock.seconds += seconds

        @rule()
        def start_the_machine_again(self) -> None:
            clock.name += "'"
            for job_id in self.until:
                self.until[job_id] = -1.0

        @invariant()
        def agrees(self) -> None:
            for job_id, state in self.states.items():
                job = jobs.get(job_id)
                assert (job.state, job.attempt) == (state, self.attempts[job_id])

        def teardown(self) -> None:
            for job_id in self.states:
                steps = [event for event in jobs.history(job_id) if event.from_state is not None]
                for event in steps:
                    known = event.to_state in JOB_TRANSITIONS[event.from_state]
                    assert known or event.from_state is event.to_state is RUNNING  # cancel wanted

    return Queue


def test_the_queue_is_its_model(jobs, clock, kind):
    run_state_machine_as_test(
        machine_of(jobs, clock),
        settings=settings(
            max_examples=60 if kind == "sqlite" else 20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_job_is_found_in_one_row(store, jobs):
    ask(jobs)
    with store._database.read() as connection:
        assert len(connection.execute(select(JobRow.id)).all()) == 1
