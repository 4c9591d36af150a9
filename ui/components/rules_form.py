"""What the forms of a backtest and of a study share: account, costs, and the request they make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import streamlit as st
from pydantic import ValidationError

from core.domain.costs import CostModel
from core.domain.dataset import Series
from core.domain.options import EngineOptions
from core.domain.parameters import ParamValue
from core.domain.run import RunSpec
from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput, WorkbenchError
from core.faults import sentence_of
from core.services import Services
from ui import state
from ui.components import account_form, costs_form, currency_form, data_picker

_ITEM = re.compile(r"^(objective|requirement)s\.(\d+)")


class Rules(NamedTuple):
    """The form as it stands: options by the names of `EngineOptions`, and costs."""

    options: Mapping[str, Any]
    costs: CostModel


def show(
    services: Services,
    series: Sequence[Series],
    info: StrategyInfo,
    data: data_picker.DataChoice,
) -> Rules:
    """Draw account and costs.

    Args:
        services: Know the prices that costs are compared with.
        series: What the lake holds, rates of currencies among it.
        info: The strategy that is chosen.
        data: What it is to run on.
    """
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
    return Rules(options, costs)


def request(
    info: StrategyInfo,
    params: Mapping[str, ParamValue],
    data: data_picker.DataChoice,
    rules: Rules,
) -> RunSpec:
    """Make a request of the choices.

    Raises:
        InvalidInput: they do not fit together; `problems` has each where there are several.
    """
    if not data.symbols:
        raise InvalidInput("no symbol is chosen", expected="at least one", field="symbols")
    account_form.require_chosen(data.symbols)
    try:
        return RunSpec(
            strategy=info.id,
            params=params,
            symbols=data.symbols,
            timeframe=data.timeframe,
            start=data.start,
            end=data.end,
            options=EngineOptions.model_validate(rules.options),
            costs=rules.costs,
            benchmark=data.benchmark,
        )
    except ValidationError as error:
        raise together(readable(error)) from None


def together(problems: Sequence[WorkbenchError]) -> WorkbenchError:
    """Make one error of several."""
    if len(problems) == 1:
        return problems[0]
    return InvalidInput(f"{len(problems)} choices are wrong", problems=tuple(problems))


def readable(error: ValidationError, *, leave_out: str = "") -> list[InvalidInput]:
    """Turn pydantic's faults into errors of ours, those of one field left out."""
    faults = error.errors(include_url=False)
    # Of a list with a fault in it pydantic says, too, that it is too short.
    within = {fault["loc"][:end] for fault in faults for end in range(1, len(fault["loc"]))}
    return [
        InvalidInput(_sentence(fault))
        for fault in faults
        if fault["loc"] not in within and (not leave_out or fault["loc"][:1] != (leave_out,))
    ]


def fill(spec: RunSpec) -> None:
    """Set strategy, fixed parameters, account and costs."""
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


def _sentence(fault: Mapping[str, Any]) -> str:
    """Say a fault, by the label of its field where that speaks of single symbols."""
    words = _ITEM.sub(lambda found: f"{found[1]} {int(found[2]) + 1}", sentence_of(fault))
    for name, label, *_ in account_form.BY_SYMBOL:
        words = words.replace(f"{name}.", f"{label}, ", 1) if words.startswith(name) else words
    return words
