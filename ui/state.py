"""Names of everything kept in the session and in the URL: no other module spells a key.

Widgets of the form live for the whole session (`persist_state="session"`), so polling, changes of
page and failed submits lose nothing. What a person may share (filters, sort, page, run numbers) is
in the URL as plain strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import streamlit as st

# Query parameters. The filters are bound to widgets of the same key, so they stay plain strings.
RUN_ID: Final = "id"
RUN_IDS: Final = "ids"
STRATEGY: Final = "strategy"
SYMBOL: Final = "symbol"
STATUS: Final = "status"
SINCE: Final = "since"
UNTIL: Final = "until"
SORT: Final = "sort"
ORDER: Final = "order"
STUDY_SORT: Final = "study_sort"
STUDY_ORDER: Final = "study_order"
PAGE: Final = "page"
TAB: Final = "tab"

STUDY_ID: Final = RUN_ID

# Session
RUNS_TABLE: Final = "runs_table"
SELECTED: Final = "selected_runs"
SORT_CHOICE: Final = "runs_sort"
REPRODUCTION: Final = "reproduction"
STUDIES_TABLE: Final = "studies_table"
STUDY_REQUEST: Final = "study_request"
CANCEL_FAILURE: Final = "cancel_failure"
TRIALS_TABLE: Final = "trials_table"
TRIAL_METRICS: Final = "trial_metrics"
TRIALS_ELIGIBLE: Final = "trials_eligible"
STUDY_TAB: Final = TAB

# Widgets of the form
FORM: Final = "form_"
FORM_STRATEGY: Final = FORM + "strategy"
FORM_SYMBOLS: Final = FORM + "symbols"
FORM_TIMEFRAME: Final = FORM + "timeframe"
FORM_START: Final = FORM + "start"
FORM_END: Final = FORM + "end"
FORM_BENCHMARK: Final = FORM + "benchmark"
FORM_COSTS: Final = FORM + "costs"

# Widgets of the form of a study, beside those it shares with the form of a backtest
STUDY: Final = "study_"


class DataKeys(NamedTuple):
    """Keys of the widgets that choose data."""

    symbols: str
    timeframe: str
    start: str
    end: str
    benchmark: str


RUN_DATA: Final = DataKeys(FORM_SYMBOLS, FORM_TIMEFRAME, FORM_START, FORM_END, FORM_BENCHMARK)
STUDY_DATA: Final = DataKeys(*(f"{STUDY}{part}" for part in DataKeys._fields))


def param(strategy: str, name: str) -> str:
    """Key of the widget of a strategy's parameter."""
    return f"{FORM}param_{strategy}_{name}"


def varied(strategy: str, name: str, part: str) -> str:
    """Key of a widget that says how a parameter is varied."""
    return f"{STUDY}{part}_{strategy}_{name}"


def surface(study: int, part: str) -> str:
    """Key of a widget that chooses what the surface of a study shows."""
    return f"surface_{part}_{study}"


def search(name: str) -> str:
    """Key of a widget that says how a study searches."""
    return f"{STUDY}search_{name}"


def option(name: str) -> str:
    """Key of the widget of an engine option."""
    return f"{FORM}option_{name}"


def rates_of(currency: str) -> str:
    """Key of the widget that chooses the rates of a currency."""
    return f"{FORM}fx_{currency}"


def cost(name: str) -> str:
    """Key of the widget of a field of the cost model."""
    return f"{FORM}cost_{name}"


def exact(key: str) -> str:
    """Key of the value a widget was filled with, where the widget cannot hold all its digits."""
    return f"{key}_exact"


def seed(key: str, value: Any) -> None:
    """Give a widget its first value, once a session."""
    st.session_state.setdefault(key, value)


def keep_valid(key: str, options: Sequence[Any], *, prefer: Any = None) -> None:
    """Replace a choice that is no longer offered (data or strategies have changed)."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = prefer if prefer in options else options[0]


def keep_members(key: str, options: Sequence[str]) -> None:
    """Drop those of several choices that are no longer offered."""
    chosen = st.session_state[key]
    if not set(chosen) <= set(options):
        st.session_state[key] = [one for one in chosen if one in options]


def clamp(key: str, default: float, low: float | None, high: float | None) -> None:
    """Bring a number into its range and into the type of its default."""
    value = st.session_state.get(key)
    fixed = default if value is None or isinstance(value, (str, bool)) else type(default)(value)
    fixed = fixed if low is None else max(fixed, type(default)(low))
    fixed = fixed if high is None else min(fixed, type(default)(high))
    if fixed != value or type(fixed) is not type(value):
        st.session_state[key] = fixed


def keep_between(key: str, first: date, last: date) -> None:
    """Bring a date into a range; no date stays no date."""
    value = st.session_state.setdefault(key, None)
    if value is not None and not first <= value <= last:
        st.session_state[key] = min(max(value, first), last)


def remember(name: str, value: str) -> None:
    """Put a plain string into the URL, and into the session for when this page is left."""
    if st.query_params.get(name) != value:
        st.query_params[name] = value
    st.session_state[_kept(name)] = value


def remembered(name: str, default: str) -> str:
    """Read what the URL says, else what it said when this page was left, and put that back."""
    value = st.query_params.get(name, st.session_state.get(_kept(name)))
    if value is None:
        return default
    remember(name, str(value))
    return str(value)


def _kept(name: str) -> str:
    return f"kept_{name}"
