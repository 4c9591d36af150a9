"""Account, sizing and fill rules."""

from __future__ import annotations

from datetime import time
from typing import Any, Final

import streamlit as st

from core.domain.options import EngineOptions
from ui import state
from ui.components import markup
from ui.components.limits import limits

DEFAULTS: Final = EngineOptions()
SIZING: Final = {
    "percent_of_equity": "% of equity",
    "units": "Units",
    "lots": "Lots",
}
FILLS: Final = {"next_open": "Next open", "close": "Same close"}


def show() -> dict[str, Any]:
    """Draw the options; give them as they stand, by the names of `EngineOptions`."""
    chosen: dict[str, Any] = {}
    chosen["initial_cash"] = _number("initial_cash", "Capital", step=10_000.0)
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["sizing"] = _choice("sizing", "Size in", SIZING)
    with right:
        chosen["size"] = _number("size", "Size", step=1.0)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen["fill"] = _fill()
        chosen["allow_short"] = _toggle("allow_short", "Shorts")
    if chosen["fill"] == "close":
        markup.write(
            f'<span class="wb-chips">{markup.badges(("optimistic_fill",))}</span> '
            '<span class="wb-muted">nobody can trade at the close that decided</span>'
        )
    with st.expander("More rules", key="form_more_rules"):
        chosen |= _more()
    return chosen


def fill(options: EngineOptions) -> None:
    """Set the widgets to these options."""
    for name, value in options:
        key = state.option(name)
        if isinstance(value, time):
            st.session_state[state.exact(key)] = value
            st.session_state[key] = _minute(value)
        else:
            st.session_state[key] = value


def _more() -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    numbers: tuple[tuple[str, str, int | float], ...] = (
        ("delay", "Delay (bars)", 1),
        ("lot_size", "Lot size", 1.0),
        ("multiplier", "Multiplier", 1.0),
        ("initial_margin", "Initial margin", 0.05),
    )
    for row in (numbers[:2], numbers[2:]):
        for column, (name, label, step) in zip(st.columns(2, gap="xsmall"), row, strict=True):
            with column:
                chosen[name] = _number(name, label, step=step)
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["size_ref"] = _choice(
            "size_ref", "Size from", {"decision": "Decision close", "fill": "Fill price"}
        )
    with right:
        chosen["on_insufficient"] = _choice(
            "on_insufficient", "Too little cash", {"scale": "Scale down", "reject": "Reject"}
        )
    chosen["fill_on_touch"] = _toggle("fill_on_touch", "Limits fill when touched")
    chosen["close_at_end"] = _toggle("close_at_end", "Liquidate at the last close")
    chosen["intraday"] = _toggle("intraday", "Flat at every session's end")
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["square_off"] = _time("square_off", "Square off", disabled=not chosen["intraday"])
    with right:
        chosen["no_entry_after"] = _time("no_entry_after", "No entry after")
    if not chosen["intraday"]:
        chosen["square_off"] = None
    return chosen


def _number(name: str, label: str, *, step: float) -> int | float:
    key = state.option(name)
    default = getattr(DEFAULTS, name)
    low, high = map(type(default), limits(EngineOptions, name))
    state.seed(key, default)
    state.clamp(key, default, low, high)
    value: int | float = st.number_input(
        label,
        min_value=low,
        max_value=high,
        step=step,
        format="%d" if isinstance(step, int) else "%g",
        key=key,
        persist_state="session",
    )
    return value


def _choice(name: str, label: str, options: dict[str, str]) -> str:
    key = state.option(name)
    state.seed(key, getattr(DEFAULTS, name))
    value: str = st.selectbox(
        label, list(options), format_func=options.__getitem__, key=key, persist_state="session"
    )
    return value


def _fill() -> str:
    key = state.option("fill")
    state.seed(key, DEFAULTS.fill)
    value = st.segmented_control(
        "Fill at",
        list(FILLS),
        format_func=FILLS.__getitem__,
        key=key,
        required=True,
        persist_state="session",
        help="A decision at a close is filled at the next bar's open. Filling at the same close "
        "is possible in a computer only; such runs carry a badge.",
    )
    return value or DEFAULTS.fill


def _toggle(name: str, label: str) -> bool:
    key = state.option(name)
    state.seed(key, getattr(DEFAULTS, name))
    return bool(st.toggle(label, key=key, persist_state="session"))


def _time(name: str, label: str, *, disabled: bool = False) -> time | None:
    key = state.option(name)
    state.seed(key, None)
    value: time | None = st.time_input(
        label,
        value=None,
        key=key,
        step=300,
        disabled=disabled,
        persist_state="session",
        help="Local time of the market; empty for never.",
    )
    asked: time | None = st.session_state.get(state.exact(key))
    return asked if value and asked and _minute(value) == _minute(asked) else value


def _minute(value: time) -> time:
    """Cut to what the widget can hold; the seconds asked for are kept beside it."""
    return value.replace(second=0, microsecond=0)
