"""Engine options in the words of the earlier systems, and presets of them in `config/engine`.

One reading for every door: `lots`, `option_delta`, `fee_per_trade` and their kin become fields of
`EngineOptions` and `CostModel`. Options of our own names pass through.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.errors import InvalidInput
from core.faults import expectation_of, message_of, sentence_of

FOLDER = Path(__file__).resolve().parents[2] / "config" / "engine"
LOT_SIZE = 75.0
# Lots are contracts held on margin: entries are not limited by cash unless a margin is given.
LOT_MARGIN = 0.0
SYNONYMS = (
    ("initial_cash", "initial_capital"),
    ("square_off", "session_close_time"),
    ("daily_target", "daily_profit_target"),
    ("daily_unit", "daily_target_unit"),
)
_UNITS = {"currency": "money"}
# What may be none: null, or the word `none`, takes away what a strategy sets for itself.
REMOVABLE = frozenset(
    name for name, field in EngineOptions.model_fields.items() if field.default is None
)
_REMOVABLE_TOO = {other for own, other in SYNONYMS if own in REMOVABLE}
# What a word takes the place of where it is laid over others.
_HIDES: dict[str, tuple[str, ...]] = {
    "sizing": ("lots",),
    "size": ("lots",),
    "lots": ("sizing", "size"),
    "multiplier": ("option_delta", "option_price_per_unit"),
    "option": ("option_delta",),
    "option_delta": ("multiplier",),
    "option_price_per_unit": ("multiplier",),
    **dict(pair for one, other in SYNONYMS for pair in ((one, (other,)), (other, (one,)))),
}


class EngineWords(BaseModel):
    """Words for engine options that `EngineOptions` does not have; None where nothing is said.

    Attributes:
        preset: A file of `config/engine`; what is said beside it wins.
        initial_capital: Another word for `initial_cash`.
        lots: Contracts per entry, of `lot_size` units each (75), not limited by cash.
        option_delta: Share of an index point that one unit gains or loses.
        option_price_per_unit: Money per point of one unit.
        fee_per_trade: Money per round trip, with the exit.
        slippage: Points of the price, against you at entry and exit.
        session_close_time: Another word for `square_off`.
        daily_profit_target: Another word for `daily_target`; 0 for none.
        use_daily_profit_target: False: no daily target whatever else is said.
        daily_target_unit: What the target counts: `money` (or `currency`), or `points`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str | None = Field(None, min_length=1, max_length=40)
    initial_capital: float | None = Field(None, gt=0, le=1e12)
    lots: float | None = Field(None, gt=0, le=1e6)
    option_delta: float | None = Field(None, gt=0, le=1)
    option_price_per_unit: float | None = Field(None, gt=0, le=1e9)
    fee_per_trade: float | None = Field(None, ge=0, le=1e6)
    slippage: float | None = Field(None, ge=0, le=1e6)
    session_close_time: time | None = None
    daily_profit_target: float | None = Field(None, ge=0, le=1e12)
    use_daily_profit_target: bool | None = None
    daily_target_unit: Literal["money", "currency", "points"] | None = None


class EngineRequest(NamedTuple):
    """What is asked of the engine, in its own words.

    Attributes:
        options: Fields of `EngineOptions`, only those that were asked for.
        costs: The cost model the words make; None where they say nothing of costs.
        notes: What was assumed because nothing was said.
    """

    options: dict[str, Any]
    costs: CostModel | None
    notes: tuple[str, ...]


def engine_presets() -> tuple[str, ...]:
    """Names of the presets."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


def read_engine(given: Mapping[str, Any]) -> EngineRequest:
    """Read engine options in either spelling.

    None says nothing, but of what may be none (`REMOVABLE`) it says that there shall be none,
    whatever the strategy sets for itself.

    Raises:
        InvalidInput: a word is unknown or out of range, or two contradict each other.
    """
    said = _said(given)
    known = {**EngineWords.model_fields, **EngineOptions.model_fields}
    for name in said:
        if name not in known:
            raise InvalidInput(
                f"engine option {name[:60]!r} is not known",
                expected=f"one of {', '.join(known)}",
                field=name,
            )
    _refuse_contradictions(said)
    if "preset" in said:
        said = laid_over({**_preset(str(said["preset"]))}, said)
    words = _words(said)
    options = {name: value for name, value in said.items() if name in EngineOptions.model_fields}
    for own, other in SYNONYMS[:2]:
        if other in said:
            options[own] = getattr(words, other)
    _read_daily(words, options)
    notes = []
    if words.lots is not None:
        if "lot_size" not in options:
            notes.append(f"One lot is {LOT_SIZE:g} units; give lot_size for another.")
        if "initial_margin" not in options and "preset" not in given:
            notes.append(
                "Lots are held on margin: entries are not limited by cash. Give initial_margin "
                "(1 for a cash account) to limit them."
            )
        options |= {"sizing": "lots", "size": words.lots}
        options.setdefault("lot_size", LOT_SIZE)
        options.setdefault("initial_margin", LOT_MARGIN)
    if words.option_delta is not None or words.option_price_per_unit is not None:
        options["multiplier"] = (words.option_delta or 1.0) * (words.option_price_per_unit or 1.0)
    return EngineRequest(options, _costs(words), tuple(notes))


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing; of two words for one thing, none yields to a value."""
    said = {
        name: value
        for name, value in given.items()
        if value is not None or name in REMOVABLE or name in _REMOVABLE_TOO
    }
    for one, other in SYNONYMS:
        for none, value in ((one, other), (other, one)):
            if none in said and said[none] is None and said.get(value) is not None:
                del said[none]
    return said


