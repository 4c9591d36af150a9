"""What a study varies: each parameter fixed, over a range, or out of a list."""

from __future__ import annotations

from math import floor, log10
from typing import Any, Final, NamedTuple

import streamlit as st
from pydantic import ValidationError

from core.domain.dimension import Dimension
from core.domain.parameters import LONGEST_TEXT, ParamSpec, ParamValue
from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput
from core.faults import message_of
from ui import state
from ui.components import param_form

FIXED: Final = "Fixed"
RANGE: Final = "Range"
LIST: Final = "List"
BOTH: Final = "Both"
NUMBERS: Final = frozenset({"int", "float"})
LABELS: Final = {"low": "From", "high": "To", "step": "Step"}
FIRST_VARIED = 2
STEPS = 20
"""About how many values a range has that nobody has changed yet."""


class SpaceChoice(NamedTuple):
    """The form as it stands: values of what is fixed, what is varied, what is wrong."""

    params: dict[str, ParamValue]
    space: dict[str, Dimension]
    problems: tuple[InvalidInput, ...]


class Usual(NamedTuple):
    """The range a parameter has until somebody changes it."""

    low: float
    high: float
    step: float


def show(info: StrategyInfo) -> SpaceChoice:
    """Draw each parameter with the way it is varied; the first two numbers are, at first."""
    params: dict[str, ParamValue] = {}
    space: dict[str, Dimension] = {}
    problems: list[InvalidInput] = []
    first = [spec.name for spec in info.params if spec.kind in NUMBERS][:FIRST_VARIED]
    for spec in info.params:
        how = _how(info.id, spec, varied=spec.name in first)
        try:
            if how == FIXED:
                params[spec.name] = param_form.field(
                    spec, state.param(info.id, spec.name), hidden=True
                )
            else:
                space[spec.name] = _dimension(info.id, spec, how)
        except InvalidInput as wrong:
            problems.append(wrong)
    return SpaceChoice(params, space, tuple(problems))


def fill(info: StrategyInfo, space: dict[str, Dimension]) -> None:
    """Set the widgets to a space; what is not in it is fixed."""
    for spec in info.params:

        def put(part: str, value: object, name: str = spec.name) -> None:
            st.session_state[state.varied(info.id, name, part)] = value

        dimension = space.get(spec.name)
        if dimension is None:
            put("how", FIXED)
        elif dimension.choices:
            put("how", BOTH if spec.kind == "bool" else LIST)
            listed: object = list(dimension.choices)
            if spec.kind != "choice":
                listed = ", ".join(str(each) for each in dimension.choices)
            put("list", listed)
        else:
            put("how", RANGE)
            for part in Usual._fields:
                value = getattr(dimension, part)
                put(part, float(value) if spec.kind == "float" and value is not None else value)


def usual(spec: ParamSpec) -> Usual:
    """Give a range of about twenty values out of what the strategy declares.

    Ends that are not declared are half and twice the default; the step is a round multiple of the
    declared one.
    """
    default = float(spec.default)
    low = float(spec.ge) if spec.ge is not None else min(default / 2, default * 2)
    high = float(spec.le) if spec.le is not None else max(default / 2, default * 2)
    if high <= low:
        high = low + 1.0
    least = spec.step or (1.0 if spec.kind == "int" else 0.0)
    raw = max((high - low) / STEPS, least)
    size = 10.0 ** floor(log10(raw))
    step = next(size * many for many in (1.0, 2.0, 2.5, 5.0, 10.0) if size * many >= raw * 0.999)
    if least:
        step = max(1, round(step / least)) * least
    if spec.kind == "int":
        return Usual(round(low), round(high), max(1, round(step)))
    return Usual(*(float(f"{value:.10g}") for value in (low, high, step)))


