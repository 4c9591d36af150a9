"""Published figures of tests against chance: deflated ratio, reality check, overfitting."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from core.trust.deflated import deflate, expected_maximum
from core.trust.matrix import ReturnMatrix
from core.trust.overfitting import overfitting
from core.trust.snooping import reality_check
from tests.shared import golden, shared
from tests.unit.trust.searches import slow_cscv

# 14: Bailey and Lopez de Prado (2014) ----------------------------------------------------------


def test_the_greatest_of_a_hundred():
    case = golden("14_psr_dsr_mintrl")["expected_max_100"]

    found = expected_maximum(case["inputs"]["N"])

    assert found == pytest.approx(case["expected"]["value"], abs=case["tolerance"])


def test_the_deflated_ratio_of_the_paper():
    case = golden("14_psr_dsr_mintrl")["dsr_100"]
    given = case["inputs"]
    root = sqrt(given["periods"])

    found = deflate(
        given["sr_annual"] / root,
        given["skew"],
        given["kurt"],
        given["T"],
        spread=sqrt(given["var_annual"]) / root,
        trials=given["N"],
    )

    assert found == pytest.approx(case["expected"]["dsr"], abs=case["tolerance"])
    assert round(found, 4) == 0.9004  # as printed


# 18: White (2000) and Hansen (2005), by arch ---------------------------------------------------


@pytest.mark.parametrize("name", ["as_is_block5_max_mean", "shifted_block5_max_mean"])
def test_the_reality_check_of_ten_rules_on_microsoft(name):
    case = golden("18_reality_check_spa")[name]
    given = case["inputs"]
    returns = np.loadtxt(shared(f"golden/{given['data']}"), delimiter=",", skiprows=1)
    assert returns.shape == (1600, 10)

    found = reality_check(
        ReturnMatrix.of(returns + given["add_to_returns"]),
        np.random.default_rng(1),
        draws=given["replications"] // 2,
        block=given["mean_block"],
    )

    expected, within = case["expected"], case["tolerance"]
    assert found.lower == pytest.approx(expected["lower"], abs=within)
    assert found.p == pytest.approx(expected["consistent"], abs=within)
    assert found.upper == pytest.approx(expected["upper"], abs=within)


# 19: Bailey, Borwein, Lopez de Prado and Zhu (2017) --------------------------------------------


def test_overfitting_of_a_table_that_fits_on_paper():
    case = golden("19_pbo_cscv")["tiny_S4"]
    returns = np.array(case["inputs"]["matrix"])

    found = overfitting(ReturnMatrix.of(returns), blocks=case["inputs"]["S"])

    expected, within = case["expected"], case["tolerance"]
    assert len(found.logits) == expected["combinations"]
    assert found.pbo == pytest.approx(expected["pbo"], abs=within)
    assert np.mean(found.logits < 0) == pytest.approx(expected["pbo_strict"], abs=within)
    assert found.logits.mean() == pytest.approx(expected["mean_logit"], abs=within)
    assert found.loss == pytest.approx(expected["probability_of_oos_loss"], abs=within)
    assert found.slope == pytest.approx(expected["slope_oos_on_is"], abs=within)


def test_the_number_of_choices_of_the_paper():
    case = golden("19_pbo_cscv")["combination_count"]
    returns = np.random.default_rng(1).standard_normal((64, 3))

    found = overfitting(ReturnMatrix.of(returns), blocks=case["inputs"]["S"])

    assert len(found.logits) == case["expected"]["combinations"]


def test_overfitting_of_ten_rules_on_microsoft_is_that_of_plain_loops():
    """No figure was published for these; a second reading of the paper judges."""
    returns = np.loadtxt(
        shared("golden/data/msft_sma_strategy_returns.csv"), delimiter=",", skiprows=1
    )

    found = overfitting(ReturnMatrix.of(returns), blocks=6)

    assert found.logits == pytest.approx([each[3] for each in slow_cscv(returns, 6)], rel=1e-9)
