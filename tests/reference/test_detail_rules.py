"""Rule R6 with finer bars, computed by hand: what happens inside a bar, bar by finer bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.detail import Detail
from core.domain.options import EngineOptions
from core.domain.signals import Code, Level, Signals, Weights, pct, points
from core.domain.simulation import Reason
from core.domain.timeframe import Timeframe
from core.engine.account import simulate_account
from core.engine.simulate import simulate
from core.errors import DataProblem
from tests.factories import ZERO, codes, make_bars
from tests.reference.compare_shared import SHARED_ENGINES
from tests.reference.naive_chance import uniform

LONG, SHORT, FLAT, HOLD = Code.LONG, Code.SHORT, Code.FLAT, Code.HOLD
NONE = math.nan
FIRST = 18_262  # Wednesday, 2020-01-01
FINE = EngineOptions(account="shared", sizing="units", size=1, detail="1m")
PATH = FINE.model_copy(update={"intrabar": "path"})
Row = tuple[float, float, float, float]
STILL: Row = (100, 100, 100, 100)


@pytest.fixture(params=SHARED_ENGINES)
def engine(request):
    return SHARED_ENGINES[request.param]


def whole(rows: Sequence[Row]) -> Row:
    """The bar that these finer ones make."""
    return rows[0][0], max(row[1] for row in rows), min(row[2] for row in rows), rows[-1][3]


def finer(*groups: Sequence[Row], bars: Sequence[Row] | None = None) -> Bars:
    """Days made of finer bars, or with other rows than those make."""
    rows = [whole(group) for group in groups] if bars is None else bars
    made = make_bars(*np.array(rows, dtype=np.float64).T, session=FIRST + np.arange(len(rows)))
    flat = [row for group in groups for row in group]
    columns = np.array(flat, dtype=np.float64).reshape(-1, 4).T.copy()
    first = np.cumsum([0, *(len(group) for group in groups)])
    detail = Detail(Timeframe.M1, np.arange(len(flat)), *columns, first)
    return replace(made, detail=detail)


def held(*inside: Row, bar: Row | None = None) -> Bars:
    """A day to decide, a day of 100 to enter on, and a day of finer bars."""
    if bar is None:
        return finer([STILL], [STILL], inside)
    return finer([STILL], [STILL], inside, bars=[STILL, STILL, bar])


def mirrored(bars: Bars) -> Bars:
    """The same market upside down: 200 less each price."""
    assert bars.detail is not None
    swap = {"open": "open", "high": "low", "low": "high", "close": "close"}
    detail = replace(bars.detail, **{a: 200 - getattr(bars.detail, b) for a, b in swap.items()})
    return replace(bars, **{a: 200 - getattr(bars, b) for a, b in swap.items()}, detail=detail)


def guarded(**levels: Level) -> Signals:
    return Signals(codes=codes(LONG, HOLD, HOLD), **levels)


def resting(price: float, kind: str = "limit", **more: object) -> Signals:
    return Signals(
        codes=codes(LONG, HOLD),
        entry_price=np.array([price, NONE]),
        entry_kind=kind,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def deals(run):
    return [(f.bar, f.quantity, f.price, Reason(f.reason)) for f in run.fills]


def left(run):
    """Why, at what price and in which bar it was left; nothing while it is held."""
    return [(f.bar, f.price, Reason(f.reason)) for f in run.fills[1:]]


def counted(run):
    return {name: count for name, count in run.counters.items() if count and name != "entries"}


UP_FIRST = ((100, 105, 100, 104), (104, 104, 97, 103))
DOWN_FIRST = ((100, 100, 97, 99), (99, 105, 99, 103))
AT_ONCE = ((100, 101, 99, 100), (100, 105, 97, 103))
BOTH = guarded(stop=points(2), target=points(3))


@pytest.mark.parametrize(
    ("rows", "exit_", "unclear"),
    [
        (UP_FIRST, (2, 103, Reason.TARGET), {}),
        (DOWN_FIRST, (2, 98, Reason.STOP), {}),
        (AT_ONCE, (2, 98, Reason.STOP), {"ambiguous_bars": 1}),
        ((*AT_ONCE, (103, 104, 90, 95)), (2, 98, Reason.STOP), {"ambiguous_bars": 1}),
    ],
)
def test_r6_the_finer_bars_say_what_came_first(engine, rows, exit_, unclear):
    run = engine([held(*rows)], [BOTH], FINE, ZERO)

    assert left(run) == [exit_]
    assert counted(run) == unclear
    assert run.trades[0].ambiguous == bool(unclear)
    alone = engine([held(*rows)], [BOTH], FINE.model_copy(update={"detail": None}), ZERO)
    assert left(alone) == [(2, 98, Reason.STOP)]
    assert counted(alone) == {"ambiguous_bars": 1}


def test_r6_a_short_position_is_the_mirror_image(engine):
    wanted = replace(BOTH, codes=codes(SHORT, HOLD, HOLD))

    up, down = (
        engine([mirrored(held(*rows))], [wanted], FINE, ZERO) for rows in (UP_FIRST, DOWN_FIRST)
    )

    assert left(up) == [(2, 97, Reason.TARGET)]
    assert left(down) == [(2, 102, Reason.STOP)]


def test_r6_two_unclear_finer_bars_are_one_unclear_bar(engine):
    """Both move the stop above their own low: 103 less 2, then 105 less 2."""
    rows = ((100, 103, 100, 102), (102, 105, 102, 104))

    run = engine([held(*rows)], [guarded(trail=points(2))], FINE, ZERO)

    assert left(run) == []
    assert counted(run) == {"ambiguous_bars": 1}


def test_r6_an_unclear_finer_bar_is_remembered_by_those_after_it(engine):
    rows = ((100, 103, 100, 102), (102, 102.5, 101.5, 102))

    run = engine([held(*rows)], [guarded(trail=points(2))], FINE, ZERO)

    assert counted(run) == {"ambiguous_bars": 1}


def test_r6_the_first_finer_bar_opens_where_the_bar_does(engine):
    """Not at 98.5, below the limit; nor at 103, next to the high."""
    rows = ((98.5, 100, 97, 98), (98, 99, 98, 99))
    order = finer([STILL], rows, bars=[STILL, (100, 100, 97, 99)])
    near = held((103, 104, 97, 100), bar=(100, 104, 97, 100))

    entered = engine([order], [resting(99)], FINE, ZERO)
    walked = engine([near], [BOTH], PATH, ZERO)

    assert deals(entered) == [(1, 1, 99, Reason.ENTRY)]
    assert left(walked) == [(2, 98, Reason.STOP)]


@pytest.mark.parametrize(
    ("rows", "exit_"),
    [
        # The nearer extreme first: 100, 99, 105, 97, 103 passes 103 before 98.
        (((100, 101, 99, 100), (100, 103.5, 97, 103)), (2, 98, Reason.STOP)),
        (((100, 101, 99, 102), (102, 104, 97, 103)), (2, 103, Reason.TARGET)),
    ],
)
def test_r6_along_the_path_of_each_finer_bar(engine, rows, exit_):
    run = engine([held(*rows)], [BOTH], PATH, ZERO)

    assert left(run) == [(exit_[0], exit_[1], exit_[2])]
    assert counted(run) == {}


@pytest.mark.parametrize("options", [FINE, PATH])
@pytest.mark.parametrize(
    ("rows", "exit_"),
    [
        (((100, 100, 99, 99), (97, 99, 97, 99)), (2, 97, Reason.STOP_GAP)),
        (((100, 101, 100, 101), (104, 105, 104, 105)), (2, 104, Reason.TARGET_GAP)),
        (((100, 101, 100, 101), (103, 103, 102, 102)), None),  # at the target is not beyond it
    ],
)
def test_r6_a_finer_bar_that_opens_beyond_a_level_leaves_at_its_open(engine, options, rows, exit_):
    run = engine([held(*rows)], [BOTH], options, ZERO)

    assert left(run) == ([] if exit_ is None else [exit_])


def test_r6_gaps_pay_slippage_as_their_class_does(engine):
    costs = CostModel(slippage_points=0.5)
    stopped = held((100, 100.5, 99, 99), (97, 99, 97, 99))
    gained = held((100, 101, 100, 101), (105, 106, 105, 105))

    prices = [engine([bars], [BOTH], FINE, costs).fills[1].price for bars in (stopped, gained)]

    assert prices == [96.5, 105]


@pytest.mark.parametrize("options", [FINE, PATH])
def test_r6_what_came_before_an_entry_does_not_concern_it(engine, options):
    """The high of 102 was before the limit of 99 was met, and 101 comes after."""
    rows = ((100, 102, 99.5, 99.5), (99.5, 99.5, 98.9, 99), (99, 101.5, 99, 101.2))
    wanted = resting(99, stop=Level(98.0, "price"), target=Level(101.0, "price"))

    run = engine([finer([STILL], rows)], [wanted], options, ZERO)

    assert deals(run) == [(1, 1, 99, Reason.ENTRY), (1, -1, 101, Reason.TARGET)]
    assert counted(run) == {}


def test_r6_the_bar_of_an_entry_is_still_unclear_inside_its_finer_bar(engine):
    """As the whole bar would be: the high of the finer bar may have come before the fill."""
    rows = ((100, 100, 99.5, 99.5), (99.5, 101.5, 98.9, 100.5))
    wanted = resting(99, stop=Level(98.0, "price"), target=Level(101.0, "price"))

    run = engine([finer([STILL], rows)], [wanted], FINE, ZERO)

    assert deals(run) == [(1, 1, 99, Reason.ENTRY)]
    assert counted(run) == {"ambiguous_bars": 1}


@pytest.mark.parametrize(
    ("kind", "price", "rows", "paid"),
    [
        ("limit", 99.0, ((100, 100, 99.5, 99.5), (98.7, 99, 98, 98.5)), 98.7),
        ("limit", 99.0, ((100, 100, 99.5, 99.5), (99, 99, 98, 98.5)), 99.0),
        ("stop", 101.0, ((100, 100.5, 100, 100), (101.6, 102, 101, 102)), 101.6),
        ("stop", 101.0, ((100, 100.5, 100, 100), (100.5, 102, 100, 102)), 101.0),
    ],
)
def test_r6_a_finer_bar_that_opens_beyond_an_order_fills_it_at_its_open(
    engine, kind, price, rows, paid
):
    run = engine([finer([STILL], rows)], [resting(price, kind)], FINE, ZERO)

    assert deals(run) == [(1, 1, paid, Reason.ENTRY)]
    # Excursions are those of an entry at a level inside the bar (step 4).
    close, low, high = rows[-1][3], min(row[2] for row in rows), max(row[1] for row in rows)
    worst = low if kind == "limit" else min(paid, close)
    best = max(paid, close) if kind == "limit" else high
    assert run.trades[0].mae == min((worst - paid) / paid, 0)
    assert run.trades[0].mfe == max((best - paid) / paid, 0)


def test_r6_filled_at_the_open_of_a_finer_bar_all_of_that_bar_counts(engine):
    """Nothing of it can have come before the fill at 98.7: the target of 99.5 is sure."""
    rows = ((100, 100, 99.2, 99.2), (98.7, 99.8, 98.5, 99))
    wanted = resting(99, target=Level(99.5, "price"))

    run = engine([finer([STILL], rows)], [wanted], FINE, ZERO)

    assert deals(run) == [(1, 1, 98.7, Reason.ENTRY), (1, -1, 99.5, Reason.TARGET)]
    assert counted(run) == {}


@pytest.mark.parametrize("options", [FINE, PATH])
def test_r7_a_trailing_stop_follows_from_finer_bar_to_finer_bar(engine, options):
    """Best 104 at the end of the first: stop 102; the second comes down to it."""
    rows = ((100, 104, 100, 104), (104, 104, 101, 103))

    run = engine([held(*rows)], [guarded(trail=points(2), target=pct(50))], options, ZERO)

    assert left(run) == [(2, 102, Reason.TRAIL)]


def test_r20_nothing_is_opened_after_a_finer_bar_has_stopped_out(engine):
    rows = ((100, 100, 97, 99), (99, 101, 99, 100))
    wanted = Signals(codes=codes(LONG, HOLD, LONG), stop=points(2))
    options = FINE.model_copy(update={"fill": "close"})

    run = engine([finer([STILL], [STILL], rows)], [wanted], options, ZERO)

    assert [reason for *_, reason in deals(run)] == [Reason.ENTRY, Reason.STOP]
    assert counted(run) == {"blocked": 1}


# Bars without, or with others ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((), "detail_missing"),
        (((100, 105, 100, 104),), "detail_missing"),  # the low is left out
        (((100, 100, 97, 98),), "detail_missing"),  # the high is
        (((100, 105.01, 97, 103),), "detail_conflicts"),
        (((100, 105, 96.99, 103),), "detail_conflicts"),
        (((100, 106, 99, 103),), "detail_conflicts"),  # both: beyond is the graver
    ],
)
def test_r6_a_bar_without_finer_ones_that_fit_decides_alone_and_is_counted(engine, rows, why):
    run = engine([held(*rows, bar=(100, 105, 97, 103))], [BOTH], FINE, ZERO)

    assert left(run) == [(2, 98, Reason.STOP)]
    assert counted(run) == {"ambiguous_bars": 1, why: 1}


def test_r6_noise_of_the_last_digits_is_cut_off(engine):
    """0.4 parts in a million beyond the high: fits, and nobody gets that price."""
    rows = ((100, 105 * (1 + 4e-7), 100, 105 * (1 + 4e-7)), (105 * (1 + 4e-7), 105, 97, 103))
    rows = (rows[0], (rows[1][0], rows[1][0], 97, 103))
    wanted = guarded(stop=points(2), target=points(4.9))

    run = engine([held(*rows, bar=(100, 105, 97, 103))], [wanted], FINE, ZERO)

    assert left(run) == [(2, 104.9, Reason.TARGET)]
    assert counted(run) == {}
    opened_high = held((100, 101, 100, 101), (105 * (1 + 4e-7),) * 4, (105, 105, 97, 103),
                       bar=(100, 105, 97, 103))  # fmt: skip
    assert left(engine([opened_high], [wanted], FINE, ZERO)) == [(2, 105, Reason.TARGET_GAP)]


def test_r6_only_bars_that_had_something_to_decide_are_counted(engine):
    """None has finer bars but the last: nothing held, held without levels, an order that waits."""
    lone: Row = (100, 101, 99, 100)
    bars = finer([], [], [], [], [lone], bars=[lone] * 5)
    idle = Signals(codes=codes(HOLD, LONG, FLAT, HOLD, HOLD))
    waiting = Signals(
        codes=codes(LONG, *[HOLD] * 4), entry_price=np.array([90.0, *[NONE] * 4]), ttl=2
    )
    guarding = Signals(codes=codes(HOLD, LONG, HOLD, FLAT, HOLD), stop=points(50))

    assert counted(engine([bars], [idle], FINE, ZERO)) == {}
    assert counted(engine([bars], [waiting], FINE, ZERO)) == {"detail_missing": 2, "expired": 1}
    assert counted(engine([bars], [guarding], FINE, ZERO)) == {"detail_missing": 2}


def test_r6_an_order_and_the_position_it_makes_are_one_bar(engine):
    lone: Row = (100, 101, 98, 100)
    bars = finer([lone], [], bars=[lone] * 2)

    run = engine([bars], [resting(99, stop=points(5))], FINE, ZERO)

    assert deals(run) == [(1, 1, 99, Reason.ENTRY)]
    assert counted(run) == {"detail_missing": 1}


@pytest.mark.parametrize("compiled", [True, False])
def test_r6_a_run_of_which_no_bar_fits_is_refused_in_words(compiled):
    bars = finer([], [], [(100, 105.5, 97, 103)], bars=[STILL, STILL, (100, 105, 97, 103)])

    with pytest.raises(DataProblem) as caught:
        simulate(bars, BOTH, FINE, ZERO, compiled=compiled)

    assert "no 1d bar of TEST has 1m bars that fit it" in caught.value.message
    assert "from 97 to 105, those inside from 97 to 105.5" in caught.value.message
    with pytest.raises(DataProblem, match="came without 1m bars"):
        simulate(replace(bars, detail=None), BOTH, FINE, ZERO, compiled=compiled)


def test_r6_symbols_on_their_own_clocks_keep_their_own_finer_bars(engine):
    """The second has no bar on the third row; its finer bars are found all the same."""
    first = held(*UP_FIRST)
    second = finer([STILL], [STILL], DOWN_FIRST)
    second = replace(second, session=np.array([0, 1, 3], dtype=np.int32) + FIRST,
                     ts=second.ts + np.array([0, 0, 86_400_000_000]))  # fmt: skip

    run = engine([first, second], [BOTH, BOTH], FINE, ZERO)

    assert deals(run)[2:] == [(2, -1, 103, Reason.TARGET), (3, -1, 98, Reason.STOP)]


def test_r6_weights_are_protected_in_detail_too(engine):
    weights = Weights(np.array([[0.5], [NONE], [NONE]]), stop=points(2), target=points(3))

    run = engine([held(*UP_FIRST)], weights, FINE, ZERO)

    assert left(run) == [(2, 103, Reason.TARGET)]


# With other rules ------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [(104, 105, 102, 102), (102, 102, 101, 102)])
def test_r5_a_limit_is_missed_in_the_whole_bar(engine, last):
    """A second finer bar that opens beyond the target, or is below it: one draw, one miss."""
    bars = held((100, 104, 100, 102), last)
    costs = CostModel(fill_probability=uniform(0, "TEST", int(bars.ts[2]), "target"))

    run = engine([bars], [BOTH], FINE, costs)

    assert left(run) == []
    assert counted(run) == {"missed_limits": 1}


def test_r15_finer_bars_are_on_the_terms_of_their_bar(engine):
    """A split by 2 before the third bar: the stop of 98 is one of 49 there."""
    rows = ((50, 52, 50, 52), (52, 52, 48, 49))
    bars = finer([STILL], [STILL], rows)
    bars = replace(bars, split=np.array([1.0, 1.0, 2.0]))
    options = FINE.model_copy(update={"adjust": "raw"})

    run = engine([bars], [BOTH], options, ZERO)

    assert left(run) == [(2, 51.5, Reason.TARGET)]
    assert run.fills[1].quantity == -2


def test_detail_says_nothing_where_closes_count():
    with pytest.raises(ValueError, match="detail=1m says nothing where protection=close"):
        EngineOptions(detail="1m", protection="close")


def test_bars_that_are_cut_keep_the_finer_bars_of_what_is_left():
    bars = finer([STILL] * 2, [STILL] * 3, [STILL])

    kept = bars.between(FIRST + 1, FIRST + 1)

    assert kept.detail is not None
    assert kept.detail.first.tolist() == [0, 3]
    assert kept.detail.ts.tolist() == [2, 3, 4]
    assert kept.data_hash == replace(bars, detail=None).between(FIRST + 1, FIRST + 1).data_hash
    assert bars.head(2).detail.data_hash != bars.detail.data_hash
    run = simulate_account([bars], [BOTH], FINE, ZERO)
    assert len(run.ts) == 3