def _refuse_contradictions(said: Mapping[str, Any]) -> None:
    pairs = [
        (one, other)
        for one, other in SYNONYMS
        if one in said and other in said and _same(said[one]) != _same(said[other])
    ]
    if "lots" in said and (said.get("sizing", "lots") != "lots" or "size" in said):
        pairs.append(("lots", "sizing and size"))
    by_delta = {"option_delta", "option_price_per_unit"} & said.keys()
    if "multiplier" in said and by_delta:
        pairs.append(("multiplier", "option_delta and option_price_per_unit"))
    if said.get("option") is not None and "option_delta" in said:
        pairs.append(("option", "option_delta"))
    for one, other in pairs:
        raise InvalidInput(
            f"{one} and {other} contradict each other", expected="only one of them", field=one
        )


def _same(value: Any) -> Any:
    """Write what may be said in two ways in one: a time, a unit."""
    text = f"{value:%H:%M:%S}" if isinstance(value, time) else value
    if isinstance(text, str):
        text = _UNITS.get(text, text)
        return text + ":00" if len(text) == len("15:15") and text[2] == ":" else text
    return text


def laid_over(found: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what is said over what is found, in whichever words either is written."""
    kept = dict(found)
    for name in said:
        for hidden in _HIDES.get(name, ()):
            kept.pop(hidden, None)
    if said.get("intraday") is False:
        kept.pop("session_close_time", None)
        kept["square_off"] = None  # that of the strategy too
    return {**kept, **said}


@cache
def _preset(name: str) -> Mapping[str, Any]:
    if name not in engine_presets():
        raise InvalidInput(
            f"engine preset {name[:40]!r} is not known",
            expected=f"one of {', '.join(engine_presets())}",
            field="preset",
        )
    file = FOLDER / f"{name}.yaml"
    try:
        found = yaml.safe_load(file.read_bytes())
        words: dict[str, Any] = {**found, "preset": None}
        EngineOptions.model_validate(read_engine(words).options)
    except (yaml.YAMLError, TypeError, OSError, ValidationError, InvalidInput) as error:
        why = (
            sentence_of(error.errors()[0])
            if isinstance(error, ValidationError)
            else " ".join(str(error).split())[:200]
        )
        raise InvalidInput(
            f"{file} is no engine preset: {why}",
            expected="engine options as YAML",
            field="preset",
        ) from None
    return words


def _words(said: Mapping[str, Any]) -> EngineWords:
    try:
        return EngineWords.model_validate(
            {name: value for name, value in said.items() if name in EngineWords.model_fields}
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0])
        raise InvalidInput(
            f"engine option {name} is {said[name]!r:.60}",
            expected=expectation_of(fault) or message_of(fault),
            field=name,
        ) from None


def _read_daily(words: EngineWords, options: dict[str, Any]) -> None:
    is_named = "daily_target" in options or "daily_profit_target" in words.model_fields_set
    target = options.pop("daily_target", None) or words.daily_profit_target
    if words.use_daily_profit_target is False:
        options["daily_target"] = None  # that of the strategy too
    elif target:
        options["daily_target"] = target
    elif words.use_daily_profit_target:
        raise InvalidInput(
            "use_daily_profit_target is true without a target",
            expected="daily_profit_target above 0",
            field="use_daily_profit_target",
        )
    elif is_named:
        options["daily_target"] = None
    if words.daily_target_unit is not None:
        options["daily_unit"] = _UNITS.get(words.daily_target_unit, words.daily_target_unit)


def _costs(words: EngineWords) -> CostModel | None:
    """Give the cost model; one that was asked to be free is free, and says so."""
    if words.fee_per_trade is None and words.slippage is None:
        return None
    return CostModel(
        name="fee_per_trade" if words.fee_per_trade else "slippage" if words.slippage else "zero",
        per_trade=words.fee_per_trade or 0.0,
        slippage_points=words.slippage or 0.0,
    )
