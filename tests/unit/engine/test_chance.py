"""Limits that go unfilled: only the general driver knows, and is asked only where there are any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.domain.signals import pct
from core.engine.account import simulate_account
from core.engine.lanes import LaneRows, run_lane, scratch_for, track_of
from core.engine.measures import measure_run
from core.engine.simulate import simulate
from tests.factories import random_case

HALF = {"fill_probability": 0.5}


def market_orders(seed):
    case = random_case(seed, count=200).with_costs(**HALF)
    signals = replace(case.signals, entry_price=None, target=None)
    return replace(case, signals=signals)


@pytest.mark.parametrize("seed", range(4))
def test_without_limits_chance_decides_nothing(seed):
    case = market_orders(seed)
    general = simulate_account([case.bars], [case.signals], case.options, case.costs).alone()
    certain = case.with_costs(fill_probability=1.0)

    run = simulate(case.bars, case.signals, case.options, case.costs)

    assert len(run.fills) > 4
    for other in (general, simulate(certain.bars, certain.signals, certain.options, certain.costs)):
        assert run.equity.tobytes() == other.equity.tobytes()
        assert run.fills.price.tobytes() == other.fills.price.tobytes()


@pytest.mark.parametrize("target", [None, pct(1.0)])
def test_a_lane_has_the_bits_of_its_run(target):
    case = market_orders(7)
    signals = replace(case.signals, stop=None, trail=None, target=target)
    track = track_of(case.bars, case.options, case.costs)
    rows = LaneRows.empty(1, len(track.calendar.ends))

    run_lane(track, signals, scratch_for(track), rows, 0)

    run = simulate(case.bars, signals, case.options, case.costs)
    assert rows.metrics[0].tobytes() == measure_run(run).row.tobytes()
    assert (run.counters.missed_limits > 0) == (target is not None)
    assert np.isfinite(run.equity).all()
