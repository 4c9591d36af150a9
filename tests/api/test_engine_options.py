"""How the options of a request become the engine's: each mapping by its definition."""

from __future__ import annotations

from datetime import time
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from api.bodies import BacktestBody, EngineOptionsBody, RunBody, chosen_costs
from api.words import SORT_KEYS, CostPreset, SortBy
from core.domain.cost_presets import cost_presets, find_costs, preset_names
from core.domain.options import EngineOptions
from core.domain.run import SORTABLE
from core.domain.timeframe import Timeframe


def options(**given: Any) -> dict[str, Any]:
    return EngineOptionsBody.model_validate(given).given()


def test_words_are_translated() -> None:
    assert options(initial_capital=5.0) == {"initial_cash": 5.0}
    assert options(lot_size=25) == {"lot_size": 25.0}
    assert options(intraday=True, session_close_time="15:15") == {
        "intraday": True,
        "square_off": time(15, 15),
    }
    assert options(option_delta=0.5) == {"multiplier": 0.5}
    assert options(option_delta=0.5, option_price_per_unit=3) == {"multiplier": 1.5}
    assert options(slippage=0) == {}
    assert options(initial_cash=None, lots=None, sizing=None, preset=None) == {}


def test_a_daily_target_goes_by_both_names_and_zero_is_none() -> None:
    assert options(daily_target=30) == {"daily_target": 30.0}
    assert options(daily_profit_target=30) == {"daily_target": 30.0}
    for none in (0, None):
        assert options(daily_target=none) == {"daily_target": None}
        assert options(daily_profit_target=none) == {"daily_target": None}
    assert options(daily_target=None, daily_profit_target=30) == {"daily_target": 30.0}


REMOVABLE = (
    "square_off",
    "no_entry_after",
    "daily_target",
    "daily_loss",
    "max_trades_per_day",
    "max_participation",
    "detail",
    "max_dd_limit",
    "option",
)


@pytest.mark.parametrize("name", REMOVABLE)
def test_null_takes_away_what_a_strategy_sets_for_itself(name: str) -> None:
    # A field that is set, to None, is what the defaults of a strategy yield to.
    assert options(**{name: None}) == {name: None}
    spec = BacktestBody(
        strategy="x", symbols=["A"], engine_options=EngineOptionsBody.model_validate({name: None})
    ).spec()
    assert spec.options.model_fields_set == {name}


def test_null_by_the_other_word_is_the_same_and_yields_to_a_value() -> None:
    assert options(session_close_time=None) == {"square_off": None}
    given = {"intraday": True, "session_close_time": None, "square_off": "15:15"}
    assert options(**given) == {"intraday": True, "square_off": time(15, 15)}
    assert options(option=None, option_delta=0.5) == {"option": None, "multiplier": 0.5}


def test_switching_the_daily_target_off_goes_before_the_strategys_own_too() -> None:
    # A field that is set, to None, is what the defaults of a strategy yield to.
    for rest in ({}, {"daily_target": 30}, {"daily_profit_target": 30}):
        assert options(use_daily_profit_target=False, **rest) == {"daily_target": None}


def test_currencies_are_passed_on_and_checked() -> None:
    asked = {"account_currency": "USD", "fx": {"EUR": "EURUSD"}, "funding": False}
    assert options(**asked) == asked

    for wrong in ({"account_currency": "usd"}, {"fx": {"euro": "EURUSD"}}, {"fx": {"EUR": ""}}):
        with pytest.raises(ValidationError):
            options(**wrong)


def test_what_is_said_of_single_symbols_is_passed_on_and_checked() -> None:
    asked = {"borrow_rates": {"GME": 0.4}, "shortable": {"KO": False}}
    assert options(**asked) == asked

    for wrong in (
        {"borrow_rates": {"GME": -0.1}},
        {"borrow_rates": {"GME": "0.4"}},
        {"borrow_rates": {"": 0.1}},
        {"shortable": {"KO": 1}},
    ):
        with pytest.raises(ValidationError):
            options(**wrong)


