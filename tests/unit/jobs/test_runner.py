"""Work in line: done one after another in fresh processes, whatever happens to one of them."""

from __future__ import annotations

import threading

import pytest

from core.errors import Unavailable
from core.jobs.inline import Inline
from core.jobs.limits import Limits
from core.jobs.nursery import Nursery
from core.jobs.runner import Runner
from core.jobs.work import Outcome, Work
from tests.unit.jobs import handlers
from tests.unit.jobs.conftest import HANDLERS


@pytest.fixture
def start(tmp_path):
    """Start runners that are closed after the test."""
    runners = []

    def starting(entry="open_deeds", **changes):
        nursery = Nursery(preload=[HANDLERS], folder=tmp_path)
        nursery.start()
        options = {"limits": Limits(), "wall_seconds": 60.0, **changes}
        runner = Runner(nursery, entry=f"{HANDLERS}:{entry}", config={}, **options)
        runners.append(runner)
        return runner

    yield starting
    for runner in runners:
        runner.close()


def ask(runner, deed, **request):
    return runner.call({"deed": deed, **request})


def test_each_piece_of_work_has_a_process_of_its_own(start):
    runner = start()

    pids = [ask(runner, "echo").answer["pid"] for _ in range(4)]

    assert len(set(pids)) == 4


def test_a_process_that_ran_no_foreign_code_is_used_again(start):
    runner = start("open_reusable")

    answers = [runner.call({}).answer for _ in range(3)]

    assert [answer["calls"] for answer in answers] == [0, 1, 2]
    assert len({answer["pid"] for answer in answers}) == 1


@pytest.mark.parametrize("deed", ["segfault", "loop", "take_memory", "print_much"])
def test_the_runner_survives_what_its_children_do(start, deed):
    runner = start(limits=Limits(memory_mb=256, cpu_seconds=1))

    dead = ask(runner, deed, megabytes=16)
    alive = ask(runner, "echo", words="still here")

    assert dead.death is not None
    assert alive.answer["said"] == "still here"


def test_wall_time_is_limited(start):
    runner = start(wall_seconds=1.0)

    assert ask(runner, "sleep").death.cause == "time"


def test_work_that_is_no_longer_wanted_is_not_done(start):
    runner = start()
    ends = []
    work = Work({"deed": "echo"}, begin=lambda: False, end=ends.append)

    runner.submit(work)

    assert work.done.wait(60)
    assert ends == []


def test_a_fault_while_recording_does_not_stop_the_line(start):
    runner = start()
    ends = []

    def end(outcome: Outcome) -> None:
        ends.append(outcome)
        if outcome.answer:
            raise OSError("no space left")

    work = Work({"deed": "echo"}, end=end)
    runner.submit(work)

    assert work.done.wait(60)
    assert [outcome.death and outcome.death.cause for outcome in ends] == [None, "stopped"]
    assert ask(runner, "echo", words=1).answer["said"] == 1


def test_a_full_line_refuses(start):
    runner = start(line=2)
    begun, gate = threading.Event(), threading.Event()
    held = Work({"deed": "echo"}, begin=lambda: begun.set() or gate.wait(60))
    waiting = [Work({"deed": "echo"}) for _ in range(2)]
    runner.submit(held)
    assert begun.wait(60)
    for work in waiting:
        runner.submit(work)

    with pytest.raises(Unavailable, match="2 runs are waiting"):
        runner.submit(Work({"deed": "echo"}))

    gate.set()
    assert all(work.done.wait(60) for work in [held, *waiting])


def test_several_slots_work_at_once(start):
    runner = start(slots=2)
    both = threading.Barrier(2, timeout=60)
    works = [Work({"deed": "echo"}, begin=lambda: both.wait() >= 0) for _ in range(2)]

    for work in works:
        runner.submit(work)

    assert all(work.done.wait(60) for work in works)


def test_closing_ends_what_runs_and_what_waits(start):
    runner = start()
    ends = []
    works = [Work({"deed": "loop"}, end=ends.append) for _ in range(3)]
    started = threading.Event()
    works[0].begin = lambda: started.set() or True
    for work in works:
        runner.submit(work)
    assert started.wait(60)

    runner.close()

    assert all(work.done.is_set() for work in works)
    assert [outcome.death.cause for outcome in ends] == ["stopped"] * 3
    with pytest.raises(Unavailable):
        runner.submit(Work({}))


def test_a_slot_that_leaves_wakes_the_next(start):
    """It may have taken what was to wake another, which would wait for ever."""
    runner = start(slots=3)
    runner._stopping.set()

    runner._line.put_nowait(None)

    for slot in runner._slots:
        slot.join(5)
    assert not any(slot.is_alive() for slot in runner._slots)


def test_a_handler_that_cannot_be_opened_fails_the_work_and_not_the_runner(start):
    runner = start("open_broken")

    outcome = runner.call({})

    assert outcome.death.cause == "stopped"
    assert "could not begin" in outcome.death.message


def test_inline_gives_the_same_answers():
    here = Inline(lambda: handlers.open_deeds({}))
    told = []
    work = Work(
        {"deed": "question", "numbers": [1, 2]},
        reply=lambda asked, _: {"double": 2 * asked["number"]},
        end=told.append,
    )

    here.submit(work)

    assert work.done.is_set()
    assert told[0].answer["told"] == [2, 4]
    assert here.call({"deed": "echo", "words": 1}).answer["said"] == 1
