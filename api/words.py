"""Types of values that requests are made of, and how they are read."""

from __future__ import annotations

import json
import math
import re
from datetime import date, time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Header, Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from api.metrics import ANSWERED
from core.domain.cost_presets import preset_names
from core.domain.cost_shapes import CostConfig, DerivedCosts, shape_of
from core.domain.costs import CostModel
from core.domain.dimension import Dimension
from core.domain.engine_words import engine_presets
from core.domain.formula import LONGEST
from core.domain.fx import CURRENCY
from core.domain.objective import Objective, Requirement
from core.domain.run import SORTABLE
from core.domain.study import MOST_DIMENSIONS, WalkForward
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

LONGEST_TEXT = 200
LEAST_SHARE = 0.1
"""Of the sessions, where some are held back at all: less would tell nothing."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{2}:\d{2}(:\d{2})?")


def _timeframe(value: Any) -> Timeframe:
    try:
        return Timeframe.parse(value if isinstance(value, str) else repr(value))
    except InvalidInput as error:
        raise PydanticCustomError(
            "not_one_of", "timeframe is not known", {"expected": error.expected or ""}
        ) from None


def _day(value: Any) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("wrong_format", "not a date", {"expected": "a date as YYYY-MM-DD"})


def _clock(value: Any) -> time:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        try:
            return time.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError(
        "wrong_format", "not a time of day", {"expected": "a time as HH:MM, local"}
    )


def _param(value: Any) -> Any:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if is_number or (isinstance(value, str) and len(value) <= LONGEST_TEXT):
        return value
    raise PydanticCustomError(
        "wrong_type",
        "not a parameter's value",
        {"expected": f"a finite number, true, false, or text of at most {LONGEST_TEXT} characters"},
    )


def _data_set_id(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if is_number or (isinstance(value, str) and 1 <= len(value) <= LONGEST_TEXT):
        return value
    raise PydanticCustomError(
        "wrong_type", "not the id of a data set", {"expected": "a text or a whole number"}
    )


def _share(value: float) -> float:
    if 0 < value < LEAST_SHARE:
        raise PydanticKnownError("greater_than_equal", {"ge": LEAST_SHARE})
    return value


def _distinct(symbols: list[str]) -> list[str]:
    if len(set(symbols)) != len(symbols):
        raise PydanticCustomError(
            "repeated", "symbols are repeated", {"expected": "each symbol once"}
        )
    return symbols


def _strictly(shape: type[BaseModel]) -> BeforeValidator:
    """Read a model of the core as strictly as a body; a strict body does not reach into it."""
    return BeforeValidator(lambda value: shape.model_validate_json(json.dumps(value), strict=True))


def _made(shape: type[BaseModel]) -> BeforeValidator:
    """Read a model of the core that reads itself exactly, whatever the types."""
    return BeforeValidator(
        lambda value: value if isinstance(value, shape) else shape.model_validate(value)
    )


def _said_whole(value: Any) -> Any:
    """Refuse keys that say nothing: the core would take them for left out."""
    if isinstance(value, dict):
        empty = [key for key, said in value.items() if said is None or said in ("", [])]
        if empty:
            raise PydanticCustomError(
                "wrong_type",
                "{keys} says nothing",
                {"keys": ", ".join(map(str, empty))[:80], "expected": "a value, or no such key"},
            )
    return value


def _kind_of_costs(value: Any) -> str:
    if isinstance(value, str):
        return "PresetBody"
    shape: type[Any] = shape_of(value) if isinstance(value, dict) else type(value)
    if shape is DerivedCosts:
        return "DerivedBody"
    return "ConfigBody" if shape is CostConfig else "ModelBody"


def read_day(text: str, field: str) -> date:
    """Read a date of a query.

    Raises:
        InvalidInput: it is not YYYY-MM-DD.
    """
    try:
        return _day(text)
    except PydanticCustomError:
        raise InvalidInput(
            f"{field} is {text[:40]!r}",
            found=text,
            expected="a date as YYYY-MM-DD",
            field=field,
        ) from None


TimeframeIn = Annotated[
    Timeframe,
    BeforeValidator(_timeframe),
    WithJsonSchema({"type": "string", "enum": [str(item) for item in Timeframe]}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Clock = Annotated[
    time,
    BeforeValidator(_clock),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}),
]
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[\x21-\x7e]+$")]
Currency = Annotated[str, StringConstraints(pattern=CURRENCY.pattern)]
Benchmark = Annotated[
    Symbol,
    Field(
        description="Symbol to measure against, bought at its first open and held. Left out or "
        "null: the run's own symbols, held in equal parts."
    ),
]
Share = Annotated[float, AfterValidator(_share)]
Symbols = Annotated[list[Symbol], Field(min_length=1, max_length=50), AfterValidator(_distinct)]
StrategyName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$"),
    Field(
        description="Id of a strategy (`momentum_strategy`), or its module and class "
        "(`strategies.momentum_strategy.MomentumStrategy`)."
    ),
]
ParamName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ParamIn = Annotated[
    int | float | bool | str,
    PlainValidator(_param),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "boolean"},
                {"type": "string", "maxLength": LONGEST_TEXT},
            ]
        }
    ),
]
Params = Annotated[
    dict[ParamName, ParamIn],
    Field(max_length=64, description="Parameters of the strategy; missing ones take defaults."),
]
Cash = Annotated[float, Field(gt=0, le=1e12)]
if TYPE_CHECKING:
    CostPreset = str
    EnginePreset = str
else:  # the files of config/costs and config/engine decide
    CostPreset = Literal[preset_names()]
    EnginePreset = Literal[engine_presets()]
CostsIn = Annotated[
    Annotated[CostPreset, Tag("PresetBody")]
    | Annotated[CostModel, _strictly(CostModel), Tag("ModelBody")]
    | Annotated[DerivedCosts, _strictly(DerivedCosts), Tag("DerivedBody")]
    | Annotated[CostConfig, _strictly(CostConfig), Tag("ConfigBody")],
    Discriminator(_kind_of_costs),
    Field(
        description="Name of a cost preset; or a cost model; or one made of a preset (`base`); or "
        "one in the keys of `cost_config`."
    ),
]
DimensionIn = Annotated[Dimension, _made(Dimension), BeforeValidator(_said_whole)]
ObjectiveIn = Annotated[Objective, _made(Objective), BeforeValidator(_said_whole)]
RequirementIn = Annotated[
    Requirement,
    _made(Requirement),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": LONGEST, "examples": ["trades >= 30"]}
    ),
]
WalkForwardIn = Annotated[WalkForward, _strictly(WalkForward)]
SpaceIn = Annotated[dict[ParamName, DimensionIn], Field(min_length=1, max_length=MOST_DIMENSIONS)]
DatasetId = Annotated[
    int | str,
    PlainValidator(_data_set_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
                {"type": "integer", "minimum": 0},
            ]
        }
    ),
]
JobRef = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Number or UUID of a job, or the job id of a run that is queued.",
        examples=["1"],
    ),
]
StudyRef = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Number, UUID or job id of a study.",
        examples=["1"],
    ),
]
RunRef = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Number, UUID or job id of a run.",
        examples=["1"],
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Your name for this wish: asking twice under it makes one job, and another "
        "request under it is refused.",
    ),
]
StrategyPart = Annotated[str, StringConstraints(min_length=1, max_length=200)]
SymbolExact = Annotated[str, StringConstraints(min_length=1, max_length=40)]
SourceResolution = Annotated[
    Literal["1Y", "1m"],
    Field(description="Echoed; the lake decides what bars are made of, and both give the same."),
]
# Names under which answers show a metric -> the sort key.
SORT_KEYS = {item.name: item.source for item in ANSWERED if item.name not in SORTABLE}
# Shown with the other sign, so in the other order.
TURNED = frozenset(item.source for item in ANSWERED if item.scale < 0)
if TYPE_CHECKING:
    SortBy = str
else:  # the metrics of the core decide
    SortBy = Literal[(*SORTABLE, *SORT_KEYS)]
