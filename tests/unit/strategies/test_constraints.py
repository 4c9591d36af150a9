"""Constraints between parameters that cannot be computed for some of them."""

from __future__ import annotations

import pytest

from core.domain.parameters import ParamSpec, clean_params
from core.errors import InvalidInput

SPECS = [ParamSpec(name, "int", 10, ge=0, le=100) for name in ("fast", "slow")]


def test_a_constraint_that_divides_by_zero_is_told_with_its_parameters() -> None:
    with pytest.raises(InvalidInput) as refused:
        clean_params(SPECS, ("fast / slow < 2",), {"fast": 3, "slow": 0})

    assert refused.value.message == "constraint 'fast / slow < 2' divides by 0 with fast=3, slow=0"
    assert clean_params(SPECS, ("fast / slow < 2",), {"fast": 3, "slow": 2}) == {
        "fast": 3,
        "slow": 2,
    }
