"""Several symbols on one account, from the command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Answer

Call = Callable[..., Answer]
TOGETHER = ("--symbols", "ACME,BOLT", "--json")


def test_symbols_share_an_account_when_asked_to(call: Call, lake: tuple[str, str]) -> None:
    run = ("run", "--strategy", "ema_crossover", "--size", 50)

    apart = call(*run, *TOGETHER).json
    shared = call(*run, "--account", "shared", *TOGETHER).json

    assert (apart["options"]["account"], shared["options"]["account"]) == ("sleeves", "shared")
    assert apart["metrics"]["final_equity"] != shared["metrics"]["final_equity"]
    assert "one account for all symbols" in shared["policy"]
    for each in (apart, shared):
        parts = [symbol["net_profit"] for symbol in each["by_symbol"].values()]
        assert sum(parts) == pytest.approx(each["metrics"]["net_profit"], abs=1e-6)


def test_a_universe_shares_without_being_asked(call: Call, lake: tuple[str, str]) -> None:
    run = call("run", "--strategy", "inverse_volatility", *TOGETHER).json

    assert run["status"] == "completed"
    assert run["options"]["account"] == "shared"
    assert run["metrics"]["open_trades"] == 2


def test_a_universe_in_sleeves_is_refused(call: Call, lake: tuple[str, str]) -> None:
    answer = call("run", "--strategy", "momentum_rank", "--account", "sleeves", *TOGETHER)

    assert answer.code == 2
    assert "weighs all symbols together" in answer.out


def test_an_account_of_another_kind_is_refused(call: Call, lake: tuple[str, str]) -> None:
    answer = call("run", "--strategy", "momentum_rank", "--account", "joint", *TOGETHER)

    assert answer.code == 2
    assert "--account" in answer.out


def test_strategies_say_whether_they_weigh_a_universe(call: Call, lake: tuple[str, str]) -> None:
    assert call("strategies", "pairs", "--json").json["universe"] is True
    assert call("strategies", "ema_crossover", "--json").json["universe"] is False
    told = call("strategies", "pairs", "--check")
    assert told.code == 0
    assert "weighs all symbols of a run together" in told.out
    assert "made-up bars" in told.out


def test_a_universe_is_searched_and_its_trial_promoted(call: Call, lake: tuple[str, str]) -> None:
    asked = ("optimize", "--strategy", "inverse_volatility", "--space", "window=10,20,40")
    found = call(*asked, "--require", "trades >= 1", "--worlds", 1, *TOGETHER).json

    assert (found["status"], found["symbols"]) == ("completed", ["ACME", "BOLT"])
    assert found["trials"] == 3
    run = call("promote", found["id"], "--trial", 2, "--json").json
    assert run["params"]["window"] == 40
    assert run["options"]["account"] == "shared"
    listed = call("studies", "--symbol", "BOLT", "--json").json
    assert [each["id"] for each in listed["studies"]] == [found["id"]]
