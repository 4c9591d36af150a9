"""Options that shall be none, whatever the strategy sets for itself."""

from __future__ import annotations

from typing import Any

import pytest

from core.cli.parser import build_parser
from core.cli.request import spec_of
from core.errors import InvalidInput

RUN = ("run", "--strategy", "ema10_scalper", "--symbols", "ACME")
NAMES = (
    "square_off",
    "no_entry_after",
    "daily_target",
    "daily_loss",
    "max_trades_per_day",
    "max_participation",
    "detail",
    "option",
)


def asked(*words: str) -> dict[str, Any]:
    """The engine options a command line sets."""
    options = spec_of(build_parser().parse_args([*RUN, *words])).options
    return options.model_dump(include=options.model_fields_set)


@pytest.mark.parametrize("name", NAMES)
def test_none_by_an_option_of_its_own_and_by_engine(name: str) -> None:
    assert asked(f"--{name.replace('_', '-')}", "none") == {name: None}
    assert asked("--engine", f"{name}=none") == {name: None}


def test_none_is_for_options_that_may_be_none() -> None:
    assert asked("--engine", "session_close_time=none") == {"square_off": None}
    assert asked("--daily-target", "5", "--engine", "daily_target=none") == {"daily_target": 5.0}
    for words in (("--daily-target", "nothing"), ("--cash", "none"), ("--fill", "none")):
        with pytest.raises(InvalidInput):
            asked(*words)


def test_costs_beside_a_slippage_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="contradict"):
        spec_of(build_parser().parse_args([*RUN, "--costs", "bps_5", "--engine", "slippage=0"]))
