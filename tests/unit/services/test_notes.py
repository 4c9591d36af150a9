"""What is said of a request that asks in vain, and of costs taken of the wrong thing."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.cost_presets import costs_from
from core.domain.options import EngineOptions
from core.domain.run import RunSpec
from core.services.notes import notes_of
from tests.laboratory import write_strategy


def said(*, weighs: bool = False, costs: Any = "bps_5", **options: Any) -> tuple[str, ...]:
    spec = RunSpec(
        strategy="any",
        symbols=("AAA",),
        options=EngineOptions.model_validate(options),
        costs=costs_from(costs),
    )
    return notes_of(spec, weighs=weighs)


@pytest.mark.parametrize(
    ("idle", "needed"),
    [
        ({"daily_unit": "points"}, {"daily_target": 5}),
        ({"daily_unit": "points"}, {"daily_loss": 5}),
        ({"daily_action": "entries"}, {"daily_loss": 5}),
        ({"cooldown_losses": 3}, {"cooldown_bars": 1}),
        ({"borrow_rate": 0.1, "allow_short": False}, {"allow_short": True}),
        ({"borrow_rate": 0.1, "allow_short": False}, {"shortable": {"AAA": True}}),
        ({"borrow_rate": 0.1, "shortable": {"AAA": False}}, {"shortable": {}}),
        ({"on_insufficient": "reject", "initial_margin": 0}, {"initial_margin": 0.5}),
        ({"seed": 7}, {"costs": {"bps": 5, "fill_probability": 0.5}}),
        ({"volatility_bars": 30}, {"sizing": "vol_target"}),
        ({"rebalance_band": 0.05}, {"weighs": True}),
        ({"pyramid": 2, "weighs": True}, {"weighs": False}),
        ({"sizing": "units", "weighs": True}, {"weighs": False}),
        ({"size": 50, "weighs": True}, {"weighs": False}),
    ],
    ids=str,
)
def test_an_option_that_does_nothing_is_named_with_the_reason(idle, needed):
    name, value = next(iter(idle.items()))

    (note,) = said(**idle)

    assert note.startswith(f"{name}={value} does nothing: ")
    assert said(**{**idle, **needed}) == ()


@pytest.mark.parametrize("may", [True, False])
def test_leave_to_sell_short_that_all_have_already_is_told(may):
    (note,) = said(shortable={"AAA": may}, allow_short=may)

    word = str(may).lower()
    assert note == (
        f"shortable=AAA:{word} does nothing: allow_short={word} says the same of these symbols."
    )
    assert said(shortable={"AAA": may}, allow_short=not may) == ()


@pytest.mark.parametrize(
    ("idle", "needed"),
    [
        ({"slippage_bars": 20}, {"slippage_atr": 0.1}),
        ({"slippage_bars": 20}, {"slippage_volatility": 0.1}),
        ({"rounding": "cent_up"}, {"sell_charge_per_unit": 0.001}),
        ({"rounding": "cent_nearest"}, {"changes": [{"since": "2020-01-01", "buy_charge_bps": 1}]}),
    ],
    ids=str,
)
def test_a_figure_of_the_costs_that_does_nothing_is_named_with_the_reason(idle, needed):
    name, value = next(iter(idle.items()))

    (note,) = said(costs=idle)

    assert note.startswith(f"{name}={value} of the costs does nothing: ")
    assert said(costs=idle | needed) == ()


def test_nothing_is_said_of_defaults():
    assert said() == said(weighs=True) == ()


@pytest.mark.parametrize(
    "costs", ["nse_options", "conservative:nse_options", {"base": "nse_options", "times": 2}]
)
def test_costs_of_a_premium_taken_of_an_index_are_told(costs):
    lots = {"sizing": "lots", "size": 2, "lot_size": 75, "initial_margin": 0}

    (note,) = said(costs=costs, multiplier=0.5, **lots)

    assert "of an option's premium" in note
    assert "Give option" in note
    assert said(costs=costs, option={"delta": 0.5}, **lots) == ()
    assert said(costs="nse_futures", **lots) == ()


WEIGHS = """
    import numpy as np

    from core.domain.strategy import Strategy, UniverseView, Weights


    class Even(Strategy):
        '''Equal weights.'''

        universe = True

        def generate_signals(self, view: UniverseView) -> Weights:
            return Weights(np.full(view.shape, 0.5))
"""


def test_a_service_knows_which_strategies_weigh(lab):
    write_strategy(lab.strategies, "even", WEIGHS)
    options = {"rebalance_band": 0.1, "size": 50}

    by_code, by_weight = (
        lab.services.backtests.notes(
            RunSpec.model_validate({"strategy": name, "symbols": ("AAA",), "options": options})
        )
        for name in ("simple", "even")
    )

    assert [note.split("=")[0] for note in by_code] == ["rebalance_band"]
    assert [note.split("=")[0] for note in by_weight] == ["size"]
