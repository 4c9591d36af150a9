"""All studies, and the form for a new one."""

from __future__ import annotations

import streamlit as st

from core.domain.findings import STUDY_SORTS, StudyQuery
from core.domain.job import JobState
from core.errors import WorkbenchError
from core.services import Services
from ui import navigation, state, wiring
from ui.components import empty, filters, markup, problem, pulse, studies_table, study_form

PAGE_SIZE = 25
SKELETON_HEIGHT = 480


def render(services: Services) -> None:
    """Draw the form in the side bar and the list, which looks for news by itself."""
    with st.sidebar:
        _form(services)
    markup.write('<h1 class="wb-page">Optimizations</h1>')
    chosen = filters.show_of_studies(wiring.strategies(services), services.market.symbols())
    _studies(services, chosen)


@st.fragment
def _form(services: Services) -> None:
    """The form reruns alone: typing in it never redraws the list, nor the other way round."""
    series = services.market.series()
    strategies = wiring.strategies(services)
    if not series or not any(info.usable for info in strategies):
        empty.show_form(has_data=bool(series), title="New study", verb="searched")
        return
    request = study_form.show(services, strategies, series)
    if not request.foot.pressed or request.spec is None:
        return
    try:
        study = services.studies.submit(
            request.spec, source="ui", key=study_form.key_of(request.spec)
        )
    except WorkbenchError as error:
        with request.foot.answer:
            problem.show(error)
        return
    study_form.granted()
    navigation.go(navigation.STUDY, **{state.STUDY_ID: str(study.id)})


@st.fragment
def _studies(services: Services, chosen: filters.StudyFilters) -> None:
    """The list looks for news by itself and redraws alone."""
    pulse.show("studies_pulse", seconds=services.settings.poll_seconds)
    query = _query(chosen)
    with st.skeleton(height=SKELETON_HEIGHT):
        page = wiring.study_page(services, query)
    pages = -(-page.total // PAGE_SIZE)
    if page.total and query.offset >= page.total:
        st.session_state[state.PAGE] = pages
        page = wiring.study_page(services, _query(chosen))
    if not page.total:
        _nothing(services, chosen)
        return
    noun = "study" if page.total == 1 else "studies"
    markup.write(f'<span class="wb-muted" data-testid="study-total">{page.total:,} {noun}</span>')
    opened = studies_table.show(
        page.studies,
        query,
        left={each.id: services.jobs.seconds_left(each.job) for each in page.studies},
        on_sort=lambda field: _sort(query, field),
        on_cancel=lambda number: _cancel(services, number),
    )
    if failure := st.session_state.pop(state.CANCEL_FAILURE, None):
        problem.show(failure)
    if pages > 1:
        st.pagination(pages, key=state.PAGE, bind="query-params")
    if opened is not None:
        navigation.go(navigation.STUDY, **{state.STUDY_ID: str(opened)})


def _cancel(services: Services, number: int | None) -> None:
    if number is None:
        return
    try:
        services.jobs.cancel(services.studies.get(number).job.id)
    except WorkbenchError as too_late:
        st.session_state[state.CANCEL_FAILURE] = too_late


def _query(chosen: filters.StudyFilters) -> StudyQuery:
    page = st.session_state.get(state.PAGE) or st.query_params.get(state.PAGE, "1")
    number = int(page) if str(page).isdecimal() and len(str(page)) < 9 else 1  # noqa: PLR2004
    status: JobState | None = chosen.status
    sort = state.remembered(state.STUDY_SORT, "id")
    order = state.remembered(state.STUDY_ORDER, "desc")
    return StudyQuery(
        strategy=chosen.strategy,
        symbol=chosen.symbol,
        state=None if status is None else status.value,
        limit=PAGE_SIZE,
        offset=(max(1, number) - 1) * PAGE_SIZE,
        sort=sort if sort in STUDY_SORTS else "id",
        order="asc" if order == "asc" else "desc",
    )


def _sort(query: StudyQuery, field: str) -> None:
    now, keys = (query.sort, query.order), (state.STUDY_SORT, state.STUDY_ORDER)
    filters.sort(field, best=STUDY_SORTS[field], now=now, keys=keys)


def _nothing(services: Services, chosen: filters.StudyFilters) -> None:
    if chosen.active:
        empty.show_no_match("study")
        st.button("Clear filters", on_click=filters.clear, key="filters_clear")
    else:
        empty.show_no_studies(has_data=bool(services.market.symbols()))
