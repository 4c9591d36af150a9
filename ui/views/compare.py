"""Two to twelve runs side by side."""

from __future__ import annotations

import streamlit as st

from core.errors import InvalidInput
from core.plots import overlay
from core.services import Comparison, Services
from ui import navigation, state, wiring
from ui.components import comparison_tables, figure, markup

MOST_BESIDE = 4
SKELETON_HEIGHT = 600


def render(services: Services) -> None:
    """Draw the comparison that `?ids=3,7` names."""
    navigation.link(navigation.BACKTESTS, "← Backtests")
    ids = _ids(st.query_params.get(state.RUN_IDS, ""))
    with st.skeleton(height=SKELETON_HEIGHT):
        compared = wiring.comparison(services, ids)
    markup.write(f'<h1 class="wb-page">Compare {len(compared.runs)} runs</h1>')
    comparison_tables.show_runs(compared.runs)
    _overlay(compared)
    if len(compared.runs) <= MOST_BESIDE:
        left, right = st.columns([1.3, 1], gap="large")
    else:
        left, right = st.container(), st.container()
    with left:
        _metrics(compared)
    with right:
        markup.write(markup.section("Only differences"))
        comparison_tables.show_differences(compared.runs, compared.differences)


def _ids(text: str) -> tuple[str, ...]:
    ids = tuple(part.strip() for part in text.split(",") if part.strip())
    if not ids:
        raise InvalidInput(
            "this address names no runs",
            expected="two to twelve numbers, as in /compare?ids=3,7",
            hint="choose runs in the list and press Compare",
        )
    return ids


def _overlay(compared: Comparison) -> None:
    timeframes = {run.spec.timeframe for run in compared.runs}
    intraday = len(timeframes) == 1 and timeframes.pop().is_intraday
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        markup.write(markup.section("Equity rebased to 100, and drawdown"))
        log = st.toggle("Log scale", key="overlay_log", persist_state="session")
    info = overlay.overlay_info(
        compared.equity,
        {str(run.id): f"#{run.id} {run.title}" for run in compared.runs},
        intraday=intraday,
    )
    figure.show(
        overlay.figure(info, log=log),
        key="overlay_chart",
        alt="Equity of the compared runs, rebased to 100, drawdowns beneath",
    )


def _metrics(compared: Comparison) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        markup.write(markup.section("Metrics"))
        every = st.toggle("All metrics", key="compare_every", persist_state="session")
    comparison_tables.show_metrics(compared.runs, compared.metrics, every=every)
