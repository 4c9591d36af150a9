"""The currency of the account, and the rates that other currencies are converted by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.dataset import Series
from core.domain.fx import CURRENCY
from ui import state

ACCOUNT: Final = "account_currency"


def show(
    symbols: Sequence[str], series: Sequence[Series], *, beside: DeltaGenerator
) -> dict[str, Any]:
    """Draw the choices; give them by the names of `EngineOptions`.

    Args:
        symbols: Those chosen, the benchmark too.
        series: What the lake holds, rates among it.
        beside: Where the currency is chosen; what it entails follows below.
    """
    currency = {one.symbol: one.currency for one in series}
    own = sorted({code for name in symbols if (code := currency.get(name)) is not None})
    with beside:
        chosen = _account(own, currency)
    if len(own) > 1 and not chosen:
        st.caption(f"The symbols are in {', '.join(own)}: choose the currency of the account.")
    if not chosen:
        return {ACCOUNT: None}
    foreign = [code for code in own if code != chosen]
    rates = {code: _rates(code, chosen, currency) for code in foreign}
    return {ACCOUNT: chosen, "fx": {code: name for code, name in rates.items() if name}}


def fill(account: str | None, fx: dict[str, str]) -> None:
    """Set the widgets to these."""
    st.session_state[state.option(ACCOUNT)] = account or ""
    for code, name in fx.items():
        st.session_state[state.rates_of(code)] = name


def _account(own: Sequence[str], currency: dict[str, str | None]) -> str:
    key = state.option(ACCOUNT)
    kept = st.session_state.get(key) or ""
    # The browser answers with what it shows: what was "as quoted" in another currency is no code.
    known = {code for code in currency.values() if code}
    offered = ["", *sorted(known | ({kept} if CURRENCY.match(kept) else set()))]
    state.seed(key, "")
    state.keep_valid(key, offered)
    chosen: str = st.selectbox(
        "Account currency",
        offered,
        format_func=lambda code: code or (f"{own[0]}, as quoted" if own else "As quoted"),
        key=key,
        persist_state="session",
        help="Cash, equity and every sum are in it. Symbols in another currency are converted at "
        "the rate of each fill and mark.",
    )
    return chosen


def _rates(code: str, account: str, currency: dict[str, str | None]) -> str | None:
    """Choose among the series in one of the two currencies, first the one named after both."""
    usual = [name for name in (code + account, account + code) if name in currency]
    others = [
        name
        for name, quoted in currency.items()
        if name not in usual and quoted in {code, account} and _is_pair(name, code, account)
    ]
    key = state.rates_of(code)
    kept: str | None = st.session_state.get(key)
    offered = [*usual, *others]
    if kept in currency and kept not in offered:
        offered.append(kept)
    if not offered:
        st.caption(f"There are no rates of {code} in {account}: import {code + account}.")
        return None
    state.keep_valid(key, offered)
    chosen: str = st.selectbox(
        f"Rates of {code}", offered, key=key, persist_state="session", help=f"In {account}."
    )
    return chosen


def _is_pair(name: str, code: str, account: str) -> bool:
    """Whether a name speaks of both currencies, such as `ECB.EURUSD`."""
    return code in name and account in name
