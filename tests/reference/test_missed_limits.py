"""Rule R5: limits that are reached and do not fill, by numbers published for the generator."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.cost_presets import costs_from
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Signals, Weights, points
from core.domain.simulation import Reason
from core.engine.account import simulate_account
from core.engine.chance import misses_of
from core.engine.simulate import simulate
from tests.factories import codes, make_bars
from tests.reference.compare_shared import SHARED_ENGINES, compiled, shared_differences
from tests.reference.naive_chance import fnv1a, mix, uniform

LONG, SHORT, HOLD = Code.LONG, Code.SHORT, Code.HOLD
NONE = math.nan
FIRST = 18_262  # Wednesday, 2020-01-01
CALM = (100.0, 101.0, 99.5, 100.0)
LOW = (100.0, 101.0, 97.0, 100.0)  # through 99
HIGH = (100.0, 103.0, 99.5, 100.0)  # through 102
UNITS = EngineOptions(account="shared", sizing="units", size=1)
IB_STANDARD = {
    "commission_per_share": 0.005,
    "minimum_commission": 1.00,
    "maximum_commission_rate": 0.01,
    "sec_fee_rate": 0.0000278,
    "slippage": {"market_order_bps": 5, "limit_order_bps": 0, "fill_probability": 0.95},
    "spread": {"enabled": True, "typical_bps": 2, "use_midpoint": True, "spread_factor": 0.5},
}
IB_PRO = {**IB_STANDARD, "commission_per_share": 0.0035, "minimum_commission": 0.35}


@pytest.fixture(params=SHARED_ENGINES)
def engine(request):
    return SHARED_ENGINES[request.param]


def days(*rows: tuple[float, float, float, float], symbol: str = "ABC") -> Bars:
    return make_bars(
        *np.array(rows).T, session=FIRST + np.arange(len(rows), dtype=np.int32), symbol=symbol
    )


def resting(count: int, *, ttl: int = 1, side: int = LONG, price: float = 99.0) -> Signals:
    prices = np.full(count, NONE)
    prices[0] = price
    return Signals(codes=codes(side, *[HOLD] * (count - 1)), entry_price=prices, ttl=ttl)


def chance(probability: float) -> CostModel:
    return CostModel(name="zero", fill_probability=probability)


def only_missing(bars: Bars, bar: int, kind: str) -> CostModel:
    """A probability that the draw of one bar just does not reach."""
    return chance(uniform(0, bars.symbol, int(bars.ts[bar]), kind))


def deals(run):
    return [(f.bar, f.quantity, f.price, Reason(f.reason)) for f in run.fills]


def counted(run):
    return {name: count for name, count in run.counters.items() if count}


def test_r5_the_generator_gives_the_published_numbers():
    """SplitMix64 from seed 1234567 (Vigna's splitmix64.c), FNV-1a of its authors' test suite."""
    step = 0x9E3779B97F4A7C15
    assert [mix(1234567 + n * step) for n in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
    assert (fnv1a(""), fnv1a("a"), fnv1a("foobar")) == (
        0xCBF29CE484222325,
        0xAF63DC4C8601EC8C,
        0x85944171F73967E8,
    )


@pytest.mark.parametrize("symbol", ["ABC", "NIFTY 50", "ÅÄÖ"])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_r5_the_engine_draws_what_is_written(symbol, seed):
    bars = days(*[CALM] * 200, symbol=symbol)

    for p in (0.05, 0.5, 0.95):
        expected = [
            [uniform(seed, symbol, ts, kind) >= p for kind in ("entry", "target")]
            for ts in bars.ts.tolist()
        ]
        assert misses_of(bars, seed, p).tolist() == expected


def test_r5_a_draw_below_the_probability_fills_and_one_at_it_does_not(engine):
    bars = days(CALM, LOW)
    u = uniform(0, "ABC", int(bars.ts[1]), "entry")

    missed = engine([bars], [resting(2)], UNITS, chance(u))
    filled = engine([bars], [resting(2)], UNITS, chance(math.nextafter(u, 1)))

    assert deals(missed) == []
    assert counted(missed) == {"missed_limits": 1, "expired": 1}
    assert deals(filled) == [(1, 1, 99, Reason.ENTRY)]


def test_r5_a_missed_entry_rests_until_its_time_is_over(engine):
    bars = days(CALM, LOW, CALM, LOW, LOW)
    costs = only_missing(bars, 1, "entry")
    assert uniform(0, "ABC", int(bars.ts[3]), "entry") < costs.fill_probability

    lasting = engine([bars], [resting(5, ttl=3)], UNITS, costs)
    brief = engine([bars], [resting(5, ttl=2)], UNITS, costs)

    assert deals(lasting) == [(3, 1, 99, Reason.ENTRY)]
    assert counted(lasting) == {"entries": 1, "missed_limits": 1}
    assert deals(brief) == []
    assert counted(brief) == {"missed_limits": 1, "expired": 1}


def test_r5_an_open_beyond_the_limit_fills_for_certain(engine):
    bars = days(CALM, (98.0, 100.0, 97.0, 100.0))

    run = engine([bars], [resting(2)], UNITS, chance(1e-9))

    assert deals(run) == [(1, 1, 98, Reason.ENTRY)]
    assert counted(run) == {"entries": 1}


def test_r5_stops_know_no_chance(engine):
    bars = days(CALM, HIGH, (100.0, 101.0, 95.0, 96.0))
    prices = np.array([101.0, NONE, NONE])
    wanted = Signals(
        codes=codes(LONG, HOLD, HOLD), entry_price=prices, entry_kind="stop", stop=points(3.0)
    )

    run = engine([bars], [wanted], UNITS, chance(1e-9))

    assert deals(run) == [(1, 1, 101, Reason.ENTRY), (2, -1, 98, Reason.STOP)]


@pytest.mark.parametrize("intrabar", ["conservative", "path"])
def test_r5_a_missed_target_is_not_there_in_its_bar(engine, intrabar):
    """Entered at 100, target 102: reached in bar 2 in vain, and bar 3 opens beyond it."""
    bars = days(CALM, CALM, HIGH, (102.5, 104.0, 102.0, 103.0))
    wanted = Signals(codes=codes(LONG, HOLD, HOLD, HOLD), target=points(2.0))
    options = UNITS.model_copy(update={"intrabar": intrabar})

    run = engine([bars], [wanted], options, only_missing(bars, 2, "target"))
    sure = engine([bars], [wanted], options, chance(1.0))

    assert deals(run) == [(1, 1, 100, Reason.ENTRY), (3, -1, 102.5, Reason.TARGET_GAP)]
    assert counted(run) == {"entries": 1, "missed_limits": 1}
    assert deals(sure) == [(1, 1, 100, Reason.ENTRY), (2, -1, 102, Reason.TARGET)]


def test_r5_a_bar_that_reaches_both_is_not_ambiguous_where_the_target_is_missed(engine):
    bars = days(CALM, CALM, (100.0, 103.0, 97.0, 100.0))
    wanted = Signals(codes=codes(LONG, HOLD, HOLD), stop=points(2.0), target=points(2.0))

    run = engine([bars], [wanted], UNITS, only_missing(bars, 2, "target"))

    assert deals(run)[1] == (2, -1, 98, Reason.STOP)
    assert counted(run) == {"entries": 1}  # neither ambiguous nor missed: the stop was first or not


def test_r5_a_trailing_stop_goes_on_past_a_missed_target(engine):
    """The best price of 103 moves the stop to 102, and the close of 101 is below: out at 102."""
    bars = days(CALM, (100.0, 100.0, 100.0, 100.0), (100.5, 103.0, 100.0, 101.0))
    wanted = Signals(codes=codes(LONG, HOLD, HOLD), target=points(2.0), trail=points(1.0))

    run = engine([bars], [wanted], UNITS, only_missing(bars, 2, "target"))

    assert deals(run)[1] == (2, -1, 102, Reason.TRAIL)
    assert counted(run) == {"entries": 1, "missed_limits": 1}


def test_r5_a_target_judged_at_closes_is_a_market_order(engine):
    bars = days(CALM, CALM, (100.0, 103.0, 99.0, 103.0))
    wanted = Signals(codes=codes(LONG, HOLD, HOLD), target=points(2.0))
    options = UNITS.model_copy(update={"protection": "close"})

    run = engine([bars], [wanted], options, chance(1e-9))

    assert deals(run)[1] == (2, -1, 103, Reason.TARGET)


@pytest.mark.parametrize("given", [IB_STANDARD, IB_PRO], ids=["ib_standard", "ib_pro"])
def test_r5_the_files_of_the_earlier_systems_are_taken_as_they_are_and_count(given):
    """0.95 of 4,000 orders: binomial, four standard deviations either way."""
    costs = costs_from(given)
    count = 4_000
    bars = days(*[LOW] * count)
    wanted = Signals(
        codes=np.resize(np.array([LONG, Code.FLAT], dtype=np.int8), count),
        entry_price=np.resize(np.array([99.0, NONE]), count),
    )

    run = simulate(bars, wanted, EngineOptions(sizing="units", size=1), costs)

    tried = count // 2  # a row that says LONG acts in the bar after it
    missed = run.counters.missed_limits
    spread = math.sqrt(tried * 0.95 * 0.05)
    assert costs.fill_probability == 0.95
    assert abs(missed - 0.05 * tried) < 4 * spread
    assert run.counters.entries + missed == tried
    assert missed == sum(uniform(0, "ABC", ts, "entry") >= 0.95 for ts in bars.ts[1::2].tolist())


def test_r5_entries_and_targets_are_drawn_apart():
    """Two independent draws of one half: a quarter each, within four standard deviations."""
    count = 10_000
    drawn = misses_of(days(*[CALM] * count), 0, 0.5)

    for entry in (False, True):
        for target in (False, True):
            both = np.sum((drawn[:, 0] == entry) & (drawn[:, 1] == target))
            assert abs(both - count / 4) < 4 * math.sqrt(count * 3 / 16)


def orders(count: int, name: str) -> tuple[Bars, Signals]:
    wanted = Signals(
        codes=np.resize(np.array([LONG, Code.FLAT], dtype=np.int8), count),
        entry_price=np.resize(np.array([99.0, NONE]), count),
    )
    return days(*[LOW] * count, symbol=name), wanted


def test_r5_neither_the_order_of_symbols_nor_others_beside_nor_an_earlier_begin_matters():
    names = ["AAA", "BBB", "CCC"]
    whole = {name: orders(400, name) for name in names}

    def missed(run, place: int) -> list[int]:
        return [
            int(bar) for bar, s in zip(run.fills.bar, run.fill_symbol, strict=True) if s == place
        ]

    found = {}
    for order in (names, names[::-1], ["BBB"]):
        bars, wanted = zip(*(whole[name] for name in order), strict=True)
        run = simulate_account(list(bars), list(wanted), UNITS, chance(0.5))
        for place, name in enumerate(order):
            assert found.setdefault(name, missed(run, place)) == missed(run, place)
    assert len({tuple(each) for each in found.values()}) == 3

    bars, wanted = whole["AAA"]
    late = Bars(**{
        name: value[100:].copy() if isinstance(value, np.ndarray) else value
        for name, value in vars(bars).items()
    })  # fmt: skip
    assert np.array_equal(misses_of(late, 0, 0.5), misses_of(bars, 0, 0.5)[100:])


def test_r5_threads_and_seeds():
    case = [orders(400, "AAA")[0]], [orders(400, "AAA")[1]]
    seeds = [0, 1, 0, 1, 0, 1]
    options = [UNITS.model_copy(update={"seed": seed}) for seed in seeds]

    with ThreadPoolExecutor(3) as threads:
        runs = list(threads.map(lambda own: compiled(*case, own, chance(0.5)), options))

    assert deals(runs[0]) != deals(runs[1])
    for run, seed in zip(runs, seeds, strict=True):
        assert shared_differences(run, runs[seed]) == []


def test_r5_weights_miss_their_targets_too(engine):
    bars = days(CALM, CALM, HIGH, CALM)
    wanted = Weights(np.array([[0.5], [NONE], [NONE], [NONE]]), target=points(2.0))

    run = engine([bars], wanted, UNITS, only_missing(bars, 2, "target"))

    assert [deal[3] for deal in deals(run)] == [Reason.ENTRY]
    assert counted(run) == {"entries": 1, "missed_limits": 1}
