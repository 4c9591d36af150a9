"""Cost models by name: one file each in `config/costs`, for everybody to read and to add to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import yaml
from pydantic import ValidationError

from core.domain.costs import CostModel
from core.errors import InvalidInput

FOLDER = Path(__file__).resolve().parents[2] / "config" / "costs"
DEFAULT_COSTS = "ibkr_fixed"


@cache
def cost_presets() -> Mapping[str, CostModel]:
    """Read every preset, once: the default first, then by name.

    Raises:
        InvalidInput: a file is no cost model; it is named with what is wrong.
    """
    files = sorted(FOLDER.glob("*.yaml"), key=lambda file: (file.stem != DEFAULT_COSTS, file.stem))
    return MappingProxyType({file.stem: _read(file) for file in files})


def find_costs(name: str) -> CostModel:
    """Look a preset up by name.

    Raises:
        InvalidInput: no such preset.
    """
    try:
        return cost_presets()[name]
    except KeyError:
        known = ", ".join(cost_presets())
        raise InvalidInput(
            f"cost preset {name[:40]!r} is not known", expected=f"one of {known}", field="costs"
        ) from None


def _read(file: Path) -> CostModel:
    try:
        return CostModel.model_validate({**yaml.safe_load(file.read_bytes()), "name": file.stem})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise InvalidInput(
            f"{file} is no cost model: {' '.join(str(error).split())[:300]}",
            expected="the fields of core.domain.costs.CostModel as YAML",
        ) from error