def _how(strategy: str, spec: ParamSpec, *, varied: bool) -> str:
    ways = [FIXED, LIST]
    if spec.kind == "bool":
        ways = [FIXED, BOTH]
    elif spec.kind in NUMBERS:
        ways = [FIXED, RANGE, LIST]
    key = state.varied(strategy, spec.name, "how")
    state.seed(key, RANGE if varied else FIXED)
    state.keep_valid(key, ways)
    chosen: str | None = st.segmented_control(
        param_form.label_of(spec),
        ways,
        key=key,
        required=True,
        persist_state="session",
        help=param_form.help_of(spec),
    )
    return chosen or FIXED


def _dimension(strategy: str, spec: ParamSpec, how: str) -> Dimension:
    if how == BOTH:
        raw: Any = [False, True]
    elif how == RANGE:
        raw = _range(strategy, spec)
    elif spec.kind == "choice":
        raw = _some(strategy, spec)
    else:
        raw = _listed(strategy, spec)
    try:
        return Dimension.model_validate(raw)
    except ValidationError as error:
        said = "; ".join(message_of(fault) for fault in error.errors(include_url=False))
        raise InvalidInput(f"{spec.label}: {said}", field=f"space.{spec.name}") from None


def _range(strategy: str, spec: ParamSpec) -> dict[str, Any]:
    cast = int if spec.kind == "int" else float
    first, given = usual(spec), {}
    for column, part in zip(st.columns(3, gap="xxsmall"), Usual._fields, strict=True):
        key = state.varied(strategy, spec.name, part)
        state.seed(key, cast(getattr(first, part)))
        is_end = part != "step"
        limits: dict[str, Any] = {
            "min_value": cast(spec.ge) if is_end and spec.ge is not None else None,
            "max_value": cast(spec.le) if is_end and spec.le is not None else None,
            "value": "min" if is_end else None,
            "placeholder": "any" if spec.kind == "float" else "1",
        }
        with column:
            given[part] = st.number_input(
                LABELS[part],
                step=cast(first.step),
                format="%d" if spec.kind == "int" else "%g",
                key=key,
                persist_state="session",
                **limits,
            )
    return given


def _some(strategy: str, spec: ParamSpec) -> list[ParamValue]:
    key = state.varied(strategy, spec.name, "list")
    state.seed(key, list(spec.choices))
    state.keep_members(key, list(spec.choices))  # type: ignore[arg-type] # any choices compare
    chosen: list[ParamValue] = st.multiselect(
        "Values",
        spec.choices,
        key=key,
        persist_state="session",
        label_visibility="collapsed",
        placeholder="Choose values",
    )
    return chosen


def _listed(strategy: str, spec: ParamSpec) -> list[ParamValue]:
    key = state.varied(strategy, spec.name, "list")
    state.seed(key, _first_list(spec))
    said = st.text_input(
        "Values",
        key=key,
        max_chars=LONGEST_TEXT * 10,
        persist_state="session",
        label_visibility="collapsed",
        placeholder="values with commas between",
    )
    words = [word.strip() for word in (said or "").split(",") if word.strip()]
    if spec.kind not in NUMBERS:
        return list(words)
    return [_number(spec, word) for word in words]


def _first_list(spec: ParamSpec) -> str:
    if spec.kind not in NUMBERS:
        return str(spec.default)
    default = float(spec.default)
    low = spec.ge if spec.ge is not None else -float("inf")
    high = spec.le if spec.le is not None else float("inf")
    near = sorted({min(max(default * by, low), high) for by in (0.5, 1.0, 2.0)})
    if spec.kind == "int":
        return ", ".join(str(each) for each in sorted({round(each) for each in near}))
    return ", ".join(f"{each:g}" for each in near)


def _number(spec: ParamSpec, word: str) -> float:
    try:
        return int(word) if spec.kind == "int" else float(word)
    except ValueError:
        raise InvalidInput(
            f"{spec.label} has {word!r}",
            expected=f"{spec.describe()}, commas between",
            field=f"space.{spec.name}",
        ) from None
