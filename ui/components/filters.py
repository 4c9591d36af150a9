"""Which runs to list. Every choice lives in the URL as a plain string of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import streamlit as st

from core.domain.job import JobState
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


class StudyFilters(NamedTuple):
    """What is asked for of studies; None asks for nothing."""

    strategy: str | None
    symbol: str | None
    status: JobState | None

    @property
    def active(self) -> bool:
        """Whether anything is filtered out."""
        return any(choice is not None for choice in self)


def show(strategies: Sequence[StrategyInfo], symbols: Sequence[str]) -> Filters:
    """Draw the row of filters."""
    ids = [info.id for info in strategies]
    columns = st.columns([2, 1.6, 1.5, 1.9, 1.9], gap="xsmall")
    with columns[0]:
        strategy = _one_of("Strategy", ids, "All strategies", state.STRATEGY, other=True)
    with columns[1]:
        symbol = _one_of("Symbol", list(symbols), "All symbols", state.SYMBOL, other=True)
    with columns[2]:
        # Nothing can cancel a run yet, so none is found by that word.
        states = [one.capitalize() for one in RunStatus if one is not RunStatus.CANCELLED]
        status = _one_of("Status", states, "Any status", state.STATUS)
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


def show_of_studies(strategies: Sequence[StrategyInfo], symbols: Sequence[str]) -> StudyFilters:
    """Draw the row of filters of studies."""
    ids = [info.id for info in strategies]
    columns = st.columns([2, 1.6, 1.5, 3.8], gap="xsmall")
    with columns[0]:
        strategy = _one_of("Strategy", ids, "All strategies", state.STRATEGY, other=True)
    with columns[1]:
        symbol = _one_of("Symbol", list(symbols), "All symbols", state.SYMBOL, other=True)
    with columns[2]:
        states = [one.capitalize() for one in JobState]
        status = _one_of("Status", states, "Any status", state.STATUS)
    return StudyFilters(
        strategy or None, symbol or None, JobState(status.lower()) if status else None
    )


def clear() -> None:
    """Ask for everything again."""
    for key in (state.STRATEGY, state.SYMBOL, state.STATUS, state.SINCE, state.UNTIL):
        st.session_state[key] = None
    first_page()


def sort(field: str, *, best: str, now: tuple[str, str], keys: tuple[str, str]) -> None:
    """Sort a list by a field, best first; by the same field again, the other way round.

    Args:
        field: Somebody wants it sorted by.
        best: Order that has the best first, `asc` or `desc`.
        now: Field and order it has.
        keys: Of field and order, in the URL.
    """
    turned = {"asc": "desc", "desc": "asc"}
    state.remember(keys[0], field)
    state.remember(keys[1], turned.get(now[1], best) if now[0] == field else best)
    first_page()


def first_page() -> None:
    """Go back to the first page: another list begins at its beginning."""
    st.session_state[state.PAGE] = 1


def _one_of(
    label: str, offered: Sequence[str], none: str, key: str, *, other: bool = False
) -> str | None:
    """Ask for one of these, or with `other` for any word; None where nothing is asked for."""
    value: str | None = st.selectbox(
        label,
        offered,
        index=None,
        format_func=str,
        accept_new_options=other,
        placeholder=none,
        key=key,
        bind="query-params",
        on_change=first_page,
    )
    return value


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
