"""Choose symbols, bar length, range and benchmark, out of what the lake holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import streamlit as st

from core.domain.dataset import Series
from core.domain.run import RunSpec
from core.domain.timeframe import Timeframe
from core.services import Market
from ui import formats, state

MOST_SYMBOLS = 50
OWN_SYMBOLS = "Own symbols, bought and held"


class DataChoice(NamedTuple):
    """What to run on; no symbols chosen is possible and cannot be run.

    Attributes:
        benchmark: None for the symbols themselves.
    """

    symbols: tuple[str, ...]
    timeframe: Timeframe
    start: date | None
    end: date | None
    benchmark: str | None


def show(
    market: Market,
    series: Sequence[Series],
    *,
    keys: state.DataKeys = state.RUN_DATA,
) -> DataChoice:
    """Draw the choices.

    Args:
        market: Knows which bar lengths can be served for a symbol.
        series: What the lake holds, at least one.
        keys: Of the widgets.
    """
    known = sorted({one.symbol for one in series})
    symbols = _symbols(known, keys.symbols)
    mine = [one for one in series if one.symbol in symbols] or list(series)
    timeframe = _timeframe(market, symbols, keys.timeframe)
    start, end = _range(mine, keys)
    benchmark = _benchmark(market, series, mine, timeframe, keys.benchmark)
    return DataChoice(tuple(symbols), timeframe, start, end, benchmark)


def fill(spec: RunSpec, *, keys: state.DataKeys) -> None:
    """Set the widgets to what a run read; arguments as of `show`."""
    st.session_state[keys.symbols] = list(spec.symbols)
    st.session_state[keys.timeframe] = spec.timeframe
    st.session_state[keys.start] = spec.start
    st.session_state[keys.end] = spec.end
    st.session_state[keys.benchmark] = spec.benchmark or ""


def _symbols(known: Sequence[str], key: str) -> list[str]:
    state.seed(key, known[:1])
    state.keep_members(key, known)
    chosen: list[str] = st.multiselect(
        "Symbols",
        known,
        key=key,
        persist_state="session",
        max_selections=MOST_SYMBOLS,
        placeholder="Choose symbols",
        help="Several symbols trade in equal sleeves or on one account; strategies that weigh a "
        "universe need several.",
    )
    return chosen


def _timeframe(market: Market, symbols: Sequence[str], key: str) -> Timeframe:
    served = _served(market, symbols)
    state.keep_valid(key, served, prefer=Timeframe.D1)
    chosen = st.selectbox(
        "Bars",
        served,
        key=key,
        persist_state="session",
        disabled=not symbols,
        help="Only lengths that the stored prices of every chosen symbol can give.",
    )
    return Timeframe(chosen)


def _benchmark(
    market: Market,
    series: Sequence[Series],
    mine: Sequence[Series],
    timeframe: Timeframe,
    key: str,
) -> str | None:
    """Choose among the symbols that have such bars while the chosen ones have some."""
    first, last = min(one.first for one in mine), max(one.last for one in mine)
    meeting = sorted({one.symbol for one in series if one.first <= last and one.last >= first})
    offered = ["", *(name for name in meeting if timeframe in market.timeframes(name))]
    state.keep_valid(key, offered)
    chosen: str = st.selectbox(
        "Benchmark",
        offered,
        format_func=lambda name: name or OWN_SYMBOLS,
        key=key,
        persist_state="session",
        help="The grey line of the chart, and what alpha and beta are measured against: a symbol "
        "bought at its first open and held.",
    )
    return chosen or None


def _served(market: Market, symbols: Sequence[str]) -> list[Timeframe]:
    """Bar lengths every chosen symbol can give, shortest first."""
    offers = [set(market.timeframes(symbol)) for symbol in symbols]
    common = set.intersection(*offers) if offers else set()
    return [length for length in Timeframe if length in common] or [Timeframe.D1]


def _range(series: Sequence[Series], keys: state.DataKeys) -> tuple[date | None, date | None]:
    first = min(one.first for one in series).date()
    last = max(one.last for one in series).date()
    state.keep_between(keys.start, first, last)
    state.keep_between(keys.end, first, last)

    def asked(label: str, key: str, said: str) -> date | None:
        value: date | None = st.date_input(
            label,
            value=None,
            min_value=first,
            max_value=last,
            format="YYYY-MM-DD",
            key=key,
            persist_state="session",
            help=said,
        )
        return value

    left, right = st.columns(2, gap="xsmall")
    with left:
        words = f"First session, inclusive. Empty: from {formats.day(first)}."
        start = asked("From", keys.start, words)
    with right:
        words = f"Last session, inclusive. Empty: to {formats.day(last)}."
        end = asked("To", keys.end, words)
    st.caption(f"Prices: {formats.span(first, last)}")
    return start, end
