"""The form of a backtest: what to run, on what, by which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import streamlit as st
from pydantic import ValidationError

from core.domain.costs import CostModel
from core.domain.dataset import Series
from core.domain.options import EngineOptions
from core.domain.parameters import ParamValue, clean_params
from core.domain.run import RunSpec
from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput
from core.faults import sentence_of
from core.services import Services
from ui import state
from ui.components import (
    account_form,
    costs_form,
    currency_form,
    data_picker,
    form_guard,
    markup,
    param_form,
    problem,
    strategy_picker,
)


class Request(NamedTuple):
    """The form as it stands: a spec when it can be run, and whether it should be."""

    spec: RunSpec | None
    submitted: bool


def show(
    services: Services, strategies: Sequence[StrategyInfo], series: Sequence[Series]
) -> Request:
    """Draw the form with every mistake named before it can be submitted.

    Args:
        services: Answer which bar lengths can be served and how a spec fills.
        strategies: What can be run, at least one usable.
        series: What it can be run on, at least one.
    """
    markup.write('<h2 class="wb-form-title">New backtest</h2>')
    info = strategy_picker.show(strategies, on_change=lambda: expect(strategies))
    params = param_form.show(info)
    constraint = st.empty()
    data = data_picker.show(services.market, series)
    used = data.symbols if data.benchmark is None else (*data.symbols, data.benchmark)
    options = account_form.show(
        symbols=len(data.symbols),
        universe=info.universe,
        currency=lambda beside: currency_form.show(used, series, beside=beside),
    )
    costs = costs_form.show(
        costs_form.Setting(
            # Costs are in the currency of symbols: another one is no measure of them.
            capital=inf if options.get("fx") else options["initial_cash"],
            lowest=lambda: services.market.lowest_price(
                data.symbols, data.timeframe, data.start, data.end
            ),
        )
    )
    spec: RunSpec | None = None
    with constraint:
        try:
            spec = _spec(info, params, data, options, costs)
        except InvalidInput as mistake:
            problem.show(mistake)
    _policy(services, spec)
    form_guard.show()
    submitted = st.button(
        "Run backtest",
        type="primary",
        width="stretch",
        shortcut="Mod+Enter",
        disabled=spec is None,
        key="form_run",
    )
    return Request(spec, submitted)


def _spec(
    info: StrategyInfo,
    params: Mapping[str, ParamValue],
    data: data_picker.DataChoice,
    options: Mapping[str, Any],
    costs: CostModel,
) -> RunSpec:
    if not data.symbols:
        raise InvalidInput("no symbol is chosen", expected="at least one", field="symbols")
    account_form.require_chosen(data.symbols)
    try:
        return RunSpec(
            strategy=info.id,
            params=clean_params(info.params, info.constraints, params),
            symbols=data.symbols,
            timeframe=data.timeframe,
            start=data.start,
            end=data.end,
            options=EngineOptions.model_validate(options),
            costs=costs,
            benchmark=data.benchmark,
        )
    except ValidationError as error:
        raise _readable(error) from None


def readable(error: ValidationError, *, leave_out: str = "") -> list[InvalidInput]:
    """Turn pydantic's faults into errors of ours, those of one field left out."""
    return [
        InvalidInput(_sentence(fault))
        for fault in error.errors(include_url=False)
        if not leave_out or fault["loc"][:1] != (leave_out,)
    ]


def _readable(error: ValidationError) -> InvalidInput:
    problems = tuple(readable(error))
    if len(problems) == 1:
        return problems[0]
    return InvalidInput(f"{len(problems)} choices are wrong", problems=problems)


def _sentence(fault: Mapping[str, Any]) -> str:
    """Say a fault, by the label of its field where that speaks of single symbols."""
    words = sentence_of(fault)
    for name, label, *_ in account_form.BY_SYMBOL:
        words = words.replace(f"{name}.", f"{label}, ", 1) if words.startswith(name) else words
    return words


def fill(spec: RunSpec) -> None:
    """Set the whole form to a spec, so that it can be run again with changes."""
    fill_rules(spec)
    st.session_state[state.FORM_SYMBOLS] = list(spec.symbols)
    st.session_state[state.FORM_TIMEFRAME] = spec.timeframe
    st.session_state[state.FORM_START] = spec.start
    st.session_state[state.FORM_END] = spec.end
    st.session_state[state.FORM_BENCHMARK] = spec.benchmark or ""


def fill_rules(spec: RunSpec) -> None:
    """Set what the forms of a backtest and of a study share: strategy, account and costs."""
    st.session_state[state.FORM_STRATEGY] = spec.strategy
    for name, value in spec.params.items():
        st.session_state[state.param(spec.strategy, name)] = value
    account_form.fill(spec.options)
    costs_form.fill(spec.costs)


def expect(strategies: Sequence[StrategyInfo]) -> None:
    """Take over the engine options the newly chosen strategy asks for."""
    chosen = st.session_state[state.FORM_STRATEGY]
    wanted = next((info.engine for info in strategies if info.id == chosen), {})
    account_form.fill(EngineOptions.model_validate(wanted))


def _policy(services: Services, spec: RunSpec | None) -> None:
    if spec is not None:
        sentence = services.backtests.policy(spec)
        notes = services.backtests.notes(spec)
        markup.write(
            *(
                f'<p class="wb-policy wb-small">{markup.text(each)}</p>'
                for each in (sentence, *notes)
            )
        )
