"""Which runs held something at a price nobody had quoted for long (R16)."""

from __future__ import annotations

import pytest

from core.analytics.summary import summarise
from core.domain.metrics import BADGES
from core.domain.options import EngineOptions
from core.engine.account import simulate_account
from core.engine.sleeves import simulate_sleeves
from tests.factories import ZERO, make_bars, signals_at
from tests.unit.analytics.simulations import simulation_of

FIRST = 18_262


def badges(engine: str, days: list[int], rows: dict[int, int], *, total: int = 12):
    """Of a run in which one symbol has bars on these days only, another on all of them."""
    rare = make_bars([50.0] * len(days), session=[FIRST + day for day in days])
    daily = make_bars([100.0] * total)
    options = EngineOptions(sizing="units", size=1)
    wanted = [signals_at(len(days), rows), signals_at(total, {0: 1})]
    simulate = {"sleeves": simulate_sleeves, "shared": simulate_account}[engine]
    made = simulate([rare, daily], wanted, options, ZERO)
    return summarise(made, options=options, costs=ZERO).badges


@pytest.mark.parametrize("engine", ["sleeves", "shared"])
@pytest.mark.parametrize(
    ("days", "rows", "stale"),
    [
        ([0, 1, 7, 8], {0: 1}, False),  # on day 6 its price is five sessions old
        ([0, 1, 8, 9], {0: 1}, True),  # on day 7 it is six
        ([0, 1, 8, 9], {2: 1}, False),  # bought after the gap
        ([0, 1, 2, 9], {0: 1, 1: 0}, False),  # sold before it
        ([2, 9, 10], {}, False),  # never held
        ([0, 1, 2, 3, 4, 5, 6], {0: 1}, False),  # its last close is five sessions old at the end
    ],
    ids=str,
)
def test_a_position_marked_at_a_close_of_more_than_five_sessions_ago_is_badged(
    engine, days, rows, stale
):
    found = badges(engine, days, rows)

    assert ("stale_prices" in found) is stale
    assert list(found) == [name for name in BADGES if name in found]


def test_one_symbol_alone_is_never_stale():
    gaps = make_bars([50.0] * 3, session=[FIRST, FIRST + 1, FIRST + 60])
    options = EngineOptions(sizing="units", size=1)

    made = simulate_sleeves([gaps], [signals_at(3, {0: 1})], options, ZERO)

    assert "stale_prices" not in summarise(made, options=options, costs=ZERO).badges


def test_money_beyond_the_range_of_floats_is_no_warning():
    sleeves = [simulation_of([1.7e308, 1.7e308], initial_cash=1.0) for _ in range(2)]

    found = summarise(sleeves, options=EngineOptions(), costs=ZERO)

    assert found.values["final_equity"] is None
    assert found.reasons["final_equity"] == "not_finite"
    assert "stale_prices" not in found.badges
