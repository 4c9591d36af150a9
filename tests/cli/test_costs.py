"""What trading costs, as the command line is told it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.domain.cost_presets import find_costs
from core.domain.costs import CostModel
from tests.cli.conftest import Answer

Call = Callable[..., Answer]
RUN = ("run", "--strategy", "sma_crossover", "--symbols", "ACME")
COST_CONFIG = """
ib_standard:
  commission_per_share: 0.005
  minimum_commission: 1.00
  sec_fee_rate: 0.0000278
ib_pro:
  commission_per_share: 0.0035
  minimum_commission: 0.35
  maximum_commission_rate: 0.01
  sec_fee_rate: 0.0000278
  slippage: {market_order_bps: 5, limit_order_bps: 0, fill_probability: 0.95}
  spread: {enabled: true, typical_bps: 2}
"""


def costs_of(answer: Answer) -> CostModel:
    assert answer.code == 0, answer
    return CostModel.model_validate(answer.json["costs"])


def test_a_preset_is_made_of_another_base(call: Call, lake: Any) -> None:
    said = call(*RUN, "--costs", "conservative:nse_options", "--json")

    assert costs_of(said) == find_costs("conservative:nse_options")
    assert "nse_options times 1.5 and a tick of slippage" in said.json["policy"]


def test_a_part_of_a_file_in_the_keys_of_cost_config(call: Call, lake: Any, tmp_path: Path) -> None:
    file = tmp_path / "cost_config.yaml"
    file.write_text(COST_CONFIG)

    said = call(*RUN, "--costs", f"{file}:ib_pro", "--json")

    assert costs_of(said) == find_costs("ib_pro")


def test_a_spec_says_costs_in_any_words(call: Call, lake: Any, tmp_path: Path) -> None:
    spec = {"strategy": "sma_crossover", "symbols": ["ACME"]}
    file = tmp_path / "spec.json"

    file.write_text(json.dumps(spec | {"costs": {"base": "zero", "bps": 4, "times": 2}}))
    assert costs_of(call("run", "--spec", file, "--json")).bps == 8.0
    file.write_text(json.dumps(spec | {"cost_config": {"sec_fee_rate": 0.001}}))
    assert costs_of(call("run", "--spec", file, "--json")).sell_charge_bps == 10.0
    file.write_text(json.dumps(spec | {"costs": "ib_standard"}))
    assert costs_of(call("run", "--spec", file, "--json")) == find_costs("ib_standard")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("", "cost_config.yaml:ib_standard"),
        (":ib_premium", "one of ib_standard, ib_pro"),
    ],
)
def test_a_file_of_several_models_asks_which(
    call: Call, lake: Any, tmp_path: Path, part: str, words: str
) -> None:
    file = tmp_path / "cost_config.yaml"
    file.write_text(COST_CONFIG)

    said = call(*RUN, "--costs", f"{file}{part}")

    assert said.code == 2
    assert words in said.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("commission_per_share: 0.1\ncommission: 2", "commission_per_share"),
        ("per_unit: 0.1\ncommission: 2", "commission"),
        ("slippage: {fill_probability: 0}", "fill_probability"),
        ("slippage: {fill_probability: 1.5}", "fill_probability"),
        ("[1, 2]", "a cost model"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_file_that_is_no_cost_model_is_refused(
    call: Call, lake: Any, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)

    said = call(*RUN, "--costs", file)

    assert said.code == 2
    assert words in said.err
    assert call(*RUN, "--costs", tmp_path / "none.yaml").code == 2
