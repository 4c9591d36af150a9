"""The memo: computed once, shared, bounded, and never in the way of an error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.engine.indicators import Indicators
from core.engine.indicators.library import bytes_of, shared_memo
from core.engine.memo import Memo
from tests.factories import random_bars


def test_a_value_is_computed_once_and_the_same_object_is_given_again():
    memo, calls = Memo(None, len), []

    first = memo.get("a", lambda: calls.append(1) or [1, 2])

    assert memo.get("a", lambda: calls.append(1) or [3]) is first
    assert calls == [1]
    assert (len(memo), memo.held) == (1, 2)


def test_what_was_used_least_recently_goes_first():
    memo = Memo(30, len)
    for key in "abc":
        memo.get(key, lambda: "x" * 10)

    memo.get("a", lambda: "y" * 10)
    memo.get("d", lambda: "x" * 10)

    assert memo.held == 30
    assert memo.get("a", lambda: "gone") == "x" * 10
    assert memo.get("b", lambda: "gone") == "gone"


def test_a_value_beyond_the_whole_budget_is_handed_out_and_pushes_nothing_out():
    memo = Memo(5, len)
    memo.get("small", lambda: "abc")

    assert memo.get("big", lambda: "x" * 6) == "xxxxxx"

    assert (len(memo), memo.held) == (1, 3)


def test_threads_that_ask_at_once_compute_once():
    memo, calls = Memo(None, len), []
    together = threading.Barrier(8)

    def make() -> str:
        calls.append(1)
        threading.Event().wait(0.05)
        return "made"

    def ask(_: int) -> str:
        together.wait()
        return memo.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))

    assert len(calls) == 1
    assert all(each is found[0] for each in found)


def test_an_error_reaches_everyone_who_asked_and_is_not_remembered():
    memo = Memo(None, len)
    together = threading.Barrier(4)

    def fail() -> str:
        threading.Event().wait(0.02)
        raise ValueError("no")

    def ask(_: int) -> bool:
        together.wait()
        with pytest.raises(ValueError, match="no"):
            memo.get("key", fail)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [True] * 4

    assert memo.get("key", lambda: "later") == "later"


def test_making_one_value_may_ask_for_others():
    memo = Memo(None, len)

    assert memo.get("sum", lambda: memo.get("a", lambda: "a") + memo.get("b", lambda: "b")) == "ab"
    assert len(memo) == 3


def test_many_threads_and_a_tight_budget_never_mix_values_up():
    memo = Memo(40, len)

    def work(seed: int) -> int:
        dice, wrong = np.random.default_rng(seed), 0
        for _ in range(3_000):
            key = int(dice.integers(12))
            wrong += memo.get(key, lambda key=key: f"{key:010}") != f"{key:010}"
        return wrong

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 0
    assert memo.held <= 40
    assert memo.held == 10 * len(memo)


def test_indicators_of_several_bars_share_a_memo_and_never_a_value():
    memo = shared_memo(1_000_000)
    one, same, other = (Indicators(random_bars(seed, 80), memo) for seed in (1, 1, 2))

    assert one.ema(5) is same.ema(5)
    assert other.ema(5) is not one.ema(5)
    assert np.array_equal(other.ema(5), Indicators(random_bars(2, 80)).ema(5), equal_nan=True)


def test_indicators_are_counted_by_what_they_hold():
    bars = random_bars(3, 100)
    ind = Indicators(bars)

    assert bytes_of(ind.ema(5)) == 800
    assert bytes_of(ind.bollinger(5)) == 3 * 800
    assert bytes_of(ind.column("close")) == 0


def test_an_indicator_that_was_forgotten_is_computed_anew_with_the_same_bits():
    bars = random_bars(3, 100)
    ind = Indicators(bars, shared_memo(1_700))
    first = ind.ema(5)

    for span in range(6, 20):
        ind.ema(span)
    again = ind.ema(5)

    assert again is not first
    assert again.values.tobytes() == first.values.tobytes()
    assert not again.values.flags.writeable
