"""What trading costs: a preset, and every figure of it."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from core.domain.costs import COST_PRESETS, DEFAULT_COSTS, CostModel
from ui import state

CUSTOM: Final = "custom"
LABELS: Final = {
    "ibkr_fixed": "Interactive Brokers, fixed",
    "bps_5": "5 bps of value",
    "crypto_taker": "Crypto exchange, taker",
    "zero": "No costs",
    CUSTOM: "Custom",
}


class Figure(NamedTuple):
    """One figure of the cost model as a widget."""

    name: str
    label: str
    high: float
    step: float
    help: str


FIGURES: Final = (
    Figure("per_unit", "Per unit", 1e6, 0.001, "Fee per share or contract."),
    Figure("bps", "Fee (bps)", 10_000.0, 0.5, "Fee in basis points of the order's value."),
    Figure("fixed", "Per order", 1e6, 0.5, "Fee per order."),
    Figure("minimum", "Minimum", 1e6, 0.5, "Least fee of an order."),
    Figure("slippage_bps", "Slippage (bps)", 10_000.0, 0.5, "Market and stop fills, each side."),
    Figure("half_spread_bps", "Half spread (bps)", 10_000.0, 0.5, "Half the bid-ask spread."),
    Figure("tick", "Tick", 1e6, 0.01, "Fills are rounded to it, against you; 0 for none."),
)


def show() -> CostModel:
    """Draw the preset and its figures; editing a figure makes it a custom model."""
    presets = [*COST_PRESETS, CUSTOM]
    state.keep_valid(state.FORM_COSTS, presets, prefer=DEFAULT_COSTS)
    if state.cost("bps") not in st.session_state:
        _apply_preset()
    preset = st.selectbox(
        "Costs",
        presets,
        format_func=lambda name: LABELS.get(name, name),
        key=state.FORM_COSTS,
        persist_state="session",
        on_change=_apply_preset,
    )
    values: dict[str, float | None] = {}
    with st.expander("Cost details", key="form_cost_details"):
        fields = [*FIGURES, None]
        for row in (fields[i : i + 2] for i in range(0, len(fields), 2)):
            for column, figure in zip(st.columns(2, gap="xsmall"), row, strict=True):
                with column:
                    if figure is None:
                        values["maximum_rate"] = _cap()
                    else:
                        values[figure.name] = _number(figure)
    return CostModel.model_validate({**values, "name": preset})


def fill(costs: CostModel) -> None:
    """Set the widgets to this model."""
    known = COST_PRESETS.get(costs.name)
    st.session_state[state.FORM_COSTS] = costs.name if known == costs else CUSTOM
    _write(costs)


def _apply_preset() -> None:
    chosen = COST_PRESETS.get(st.session_state.get(state.FORM_COSTS, DEFAULT_COSTS))
    if chosen:
        _write(chosen)


def _write(costs: CostModel) -> None:
    for figure in FIGURES:
        st.session_state[state.cost(figure.name)] = float(getattr(costs, figure.name))
    st.session_state[state.cost("maximum_rate")] = (
        None if costs.maximum_rate is None else costs.maximum_rate * 100
    )


def _now_custom() -> None:
    st.session_state[state.FORM_COSTS] = CUSTOM


def _number(figure: Figure) -> float:
    value: float = st.number_input(
        figure.label,
        min_value=0.0,
        max_value=figure.high,
        step=figure.step,
        format="%g",
        key=state.cost(figure.name),
        persist_state="session",
        on_change=_now_custom,
        help=figure.help,
    )
    return value


def _cap() -> float | None:
    percent: float | None = st.number_input(
        "Cap (% of value)",
        min_value=0.0,
        max_value=100.0,
        value=None,
        step=0.1,
        format="%g",
        key=state.cost("maximum_rate"),
        persist_state="session",
        on_change=_now_custom,
        help="Greatest fee as a share of the order's value; empty for no cap.",
    )
    return None if percent is None else percent / 100
