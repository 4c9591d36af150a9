"""A form for any strategy, made from its declared parameters."""

from __future__ import annotations

from math import log10
from typing import Any

import streamlit as st

from core.domain.parameters import LONGEST_TEXT, ParamSpec, ParamValue
from core.domain.strategy import StrategyInfo
from ui import state

COLUMNS = 2


def show(info: StrategyInfo) -> dict[str, ParamValue]:
    """Draw one widget for each parameter; give the values as they stand."""
    values: dict[str, ParamValue] = {}
    rows = [info.params[i : i + COLUMNS] for i in range(0, len(info.params), COLUMNS)]
    for row in rows:
        for column, spec in zip(
            st.columns(COLUMNS, gap="xsmall", vertical_alignment="bottom"), row, strict=False
        ):
            with column:
                values[spec.name] = field(spec, state.param(info.id, spec.name))
    return values


def label_of(spec: ParamSpec) -> str:
    """Give the name of a parameter with its unit."""
    name = spec.label.removesuffix(" pct") if spec.unit == "%" else spec.label
    return f"{name} ({spec.unit})" if spec.unit else name


def field(spec: ParamSpec, key: str, *, hidden: bool = False) -> ParamValue:
    """Draw the widget of one parameter; give its value.

    Args:
        spec: The parameter.
        key: Of the widget.
        hidden: Whether its label stands elsewhere already.
    """
    state.seed(key, spec.default)
    label = label_of(spec)
    shared: dict[str, Any] = {
        "key": key,
        "help": None if hidden else help_of(spec),
        "persist_state": "session",
        "label_visibility": "collapsed" if hidden else "visible",
    }
    if spec.kind == "bool":
        return bool(st.toggle(label, **shared))
    if spec.kind == "choice":
        state.keep_valid(key, list(spec.choices))
        return st.selectbox(label, spec.choices, **shared)  # type: ignore[no-any-return]
    if spec.kind == "text":
        return str(st.text_input(label, max_chars=LONGEST_TEXT, **shared))
    return _number(spec, label, shared)


def _number(spec: ParamSpec, label: str, shared: dict[str, Any]) -> int | float:
    cast = int if spec.kind == "int" else float
    state.clamp(shared["key"], cast(spec.default), spec.ge, spec.le)
    step = spec.step or (1 if spec.kind == "int" else _float_step(spec))
    chosen: int | float = st.number_input(
        label,
        min_value=None if spec.ge is None else cast(spec.ge),
        max_value=None if spec.le is None else cast(spec.le),
        step=cast(step),
        format="%d" if spec.kind == "int" else "%g",
        **shared,
    )
    return chosen


def _float_step(spec: ParamSpec) -> float:
    """A power of ten of about a hundredth of the range."""
    width = (spec.le or 0.0) - (spec.ge or 0.0)
    return 10.0 ** round(log10(width / 100)) if width > 0 else 0.1


def help_of(spec: ParamSpec) -> str:
    """Say what a parameter is, what it may be and what it normally is."""
    parts = [spec.help, f"{spec.describe().capitalize()}, normally {spec.default}"]
    return ". ".join(part.rstrip(".") for part in parts if part) + "."
