"""One set of services for the process, and reads of finished runs, which never change, kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import streamlit as st

from core.bootstrap import build
from core.domain.assumptions import Assumptions
from core.domain.cost_breakdown import CostBreakdown
from core.domain.findings import Study, StudyPage, StudyQuery
from core.domain.run import Run, RunPage, RunQuery
from core.domain.strategy import StrategyInfo
from core.plots import attribution, equity, months, prices, weights
from core.services import Comparison, Conversion, Services
from ui import formats

KEPT = 64
SPARK_POINTS = 40
SPARKS_KEPT = 2_000

STUDIES_KEPT = 8  # a table of trials may have ten thousand rows

BY_STUDY: dict[str | type[Any], Callable[[Any], Any]] = {Study: lambda study: (study.id, study.key)}
BY_RUN: dict[str | type[Any], Callable[[Any], Any]] = {Run: lambda run: (run.id, run.run_key)}


@st.cache_resource(show_spinner=False, on_release=lambda services: services.close())
def services() -> Services:
    """Build the services: strategies run in a child process, never here."""
    return build(executor="child")


def strategies(services: Services) -> Sequence[StrategyInfo]:
    """List the strategies as their files are now."""
    known = services.strategies
    return known.rescan() if known.is_stale() else known.list()


def run_page(services: Services, query: RunQuery) -> RunPage:
    """Give a page of runs, from memory unless a run changed or one of them still moves."""
    page = _run_page(services, (query.model_dump_json(), services.backtests.change_token()))
    if all(run.status.is_final for run in page.runs):
        return page
    return services.backtests.list(query)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _run_page(_services: Services, asked: tuple[str, str]) -> RunPage:
    return _services.backtests.list(RunQuery.model_validate_json(asked[0]))


def sparklines(services: Services, runs: Sequence[Run]) -> dict[str, list[float]]:
    """Give a few points of equity for each completed run, by run key."""
    return {run.run_key: _sparkline(services, run) for run in runs if run.run_key and run.metrics}


@st.cache_resource(max_entries=SPARKS_KEPT, show_spinner=False, hash_funcs=BY_RUN)
def _sparkline(_services: Services, run: Run) -> list[float]:
    frame = _services.backtests.equity(run, max_points=SPARK_POINTS)
    return [float(value) for value in frame["equity"].to_list()]


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def verdict(_services: Services, run: Run) -> str:
    """Give the sentence about a finished run; it reads the whole curve."""
    return _services.backtests.verdict(run)


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def equity_info(_services: Services, run: Run) -> equity.EquityInfo:
    """Give the lines of a finished run's equity chart."""
    return equity.equity_info(
        _services.backtests.equity(run),
        label=run.title,
        held=formats.benchmark(run.spec),
        initial_cash=run.spec.options.initial_cash,
        intraday=run.spec.timeframe.is_intraday,
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def months_info(_services: Services, run: Run) -> months.MonthsInfo:
    """Give the monthly returns of a finished run, from every session and not the thinned line."""
    return months.months_info(
        _services.backtests.equity(run, max_points=None),
        initial_cash=run.spec.options.initial_cash,
        timeframe=run.spec.timeframe,
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def prices_info(_services: Services, run: Run, symbol: str) -> prices.PricesInfo:
    """Give the prices of one symbol of a finished run with its fills.

    Raises:
        DataProblem: the prices have changed since the run.
    """
    return prices.prices_info(
        _services.backtests.prices(run, symbol, max_points=prices.MAX_BARS),
        trades(_services, run),
        _services.backtests.fills(run),
        _services.backtests.positions(run, symbol),
        symbol=symbol,
        intraday=run.spec.timeframe.is_intraday,
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def trades(_services: Services, run: Run) -> pl.DataFrame:
    """Give the trades of a finished run, with their excursions in units of risk."""
    return _services.backtests.trades(run)


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def conversions(_services: Services, run: Run) -> Sequence[Conversion]:
    """Give how symbols of a finished run were converted."""
    return _services.backtests.conversions(run)


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def weights_info(_services: Services, run: Run) -> weights.WeightsInfo:
    """Give what a finished run of several symbols held over time."""
    found = _services.backtests.weights(run)
    return weights.weights_info(
        found.frame,
        names=found.names,
        weights=found.weights,
        others=found.others,
        merged=found.merged,
        cash=found.cash,
        intraday=run.spec.timeframe.is_intraday,
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def attribution_info(_services: Services, run: Run) -> attribution.AttributionInfo:
    """Give what each symbol contributed to a finished run."""
    whole = run.metrics["net_profit"] if run.metrics else None
    shared = run.spec.options.account == "shared"
    interest = run.metrics["interest"] if run.metrics and shared else None
    return attribution.attribution_info(
        run.by_symbol,
        net_profit=whole or 0.0,
        initial_cash=run.spec.options.initial_cash,
        accrued=_services.backtests.accrued(run) - (interest or 0.0),
        interest=interest or 0.0,
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def assumptions(_services: Services, run: Run, prices: str) -> Assumptions:  # noqa: ARG001
    """Give a finished run under the other fill rules; it is computed again for each.

    Args:
        run: A completed run.
        prices: Change token of the lake, which may have got finer bars since.

    Raises:
        WorkbenchError: its code or prices are not there any more, or it fails this time.
    """
    return _services.backtests.assumptions(run)


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs=BY_RUN)
def costs(_services: Services, run: Run) -> CostBreakdown:
    """Give what a finished run paid for what.

    Raises:
        DataProblem: its fees are those of other rules than today's, or its tables are damaged.
    """
    return _services.backtests.costs(run)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def comparison(_services: Services, refs: tuple[str, ...]) -> Comparison:
    """Give finished runs side by side."""
    return _services.backtests.compare(refs)


def study_page(services: Services, query: StudyQuery) -> StudyPage:
    """Give a page of studies, from memory unless a job changed."""
    return _study_page(services, query, services.jobs.change_token())


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs={StudyQuery: repr})
def _study_page(_services: Services, query: StudyQuery, token: str) -> StudyPage:  # noqa: ARG001
    return _services.studies.list(query)


@st.cache_resource(max_entries=STUDIES_KEPT * 4, show_spinner=False, hash_funcs=BY_STUDY)
def study_table(_services: Services, study: Study, name: str) -> pl.DataFrame | None:
    """Give a table of a completed study; None where it has none of that name.

    Raises:
        DataProblem: it is missing or damaged.
    """
    if f"{name}.parquet" not in study.artifacts:
        return None
    return _services.studies.table(study, name)