def test_lots_are_contracts_held_on_margin() -> None:
    assert options(lots=2) == {
        "sizing": "lots",
        "size": 2.0,
        "lot_size": 75.0,
        "initial_margin": 0.0,
    }
    assert options(lots=2, lot_size=50, initial_margin=0.2) == {
        "sizing": "lots",
        "size": 2.0,
        "lot_size": 50.0,
        "initial_margin": 0.2,
    }


def test_what_was_assumed_about_lots_is_said() -> None:
    assert len(EngineOptionsBody(lots=2).notes()) == 2
    assert EngineOptionsBody(lots=2, lot_size=75, initial_margin=1).notes() == []
    assert EngineOptionsBody(initial_cash=1.0).notes() == []


def test_every_engine_option_can_be_given_by_its_own_name() -> None:
    assert set(EngineOptions.model_fields) <= set(EngineOptionsBody.model_fields)
    defaults = EngineOptions().model_dump(mode="json")

    assert set(options(**defaults)) == set(defaults)


def test_only_what_is_given_is_set_so_that_strategies_fill_the_rest() -> None:
    spec = BacktestBody(strategy="x", symbols=["A"], fill_rule="close").spec()

    assert spec.options.model_fields_set == {"fill"}


def test_fee_and_slippage_are_the_costs() -> None:
    costs = chosen_costs(None, EngineOptionsBody(fee_per_trade=5.0, slippage=0.5))

    assert costs is not None
    assert (costs.per_trade, costs.slippage_points) == (5.0, 0.5)
    rest = {"name", "per_trade", "slippage_points"}
    assert costs.model_dump(exclude=rest) == find_costs("zero").model_dump(exclude=rest)
    assert chosen_costs(None, EngineOptionsBody()) is None
    assert chosen_costs("bps_5", None) == find_costs("bps_5")


@pytest.mark.parametrize("given", [{"slippage": 0}, {"fee_per_trade": 0}])
def test_slippage_or_a_fee_of_nothing_is_no_cost_at_all(given: dict[str, Any]) -> None:
    assert chosen_costs(None, EngineOptionsBody(**given)) == find_costs("zero")
    with pytest.raises(ValidationError, match="contradict"):
        BacktestBody(
            strategy="x",
            symbols=["A"],
            costs="bps_5",
            engine_options=EngineOptionsBody(**given),
        )


@pytest.mark.parametrize(
    "given",
    [
        {"initial_cash": 1.0, "initial_capital": 2.0},
        {"square_off": "15:15", "session_close_time": "15:20", "intraday": True},
        {"lots": 2, "size": 5},
        {"lots": 2, "sizing": "units"},
        {"multiplier": 2, "option_delta": 0.5},
        {"daily_target": -1},
        {"daily_target": 1, "daily_profit_target": 0.01},
        {"slippage": -0.5},
        {"option": {}, "option_delta": 0.5},
        {"use_daily_profit_target": True},
        {"daily_unit": "points", "daily_target_unit": "currency"},
        {"preset": "moon"},
        {"lots": 0},
        {"lots": True},
        {"option_delta": 1.5},
        {"initial_cash": float("nan")},
        {"initial_cash": float("inf")},
        {"initial_cash": "100000"},
        {"session_close_time": "25:00", "intraday": True},
        {"session_close_time": 915, "intraday": True},
        {"intraday": 1},
        {"nonsense": None},
    ],
)
def test_contradictions_and_what_is_not_built_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EngineOptionsBody.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [{}, {"symbols": ["A"], "dataset": "A"}, {"dataset_id": 1, "dataset_path": "a.csv"}],
)
def test_prices_are_named_in_exactly_one_way(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="prices are named"):
        RunBody.model_validate({"strategy": "x", **given})


def test_the_words_of_the_door_are_the_words_of_the_core() -> None:
    assert get_args(CostPreset) == preset_names()
    assert set(cost_presets()) < set(preset_names())
    assert get_args(SortBy) == (*SORTABLE, *SORT_KEYS)
    assert TypeAdapter(SortBy).json_schema()["enum"] == [*SORTABLE, *SORT_KEYS]
    assert set(SORT_KEYS.values()) <= set(SORTABLE)
    schema = TypeAdapter(BacktestBody).json_schema()
    assert schema["properties"]["timeframe"]["enum"] == [str(each) for each in Timeframe]
