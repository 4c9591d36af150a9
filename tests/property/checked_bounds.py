"""Runs the compiled kernels with every index checked, or, to see that it is, gives them too little.

A program of its own, because numba reads `NUMBA_BOUNDSCHECK` before anything is compiled:
`python -m tests.property.checked_bounds cases` and `... overruns` print what they did as JSON.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import time
from itertools import product
from typing import Any

import numpy as np

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Level, Signals, Weights
from core.engine import account, kernels, portfolio
from core.engine.account import simulate_account
from core.engine.indicators import Indicators, volume
from core.engine.lanes import LaneRows, run_lane, scratch_for, track_of
from core.engine.measures import measure_run
from core.engine.simulate import simulate
from tests.factories import ZERO, Case, make_bars, random_case
from tests.property.shared_cases import SharedCase, random_shared_case, with_rates
from tests.property.test_events import plain_case, quick
from tests.property.test_indicators import LIBRARY, NO_TIES, grid_bars, smooth_bars
from tests.property.test_measures import differences as wrong_metrics
from tests.reference.compare import by_reference, compiled, differences
from tests.reference.compare_shared import compiled as compiled_account
from tests.reference.compare_shared import shared_differences
from tests.reference.naive_shared import run_shared
from tests.reference.slow_indicators import Slow

LONG, SHORT, HOLD = Code.LONG, Code.SHORT, Code.HOLD

# Cases -----------------------------------------------------------------------------------------


def busy(case: Case, seed: int) -> Case:
    """No row holds, so that bars open and close as often as the rules let them."""
    rng = np.random.default_rng([seed, 3])
    codes = np.where(case.signals.codes == HOLD, rng.choice([1, -1], len(case.bars)), 0)
    codes = np.where(codes == 0, case.signals.codes, codes).astype(np.int8)
    close = str(rng.choice(["next_open", "close"]))
    changed = case.with_options(fill=close, max_trades_per_day=None, delay=0, allow_short=True)
    return replace(changed, signals=replace(case.signals, codes=codes, ttl=1))


def single_cases() -> Iterator[Case]:
    for seed in range(60):
        yield random_case(seed, count=(1, 2, 3, 40, 120)[seed % 5])
        yield busy(random_case(seed, count=(1, 2, 3, 40, 120)[seed % 5]), seed)


def short_bars(first: int, count: int, name: str) -> Bars:
    """One or two bars that meet every level near them."""
    day = 18_262 + first + np.arange(count)
    prices = np.full(count, 100.0)
    volume = np.full(count, 50.0)
    return make_bars(
        prices, prices + 5, prices - 5, prices, volume=volume, session=day, symbol=name
    )


def short_universes() -> Iterator[list[Bars]]:
    """One and five symbols of one or two bars, together, one after the other, or overlapping."""
    for symbols, count, step in product((1, 5), (1, 2), (0, 1, 2)):
        yield [short_bars(step * n, count, f"S{n}") for n in range(symbols)]


def short_account_cases() -> Iterator[SharedCase]:
    rules: list[dict[str, Any]] = [
        {},
        {"fill": "close", "close_at_end": True},
        {"delay": 3},
        {"intraday": True, "no_entry_after": time(23)},
        {"max_participation": 0.1, "pyramid": 2},
        {"intrabar": "path", "size_ref": "fill"},
        {"initial_margin": 0.02, "maintenance_margin": 0.02, "borrow_rate": 0.5, "size": 4_900.0},
        {"daily_loss": 1.0, "cooldown_bars": 1, "max_trades_per_day": 1},
        {"sizing": "vol_target", "volatility_bars": 2, "max_dd_limit": 0.01},
        {"sizing": "risk", "size": 2.0},
    ]
    costs = (ZERO, CostModel(bps=5, impact=0.5, volume_share=1.0))
    for bars, rule, cost in product(short_universes(), rules, costs):
        options = EngineOptions(account="shared", lot_size=0.0, **rule)
        for resting in (False, True):
            yield (
                bars,
                [short_signals(each, n, resting) for n, each in enumerate(bars)],
                options,
                cost,
            )
        rows = len(np.unique(np.concatenate([each.ts for each in bars])))
        values = np.tile(np.where(np.arange(len(bars)) % 2, -0.4, 0.7), (rows, 1))
        yield bars, Weights(values, stop=Level(2.0, "points")), options, cost


def short_signals(bars: Bars, n: int, resting: bool) -> Signals:  # noqa: FBT001 - a case's flag
    codes = np.where(np.arange(len(bars)) % 2 == n % 2, LONG, SHORT).astype(np.int8)
    return Signals(
        codes=codes,
        entry_price=bars.close - 2.0 if resting else None,
        stop=Level(np.full(len(bars), 2.0), "points"),
        trail=Level(3.0, "percent"),
        size=np.full(len(bars), np.nan),
        priority=np.arange(len(bars), dtype=np.float64)[::-1].copy(),
        ttl=2,
    )


def account_cases() -> Iterator[SharedCase]:
    yield from short_account_cases()
    for seed in range(90):
        case = random_shared_case(seed, count=(12, 40)[seed % 2])
        yield with_rates(case, seed) if seed % 3 == 0 else case


def lane_cases() -> Iterator[Case]:
    """Lengths around the words and blocks of the quick way, and any rules."""
    for count, seed in product((1, 2, 7, 8, 9, 255, 257, 600), range(8)):
        yield plain_case(seed, count)
    for seed in range(40):
        yield random_case(seed, count=(2, 9, 120)[seed % 3])


def run_lanes() -> int:
    """Lanes of a sweep have the numbers of their runs, and those the metrics of the reference."""
    count = 0
    for case in lane_cases():
        run = simulate(case.bars, case.signals, case.options, case.costs)
        expected = measure_run(run)
        _, rows = quick(case)
        assert rows.metrics[0].tobytes() == expected.row.tobytes(), case
        assert wrong_metrics(run) == [], case
        count += 1
    return count


def run_cases() -> dict[str, int]:
    """Everything equals its reference; an index beyond its array would end the program."""
    done = {"single": 0, "account": 0, "indicator": 0, "fills": 0, "lane": run_lanes()}
    for case in single_cases():
        run = compiled(case)
        assert differences(by_reference(case), run) == [], case
        done["single"] += 1
        done["fills"] += len(run.fills)
    for shared in account_cases():
        outcome = compiled_account(*shared)
        assert shared_differences(run_shared(*shared), outcome) == [], shared
        done["account"] += 1
        done["fills"] += len(outcome.fills)
    for (name, (ours, theirs, _)), count in product(LIBRARY.items(), (1, 2, 30)):
        for period in (1, 2, 20, 40):
            tied = [] if name in NO_TIES else [grid_bars(period, count, 0.1)]
            for bars in (smooth_bars(period, count), *tied):
                found = ours(Indicators(bars), period)
                lines = [found] if not isinstance(found, tuple) else found
                for line, expected in zip(
                    lines, np.atleast_2d(theirs(Slow(bars), period)), strict=True
                ):
                    np.testing.assert_allclose(np.asarray(line), expected, rtol=1e-9, atol=1e-9)
                done["indicator"] += 1
    return done


# Overruns --------------------------------------------------------------------------------------


@contextmanager
def given_less(module: Any, name: str, **less: Callable[[Any], Any]) -> Iterator[None]:
    """Hand a kernel some of its arguments cut short."""
    kernel = getattr(module, name)
    places = list(inspect.signature(getattr(module, f"{name}_python")).parameters)

    def starved(*given: Any) -> Any:
        return kernel(
            *(
                less.get(place, lambda x: x)(value)
                for place, value in zip(places, given, strict=True)
            )
        )

    setattr(module, name, starved)
    try:
        yield
    finally:
        setattr(module, name, kernel)


def cut(table: Any) -> Any:
    return table[:1]


OVERRUNS: dict[str, tuple[Any, str, dict[str, Callable[[Any], Any]]]] = {
    "scalar, trades written": (kernels, "run_scalar", {"trade_f": cut}),
    "scalar, codes read": (kernels, "run_scalar", {"codes": cut}),
    "scalar, a streak in a phase": (
        kernels,
        "run_scalar",
        {"limits": lambda limits: limits._replace(streak=limits.streak[:0])},
    ),
    "account, equity written": (portfolio, "run_portfolio", {"equity": cut}),
    "account, own bars read in a phase": (
        portfolio,
        "run_portfolio",
        {"rows": lambda rows: rows._replace(row_of=rows.row_of[:1])},
    ),
    "account, a record of the book": (portfolio, "run_portfolio", {"book": cut}),
    "account, a column of codes": (
        portfolio,
        "run_portfolio",
        {"wanted": lambda wanted: wanted._replace(codes=wanted.codes[:, :1].copy())},
    ),
}


def run_overruns() -> dict[str, bool]:
    """Whether each overrun was noticed."""
    bars = short_bars(0, 40, "A")
    signals = Signals(codes=np.tile(np.array([1, -1], dtype=np.int8), 20))
    options = EngineOptions(cooldown_bars=1)
    noticed = {}
    for name, (module, kernel, less) in OVERRUNS.items():
        with given_less(module, kernel, **less):
            try:
                if module is kernels:
                    simulate(bars, signals, options, ZERO)
                else:
                    simulate_account([bars, bars], [signals, signals], options, ZERO)
            except IndexError:
                noticed[name] = True
            else:
                noticed[name] = False
    track = track_of(bars, EngineOptions(), ZERO)
    scratch = scratch_for(track)
    scratch = replace(scratch, columns=scratch.columns[:, :5].copy())
    try:
        run_lane(track, signals, scratch, LaneRows.empty(1, len(track.calendar.ends)), 0)
    except IndexError:
        noticed["a lane"] = True
    try:
        volume.obv(bars.close, bars.volume[:2])
    except IndexError:
        noticed["an indicator"] = True
    try:
        account.impact_coefficients(
            bars.close,
            bars.volume[:2],
            np.arange(40, dtype=np.int64),
            np.arange(40, dtype=np.int64),
        )
    except IndexError:
        noticed["impact"] = True
    return noticed


if __name__ == "__main__":
    what = {"cases": run_cases, "overruns": run_overruns}[sys.argv[1]]
    print(json.dumps(what()))  # noqa: T201 - the answer
