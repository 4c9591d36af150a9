"""The seventeen golden vectors of the engine's rules, long and mirrored, through every engine.

Each is one bar that decides something: a gap, a race between stop and target, a touch, a trailing
stop, an entry and its protection inside one bar. Unless said otherwise a position was opened at
100 and has its stop at 98 and its target at 104. The mirror image reflects prices around 100
(98 becomes 102) and exchanges long and short.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from core.domain.options import EngineOptions
from core.domain.signals import Signals, pct, points, price
from core.domain.simulation import Reason
from tests.factories import ZERO, Case, bars_of, mirrored, signals_at
from tests.reference.compare import DRIVERS

FLAT_BAR = (100.0, 100.0, 100.0, 100.0)
OPTIONS = EngineOptions(sizing="units", size=1)


@dataclass(frozen=True)
class Vector:
    """One case and everything it must lead to; fills are (bar, quantity, price, reason)."""

    name: str
    case: Case
    fills: list[tuple[int, float, float, Reason]]
    ambiguous: bool = False

    @property
    def quantity(self) -> float:
        return sum(fill[1] for fill in self.fills)

    def is_held_in(self, bar: int) -> bool:
        before = sum(quantity for row, quantity, *_ in self.fills if row < bar)
        return before != 0 or any(row == bar for row, *_ in self.fills)


def held(
    bar: tuple[float, float, float, float],
    *outs: tuple[float, Reason],
    side: int = 1,
    ambiguous: bool = False,
    later: tuple[float, float, float, float] | None = None,
    exit_bar: int = 2,
    name: str = "",
    levels: dict[str, Any] | None = None,
    **options: Any,
) -> Vector:
    """A position opened at 100 on bar 1 meets `bar` as bar 2."""
    rows = [FLAT_BAR, FLAT_BAR, bar] + ([later] if later is not None else [])
    if levels is None:
        levels = {"stop": points(2), "target": points(4)}
    signals = signals_at(len(rows), {0: side}, **levels)
    fills = [(1, float(side), 100.0, Reason.ENTRY)]
    fills += [(exit_bar, -float(side), at, reason) for at, reason in outs]
    return Vector(
        name,
        Case(bars_of(*rows), signals, OPTIONS.model_copy(update=options), ZERO),
        fills,
        ambiguous=ambiguous,
    )


def entering(
    bar: tuple[float, float, float, float],
    fills: list[tuple[float, float, Reason]],
    *,
    name: str,
    at: float | None = None,
    kind: str = "limit",
    ambiguous: bool = False,
    **levels: Any,
) -> Vector:
    """A row asks to be long; `bar` is the bar in which that happens or does not."""
    entry_price = None if at is None else np.array([at, np.nan])
    signals = signals_at(2, {0: 1}, entry_price=entry_price, entry_kind=kind, **levels)
    return Vector(
        name,
        Case(bars_of(FLAT_BAR, bar), signals, OPTIONS, ZERO),
        [(1, quantity, price_, reason) for quantity, price_, reason in fills],
        ambiguous=ambiguous,
    )


IN = Reason.ENTRY
TRAIL = {"trail": points(2.2)}
SHORT = {"stop": points(2), "target": points(4)}

VECTORS = [
    held((97, 99, 96, 98.5), (97, Reason.STOP_GAP), name="1 gap below the stop"),
    held((105, 106, 97, 100), (105, Reason.TARGET_GAP), name="2 gap above the target"),
    held((100, 105, 97, 103), (98, Reason.STOP), ambiguous=True, name="3 stop and target"),
    held((100, 104, 99, 103), name="4a target touched"),
    held(
        (100, 104, 99, 103),
        (104, Reason.TARGET),
        fill_on_touch=True,
        name="4b target touched, fill_on_touch",
    ),
    held((100, 104.05, 99, 103), (104, Reason.TARGET), name="5 target traded through"),
    held((100, 101, 98, 99), (98, Reason.STOP), name="6 stop touched"),
    held((100, 110, 99.5, 109), levels=TRAIL, ambiguous=True, name="7a trailing, close above"),
    held(
        (100, 110, 99.5, 109),
        (107.8, Reason.TRAIL),
        levels=TRAIL,
        ambiguous=True,
        later=(109, 109.5, 107.8, 108),
        exit_bar=3,
        name="7b the stop is then at 107.8",
    ),
    held(
        (100, 110, 99.5, 109),
        levels=TRAIL,
        ambiguous=True,
        later=(109, 109.5, 107.9, 108),
        name="7c and no higher",
    ),
    held((100, 110, 99.5, 107), (107.8, Reason.TRAIL), levels=TRAIL, name="8 close below"),
    entering(
        (100, 101, 97.9, 100),
        [(1, 100, IN), (-1, 98, Reason.STOP)],
        stop=points(2),
        name="9 market entry, stop in the entry bar",
    ),
    entering((100, 101, 99, 100), [], at=99, name="10a limit touched"),
    entering((100, 101, 98.9, 100), [(1, 99, IN)], at=99, name="10b limit traded through"),
    entering((98.5, 101, 98.4, 100), [(1, 98.5, IN)], at=99, name="10c open better than limit"),
    entering(
        (100, 102, 97.5, 100),
        [(1, 99, IN), (-1, 98, Reason.STOP)],
        at=99,
        stop=price(98),
        target=price(101),
        ambiguous=True,
        name="11 limit, then stop; target in the bar too",
    ),
    entering(
        (100, 102, 98.9, 101.5),
        [(1, 99, IN), (-1, 101, Reason.TARGET)],
        at=99,
        stop=price(98),
        target=price(101),
        name="12a limit, closes above the target",
    ),
    entering(
        (100, 102, 98.9, 100.5),
        [(1, 99, IN)],
        at=99,
        stop=price(98),
        target=price(101),
        ambiguous=True,
        name="12b limit, the high may have come first",
    ),
    entering(
        (100, 102, 97, 101.5),
        [(1, 101, IN), (-1, 99, Reason.STOP)],
        at=101,
        kind="stop",
        stop=price(99),
        target=price(105),
        ambiguous=True,
        name="13 buy stop, the low may have come first",
    ),
    held((103, 104, 101, 102), (103, Reason.STOP_GAP), side=-1, levels=SHORT, name="15 short gap"),
    held(
        (100, 103, 95.9, 97),
        (102, Reason.STOP),
        side=-1,
        levels=SHORT,
        ambiguous=True,
        name="16 short, stop and target",
    ),
    held((100, 101, 96, 97), side=-1, levels=SHORT, name="17 short, target touched"),
]


def reversal(last: tuple[float, float, float, float]) -> Case:
    signals = signals_at(4, {0: 1, 1: -1}, stop=points(2))
    bars = bars_of(FLAT_BAR, FLAT_BAR, (100, 101, 99.5, 100.5), last)
    return Case(bars, signals, OPTIONS, ZERO)


REVERSAL = [
    (1, 1.0, 100.0, IN),
    (2, -1.0, 100.0, Reason.REVERSE),
    (2, -1.0, 100.0, IN),
]
VECTORS += [
    Vector("14a row says -1: closed and opened at 100", reversal((100, 101.9, 99, 100)), REVERSAL),
    Vector(
        "14b its stop is at 102",
        reversal((100, 102, 99, 100)),
        [*REVERSAL, (3, 1.0, 102.0, Reason.STOP)],
    ),
]


def reflected(vector: Vector) -> Vector:
    return replace(
        vector,
        case=mirrored(vector.case),
        fills=[(bar, -quantity, 200.0 - at, why) for bar, quantity, at, why in vector.fills],
    )


@pytest.mark.parametrize("engine", DRIVERS)
@pytest.mark.parametrize("image", ["as written", "mirrored"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_r5_r6_r7_r8_a_golden_vector_gives_its_fills_and_its_ambiguity(vector, image, engine):
    if image == "mirrored":
        vector = reflected(vector)

    outcome = DRIVERS[engine](vector.case)

    filled = [(fill.bar, fill.quantity, fill.price, fill.reason) for fill in outcome.fills]
    assert filled == [
        (bar, quantity, pytest.approx(at, rel=1e-15), why)
        for bar, quantity, at, why in vector.fills
    ]
    assert outcome.quantity[-1] == vector.quantity
    assert outcome.counters["ambiguous_bars"] == int(vector.ambiguous)
    assert any(trade.ambiguous for trade in outcome.trades) == vector.ambiguous
    assert outcome.held == [vector.is_held_in(bar) for bar in range(len(outcome.held))]
    assert outcome.counters["expired"] == int(not vector.fills)
    assert outcome.counters["entries"] == sum(fill[3] == IN for fill in vector.fills)


@pytest.mark.parametrize("engine", DRIVERS)
@pytest.mark.parametrize(
    ("side", "bar", "expected"),
    [
        (1, (100, 110, 99.5, 109), None),
        (1, (100, 110, 99.5, 107), 110 * (1 - 0.02)),
        (-1, (100, 100.5, 90, 91), None),
        (-1, (100, 100.5, 90, 93), 90 * (1 + 0.02)),
    ],
)
def test_r7_a_trailing_stop_of_two_percent_follows_the_best_price(engine, side, bar, expected):
    signals = signals_at(3, {0: side}, trail=pct(2))
    case = Case(bars_of(FLAT_BAR, FLAT_BAR, bar), signals, OPTIONS, ZERO)

    outcome = DRIVERS[engine](case)

    exits = [(fill.price, fill.reason) for fill in outcome.fills[1:]]
    assert exits == ([] if expected is None else [(expected, Reason.TRAIL)])
    assert outcome.counters["ambiguous_bars"] == (1 if expected is None else 0)


@pytest.mark.parametrize("engine", DRIVERS)
def test_r4_r6_protection_in_percent_is_anchored_to_the_actual_fill(engine):
    """R4 and R6: the fill at 100 + 1 % slippage is 101; two percent below it is 98.98."""
    bars = bars_of(FLAT_BAR, (100, 101, 98.98, 99), FLAT_BAR)
    signals = signals_at(3, {0: 1}, stop=pct(2))
    case = Case(bars, signals, OPTIONS, ZERO.model_copy(update={"slippage_bps": 100.0}))

    trade = DRIVERS[engine](case).trades[0]

    stop = 101.0 * (1 - 0.02)
    assert (trade.entry_price, trade.exit_price) == (101.0, stop * (1 - 0.01))
    assert trade.risk == 101.0 - stop


def signals_on_every_row(count: int, **rest: Any) -> Signals:
    return Signals(codes=np.ones(count, dtype=np.int8), **rest)


@pytest.mark.parametrize("engine", DRIVERS)
@pytest.mark.parametrize(
    "levels",
    [{"stop": price(100)}, {"target": price(100)}, {"stop": price(101)}, {"target": price(99)}],
)
def test_r6_protection_on_the_wrong_side_of_the_fill_voids_the_entry(engine, levels):
    bars = bars_of(FLAT_BAR, FLAT_BAR, FLAT_BAR)
    case = Case(bars, signals_on_every_row(3, **levels), OPTIONS, ZERO)

    outcome = DRIVERS[engine](case)

    assert (outcome.fills, outcome.counters["rejected"]) == ([], 2)


@pytest.mark.parametrize("engine", DRIVERS)
def test_r5_a_target_met_by_the_open_is_a_gap_also_when_touching_is_enough(engine):
    """R5 holds for step 1 too: the open comes before the low, so the stop is never reached."""
    vector = held((104, 105, 97, 100), (104, Reason.TARGET_GAP), fill_on_touch=True)

    outcome = DRIVERS[engine](vector.case)

    assert [(fill.price, fill.reason) for fill in outcome.fills[1:]] == [(104, Reason.TARGET_GAP)]
    assert outcome.counters["ambiguous_bars"] == 0
