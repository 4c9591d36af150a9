"""Account, sizing and fill rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import time
from typing import Any, Final

import streamlit as st
from pydantic import BaseModel
from streamlit.delta_generator import DeltaGenerator

from core.domain.options import EngineOptions, OptionProxy
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput
from ui import state
from ui.components import currency_form, markup
from ui.components.limits import limits

DEFAULTS: Final = EngineOptions()
SIZING: Final = {
    "percent_of_equity": "% of equity",
    "units": "Units",
    "lots": "Lots",
    "value": "Money",
    "risk": "% lost at the stop",
    "vol_target": "% volatility a year",
}
# Where a size of 100, which is all of equity, would be none at all, or all at once.
FIRST_SIZES: Final = {"value": 10_000.0, "risk": 1.0, "vol_target": 15.0}
ACCOUNTS: Final = {"sleeves": "Equal sleeves", "shared": "One account"}
WEIGHS: Final = (
    "This strategy weighs all symbols together: they always share one account, and its weights "
    "say how much of equity each gets."
)
CASH: Final = (
    "Equal sleeves: each symbol trades with its part of the capital and never lends. One account: "
    "all share the cash, and a size in percent is one of the whole equity."
)
FILLS: Final = {"next_open": "Next open", "close": "Same close"}
BY_SYMBOL: Final = (
    (
        "borrow_rates",
        "Borrow by symbol",
        "GME=0.4, AMC=0.2",
        "Symbols that are dearer or cheaper to borrow than the others: a share a year each.",
    ),
    (
        "shortable",
        "Shorts by symbol",
        "GME=no",
        "Symbols that may be sold short though the others may not, or may not though they may.",
    ),
)
MOMENT: Final = (
    "A decision at a close is filled at the next bar's open. Filling at the same close is possible "
    "in a computer only; such runs carry a badge."
)


def show(
    *,
    symbols: int = 1,
    universe: bool = False,
    currency: Callable[[DeltaGenerator], dict[str, Any]] = lambda _: {},
) -> dict[str, Any]:
    """Draw the options; give them as they stand, by the names of `EngineOptions`.

    Args:
        symbols: How many are chosen.
        universe: Whether the strategy weighs them together; then it sizes its positions itself.
        currency: Draws the currency of the account beside the capital; gives what was chosen.
    """
    chosen: dict[str, Any] = {}
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["initial_cash"] = _number("initial_cash", "Capital", step=10_000.0)
    chosen |= currency(right)
    if universe:
        chosen["account"] = "shared"
        st.caption(WEIGHS)
    else:
        left, right = st.columns(2, gap="xsmall")
        with left:
            chosen["sizing"] = _choice("sizing", "Size in", SIZING, on_change=_fit_size)
        with right:
            chosen["size"] = _number("size", "Size", step=1.0)
        chosen["volatility_bars"] = _volatility_bars(shown=chosen["sizing"] == "vol_target")
        if symbols > 1:
            chosen["account"] = _either("account", "Cash of several symbols", ACCOUNTS, CASH)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen["fill"] = _either("fill", "Fill at", FILLS, MOMENT)
        chosen["allow_short"] = _toggle("allow_short", "Shorts")
    if chosen["fill"] == "close":
        markup.write(
            f'<span class="wb-chips">{markup.badges(("optimistic_fill",))}</span> '
            '<span class="wb-muted">nobody can trade at the close that decided</span>'
        )
    with st.expander("More rules", key="form_more_rules"):
        chosen |= _more()
    with st.expander("Limits", key="form_day_limits"):
        chosen |= _limits()
    with st.expander("Margin, volume and options", key="form_margin"):
        chosen |= _margin()
        chosen |= _by_symbol(symbols)
        chosen["option"] = _option()
    return chosen


def fill(options: EngineOptions) -> None:
    """Set the widgets to these options."""
    currency_form.fill(options.account_currency, options.fx)
    for name, value in options:
        key = state.option(name)
        if name in {"account_currency", "fx"}:
            continue
        if name == "option":
            st.session_state[state.option("by_delta")] = value is not None
            for part, given in value or OptionProxy():
                st.session_state[state.option(part)] = given
        elif isinstance(value, dict):
            st.session_state[key] = _said(value)
        elif isinstance(value, time):
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


def _limits() -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["daily_target"] = _number("daily_target", "Daily target", step=100.0)
        chosen["daily_unit"] = _choice(
            "daily_unit", "Counted in", {"money": "Money", "points": "Price points"}
        )
        chosen["max_trades_per_day"] = _number("max_trades_per_day", "Entries a day", step=1)
        chosen["cooldown_bars"] = _number("cooldown_bars", "Rest after losses (bars)", step=1)
    with right:
        chosen["daily_loss"] = _number("daily_loss", "Daily loss", step=100.0)
        chosen["daily_action"] = _choice(
            "daily_action", "Then", {"flatten": "Close all, stop", "entries": "No new entries"}
        )
        chosen["max_dd_limit"] = _number(
            "max_dd_limit",
            "Drawdown limit",
            step=0.05,
            help="Share of its peak that equity may lose until the run ends; empty for none.",
        )
        chosen["cooldown_losses"] = _number("cooldown_losses", "Losses in a row", step=1)
    return chosen


def _margin() -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    left, right = st.columns(2, gap="xsmall")
    with left:
        chosen["maintenance_margin"] = _number("maintenance_margin", "Margin call at", step=0.05)
        chosen["cash_rate"] = _number("cash_rate", "Cash earns a year", step=0.01)
        chosen["pyramid"] = _number("pyramid", "Adds to a position", step=1)
        chosen["adjust"] = _choice(
            "adjust",
            "Prices",
            {
                "split": "Split-adjusted",
                "raw": "As traded",
                "total_return": "Total return",
            },
        )
        chosen["protection"] = _choice(
            "protection", "Stops judged", {"intrabar": "Inside bars", "close": "At closes"}
        )
        chosen["seed"] = _number("seed", "Seed of limit fills", step=1)
        chosen["risk_free"] = _number("risk_free", "Risk-free rate a year", step=0.01)
    with right:
        chosen["borrow_rate"] = _number("borrow_rate", "Borrow rate a year", step=0.01)
        chosen["margin_rate"] = _number("margin_rate", "Borrowed cash a year", step=0.01)
        chosen["max_participation"] = _number("max_participation", "Share of volume", step=0.01)
        chosen["rebalance_band"] = _number("rebalance_band", "Rebalance band", step=0.01)
        chosen["intrabar"] = _choice(
            "intrabar", "Inside a bar", {"conservative": "Stops first", "path": "One path"}
        )
        chosen["detail"] = _detail(disabled=chosen["protection"] == "close")
    chosen["intrabar_margin"] = _toggle(
        "intrabar_margin",
        "Margin calls inside bars",
        disabled=chosen["maintenance_margin"] == 0,
        help="A bar's worst price calls for margin too, not its close alone. For one symbol.",
    )
    chosen["funding"] = _toggle("funding", "Pay funding")
    return chosen


def _by_symbol(symbols: int) -> dict[str, Any]:
    """Ask for what is said of single symbols, where there are several or something is said."""
    kept = [st.session_state.get(state.option(name)) for name, *_ in BY_SYMBOL]
    if symbols == 1 and not any(kept):
        return {}
    chosen: dict[str, Any] = {}
    for column, (name, label, example, words) in zip(
        st.columns(2, gap="xsmall", vertical_alignment="bottom"), BY_SYMBOL, strict=True
    ):
        with column:
            said = st.text_input(
                label,
                key=state.option(name),
                placeholder=example,
                persist_state="session",
                help=words,
            )
        chosen[name] = _pairs(said or "")
    return chosen


def require_chosen(symbols: Sequence[str]) -> None:
    """Refuse what is said by symbol of no symbol, of one twice, or of one that is not chosen.

    Raises:
        InvalidInput: something is; a value that is wrong is found with the other options.
    """
    chosen = {symbol.casefold() for symbol in symbols}
    for name, label, example, _ in BY_SYMBOL:
        seen = set()
        for item, symbol, value in _items(st.session_state.get(state.option(name)) or ""):
            if not symbol or not value:
                raise InvalidInput(f"{label} has {item!r}", expected=f"pairs such as {example}")
            if symbol.casefold() in seen:
                raise InvalidInput(f"{label} names {symbol} twice", expected="each symbol once")
            if symbol.casefold() not in chosen:
                raise InvalidInput(
                    f"{label} names {symbol}, which is not chosen",
                    expected=f"one of {', '.join(symbols)}",
                )
            seen.add(symbol.casefold())


def _pairs(said: str) -> dict[str, str]:
    """Read `GME=0.4, AMC=0.2`; whether that can be meant, `require_chosen` says."""
    return {symbol: value for _, symbol, value in _items(said)}


def _items(said: str) -> list[tuple[str, str, str]]:
    """Give each pair as it was said, its symbol and its value."""
    items = [item.strip() for item in said.split(",") if item.strip()]
    parts = [(item, *item.partition("=")) for item in items]
    return [(item, symbol.strip(), value.strip()) for item, symbol, _, value in parts]


def _said(pairs: dict[str, float | bool]) -> str:
    words = {True: "yes", False: "no"}
    return ", ".join(
        f"{symbol}={words[value] if isinstance(value, bool) else repr(value)}"
        for symbol, value in pairs.items()
    )


def _option() -> dict[str, float] | None:
    key = state.option("by_delta")
    state.seed(key, False)  # noqa: FBT003 - the first value of a widget
    if not st.toggle("Trade options by their delta", key=key, persist_state="session"):
        return None
    fields: tuple[tuple[str, str, float], ...] = (
        ("delta", "Delta", 0.05),
        ("gamma", "Gamma", 0.001),
        ("theta", "Theta (points a day)", 0.1),
        ("volatility", "Volatility", 0.01),
        ("days_to_expiry", "Days to expiry", 1.0),
    )
    chosen: dict[str, float] = {}
    columns = st.columns(2, gap="xsmall")
    for place, (name, label, step) in enumerate(fields):
        with columns[place % 2]:
            chosen[name] = _number(name, label, step=step, model=OptionProxy)
    return chosen


def _fit_size() -> None:
    """Begin with a size that suits its kind, unless another was chosen."""
    key = state.option("size")
    whole = DEFAULTS.size
    if st.session_state.get(key) in {whole, *FIRST_SIZES.values()}:
        st.session_state[key] = FIRST_SIZES.get(st.session_state[state.option("sizing")], whole)


def _volatility_bars(*, shown: bool) -> int:
    """Ask for the look-back where it counts; elsewhere keep what was asked before."""
    if shown:
        left, _ = st.columns(2, gap="xsmall")
        with left:
            return int(_number("volatility_bars", "Volatility over (bars)", step=1))
    return int(st.session_state.get(state.option("volatility_bars"), DEFAULTS.volatility_bars))


def _number(
    name: str,
    label: str,
    *,
    step: float,
    model: type[BaseModel] = EngineOptions,
    help: str | None = None,  # noqa: A002 - the widget's own word
) -> Any:
    """Ask for a number of the type of `step`; one whose default is None may be left out."""
    key, kind = state.option(name), type(step)
    default = model.model_fields[name].default
    low, high = map(kind, limits(model, name))
    state.seed(key, default)
    if default is not None:
        state.clamp(key, default, low, high)
    return st.number_input(
        label,
        min_value=low,
        max_value=high,
        value="min" if default is not None else None,
        step=step,
        format="%d" if kind is int else "%g",
        key=key,
        placeholder="none",
        persist_state="session",
        help=help,
    )


def _choice(
    name: str,
    label: str,
    options: dict[str, str],
    on_change: Callable[[], None] | None = None,
) -> str:
    key = state.option(name)
    state.seed(key, getattr(DEFAULTS, name))
    value: str = st.selectbox(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        persist_state="session",
        on_change=on_change,
    )
    return value


def _detail(*, disabled: bool) -> Timeframe | None:
    key = state.option("detail")
    state.seed(key, DEFAULTS.detail)
    value: Timeframe | None = st.selectbox(
        "Finer bars",
        [each for each in Timeframe if each.is_intraday or each is Timeframe.D1],
        index=None,
        placeholder="none",
        key=key,
        disabled=disabled,
        persist_state="session",
        help="Bars that decide what came first inside a bar; they must be in the lake.",
    )
    return None if disabled else value


def _either(name: str, label: str, options: dict[str, str], said: str) -> str:
    """Ask for one of few, all of them in sight."""
    key, default = state.option(name), str(getattr(DEFAULTS, name))
    state.seed(key, default)
    value: str | None = st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        required=True,
        persist_state="session",
        help=said,
    )
    return value or default


def _toggle(
    name: str,
    label: str,
    *,
    disabled: bool = False,
    help: str | None = None,  # noqa: A002 - the widget's own word
) -> bool:
    key = state.option(name)
    state.seed(key, getattr(DEFAULTS, name))
    is_on = st.toggle(label, key=key, persist_state="session", disabled=disabled, help=help)
    return bool(is_on) and not disabled


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
