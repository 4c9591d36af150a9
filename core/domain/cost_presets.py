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
    """Read every preset, once: the default first, then by name; files that are broken are left out.

    `find_costs` says what is wrong with a broken one.
    """
    return MappingProxyType(
        {name: costs for name, costs in _files().items() if isinstance(costs, CostModel)}
    )


def find_costs(name: str) -> CostModel:
    """Look a preset up by name.

    Raises:
        InvalidInput: no such preset, or its file is no cost model.
    """
    found = _files().get(name)
    if isinstance(found, InvalidInput):
        raise found
    if found is None:
        known = ", ".join(cost_presets())
        raise InvalidInput(
            f"cost preset {name[:40]!r} is not known", expected=f"one of {known}", field="costs"
        )
    return found


@cache
def _files() -> Mapping[str, CostModel | InvalidInput]:
    files = sorted(FOLDER.glob("*.yaml"), key=lambda file: (file.stem != DEFAULT_COSTS, file.stem))
    return {file.stem: _read(file) for file in files}


def _read(file: Path) -> CostModel | InvalidInput:
    try:
        return CostModel.model_validate({**yaml.safe_load(file.read_bytes()), "name": file.stem})
    except (yaml.YAMLError, ValidationError, TypeError, OSError) as error:
        return InvalidInput(
            f"{file} is no cost model: {_first(error)}",
            expected="the fields of a cost model as YAML",
            hint="Compare it with the other files of its folder",
            field="costs",
        )


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
    return " ".join(str(error).split())[:200]
