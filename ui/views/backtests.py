"""All runs, and the form for a new one."""

from __future__ import annotations

import streamlit as st
from pydantic import ValidationError

from core.domain.metrics import METRICS
from core.domain.run import SORTABLE, RunQuery
from core.errors import WorkbenchError
from core.services import Services
from ui import navigation, state, wiring
from ui.components import empty, filters, markup, problem, pulse, run_form, runs_table

PAGE_SIZE = 25
LEAST_COMPARED = 2
SKELETON_HEIGHT = 480
SORT_LABELS = {"created_at": "When", "id": "Run", "strategy": "Strategy", "status": "Status"}


def render(services: Services) -> None:
    """Draw the form in the side bar and the list, which looks for news by itself."""
    with st.sidebar:
        _form(services)
    markup.write('<h1 class="wb-page">Backtests</h1>')
    chosen = filters.show(wiring.strategies(services), services.market.symbols())
    _runs(services, chosen)


@st.fragment
def _form(services: Services) -> None:
    """The form reruns alone: typing in it never redraws the list, nor the other way round."""
    series = services.market.series()
    strategies = wiring.strategies(services)
    if not series or not any(info.usable for info in strategies):
        empty.show_form(has_data=bool(series))
        return
    request = run_form.show(services, strategies, series)
    if not request.foot.pressed or request.spec is None:
        return
    try:
        with request.foot.answer, st.spinner("Running", show_time=True):
            run = services.backtests.submit(request.spec, source="ui")
    except WorkbenchError as error:
        with request.foot.answer:
            problem.show(error)
        return
    navigation.go(navigation.RUN, **{state.RUN_ID: str(run.id)})


@st.fragment
def _runs(services: Services, chosen: filters.Filters) -> None:
    """The list looks for news by itself and redraws alone."""
    pulse.show("runs_pulse", seconds=services.settings.poll_seconds)
    query = _query(chosen)
    with st.skeleton(height=SKELETON_HEIGHT):
        page = wiring.run_page(services, query)
        sparklines = wiring.sparklines(services, page.runs)
    if page.total == 0:
        _nothing(services, chosen)
        return
    if query.page > page.total_pages:
        st.session_state[state.PAGE] = page.total_pages
        query = _query(chosen)
        page = wiring.run_page(services, query)
        sparklines = wiring.sparklines(services, page.runs)
    selected = list(st.session_state.get(state.SELECTED, ()))
    _bar(page.total, selected, query)
    opened = runs_table.show(
        page.runs,
        query,
        selected=selected,
        sparklines=sparklines,
        on_sort=lambda field: _sort(query, field),
        on_select=_select,
    )
    if page.total_pages > 1:
        st.pagination(page.total_pages, key=state.PAGE, bind="query-params")
    if opened is not None:
        navigation.go(navigation.RUN, **{state.RUN_ID: str(opened)})


def _query(chosen: filters.Filters) -> RunQuery:
    """Read order and page from the URL; what makes no sense there is ignored."""
    wanted = {
        "sort_by": state.remembered(state.SORT, "created_at"),
        "sort_order": state.remembered(state.ORDER, "desc"),
        "page": st.session_state.get(state.PAGE) or st.query_params.get(state.PAGE, 1),
    }
    fixed = {
        "strategy": chosen.strategy,
        "symbol": chosen.symbol,
        "status": chosen.status,
        "start": chosen.since,
        "end": chosen.until,
        "page_size": PAGE_SIZE,
    }
    try:
        return RunQuery.model_validate(fixed | wanted)
    except ValidationError:
        return RunQuery.model_validate(fixed)


def _bar(total: int, selected: list[int], query: RunQuery) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs_bar"):
        noun = "run" if total == 1 else "runs"
        st.html(f'<span class="wb-muted" data-testid="run-count">{total:,} {noun}</span>')
        if selected:
            markup.write(f'<span class="wb-muted">{len(selected)} selected</span>')
            st.button("Clear", type="tertiary", key="runs_clear", on_click=_select, args=([],))
        _order(query)
        if st.button(
            f"Compare {len(selected)} runs" if len(selected) >= LEAST_COMPARED else "Compare",
            disabled=len(selected) < LEAST_COMPARED,
            help="Select two to twelve completed runs in the table.",
            key="runs_compare",
        ):
            ids = ",".join(str(one) for one in selected)
            navigation.go(navigation.COMPARE, **{state.RUN_IDS: ids})


def _order(query: RunQuery) -> None:
    """Ask what to sort by: any metric, also one that has no column until then."""
    st.session_state[state.SORT_CHOICE] = query.sort_by
    st.selectbox(
        "Sort by",
        SORTABLE,
        format_func=_sort_label,
        key=state.SORT_CHOICE,
        label_visibility="collapsed",
        width=240,
        on_change=lambda: _sort(query, st.session_state[state.SORT_CHOICE]),
    )


def _sort_label(field: str) -> str:
    return f"Sort: {SORT_LABELS.get(field) or METRICS[field].label}"


def _sort(query: RunQuery, field: str) -> None:
    best = "asc" if field in METRICS and METRICS[field].direction == "lower" else "desc"
    now, keys = (query.sort_by, query.sort_order), (state.SORT, state.ORDER)
    filters.sort(field, best=best, now=now, keys=keys)


def _select(runs: list[int]) -> None:
    st.session_state[state.SELECTED] = runs


def _nothing(services: Services, chosen: filters.Filters) -> None:
    if chosen.active:
        empty.show_no_match()
        st.button("Clear filters", on_click=filters.clear, key="filters_clear")
    else:
        empty.show_no_runs(has_data=bool(services.market.symbols()))
