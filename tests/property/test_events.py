"""From decision to decision: the quick way has the bits of the kernel that looks at every bar."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES, METRICS
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.engine import events
from core.engine.events import rules_allow, signals_allow
from core.engine.lanes import Batch, LaneRows, run_lane, scratch_for, track_of
from core.engine.measures import SLOTS, measure_run
from core.engine.simulate import simulate
from core.engine.sizes import PLAIN
from tests.factories import Case, make_bars, random_bars, random_case

# Lengths around the eight rows of a word and the 256 of a block, and beyond both.
COUNTS = (1, 2, 7, 8, 9, 17, 120, 255, 256, 257, 700)


def by_default(rules: type[BaseModel], known: frozenset[str]) -> dict[str, Any]:
    """What is not among the rules it says it knows, as it is where nobody asks for it."""
    return {
        name: each.get_default(call_default_factory=True)
        for name, each in rules.model_fields.items()
        if name not in known
    }


def plain_case(seed: int, count: int) -> Case:
    """A case by chance without any rule the quick way does not know."""
    rng = np.random.default_rng(seed)
    case = random_case(seed, count=max(count, 2))
    case = case.with_options(**by_default(EngineOptions, events._OPTIONS))
    case = case.with_costs(
        **by_default(CostModel, events._COSTS),
        changes=tuple(each.model_copy(update={"rounding": None}) for each in case.costs.changes),
    )
    if case.options.sizing not in PLAIN:
        case = case.with_options(sizing="percent_of_equity", size=100.0)
    bars = case.bars.head(count)
    kind = rng.integers(4)
    if kind == 0:
        codes = case.signals.codes[:count]
    elif kind == 1:  # always in the market, for long stretches
        codes = np.where(np.sin(np.arange(count) / rng.uniform(1, 40)) > 0, 1, -1)
    elif kind == 2:  # seldom in the market
        codes = np.where(rng.random(count) < 0.03, rng.choice([1, -1, 0, 3, -3], count), 2)
    else:  # one stretch after another of every kind
        codes = np.repeat(rng.choice([1, -1, 0, 2, 3, -3], count), 13)[:count]
    signals = Signals(codes=codes.astype(np.int8), conflicts=case.signals.conflicts)
    return replace(case, bars=bars, signals=signals)


def quick(case: Case) -> tuple[bool, LaneRows]:
    track = track_of(case.bars, case.options, case.costs)
    scratch = scratch_for(track)
    for memory in (scratch.equity, scratch.columns, scratch.ledger.steps):
        memory[...] = np.nan  # nothing may be taken from the lane before
    rows = LaneRows.empty(1, len(track.calendar.ends))
    batch = Batch(track, scratch, rows)
    was_quick = batch.take(case.signals, 0) and not batch.run()
    run_lane(track, case.signals, scratch, rows, 0)
    return was_quick, rows


@pytest.mark.parametrize("count", COUNTS)
def test_every_number_has_the_bits_of_the_scalar_driver(count):
    seen: Counter[str] = Counter()
    for seed in range(150):
        case = plain_case(seed, count)

        was_quick, rows = quick(case)

        run = simulate(case.bars, case.signals, case.options, case.costs)
        expected = measure_run(run)
        wrong = [
            name
            for name, mine, theirs in zip(METRICS, rows.metrics[0], expected.row, strict=True)
            if mine.tobytes() != theirs.tobytes()
        ]
        assert wrong == [], f"seed {seed}"
        assert rows.why[0].tobytes() == expected.why.tobytes()
        assert rows.daily[0].tobytes() == expected.daily.astype(np.float32).tobytes()
        counters = {name: getattr(run.counters, name) for name in COUNTER_NAMES}
        assert dict(zip(COUNTER_NAMES, rows.counters[0].tolist(), strict=True)) == counters
        assert was_quick != run.ruined, f"seed {seed}"
        seen.update(
            counters,
            ruined=run.ruined,
            closed=expected.row[SLOTS["trades"]],
            open=expected.row[SLOTS["open_trades"]],
        )
    if count >= 120:
        wanted = ("entries", "dropped_lot", "scaled_cash", "rejected", "ruined", "closed", "open")
        assert {name: seen[name] for name in wanted if seen[name] < 2} == {}


@pytest.mark.parametrize(
    "change",
    [
        {"fill": "close"},
        {"delay": 1},
        {"intraday": True},
        {"close_at_end": True},
        {"no_entry_after": "15:00"},
        {"protection": "close"},
        {"daily_target": 100.0},
        {"cooldown_bars": 1},
        {"pyramid": 1},
        {"maintenance_margin": 0.3},
        {"sizing": "value"},
        {"sizing": "risk", "size": 1},
        {"sizing": "vol_target"},
        {"max_dd_limit": 0.2},
    ],
)
def test_rules_it_does_not_know_go_the_general_way(change):
    assert rules_allow(EngineOptions(), CostModel())
    assert not rules_allow(EngineOptions.model_validate(change), CostModel())


def test_a_rule_added_to_the_engine_goes_the_general_way_until_somebody_teaches_it():
    class MoreOptions(EngineOptions):
        margin_calls: bool = False

    class MoreCosts(CostModel):
        impact: float = 0.0

    assert rules_allow(MoreOptions(), MoreCosts())
    assert not rules_allow(MoreOptions(margin_calls=True), MoreCosts())
    assert not rules_allow(MoreOptions(), MoreCosts(impact=0.1))


def test_lanes_with_levels_prices_or_a_time_limit_go_the_general_way():
    for seed in range(100):
        signals = random_case(seed).signals
        asks = (signals.stop, signals.target, signals.trail, signals.entry_price)

        allowed = signals_allow(signals)

        plain = all(each is None for each in asks) and signals.max_bars == 0
        plain = plain and signals.size is None
        assert allowed == (plain and signals.ttl == 1 and signals.priority is None)


def test_long_runs_have_the_bits_too():
    bars = random_bars(5, 5_000, sessions=200, wildness=2)
    for span in (3, 30, 300):
        codes = np.where(np.sin(np.arange(5_000) / span) > 0, 1, -1).astype(np.int8)
        options = EngineOptions(size=50, initial_cash=1e6)
        case = Case(bars, Signals(codes=codes), options, CostModel(bps=1.0, slippage_bps=1.0))

        was_quick, rows = quick(case)

        expected = measure_run(simulate(bars, case.signals, options, case.costs))
        assert was_quick
        assert rows.metrics[0].tobytes() == expected.row.tobytes()


def test_a_lane_with_nothing_left_is_left_to_the_general_way():
    """A hundred units on 1,000: ten points down is exactly nothing, which is ruin."""
    bars = make_bars(np.array([100.0, 100.0, 90.0, 100.0]))
    signals = Signals(codes=np.array([1, 2, 2, 2], dtype=np.int8))
    options = EngineOptions(sizing="units", size=100, initial_cash=1000, initial_margin=0.1)

    was_quick, rows = quick(Case(bars, signals, options, CostModel()))

    assert not was_quick
    assert rows.ruined[0]
