"""What trading costs: a preset, and every figure of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import streamlit as st

from core.domain.cost_presets import DEFAULT_COSTS, cost_presets, sentence_of
from core.domain.costs import ROUNDINGS, CostModel, Rounding
from ui import formats, state
from ui.components.limits import limits

CUSTOM: Final = "custom"
LABELS: Final = {
    "ibkr_fixed": "Interactive Brokers, fixed",
    "ibkr_tiered": "Interactive Brokers, tiered",
    "nse_futures": "NSE futures",
    "nse_options": "NSE options",
    "bps_5": "5 bps of value",
    "crypto_taker": "Crypto exchange, taker",
    "conservative": "Conservative: fixed, half as much again and a tick",
    "ibkr_fixed_taf_holiday": "Interactive Brokers, fixed, FINRA holiday of 2026",
    "ib_standard": "IB standard, by cost_config",
    "ib_pro": "IB pro, by cost_config",
    "zero": "No costs",
    CUSTOM: "Custom",
}


class Figure(NamedTuple):
    """One figure of the cost model as a widget."""

    name: str
    label: str
    step: float
    help: str


FIGURES: Final = (
    Figure("per_unit", "Per unit", 0.001, "Fee per share or contract."),
    Figure("bps", "Fee (bps)", 0.5, "Fee in basis points of the order's value."),
    Figure("fixed", "Per order", 0.5, "Fee per order."),
    Figure("minimum", "Minimum", 0.5, "Least fee of an order."),
    Figure("per_trade", "Per round trip", 0.5, "Once a trade, with the fill that ends it."),
    Figure("charge_bps", "Charges (bps)", 0.1, "Of every order: exchange, clearing, regulator."),
    Figure("charge_per_unit", "Charges per unit", 0.001, "Of every order, not to the broker."),
    Figure("buy_charge_bps", "To buy (bps)", 0.1, "Of what is bought, such as stamp duty."),
    Figure("sell_charge_bps", "To sell (bps)", 0.1, "Of what is sold, such as STT or SEC fee."),
    Figure("slippage_bps", "Slippage (bps)", 0.5, "Market and stop fills, each side."),
    Figure("slippage_points", "Slippage (points)", 0.05, "The same in points of the price."),
    Figure("slippage_atr", "Slippage (ATR)", 0.05, "Times the average true range before."),
    Figure("slippage_volatility", "Slippage (sd)", 0.05, "Times the deviation of returns."),
    Figure("slippage_bars", "Bars it looks back", 1.0, "Of the range and the volatility."),
    Figure("half_spread_bps", "Half spread (bps)", 0.5, "Half the bid-ask spread."),
    Figure("impact", "Impact", 0.1, "Square-root law: impact x day's volatility x √(size / ADV)."),
    Figure("volume_share", "Volume share", 0.1, "Of the price: x min(size / volume, 2.5%)²."),
    Figure("fill_probability", "Limits fill", 0.05, "Share of limits reached inside a bar."),
    Figure("tick", "Tick", 0.01, "Fills are rounded to it, against you; 0 for none."),
)


ROUNDING: Final = "Rounding"

# Fees of a period that have no widget.
OTHERS: Final = {
    "commission_tax": "Tax on the commission",
    "maximum": "At most",
    "maximum_rate": "At most, of value",
    "sell_charge_per_unit": "To sell, per unit",
    "sell_charge_maximum": "At most to sell",
    "rounding": ROUNDING,
}


class Setting(NamedTuple):
    """What costs are judged by where they are asked for.

    Attributes:
        capital: Of the account.
        lowest: Asks for the lowest price of the chosen symbols; None where there is none.
    """

    capital: float
    lowest: Callable[[], float | None]


def show(setting: Setting | None = None) -> CostModel:
    """Draw the preset, what it charges and its figures; editing one makes it a custom model.

    What cannot be meant is said beside its figure; without a setting nothing is judged.
    """
    presets = [*cost_presets(), CUSTOM]
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
    said = st.empty()
    values: dict[str, float | str | None] = {}
    details = st.expander("Cost details", key="form_cost_details")
    with details:
        fields = [*FIGURES, "maximum_rate", "rounding"]
        for row in (fields[i : i + 2] for i in range(0, len(fields), 2)):
            for column, figure in zip(st.columns(2, gap="xsmall"), row, strict=False):
                with column:
                    if figure == "maximum_rate":
                        values["maximum_rate"] = _cap()
                    elif figure == "rounding":
                        values["rounding"] = _rounding()
                    elif isinstance(figure, Figure):
                        value = values[figure.name] = _number(figure)
                        doubt = setting and _doubt(figure.name, value, setting)
                        if doubt:
                            st.caption(f":red[{doubt}]")
    costs = _as_asked(preset, values)
    words = sentence_of(costs)
    said.caption(f"{words[0].upper()}{words[1:]}.")
    if costs.changes:
        with details:
            _changes(costs)
    return costs


def _doubt(name: str, value: float, setting: Setting) -> str:
    """Say why a figure cannot be meant; empty when it can."""
    if name == "per_trade" and value >= setting.capital:
        return f"One round trip costs all of the capital, {formats.money(setting.capital)}."
    if name == "slippage_points" and value > 0.0:
        low = setting.lowest()
        if low is not None and value >= low:
            return f"Takes all of the lowest price, {low:,.6g}: nothing would be left of a sale."
    return ""


def _changes(costs: CostModel) -> None:
    """List the fees that are others from a day on."""
    labels = OTHERS | {figure.name: figure.label for figure in FIGURES}
    lines = []
    for change in costs.changes:
        given = change.model_dump(exclude={"since"}, exclude_none=True)
        fees = ", ".join(_said(labels[name], value) for name, value in given.items())
        lines.append(f"- {formats.day(change.since)}: {fees}")
    st.caption("**Other fees from a day on**\n" + "\n".join(lines))


def _said(label: str, value: float | Rounding) -> str:
    if isinstance(value, str):
        return f"{label.lower()} {ROUNDINGS[value]}"
    words = label.removesuffix(" (bps)")
    return f"{words.lower()} {value:g}{' bps' if words != label else ''}"


def fill(costs: CostModel) -> None:
    """Set the widgets to this model."""
    known = cost_presets().get(costs.name)
    st.session_state[state.FORM_COSTS] = costs.name if known == costs else CUSTOM
    _write(costs)


def _apply_preset() -> None:
    chosen = cost_presets().get(st.session_state.get(state.FORM_COSTS, DEFAULT_COSTS))
    if chosen:
        _write(chosen)


def _write(costs: CostModel) -> None:
    st.session_state[state.cost("rounding")] = costs.rounding
    for figure in FIGURES:
        st.session_state[state.cost(figure.name)] = float(getattr(costs, figure.name))
    st.session_state[state.cost("maximum_rate")] = _percent(costs.maximum_rate)
    st.session_state[state.exact(state.FORM_COSTS)] = costs


def _as_asked(preset: str, values: dict[str, float | str | None]) -> CostModel:
    """Make the model; one filled in and not edited keeps its own name.

    Figures that have no widget, such as charges by date, stay as they were filled in.
    """
    if preset != CUSTOM:
        return cost_presets()[preset]
    asked: CostModel = st.session_state.get(state.exact(state.FORM_COSTS)) or CostModel()
    made = CostModel.model_validate({**asked.model_dump(), **values})
    is_edited = made != asked or cost_presets().get(asked.name) == asked
    return made.model_copy(update={"name": CUSTOM}) if is_edited else asked


def _percent(rate: float | None) -> float | None:
    """Give a share in percent without the noise of the last digits: 0.07 is 7."""
    return None if rate is None else float(f"{rate * 100:.15g}")


def _now_custom() -> None:
    st.session_state[state.FORM_COSTS] = CUSTOM


def _number(figure: Figure) -> float:
    low, high = limits(CostModel, figure.name)
    value: float = st.number_input(
        figure.label,
        min_value=float(low),
        max_value=float(high),
        step=figure.step,
        format="%g",
        key=state.cost(figure.name),
        persist_state="session",
        on_change=_now_custom,
        help=figure.help,
    )
    return value


def _rounding() -> Rounding:
    how: Rounding = st.selectbox(
        ROUNDING,
        list(ROUNDINGS),
        format_func=lambda way: ROUNDINGS[way].capitalize(),
        key=state.cost("rounding"),
        persist_state="session",
        on_change=_now_custom,
        help="Of what only buying or only selling is charged, each charge of a fill for itself.",
    )
    return how


def _cap() -> float | None:
    low, high = limits(CostModel, "maximum_rate")
    percent: float | None = st.number_input(
        "Cap (% of value)",
        min_value=low * 100.0,
        max_value=high * 100.0,
        value=None,
        step=0.1,
        format="%g",
        key=state.cost("maximum_rate"),
        persist_state="session",
        on_change=_now_custom,
        help="Greatest fee as a share of the order's value; empty for no cap.",
    )
    if percent is None:
        return None
    asked: CostModel | None = st.session_state.get(state.exact(state.FORM_COSTS))
    if asked is not None and percent == _percent(asked.maximum_rate):
        return asked.maximum_rate
    return percent / 100
