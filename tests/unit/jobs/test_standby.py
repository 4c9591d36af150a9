"""Children that stand ready: made ahead, replaced when they die, ended when they are spent."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from core.errors import Unavailable
from core.jobs import standby
from core.jobs.standby import Standby


class Egg:
    """Stands in for a child: what a process does is tested with real ones in test_runner."""

    numbers = itertools.count()

    def __init__(self):
        self.number = next(self.numbers)
        self.is_spent = False
        self.is_dead = False
        self.closings = 0

    def is_gone(self):
        return self.is_dead

    def close(self):
        self.closings += 1


def eventually(is_true):
    deadline = time.monotonic() + 10.0
    while not is_true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


@pytest.fixture
def nest():
    """Start a standby over eggs and collect every egg that was laid."""
    laid, opened = [], []

    def start(count=2, hatch=None):
        def lay():
            egg = Egg()
            laid.append(egg)
            return egg

        opened.append(Standby(hatch or lay, count))
        return opened[-1]

    start.laid = laid
    yield start
    for each in opened:
        each.close()


def test_as_many_as_wanted_stand_ready_and_no_more(nest):
    nest(count=3)

    eventually(lambda: len(nest.laid) == 3)
    time.sleep(0.05)

    assert len(nest.laid) == 3


def test_one_that_is_taken_is_replaced(nest):
    ready = nest(count=2)
    eventually(lambda: len(nest.laid) == 2)

    taken = ready.take()

    assert taken is nest.laid[0]
    eventually(lambda: len(nest.laid) == 3)


def test_one_that_is_unspent_is_given_out_again(nest):
    ready = nest(count=1)
    first = ready.take()

    ready.give_back(first)

    assert ready.take() is first
    assert first.closings == 0


def test_one_that_is_spent_is_ended_once_and_never_given_out(nest):
    ready = nest(count=1)
    first = ready.take()
    first.is_spent = True

    ready.give_back(first)

    eventually(lambda: first.closings == 1)
    assert ready.take() is not first
    ready.close()
    assert first.closings == 1


def test_one_that_died_while_it_waited_is_not_given_out(nest):
    ready = nest(count=2)
    eventually(lambda: len(nest.laid) == 2)
    nest.laid[0].is_dead = True

    assert ready.take() is nest.laid[1]
    eventually(lambda: nest.laid[0].closings == 1)


def test_the_dead_are_replaced_before_anybody_asks(nest, monkeypatch):
    monkeypatch.setattr(standby, "LOOK_SECONDS", 0.01)
    nest(count=2)
    eventually(lambda: len(nest.laid) == 2)

    nest.laid[1].is_dead = True

    eventually(lambda: len(nest.laid) == 3)
    eventually(lambda: nest.laid[1].closings == 1)


def test_who_comes_while_one_is_made_waits_for_it_instead_of_making_another(nest):
    may_hatch = threading.Event()
    laid = []

    def slowly():
        may_hatch.wait(10)
        laid.append(Egg())
        return laid[-1]

    ready = nest(count=1, hatch=slowly)
    taken = []
    asking = threading.Thread(target=lambda: taken.append(ready.take()))
    asking.start()
    may_hatch.set()
    asking.join(10)

    assert taken == [laid[0]]


def test_when_none_can_be_made_the_reason_is_told(nest):
    def refuse():
        raise Unavailable("the runner is stopped")

    ready = nest(hatch=refuse)

    with pytest.raises(Unavailable, match="the runner is stopped"):
        ready.take()


def test_closing_ends_all_that_stand_ready(nest):
    ready = nest(count=2)
    eventually(lambda: len(nest.laid) == 2)
    taken = ready.take()
    taken.is_spent = True

    ready.close()
    ready.give_back(taken)

    assert [egg.closings for egg in nest.laid] == [1] * len(nest.laid)
