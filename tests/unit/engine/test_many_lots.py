"""An order of more lots than floats can tell apart."""

from __future__ import annotations

import threading

import pytest

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.engine.simulate import simulate
from tests.factories import codes, make_bars


@pytest.mark.parametrize(
    ("price", "lot", "cash"), [(1e-5, 1e-8, 1e5), (30_000.0, 1e-9, 1e12), (1e-5, 1e-9, 1e7)]
)
def test_it_is_scaled_to_what_cash_covers(price, lot, cash):
    """The fill is 0.1 % dearer than the decision: cash / (1.001 price (1 + 10 bps)) units."""
    bars = make_bars([price, 1.001 * price], [2 * price] * 2, [price / 2] * 2, [price, price])
    signals, options = Signals(codes(1, 2)), EngineOptions(initial_cash=cash, lot_size=lot)
    found = []
    run = threading.Thread(
        target=lambda: found.append(simulate(bars, signals, options, CostModel(bps=10))),
        daemon=True,  # were it endless, the suite would not end either
    )

    run.start()
    run.join(60)

    assert len(found) == 1, "it does not end"
    assert found[0].quantity[-1] == pytest.approx(cash / (1.001 * price * 1.001), rel=1e-12)
    assert found[0].cash[-1] >= -1e-9 * cash
    assert found[0].counters.scaled_cash == 1
