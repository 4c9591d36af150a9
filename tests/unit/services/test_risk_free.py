"""A riskless rate in a request: what it moves, what it leaves alone, what is kept of it."""

from __future__ import annotations

import json

import pytest

from core.domain.options import EngineOptions
from core.domain.run import RunSpec, RunStatus, run_key

EXCESS = {"sharpe", "sharpe_se", "psr", "min_trl", "sharpe_bar", "sortino", "upi"}
LINE = {"alpha", "alpha_t", "beta", "beta_t", "correlation"}


def test_a_request_that_says_nothing_of_it_keeps_its_text_and_its_key():
    silent = RunSpec(strategy="s", symbols=("A",))
    text = silent.canonical()

    assert "risk_free" not in text
    assert RunSpec(strategy="s", symbols=("A",), options={"risk_free": 0.0}).canonical() == text
    assert RunSpec.model_validate_json(text) == silent
    asked = RunSpec(strategy="s", symbols=("A",), options={"risk_free": 0.04})
    assert json.loads(asked.canonical())["options"]["risk_free"] == 0.04
    assert RunSpec.model_validate_json(asked.canonical()) == asked
    keys = {run_key(each, {"A": "1"}, "code", "1") for each in (silent, asked)}
    assert len(keys) == 2


@pytest.mark.parametrize("rate", [-0.2, 1.01, 4.0, float("nan")])
def test_a_rate_in_percent_is_refused(rate):
    with pytest.raises(ValueError, match="risk_free"):
        EngineOptions(risk_free=rate)


@pytest.mark.parametrize("account", ["sleeves", "shared"])
def test_the_rate_moves_ratios_and_nothing_else(lab, account):
    both = ("AAA", "BBB")

    plain = lab.submit(symbols=both, options={"account": account})
    above = lab.submit(symbols=both, options={"account": account, "risk_free": 0.05})

    assert above.status is RunStatus.COMPLETED, above.error
    assert above.run_key != plain.run_key
    assert above.artifacts == plain.artifacts
    moved = {name for name, value in above.metrics.values.items() if value != plain.metrics[name]}
    assert {"sharpe", "sortino", "upi"} <= moved <= EXCESS | LINE
    for symbol, metrics in above.by_symbol.items():
        assert metrics["sharpe"] < plain.by_symbol[symbol]["sharpe"]
    assert "ratios above a rate of 5% a year" in lab.services.backtests.policy(above)
