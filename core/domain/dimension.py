"""What a search may vary of one parameter, however it is written.

The ways to write it are those of the earlier systems, and all come to the same dimension:

    [10, 20, 30]
    {"type": "range", "start": 10, "stop": 30, "step": 10}     stop included
    {"type": "choice", "values": [10, 20, 30]}
    {"type": "int", "low": 10, "high": 30, "step": 10}         also float, with log
    {"type": "categorical", "choices": ["ema", "sma"]}
    {"min": 10, "max": 30, "step": 10}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from core.domain.parameters import ParamSpec, ParamValue, unknown
from core.errors import InvalidInput

Number = int | float
MOST_VALUES: Final = 1_000_000
MOST_CHOICES: Final = 1_000
EXACT_PLACES: Final = 22
"""Ten to this power is the greatest that a float has exactly."""
WAYS: Final = (
    "[v, v], {type: range, start, stop, step}, {type: choice, values}, "
    "{type: int or float, low, high, step, log}, {type: categorical, choices} or {min, max, step}"
)

# Of each way to write it: its keys, and what we call them.
_KEYS: Final[dict[str, dict[str, str]]] = {
    "range": {"start": "low", "stop": "high", "step": "step"},
    "choice": {"values": "choices"},
    "categorical": {"choices": "choices"},
    "int": {"low": "low", "high": "high", "step": "step", "log": "log", "choices": "choices"},
    "float": {"low": "low", "high": "high", "step": "step", "log": "log", "choices": "choices"},
    "": {"low": "low", "high": "high", "step": "step", "log": "log", "choices": "choices"},
}
_MIN_MAX: Final = {"min": "low", "max": "high", "step": "step"}
_NUMBER: Final = {"type": "number"}


def _schema_of(kind: str, required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, **properties} if kind else properties,
        "required": ["type", *required] if kind else list(required),
        "additionalProperties": False,
    }


_VALUES: Final = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_CHOICES,
    "items": {"anyOf": [_NUMBER, {"type": "boolean"}, {"type": "string"}]},
}
_SCHEMA: Final[dict[str, Any]] = {
    "title": "Dimension",
    "description": "What a search may vary of one parameter; ends of ranges are included.",
    "anyOf": [
        _VALUES,
        _schema_of("range", ("start", "stop"), start=_NUMBER, stop=_NUMBER, step=_NUMBER),
        _schema_of("choice", ("values",), values=_VALUES),
        _schema_of("categorical", ("choices",), choices=_VALUES),
        *(
            _schema_of(
                kind,
                (),
                low=_NUMBER,
                high=_NUMBER,
                step=_NUMBER,
                log={"type": "boolean"},
                choices=_VALUES,
            )
            for kind in ("int", "float", "")
        ),
        _schema_of("", ("min", "max"), min=_NUMBER, max=_NUMBER, step=_NUMBER),
    ],
    "examples": [[10, 20, 30], {"type": "range", "start": 10, "stop": 30, "step": 10}],
}


class Dimension(BaseModel):
    """A range of numbers, or a list of values.

    Numbers in even steps are a range, whoever lists them; other numbers are sorted. Steps are
    decimal: 0.1 to 0.3 by 0.1 has 0.3 in it, not 0.30000000000000004.

    Attributes:
        low, high: Ends of a range, both included; `high` is its last value.
        step: None for every number between, or until the strategy's declaration says one.
        log: Whether samplers take the range by its logarithm.
        choices: Values of a list; empty for a range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: Number | None = None
    high: Number | None = None
    step: Number | None = None
    log: bool = False
    choices: tuple[bool | int | float | str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _in_any_words(cls, given: Any) -> Any:
        return given if isinstance(given, Dimension) else _normal(_named(given))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Show every way to write it."""
        if getattr(handler, "mode", "validation") == "validation":
            return _SCHEMA
        return handler(core_schema)

    @property
    def is_continuous(self) -> bool:
        """Whether every number between the ends is in it."""
        return not self.choices and self.step is None

    @property
    def is_ordered(self) -> bool:
        """Whether its values are numbers, so that one may be greater than another."""
        return not self.choices or not isinstance(self.choices[0], (bool, str))

    def __len__(self) -> int:
        """Count its values.

        Raises:
            InvalidInput: it is continuous.
        """
        if self.choices:
            return len(self.choices)
        low, high, step = self._exact()
        return int((high - low) / step) + 1

    def __bool__(self) -> bool:
        """Be true always: no dimension is empty."""
        return True

    def values(self) -> tuple[ParamValue, ...]:
        """List its values, the least first.

        Raises:
            InvalidInput: it is continuous.
        """
        return tuple(self.column().tolist()) if not self.choices else self.choices

    def column(self) -> npt.NDArray[Any]:
        """Give its values as an array: int64, float64, bool or text.

        Raises:
            InvalidInput: it is continuous.
        """
        if self.choices:
            return np.array(self.choices)
        low, _, step = self._exact()
        places = max(0, *(-int(each.as_tuple().exponent) for each in (low, step)))
        begin, pace = int(low.scaleb(places)), int(step.scaleb(places))
        if places > EXACT_PLACES or abs(begin) + pace * len(self) > 2**53:
            return np.array([float(low + k * step) for k in range(len(self))])
        numbers = begin + pace * np.arange(len(self), dtype=np.int64)
        if places == 0 and isinstance(self.low, int) and isinstance(self.step, int):
            return numbers
        # One rounding of an exact quotient: the float nearest to the decimal.
        return numbers / 10.0**places

    def bound(self, spec: ParamSpec) -> Dimension:
        """Check it against the declaration of the parameter, and take over its types.

        Raises:
            InvalidInput: values of another type or out of range; a text without choices.
        """
        field = f"space.{spec.name}"
        if self.choices or (spec.kind == "choice" and self.step is not None):
            return self._bound_choices(spec, field)
        if spec.kind not in {"int", "float"}:
            raise InvalidInput(
                f"{field} is a range of numbers",
                expected=f"a list of values, each {spec.describe()}",
                field=field,
            )
        step = self.step
        if step is None:
            step = 1 if self.log and spec.kind == "int" else spec.step
            step = 1 if step is None and spec.kind == "int" else step
            step = None if self.log and spec.kind == "float" else step
        problems = [
            (name, value)
            for name, value in (("low", self.low), ("high", self.high), ("step", step))
            if not _fits(spec, name, value)
        ]
        if problems:
            found = ", ".join(f"{name} {value}" for name, value in problems)
            raise InvalidInput(f"{field} has {found}", expected=spec.describe(), field=field)
        kind = int if spec.kind == "int" else float
        assert self.low is not None  # noqa: S101 - for the type checker: a range has ends
        assert self.high is not None  # noqa: S101 - likewise
        try:
            made = _normal(
                {
                    "low": kind(self.low),
                    "high": kind(self.high),
                    "step": None if step is None else kind(step),
                    "log": self.log,
                }
            )
        except ValueError as error:
            raise InvalidInput(f"{field}: {error}", field=field) from None
        return _typed(made, kind)

    def _bound_choices(self, spec: ParamSpec, field: str) -> Dimension:
        wrong = []
        cleaned: list[ParamValue] = []
        for value in self.values():
            try:
                cleaned.append(spec.clean(value))
            except InvalidInput:
                wrong.append(repr(value))
                continue
            if isinstance(value, str) and spec.kind in {"int", "float", "bool"}:
                wrong.append(repr(value))
        if wrong:
            raise InvalidInput(
                f"{field} has {', '.join(wrong[:5])}"
                + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""),  # noqa: PLR2004 - as shown
                expected=spec.describe(),
                field=field,
            )
        if spec.kind == "choice":
            numeric = all(_kind(value) == "numbers" for value in cleaned)
            ordered = sorted(cleaned, key=float) if numeric else cleaned
            return Dimension.model_construct(choices=tuple(ordered))
        kind = {"int": int, "float": float}.get(spec.kind)
        return _typed(_normal({"choices": cleaned}), kind)

    def describe(self) -> str:
        """Say it in words: `10 to 30 by 10`."""
        if self.choices:
            shown = ", ".join(str(value) for value in self.choices[:8])
            return shown + (f" and {len(self.choices) - 8} more" if len(self.choices) > 8 else "")  # noqa: PLR2004 - as shown
        pace = "" if self.step is None else f" by {self.step}"
        return f"{self.low} to {self.high}{pace}{', logarithmic' if self.log else ''}"

    def _exact(self) -> tuple[Decimal, Decimal, Decimal]:
        if self.low is None or self.high is None or self.step is None:
            raise InvalidInput(
                f"the range {self.describe()} has no step, so its values cannot be listed",
                expected="a step",
            )
        return _decimal(self.low), _decimal(self.high), _decimal(self.step)


def bound_dimensions(
    space: Mapping[str, Dimension], specs: Sequence[ParamSpec]
) -> dict[str, Dimension]:
    """Check every dimension against the declaration of a strategy.

    Returns:
        Dimensions in the order of the declaration, with its types.

    Raises:
        InvalidInput: names it does not have, values out of range or of another type; `problems`
            has each where there are several.
    """
    known = {spec.name: spec for spec in specs}
    problems = unknown(space, known, "space")
    made: dict[str, Dimension] = {}
    for name, spec in known.items():
        if name in space:
            try:
                made[name] = space[name].bound(spec)
            except InvalidInput as problem:
                problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InvalidInput(
            f"{len(problems)} dimensions are wrong: "
            + "; ".join(problem.message for problem in problems),
            expected="; ".join(problem.expected or "" for problem in problems),
            field="space",
            problems=tuple(problems),
        )
    return made


def _named(given: Any) -> dict[str, Any]:
    """Bring a way to write it to our keys."""
    if isinstance(given, (list, tuple)):
        return {"choices": given}
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r:.60} is no dimension; expected {WAYS}")  # noqa: TRY004 - pydantic wants it
    words = {key: value for key, value in given.items() if value is not None}
    kind = words.pop("type", "")
    keys = _KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None:
        raise ValueError(f"type {kind!r:.40} is not known; expected {WAYS}")
    if kind == "" and {"min", "max"} & set(words):
        keys = _MIN_MAX
    unknown = [str(key) for key in words if key not in keys]
    if unknown:
        raise ValueError(f"{', '.join(unknown)[:80]} is not known; expected {', '.join(keys)}")
    named = {keys[key]: value for key, value in words.items()}
    if kind == "int":
        if "choices" not in named:
            named.setdefault("step", 1)
        listed = named["choices"] if isinstance(named.get("choices"), (list, tuple)) else ()
        numbers = [named.get(name) for name in ("low", "high", "step")]
        broken = [value for value in (*listed, *numbers) if _is_broken(value)]
        if broken:
            raise ValueError(f"{broken[0]!r:.40} is no whole number; expected one for type int")
    return named


def _is_broken(value: Any) -> bool:
    return isinstance(value, float) and not value.is_integer()


def _normal(named: dict[str, Any]) -> dict[str, Any]:
    """Bring equal sets of values to equal fields."""
    choices = named.get("choices") or ()
    ends = {name: named.get(name) for name in ("low", "high", "step")}
    if not isinstance(choices, (list, tuple)):
        raise ValueError(f"{choices!r:.60} is no list of values; expected {WAYS}")  # noqa: TRY004 - pydantic wants it
    if "choices" in named and not choices:
        low, high = ends["low"], ends["high"]
        if low is None and high is None:
            raise ValueError("the list of values is empty; expected at least one")
    if choices:
        if ends["low"] is not None or ends["high"] is not None:
            raise ValueError("it has both a range and a list of values; expected one of them")
        return _of_list([_plain(value) for value in choices])
    if ends["low"] is None or ends["high"] is None:
        raise ValueError(f"an end is missing; expected {WAYS}")
    return _of_range(ends, log=named.get("log", False))


def _of_range(ends: Mapping[str, Any], *, log: Any) -> dict[str, Any]:
    low, high = _finite("low", ends["low"]), _finite("high", ends["high"])
    step = None if ends["step"] is None else _finite("step", ends["step"])
    if not isinstance(log, bool):
        raise ValueError(f"log is {log!r:.40}; expected true or false")  # noqa: TRY004 - as above
    if low > high:
        raise ValueError(f"it goes from {low} to {high}; expected the lower end first")
    if step is not None and step <= 0:
        raise ValueError(f"step is {step}; expected more than 0")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range begins at {low}; expected more than 0")
    if log and step not in {None, 1}:
        raise ValueError(f"a logarithmic range has step {step}; expected none")
    if step is not None:
        high = _last(low, high, step)
    if low == high:
        return {"choices": (low,)}
    return {"low": low, "high": high, "step": step, "log": log}


def _last(low: Number, high: Number, step: Number) -> Number:
    """Give the last value of a range."""
    first, pace = _decimal(low), _decimal(step)
    count = int((_decimal(high) - first) / pace) + 1
    if count > MOST_VALUES:
        raise ValueError(f"it has {count:,} values; expected at most {MOST_VALUES:,}")
    return _finite("high", float(first + (count - 1) * pace))


def _of_list(values: list[Any]) -> dict[str, Any]:
    if len(values) > MOST_CHOICES:
        raise ValueError(f"it lists {len(values):,} values; expected at most {MOST_CHOICES:,}")
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1:
        raise ValueError(f"it mixes {' and '.join(sorted(kinds))}; expected values of one kind")
    if len(set(values)) < len(values):
        raise ValueError("a value stands there twice; expected each once")
    if kinds != {"numbers"}:
        return {"choices": tuple(values)}
    numbers = sorted(values)
    exact = [_decimal(number) for number in numbers]
    paces = {after - before for before, after in pairwise(exact)}
    if len(paces) != 1:
        return {"choices": tuple(numbers)}
    return {
        "low": numbers[0],
        "high": numbers[-1],
        "step": _finite("step", float(paces.pop())),
        "log": False,
    }


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "texts" if isinstance(value, str) else "numbers"


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return value
    return _finite("a value", value)


def _finite(name: str, value: Any) -> Number:
    """Take a number; a whole one as int, so that 5 and 5.0 are the same."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {value!r:.40}; expected a number")  # noqa: TRY004 - pydantic wants it
    if not math.isfinite(value) or abs(value) > 2**53:
        raise ValueError(f"{name} is {value!r:.40}; expected a number of ordinary size")
    return int(value) if value == int(value) else float(value)


def _decimal(value: Number) -> Decimal:
    return Decimal(repr(value))


def _fits(spec: ParamSpec, name: str, value: Number | None) -> bool:
    if value is None:
        return True
    if name == "step":
        return spec.kind == "float" or value == int(value)
    try:
        spec.clean(value)
    except InvalidInput:
        return False
    return True


def _typed(normal: dict[str, Any], kind: Callable[[Any], Any] | None) -> Dimension:
    """Make a dimension whose numbers have the type of the parameter."""

    def cast(value: Any) -> Any:
        return value if kind is None else kind(value)

    ends = {
        name: None if normal.get(name) is None else cast(normal[name])
        for name in ("low", "high", "step")
    }
    choices = tuple(cast(value) for value in normal.get("choices", ()))
    return Dimension.model_construct(**ends, log=normal.get("log", False), choices=choices)
