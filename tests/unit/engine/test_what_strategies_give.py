"""What a strategy may hand over: anything else is told in a sentence, whatever its type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.domain.options import EngineOptions
from core.domain.signals import Level, Signals, Weights, pct, points
from core.engine.account import simulate_account
from core.engine.kernels import run_scalar
from core.engine.simulate import simulate
from core.engine.view import view_of
from core.errors import StrategyFailed
from tests.factories import ZERO, bars_of, signals_at

TOTAL = 6
RISING = bars_of(*((100.0 + n, 101.0 + n, 99.0 + n, 100.5 + n) for n in range(TOTAL)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"codes": [1] * TOTAL}, "signal codes: found list"),
        ({"entry_price": [101.0] * TOTAL}, "entry_price: found list"),
        ({"entry_price": np.full(TOTAL, "101")}, "entry_price have dtype"),
        ({"entry_kind": "Stop"}, "entry_kind is 'Stop'"),
        ({"ttl": "2"}, "ttl is '2'"),
        ({"ttl": 1.5}, "ttl is 1.5"),
        ({"ttl": 0}, "ttl is 0"),
        ({"max_bars": None}, "max_bars is None"),
        ({"max_bars": 3.7}, "max_bars is 3.7"),
        ({"max_bars": -1}, "max_bars is -1"),
        ({"stop": 2.0}, "stop is 2.0"),
        ({"target": np.ones(TOTAL)}, "target is array"),
        ({"stop": Level(2.0, "bps")}, "'bps'"),  # type: ignore[arg-type]
        ({"stop": Level("two", "percent")}, "stop is a level of <U3"),  # type: ignore[arg-type]
        ({"priority": [1.0] * TOTAL}, "priority: found list"),
        ({"priority": np.full(TOTAL, np.nan)}, "priority at bar 0, which enters, is NaN"),
    ],
    ids=str,
)
def test_what_is_no_signal_is_told_in_a_sentence(given: dict[str, Any], words: str) -> None:
    signals = Signals(**({"codes": np.ones(TOTAL, dtype=np.int8)} | given))

    with pytest.raises(StrategyFailed) as refused:
        simulate(RISING, signals, EngineOptions(), ZERO, compiled=False)

    assert words in refused.value.message
    assert refused.value.expected


def test_a_bar_that_enters_nothing_needs_no_priority() -> None:
    priority = np.full(TOTAL, np.nan)
    priority[2] = 1.0
    signals = signals_at(TOTAL, {2: 1}, priority=priority)

    assert len(simulate(RISING, signals, EngineOptions(), ZERO, compiled=False).trades) == 1


def test_levels_of_weights_are_judged_alike() -> None:
    weights = Weights(np.ones((TOTAL, 1)), stop=2.0)  # type: ignore[arg-type]

    with pytest.raises(StrategyFailed, match=r"stop is 2\.0"):
        simulate_account([RISING], weights, EngineOptions(), ZERO, compiled=False)


def test_a_level_given_as_a_list_counts_row_by_row() -> None:
    # Row 1 decides: a stop of 4 points below the open of bar 2, 102, and not one of 1 point.
    stops: Any = [1.0, 4.0, 1.0, 1.0, 1.0, 1.0]
    signals = signals_at(TOTAL, {1: 1}, stop=Level(stops, "points"))

    found = simulate(RISING, signals, EngineOptions(sizing="units", size=2), ZERO, compiled=False)

    assert found.trades.risk.tolist() == [8.0]


def test_one_kernel_fits_levels_and_prices_of_every_making() -> None:
    view = view_of(RISING)
    wanted = view.close > view.ind.sma(2)
    simulate(RISING, Signals.side(long=wanted), EngineOptions(), ZERO)
    known = set(run_scalar.signatures)

    for rest in (
        {"stop": pct(2.0)},
        {"stop": points(view.ind.atr(2))},
        {"target": points(np.full(TOTAL, 3.0))},
        {"trail": points(np.full((TOTAL, 2), 3.0)[:, 0])},
        {"entry_price": view.low},
        {"entry_price": np.full(TOTAL, 99.0)},
        {"entry_price": np.full((TOTAL, 2), 99.0)[:, 0]},
    ):
        simulate(RISING, Signals.side(long=wanted, **rest), EngineOptions(), ZERO)

    assert set(run_scalar.signatures) == known
