"""Cost models by name: one file each in `config/costs`, for everybody to read and to add to.

A file is a cost model, one made of another (`base`), or one in the keys of `cost_config`; so are
the costs of a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from core import faults
from core.domain.cost_shapes import CostConfig, DerivedCosts, shape_of
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
        {name: each.costs for name, each in _files().items() if isinstance(each.costs, CostModel)}
    )


def preset_names() -> tuple[str, ...]:
    """Give every name `find_costs` knows: the presets, and `conservative:NAME` for each of them."""
    plain = [name for name in cost_presets() if name not in _derived()]
    scaled = [name for name, derived in _derived().items() if derived.times != 1.0]
    return (*cost_presets(), *(f"{name}:{base}" for name in scaled for base in plain))


def find_costs(name: str) -> CostModel:
    """Look a preset up by name; `conservative:nse_options` is made of another base than its own.

    Raises:
        InvalidInput: no such preset, or its file is no cost model.
    """
    preset, _, base = name.partition(":")
    known = _files().get(preset)
    if known is None or (base and known.derived is None):
        raise InvalidInput(
            f"cost preset {name[:40]!r} is not known",
            expected=f"one of {', '.join(cost_presets())}",
            field="costs",
        )
    if isinstance(known.costs, InvalidInput):
        raise known.costs
    if base and known.derived is not None:
        derived = known.derived
        tick = derived.tick and (_plain(base).tick or derived.tick)
        return _made(derived.model_copy(update={"base": base, "tick": tick, "name": name}))
    return known.costs


def costs_from(given: Any) -> Any:
    """Make a cost model of what a request or a file says, in whichever way it is written.

    Args:
        given: Name of a preset, a `CostConfig`, a `DerivedCosts`, or a mapping of one of these.

    Returns:
        The cost model; what is none of these comes back as it is, to be judged as a cost model.

    Raises:
        InvalidInput: it names what does not exist, or a key or a value of it is wrong.
    """
    if isinstance(given, str):
        return find_costs(given)
    if isinstance(given, dict):
        shape = shape_of(given)
        if shape is CostModel:
            return given
        try:
            given = shape.model_validate(given)
        except ValidationError as error:
            raise InvalidInput(
                f"costs cannot be read: {_first(error)}",
                expected=f"keys of {', '.join(shape.model_fields)}",
                field="costs",
            ) from None
    if isinstance(given, CostConfig):
        return given.model()
    return _made(given) if isinstance(given, DerivedCosts) else given


def sentence_of(costs: CostModel) -> str:
    """Say the costs in words, and of what preset they are made if they are made of one."""
    preset, _, base = costs.name.partition(":")
    derived = _derived().get(preset)
    if derived is None or costs.name not in preset_names() or find_costs(costs.name) != costs:
        return costs.sentence()
    times = f" times {derived.times:g}" if derived.times != 1.0 else " with changes"
    tick = " and a tick of slippage" if derived.tick else ""
    return f"made of {base or derived.base}{times}{tick}: {costs.sentence()}"


def _made(derived: DerivedCosts) -> CostModel:
    try:
        return derived.of(_plain(derived.base))
    except ValidationError as error:
        raise InvalidInput(
            f"costs made of {derived.base} are too great: {_first(error)}", field="costs"
        ) from None


def _plain(name: str) -> CostModel:
    """Look up a preset that others may be made of: one that is not made of another itself."""
    known = _files().get(name)
    if known is None or known.derived is not None:
        plain = ", ".join(each for each in cost_presets() if each not in _derived())
        raise InvalidInput(
            f"costs cannot be made of {name[:40]!r}", expected=f"one of {plain}", field="costs"
        )
    if isinstance(known.costs, InvalidInput):
        raise known.costs
    return known.costs


def _derived() -> dict[str, DerivedCosts]:
    """Presets made of another, by name."""
    return {name: each.derived for name, each in _files().items() if each.derived is not None}


class _Preset(NamedTuple):
    """A file: its cost model, or what is wrong with it; and of what it is made, if of another."""

    costs: CostModel | InvalidInput
    derived: DerivedCosts | None = None


@cache
def _files() -> Mapping[str, _Preset]:
    files = sorted(FOLDER.glob("*.yaml"), key=lambda file: (file.stem != DEFAULT_COSTS, file.stem))
    shapes = {file: _read(file) for file in files}
    plain = {
        file.stem: shape for file, shape in shapes.items() if not isinstance(shape, DerivedCosts)
    }
    return {
        file.stem: _Preset(_from_base(file, shape, plain.get(shape.base)), shape)
        if isinstance(shape, DerivedCosts)
        else _Preset(shape)
        for file, shape in shapes.items()
    }


def _from_base(
    file: Path, derived: DerivedCosts, base: CostModel | InvalidInput | None
) -> CostModel | InvalidInput:
    if isinstance(base, InvalidInput):
        return base
    if base is None:
        return _broken(file, f"base: there is no preset {derived.base!r} to make it of")
    try:
        return derived.of(base)
    except ValidationError as error:
        return _broken(file, _first(error))


def _read(file: Path) -> CostModel | DerivedCosts | InvalidInput:
    try:
        given = {**yaml.safe_load(file.read_bytes()), "name": file.stem}
        shape = shape_of(given).model_validate(given)
        return shape.model() if isinstance(shape, CostConfig) else shape
    except (yaml.YAMLError, ValidationError, TypeError, OSError) as error:
        return _broken(file, _first(error))


def _broken(file: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"{file} is no cost model: {why}",
        expected="the fields of a cost model as YAML",
        hint="Compare it with the other files of its folder",
        field="costs",
    )


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return faults.sentence_of(error.errors()[0])
    return " ".join(str(error).split())[:200]
