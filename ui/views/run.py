"""One run: what it says, how it came about, and how to have it again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import streamlit as st

from core.domain.metrics import Metrics
from core.domain.run import Run, RunStatus
from core.errors import DataProblem, WorkbenchError
from core.plots import equity, prices, weights
from core.plots.funnel import funnel_info
from core.services import COMPILING, Services
from ui import formats, navigation, state, wiring
from ui.components import (
    assumptions_table,
    attribution_table,
    cancel,
    costs_table,
    figure,
    funnel,
    headline,
    markup,
    metrics_table,
    months_table,
    pair,
    problem,
    provenance,
    pulse,
    reproduction,
    run_form,
    run_label,
    symbols_table,
    tiles,
    trades_table,
)

WATCH_SECONDS = 1.0
LEAST_HEIGHT = 400
SKELETON_HEIGHT = 560
BESIDE_MONTHS = 140


def render(services: Services) -> None:
    """Draw the run that `?id=` names by number, uuid or job id."""
    run = services.backtests.get(navigation.named("run"))
    with st.container(horizontal=True, gap="medium", key="run_back"):
        navigation.link(navigation.BACKTESTS, "← Backtests")
        if run.trial is not None:
            study = str(run.trial.study)
            navigation.link(navigation.STUDY, f"← Study #{study}", **{state.STUDY_ID: study})
    left, right = pair.columns("title", 4, 1.25, gap="medium")
    if not run.status.is_final:
        with left:
            _watch(services, run.id)
        with right:
            _cancel(services, run)
        return
    with left:
        _headline(services, run)
    with right:
        _actions(services, run)
    _reproduction(run)
    if run.metrics:
        _result(services, run, run.metrics)
    else:
        _no_result(services, run)


@st.fragment
def _watch(services: Services, run_id: int) -> None:
    """Look until the run is over; only this part is drawn again."""
    pulse.show("run_pulse", seconds=WATCH_SECONDS)
    run = services.backtests.get(run_id)
    if run.status.is_final:
        st.rerun()
    _headline(services, run)
    st.progress(min(max(run.progress, 0.0), 1.0), text=_step(services, run))


def _step(services: Services, run: Run) -> str:
    if run.queued_as is not None and services.jobs.get(run.queued_as).is_cancel_wanted:
        return "Being cancelled"
    if services.backtests.is_compiling(run):
        return "Compiling the engine"
    return "Waiting for its turn" if run.status is RunStatus.PENDING else "Running"


def _cancel(services: Services, run: Run) -> None:
    """Offer to end it where it is a job; what is computed at once cannot be called back."""
    if run.queued_as is None:
        return
    job = services.jobs.get(run.queued_as)
    if job.state.is_final:
        return
    with st.container(horizontal=True, horizontal_alignment="right", key="run_actions"):
        cancel.show(job, services.jobs.cancel, what="run", lost="It ends without a result.")


def _headline(services: Services, run: Run) -> None:
    headline.show(
        run,
        verdict=wiring.verdict(services, run) if run.run_key else None,
        policy=services.backtests.policy(run),
        notes=services.backtests.notes(run),
        reader=formats.zone(st.context.timezone),
        now=formats.utc_now(),
    )
    run_label.show(run)


def _actions(services: Services, run: Run) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="right", gap="xsmall", key="run_actions"
    ):
        if st.button("Run again with changes", key="run_again"):
            run_form.fill(run.spec)
            navigation.go(navigation.BACKTESTS)
        run_label.edit(run, services.backtests.label)
        if run_label.delete(run, lambda number: services.backtests.delete(number, source="ui")):
            navigation.go(navigation.BACKTESTS)
        if run.status is not RunStatus.COMPLETED:
            return
        if st.button(
            "Reproduce",
            key="run_reproduce",
            help="Compute it again from the stored inputs and compare every bit.",
        ):
            with st.spinner("Computing again", show_time=True):
                st.session_state[state.REPRODUCTION] = services.backtests.reproduce(run.id)


def _reproduction(run: Run) -> None:
    outcome = st.session_state.get(state.REPRODUCTION)
    if outcome is not None and outcome.run.id == run.id:
        reproduction.show(outcome)


def _result(services: Services, run: Run, metrics: Metrics) -> None:
    with st.skeleton(height=SKELETON_HEIGHT):
        info = wiring.equity_info(services, run)
        months = wiring.months_info(services, run)
    held = formats.benchmark(run.spec)
    tiles.show(metrics, benchmark=held, benchmark_return=info.benchmark_return)
    left, right = pair.columns("pictures", 1.75, 1, gap="medium")
    with left:
        _equity(info, run, height=months_table.height(months) + BESIDE_MONTHS)
    with right:
        markup.write(markup.section("Monthly returns, %"))
        months_table.show(months)
        _funnel(metrics)
    sections: dict[str, Callable[[], None]] = {
        "Trades": lambda: _trades(services, run),
        **({"Portfolio": lambda: _portfolio(services, run)} if len(run.spec.symbols) > 1 else {}),
        "Metrics": lambda: metrics_table.show(metrics, benchmark=held),
        "Costs": lambda: _costs(services, run),
        "Assumptions": lambda: _assumptions(services, run),
        "Symbols": lambda: _symbols(services, run),
        "Provenance": lambda: _provenance(services, run),
    }
    tabs = st.tabs(list(sections), key=state.TAB, on_change="rerun", bind="query-params")
    for tab, draw in zip(tabs, sections.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def _equity(info: equity.EquityInfo, run: Run, *, height: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        markup.write(markup.section("Equity and drawdown"))
        log = st.toggle("Log scale", key="equity_log", persist_state="session")
    figure.show(
        equity.figure(info, log=log, height=max(LEAST_HEIGHT, height)),
        key="equity_chart",
        alt=f"Equity of run {run.id} beside {formats.benchmark(run.spec)}, drawdown beneath",
    )


def _funnel(metrics: Metrics) -> None:
    markup.write(markup.section("From signal to trade"))
    funnel.show(
        funnel_info(
            metrics.counters,
            closed=int(metrics["trades"] or 0),
            still_open=int(metrics["open_trades"] or 0),
        )
    )


def _trades(services: Services, run: Run) -> None:
    _prices(services, run)
    trades = wiring.trades(services, run)
    trades_table.show(
        trades,
        csv=lambda: formats.csv(trades),
        parquet=lambda: services.backtests.artifact_path(run, "trades").read_bytes(),
        name=f"run_{run.id}_trades",
        intraday=run.spec.timeframe.is_intraday,
    )


def _prices(services: Services, run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        symbol = run.spec.symbols[0]
        if len(run.spec.symbols) > 1:
            symbol = st.selectbox(
                "Symbol", run.spec.symbols, key=f"price_symbol_{run.id}", width=220
            )
        log = st.toggle("Log scale", key="price_log", persist_state="session")
    try:
        with st.skeleton(height=LEAST_HEIGHT):
            info = wiring.prices_info(services, run, symbol)
    except DataProblem as changed:  # the result stands; only its prices cannot be drawn any more
        problem.show(changed)
        return
    figure.show(
        prices.figure(info, log=log),
        key="price_chart",
        alt=f"Prices of {symbol} with every entry and exit",
    )


def _portfolio(services: Services, run: Run) -> None:
    shared = run.spec.options.account == "shared"
    try:
        with st.skeleton(height=LEAST_HEIGHT):
            held = wiring.weights_info(services, run)
            found = wiring.attribution_info(services, run)
    except DataProblem as damaged:
        problem.show(damaged)
        return
    markup.write(markup.section("Shares of equity over time"))
    figure.show(
        weights.figure(held),
        key="weights_chart",
        alt=f"Share of each symbol and of cash in the equity of run {run.id} over time",
    )
    markup.write(markup.section("What each symbol contributed"))
    attribution_table.show(found, shared=shared)


def _costs(services: Services, run: Run) -> None:
    try:
        found = wiring.costs(services, run)
    except DataProblem as reason:  # the result stands, though its costs cannot be told apart
        problem.show(reason)
        return
    costs_table.show(found)


def _assumptions(services: Services, run: Run) -> None:
    try:
        with _patience(services):
            found = wiring.assumptions(services, run, services.market.change_token())
    except WorkbenchError as reason:  # the result stands, whatever has become of its inputs
        problem.show(reason)
        return
    assumptions_table.show(found)


def _patience(services: Services) -> AbstractContextManager[object]:
    """Show that a table comes, or why it will take its time."""
    if services.system.is_compiled():
        return st.skeleton(height=LEAST_HEIGHT // 2)
    return st.spinner(COMPILING, show_time=True)


def _symbols(services: Services, run: Run) -> None:
    symbols_table.show(run.by_symbol)
    account = run.spec.options.account_currency
    if account is not None:
        symbols_table.show_conversions(wiring.conversions(services, run), account)


def _provenance(services: Services, run: Run) -> None:
    settings = services.settings
    provenance.show(
        run,
        mirrored=services.experiments.mirror_of(run),
        api_url=provenance.address(settings.api_host, settings.api_port),
        reader=formats.zone(st.context.timezone),
    )


def _no_result(services: Services, run: Run) -> None:
    if run.status is RunStatus.CANCELLED:
        cancel.show_cancelled("run", "It ended without a result.")
    elif run.error:
        problem.show_failure(run.error)
    _provenance(services, run)
