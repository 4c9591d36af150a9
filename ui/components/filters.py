"""Which runs to list. Every choice lives in the URL as a plain string of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import streamlit as st

from core.domain.run import RunStatus
from core.domain.strategy import StrategyInfo
from ui import state


class Filters(NamedTuple):
    """What is asked for; None asks for nothing."""

    strategy: str | None
    symbol: str | None
    status: RunStatus | None
    since: date | None
    until: date | None

    @property
    def active(self) -> bool:
        """Whether anything is filtered out."""
        return any(choice is not None for choice in self)


def show(strategies: Sequence[StrategyInfo], symbols: Sequence[str]) -> Filters:
    """Draw the row of filters."""
    titles = {info.id: info.title for info in strategies}
    columns = st.columns([2, 1.6, 1.5, 1.9, 1.9], gap="xsmall")
    with columns[0]:
        strategy = st.selectbox(
            "Strategy",
            list(titles),
            index=None,
            format_func=str,
            accept_new_options=True,
            placeholder="All strategies",
            key=state.STRATEGY,
            bind="query-params",
            on_change=first_page,
        )
    with columns[1]:
        symbol = st.selectbox(
            "Symbol",
            list(symbols),
            index=None,
            accept_new_options=True,
            placeholder="All symbols",
            key=state.SYMBOL,
            bind="query-params",
            on_change=first_page,
        )
    with columns[2]:
        status = st.selectbox(
            "Status",
            # Nothing can cancel a run yet, so none is found by that word.
            [one.capitalize() for one in RunStatus if one is not RunStatus.CANCELLED],
            index=None,
            placeholder="Any status",
            key=state.STATUS,
            bind="query-params",
            on_change=first_page,
        )
    with columns[3]:
        since: date | None = _date("Submitted since", state.SINCE)
    with columns[4]:
        until: date | None = _date("Until (UTC)", state.UNTIL)
    return Filters(
        strategy or None,
        symbol or None,
        RunStatus(status.lower()) if status else None,
        since,
        until,
    )


def clear() -> None:
    """Ask for everything again."""
    for key in (state.STRATEGY, state.SYMBOL, state.STATUS, state.SINCE, state.UNTIL):
        st.session_state[key] = None
    first_page()


def first_page() -> None:
    """Go back to the first page: another list begins at its beginning."""
    st.session_state[state.PAGE] = 1


def _date(label: str, key: str) -> date | None:
    value: date | None = st.date_input(
        label,
        value=None,
        format="YYYY-MM-DD",
        key=key,
        bind="query-params",
        on_change=first_page,
    )
    return value
