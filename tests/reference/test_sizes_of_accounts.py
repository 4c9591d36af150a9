"""Sizes (R3) where several symbols, currencies, splits and adds meet, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.options import EngineOptions
from core.domain.signals import Code, points, price
from core.domain.simulation import Reason
from tests.factories import ZERO
from tests.reference.compare_shared import SHARED_ENGINES
from tests.reference.test_shared_rules import counted, days, deals, dollars, silent, wants

LONG, SHORT, HOLD = Code.LONG, Code.SHORT, Code.HOLD
ENTRY = Reason.ENTRY


@pytest.fixture(params=SHARED_ENGINES)
def engine(request):
    return SHARED_ENGINES[request.param]


def shared(sizing: str, size: float, **more: object) -> EngineOptions:
    given = {"initial_cash": 10_000, "lot_size": 0, "account": "shared"} | more
    return EngineOptions.model_validate(given | {"sizing": sizing, "size": size})


@pytest.mark.parametrize(("ref", "quantity"), [("decision", 1000 / 1.25 / 50), ("fill", 8.0)])
def test_r3_value_is_money_of_the_account(engine, ref, quantity):
    """At the close of row 0 and at the opening of row 1 a euro is 1.25 dollars: 800 euros."""
    bars = days(50, 100, 100, fx=dollars(1.0, 1.25, 2.0))

    run = engine([bars], [wants(LONG, HOLD, HOLD)], shared("value", 1000, size_ref=ref), ZERO)

    assert deals(run) == [(1, 0, pytest.approx(quantity), 100, ENTRY)]


def test_r3_risk_is_a_share_of_the_accounts_equity_in_the_symbols_currency(engine):
    """2 percent of 10,000 dollars are 160 euros, and the stop is 4 euros away."""
    bars = days(50, 50, 50, fx=dollars(1.0, 1.25, 1.25))

    run = engine([bars], [wants(LONG, HOLD, HOLD, stop=points(4))], shared("risk", 2), ZERO)

    assert deals(run) == [(1, 0, pytest.approx(40.0), 50, ENTRY)]


def test_r3_risk_of_a_resting_order_is_on_the_terms_after_a_split(engine):
    """Limit 90 and stop 80 of before a split of 2 are 45 and 40: 200 of risk are 40 units."""
    bars = days(100, (50, 51, 44, 50), 50, split=[1, 2, 1])
    asked = wants(LONG, HOLD, HOLD, stop=price(80), entry_price=np.full(3, 90.0))

    run = engine([bars], [asked], shared("risk", 2, adjust="raw"), ZERO)

    assert deals(run) == [(1, 0, pytest.approx(40.0), 45, ENTRY)]


def test_r3_risk_of_a_market_order_is_on_the_terms_after_a_split(engine):
    """From 50, half the close, to a stop of 2 points after the split: 4 before it."""
    bars = days(100, 50, 50, split=[1, 2, 1])

    run = engine(
        [bars], [wants(LONG, HOLD, HOLD, stop=points(4))], shared("risk", 2, adjust="raw"), ZERO
    )

    assert deals(run) == [(1, 0, pytest.approx(100.0), 50, ENTRY)]


def test_r3_an_add_is_sized_by_its_own_entry_and_levels(engine):
    """200 over 4 are 50; at 110 equity is 10,500, so 210 over 10 are 21."""
    bars = days(100, 100, 110, 110)
    asked = wants(LONG, HOLD, LONG, HOLD, stop=points(np.array([4.0, 1.0, 10.0, 1.0])))

    run = engine([bars], [asked], shared("risk", 2, pyramid=1), ZERO)

    assert deals(run) == [(1, 0, 50, 100, ENTRY), (3, 0, pytest.approx(21.0), 110, ENTRY)]


def test_r3_each_symbol_has_its_own_volatility_and_its_own_rows(engine):
    """Returns of 10 and -10 percent, and twice as much: half the value, at the same size."""
    calm = days(100, 110, 99, 99)
    wild = days(100, 120, 96, 96)
    asked = [
        wants(HOLD, HOLD, LONG, HOLD),
        wants(HOLD, HOLD, LONG, HOLD, size=np.array([np.nan, np.nan, 20.0, np.nan])),
    ]

    run = engine([calm, wild], asked, shared("vol_target", 10, volatility_bars=2), ZERO)

    year = (2 * 252) ** 0.5
    expected = [1_000 / (0.1 * year * 99), 2_000 / (0.2 * year * 96)]
    assert [f.quantity for f in run.fills] == pytest.approx(expected, rel=1e-12)


def test_r3_a_symbol_that_has_just_begun_has_no_volatility_yet(engine):
    old, young = days(100, 110, 99, 99), days(50, 55, on=[2, 3])

    run = engine(
        [old, young],
        [silent(4), wants(LONG, HOLD)],
        shared("vol_target", 10, volatility_bars=2),
        ZERO,
    )

    assert deals(run) == []
    assert counted(run) == {"unsized": 1}
