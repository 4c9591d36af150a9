"""The form of a study: what to vary, on what, and how to search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import streamlit as st
from pydantic import ValidationError

from core.domain.dataset import Series
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.errors import InvalidInput, WorkbenchError
from core.services import Forecast, Services
from ui import formats, state
from ui.components import (
    data_picker,
    form_foot,
    form_guard,
    markup,
    rules_form,
    search_form,
    space_form,
    strategy_picker,
)


class StudyRequest(NamedTuple):
    """The form as it stands: a spec when it can be searched, and whether it should be."""

    spec: StudySpec | None
    foot: form_foot.Foot


def show(
    services: Services, strategies: Sequence[StrategyInfo], series: Sequence[Series]
) -> StudyRequest:
    """Draw the form; every mistake is named and the sets are counted before it is submitted.

    Args:
        services: Count sets and answer which bar lengths can be served.
        strategies: What can be searched, at least one usable.
        series: What it can be searched on, at least one.
    """
    markup.write('<h2 class="wb-form-title">New study</h2>')
    info = strategy_picker.show(strategies, on_change=lambda: rules_form.expect(strategies))
    space = space_form.show(info)
    data = data_picker.show(services.market, series, keys=state.STUDY_DATA)
    markup.write(markup.section("Search"))
    search = search_form.show()
    markup.write(markup.section("Account and costs"))
    rules = rules_form.show(services, series, info, data)
    form_guard.show()
    spec: StudySpec | None = None
    refused: WorkbenchError | None = None
    note = ""
    try:
        spec = _spec(info, space, data, search, rules)
        plan = services.studies.plan(spec)
        if plan.forecast is None:
            refused = rules_form.together(plan.problems)
        else:
            note = _count_line(plan.forecast)
    except WorkbenchError as mistake:
        refused = mistake
    return StudyRequest(spec, form_foot.show("Start study", refused, note))


def key_of(spec: StudySpec) -> str:
    """Name the wish the form holds: the same until it holds another or has been granted."""
    text = spec.canonical()
    kept: tuple[str, str] | None = st.session_state.get(state.STUDY_REQUEST)
    if kept is None or kept[0] != text:
        kept = st.session_state[state.STUDY_REQUEST] = (text, f"ui-{uuid4().hex}")
    return kept[1]


def granted() -> None:
    """Forget the wish: asking again from now on is another one."""
    st.session_state.pop(state.STUDY_REQUEST, None)


def fill(spec: StudySpec, info: StrategyInfo | None) -> None:
    """Set the whole form to a study, so that it can be started again with changes.

    Args:
        spec: Of the study.
        info: Its strategy as it is now; None where it is gone.
    """
    rules_form.fill(spec.run)
    data_picker.fill(spec.run, keys=state.STUDY_DATA)
    search_form.fill(spec)
    if info is not None:
        space_form.fill(info, spec.space)


def _spec(
    info: StrategyInfo,
    space: space_form.SpaceChoice,
    data: data_picker.DataChoice,
    search: Mapping[str, Any],
    rules: rules_form.Rules,
) -> StudySpec:
    problems: list[WorkbenchError] = list(space.problems)
    if not space.space and not space.problems:
        problems.append(
            InvalidInput(
                "no parameter is varied"
                if info.params
                else f"{info.title} has no parameters, so there is nothing to search",
                expected="a range or a list for one parameter at least",
                field="space",
            )
        )
    spec: StudySpec | None = None
    try:
        run = rules_form.request(info, space.params, data, rules)
        # Something has to be varied for the rest to be judged too.
        varied: dict[str, Any] = {**space.space} or {"": [0]}
        spec = StudySpec.model_validate({"run": run, "space": varied, **search})
    except ValidationError as error:
        problems += rules_form.readable(error, leave_out="space")
    except InvalidInput as wrong:
        problems += wrong.problems or (wrong,)
    if spec is None or problems:
        raise rules_form.together(problems)
    return spec


def _count_line(counted: Forecast) -> str:
    sets = "A continuous space"
    if counted.sets is not None:
        about = "" if counted.exact else "About "
        noun = "set" if counted.sets == 1 else "sets"
        sets = f"{about}{counted.sets:,} {noun}"
    parts = [f"<b>{sets}</b>"]
    if counted.share < 1:
        parts.append(f"{formats.percent(counted.share, 0)} meet the constraints")
    if counted.sets is None or counted.trials < counted.sets:
        parts.append(f"{counted.trials:,} of them tried")
    if counted.seconds is None:
        parts.append("no study to tell the time from yet")
    else:
        parts.append(f"about {formats.duration(max(1.0, counted.seconds))}")
    return f'<p class="wb-count-line wb-muted" data-testid="study-count">{" · ".join(parts)}</p>'
