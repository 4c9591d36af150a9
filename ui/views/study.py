"""One study: how far it is, then whether to believe it, then everything it saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import polars as pl
import streamlit as st

from core.domain.findings import Findings, Study
from core.domain.job import JobState
from core.errors import DataProblem, WorkbenchError
from core.plots import (
    generalisation,
    halves,
    history,
    importance,
    luck,
    parallel,
    slices,
    surface,
    walkforward,
    windows,
    worlds,
)
from core.plots.trials import column
from core.services import Services
from ui import formats, navigation, state, wiring
from ui.components import (
    cancel,
    chosen,
    figure,
    markup,
    pair,
    problem,
    pulse,
    ranking_table,
    request,
    study_form,
    study_headline,
    study_tiles,
    trials_table,
    verdict,
    windows_table,
)

WATCH_SECONDS = 1.0
YOUNG_SECONDS, YOUNG_WATCH_SECONDS = 5.0, 0.25
"""Who has just started a study waits for it; many are over in a second or two."""
SKELETON_HEIGHT = 560
SINGLE_HEIGHT = 370
BEST = "best of all"
TWO = 2
YEAR = 365.25


def render(services: Services) -> None:
    """Draw the study that `?id=` names by number or uuid."""
    navigation.link(navigation.OPTIMIZATIONS, "← Optimizations")
    study = services.studies.get(navigation.named("study"))
    left, right = pair.columns("title", 4, 1.25, gap="medium")
    if not study.job.state.is_final:
        with left:
            _watch(services, study.id, is_ending=study.job.is_cancel_wanted)
        with right:
            _cancel(services, study)
        _request(services, study)
        return
    with left:
        _headline(study)
    with right:
        _again(services, study)
    if study.findings is not None:
        _result(services, study, study.findings)
    else:
        _no_result(services, study)


@st.fragment
def _watch(services: Services, number: int, *, is_ending: bool) -> None:
    """Look until the study is over or another door ends it; only this part is drawn again."""
    study = services.studies.get(number)
    age = (formats.utc_now() - study.created_at).total_seconds()
    pulse.show("study_pulse", seconds=YOUNG_WATCH_SECONDS if age < YOUNG_SECONDS else WATCH_SECONDS)
    job = study.job
    if job.state.is_final or job.is_cancel_wanted != is_ending:
        st.rerun()
    _headline(study)
    words = verdict.step(job)
    parts = [words[:1].upper() + words[1:]]
    if job.total:
        parts.append(f"{job.done:,} of {job.total:,} trials, worlds among them")
    left = None if is_ending else services.jobs.seconds_left(job)
    if left is not None:
        parts.append(f"about {formats.duration(max(1.0, left))} left")
    st.progress(min(max(job.progress, 0.0), 1.0), text=" · ".join(parts))
    if job.state is JobState.PENDING:
        st.caption(
            "A worker takes it when it has a hand free. `make run` starts one; so does "
            "`workbench worker`."
        )
    else:
        goes_on = "ends all the same" if is_ending else "goes on"
        st.caption(f"This page may be closed: the study {goes_on}.")
        ranking_table.show(study, services.studies.ranking(study), until="so far")


def _cancel(services: Services, study: Study) -> None:
    with st.container(horizontal=True, horizontal_alignment="right", key="study_actions"):
        lost = "What it has found so far is not judged; only the best trials stay listed."
        cancel.show(study.job, services.jobs.cancel, what="study", lost=lost)


def _headline(study: Study) -> None:
    study_headline.show(study, reader=formats.zone(st.context.timezone), now=formats.utc_now())


def _again(services: Services, study: Study) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="right", gap="xsmall", key="study_actions"
    ):
        if st.button("Search again with changes", key="study_again"):
            known = {info.id: info for info in wiring.strategies(services)}
            study_form.fill(study.spec, known.get(study.spec.run.strategy))
            navigation.go(navigation.OPTIMIZATIONS)


def _no_result(services: Services, study: Study) -> None:
    if study.job.error is not None:
        problem.show_failure(study.job.error, what="study")
    elif study.job.state is JobState.CANCELLED:
        found = "What it had found until then was not judged."
        cancel.show_cancelled("study", found if study.job.attempt else "It had not begun.")
    ranking_table.show(study, services.studies.ranking(study), until="until then")
    _request(services, study)


def _result(services: Services, study: Study, found: Findings) -> None:
    study_tiles.show(study)
    left, right = pair.columns("evidence", 1, 1.25)
    with left:
        with st.container(horizontal=True, vertical_alignment="center", key="study_chosen"):
            markup.write(markup.section("The trial to take"))
            if found.chosen is not None:
                _promote(services, study, found.chosen.number, key="study_promote", kind="primary")
        chosen.show(study)
    with right:
        with st.container(key="study_evidence"):  # as high as the heading beside it
            markup.write(markup.section("What speaks for it, and what against"))
        verdict.show_gates(study)
        chosen.show_edges(found)
    try:
        with st.skeleton(height=SKELETON_HEIGHT):
            trials = wiring.study_table(services, study, "trials")
    except DataProblem as damaged:
        problem.show(damaged)
        _request(services, study)
        return
    if trials is None:
        _request(services, study)
        return
    left, right = pair.columns("pictures", 1.35, 1, gap="medium")
    with left:
        _surface(study, found, trials)
    with right:
        _luck(found, trials)
    sections: dict[str, Callable[[], None]] = {
        "Trials": lambda: _trials(services, study, found, trials),
        "Parameters": lambda: _parameters(study, found, trials),
        "Overfitting": lambda: _overfitting(services, study, found, trials),
        "Walk-forward": lambda: _walk(services, study, found),
        "Request": lambda: _request(services, study),
    }
    tabs = st.tabs(list(sections), key=state.STUDY_TAB, on_change="rerun", bind="query-params")
    for tab, draw in zip(tabs, sections.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def _promote(
    services: Services, study: Study, number: int, *, key: str, kind: Any = "secondary"
) -> None:
    if not st.button(
        f"Backtest trial {number:,}",
        type=kind,
        key=key,
        help="Run it over the whole period of the study, as a backtest that is kept.",
    ):
        return
    try:
        with st.spinner("Running", show_time=True):
            run = services.studies.promote(study, number, source="ui")
    except WorkbenchError as error:
        problem.show(error)
        return
    navigation.go(navigation.RUN, **{state.RUN_ID: str(run.id)})


def _nothing_drawn(why: str) -> None:
    markup.write(f'<p class="wb-why">{markup.text(why)}</p>')


def _best(found: Findings) -> int | None:
    return None if found.chosen is None else found.chosen.number


def _ranked(study: Study, found: Findings) -> Sequence[str]:
    """Names of the parameters, those that matter most first."""
    if not found.effects:
        return list(study.spec.space)
    return importance.importance_info(found.effects).names


# --- above the tabs ---------------------------------------------------------------------------


def _surface(study: Study, found: Findings, trials: pl.DataFrame) -> None:
    varying = [
        name
        for name in _ranked(study, found)
        if trials.filter(pl.col("score").is_not_null())[f"param_{name}"].n_unique() > 1
    ]
    label = verdict.objective_name(study)
    if len(varying) < TWO:
        markup.write(markup.section(f"{label} by parameter"))
        _single(study, found, trials, varying)
        return
    markup.write(markup.section(f"{label} by two parameters"))
    x, y, at = _axes(study, varying, trials)
    info = surface.surface_info(
        trials,
        x=x,
        y=y,
        at=at,
        chosen=_best(found),
        label=label,
        is_maximized=study.spec.objectives[0].is_maximized,
    )
    figure.show(
        surface.figure(info),
        key="surface_chart",
        alt=f"{info.label} over {info.x_name} and {info.y_name}, with the plateau of the choice",
    )


def _single(study: Study, found: Findings, trials: pl.DataFrame, varying: Sequence[str]) -> None:
    """Draw the objective along the one parameter that varies, where one does."""
    cut = slices.slices_info(
        trials, varying, chosen=_best(found), label=verdict.objective_name(study)
    )
    if not cut.panels:
        _nothing_drawn(
            "One set of parameters was tried, so there is nothing to compare it with."
            if found.eligible
            else "No trial was eligible, so there is nothing to draw."
        )
        return
    figure.show(
        slices.figure(cut, height=SINGLE_HEIGHT),
        key="surface_chart",
        alt=f"{cut.label} along {cut.panels[0].name}",
    )
    markup.write(
        '<p class="wb-muted wb-small">Two parameters that vary are needed for a surface; here only '
        "one does.</p>"
    )


def _axes(
    study: Study, varying: Sequence[str], trials: pl.DataFrame
) -> tuple[str, str, dict[str, Any]]:
    """Ask which two parameters to draw, and what to do with the others."""
    x, y = (name for name in study.spec.space if name in varying[:TWO])
    if len(varying) == TWO:
        return x, y, {}
    columns = st.columns(max(3, len(varying)), gap="xsmall")
    with columns[0]:
        x = _pick("Across", varying, state.surface(study.id, "x"), x)
    with columns[1]:
        y = _pick("Up", [n for n in varying if n != x], state.surface(study.id, "y"), y)
    at: dict[str, Any] = {}
    others = [name for name in varying if name not in {x, y}]
    for place, name in enumerate(others):
        values = trials[f"param_{name}"].unique().sort().to_list()
        with columns[2 + place]:
            value = st.selectbox(
                name.replace("_", " ").capitalize(),
                [BEST, *values],
                key=state.surface(study.id, f"at_{name}"),
                help="One value, or of all the one whose trial is best.",
            )
        if value != BEST:
            at[name] = value
    return x, y, at


def _pick(label: str, names: Sequence[str], key: str, first: str) -> str:
    state.keep_valid(key, names, prefer=first)
    chosen_name: str = st.selectbox(
        label, names, format_func=lambda name: name.replace("_", " ").capitalize(), key=key
    )
    return chosen_name


def _luck(found: Findings, trials: pl.DataFrame) -> None:
    markup.write(markup.section("What luck alone would show"))
    part = found.judged.get("deflated", {})
    years = (found.last - found.first).days / YEAR
    if not years or not trials["sharpe"].count():
        _nothing_drawn("No trial has a Sharpe ratio.")
        return
    per_year = sqrt(found.sessions / years)

    def a_year(name: str) -> float | None:
        value = part.get(name)
        return None if value is None else float(value) * per_year

    info = luck.luck_info(
        column(trials, "sharpe"),
        winner=a_year("ratio"),
        luck=a_year("luck"),
        luck_effective=a_year("luck_effective"),
    )
    figure.show(
        luck.figure(info, height=430),
        key="luck_chart",
        alt="Sharpe ratios of all trials, the best that luck gives, and the trial to take",
    )
    if info.luck is None:
        why = part.get("reason") or "no trial was chosen"
        st.caption(f"What luck would show is not known: {why}.")


# --- tabs -------------------------------------------------------------------------------------


def _trials(services: Services, study: Study, found: Findings, trials: pl.DataFrame) -> None:
    if found.eligible:
        markup.write(markup.section("In the order in which they were tried"))
        figure.show(
            history.figure(
                history.history_info(
                    trials, chosen=_best(found), label=verdict.objective_name(study)
                )
            ),
            key="history_chart",
            alt="Objective of every trial, and the best so far",
        )
    markup.write(markup.section(f"All {len(trials):,} trials, the best first"))
    picked = trials_table.show(study, trials)
    if picked is None:
        st.caption("Select a row to run that trial as a backtest.")
    else:
        _promote(services, study, picked, key="trial_promote")


def _parameters(study: Study, found: Findings, trials: pl.DataFrame) -> None:
    if not found.eligible:
        _nothing_drawn("No trial was eligible, so nothing can be said of parameters.")
        return
    label, names = verdict.objective_name(study), _ranked(study, found)
    cut = slices.slices_info(trials, names, chosen=_best(found), label=label)
    if cut.panels:
        markup.write(markup.section("The objective along each parameter"))
        figure.show(
            slices.figure(cut), key="slices_chart", alt="The objective along each parameter"
        )
        _left_out(cut.left_out)
    left, right = pair.columns("parameters", 1, 1.6)
    with left:
        _importance(found)
    with right:
        markup.write(markup.section("Every trial across its parameters"))
        info = parallel.parallel_info(trials, names, chosen=_best(found), label=label)
        figure.show(
            parallel.figure(info),
            key="parallel_chart",
            alt="Trials as lines across their parameters, the best tenth in colour",
        )
        _left_out(info.left_out)


def _importance(found: Findings) -> None:
    info = importance.importance_info(found.effects)
    markup.write(markup.section("What the objective depends on"))
    if not any(info.importance):
        _nothing_drawn("Too few eligible trials, or too much alike, to tell.")
        return
    figure.show(
        importance.figure(info),
        key="importance_chart",
        alt="How much the objective depends on each parameter",
    )
    if not info.by_forest:
        st.caption("Too few eligible trials for more than a rank correlation.")


def _left_out(names: Sequence[str]) -> None:
    if names:
        st.caption(f"Not drawn: {', '.join(names)}.")


def _overfitting(services: Services, study: Study, found: Findings, trials: pl.DataFrame) -> None:
    left, right = pair.columns("overfitting", 1, 1)
    with left:
        _generalisation(study, found, trials)
    with right:
        _halves(services, study, found)
    _worlds(services, study, found)


def _generalisation(study: Study, found: Findings, trials: pl.DataFrame) -> None:
    markup.write(markup.section("Searched, and held back"))
    info = generalisation.generalisation_info(trials, chosen=_best(found))
    if not info.compared:
        asked = study.spec.validation.share > 0
        _nothing_drawn(
            "No trial has a Sharpe ratio in both parts."
            if asked
            else "Nothing was held back, so there is nothing to compare with."
        )
        return
    figure.show(
        generalisation.figure(info),
        key="generalisation_chart",
        alt="Sharpe ratio of trials where they were searched and where not",
    )
    gained = formats.percent(info.gained or 0.0, 0)
    which = "eligible" if info.compared == found.eligible else "best"
    st.caption(f"Of the {info.compared:,} {which} trials {gained} stayed above 0.")


def _halves(services: Services, study: Study, found: Findings) -> None:
    markup.write(markup.section("The best of one half of history, in the other half"))
    part = found.judged.get("overfitting", {})
    frame = wiring.study_table(services, study, "halves")
    if frame is None or not len(frame):
        _nothing_drawn(f"There is no PBO: {part.get('reason') or 'it was not measured'}.")
        return
    info = halves.halves_info(column(frame, "logit"), pbo=part.get("pbo"))
    figure.show(
        halves.figure(info, height=360),
        key="halves_chart",
        alt="Ranks of the best trial of one half of history in the other half",
    )


def _worlds(services: Services, study: Study, found: Findings) -> None:
    markup.write(markup.section("The same search where there is no edge"))
    frame = wiring.study_table(services, study, "worlds")
    if frame is None:
        _nothing_drawn(
            "It was not run on worlds without edge. With 19 or more of them the winner can be "
            "shown to be more than luck."
        )
        return
    score = None if found.peak is None else found.peak.value
    if score is None:
        _nothing_drawn("Nothing won the search on the real prices.")
        return
    first = study.spec.objectives[0]
    sign = 1.0 if first.is_maximized else -1.0
    info = worlds.worlds_info(
        column(frame, "winner") * sign, winner=score, label=verdict.objective_name(study)
    )
    figure.show(
        worlds.figure(info),
        key="worlds_chart",
        alt="Winners of worlds without edge beside the winner on the real prices",
    )


def _walk(services: Services, study: Study, found: Findings) -> None:
    stitched = wiring.study_table(services, study, "stitched")
    rows = wiring.study_table(services, study, "windows")
    if stitched is None or rows is None or found.walk is None:
        asked = study.spec.walk_forward is not None
        _nothing_drawn(
            "No trial was eligible, so there was nothing to walk forward with."
            if asked
            else "This study did not walk forward. Search again with changes to have it do so."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        markup.write(
            markup.section("What the tests earned one after the other, and what they used")
        )
        log = st.toggle("Log scale", key="walk_log", persist_state="session")
    info = walkforward.walk_forward_info(stitched, rows, _ranked(study, found))
    figure.show(
        walkforward.figure(info, log=log),
        key="walk_chart",
        alt="Equity of the tests of all windows and the parameters chosen for each",
    )
    markup.write(markup.section("Training and test of each window"))
    figure.show(
        windows.figure(windows.windows_info(rows)),
        key="windows_chart",
        alt="Sharpe ratio in training and in test, window by window",
    )
    windows_table.show(study, rows)


def _request(services: Services, study: Study) -> None:
    request.show(
        study,
        services.jobs.history(study.job.id) if study.job.state.is_final else (),
        mirrored=services.experiments.mirror_of(study),
        reader=formats.zone(st.context.timezone),
    )
