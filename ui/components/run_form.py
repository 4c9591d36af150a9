"""The form of a backtest: what to run, on what, by which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.domain.dataset import Series
from core.domain.parameters import ParamValue, clean_params
from core.domain.run import RunSpec
from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput, WorkbenchError
from core.services import Services
from ui import state
from ui.components import (
    data_picker,
    form_foot,
    form_guard,
    markup,
    param_form,
    rules_form,
    strategy_picker,
)


class Request(NamedTuple):
    """The form as it stands: a spec when it can be run, and whether it should be."""

    spec: RunSpec | None
    foot: form_foot.Foot


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
    info = strategy_picker.show(strategies, on_change=lambda: rules_form.expect(strategies))
    params = param_form.show(info)
    data = data_picker.show(services.market, series)
    rules = rules_form.show(services, series, info, data)
    spec: RunSpec | None = None
    refused: WorkbenchError | None = None
    try:
        spec = _spec(info, params, data, rules)
        services.backtests.complete(spec)
    except WorkbenchError as mistake:
        refused = mistake
    _policy(services, spec)
    form_guard.show()
    return Request(spec, form_foot.show("Run backtest", refused))


def _spec(
    info: StrategyInfo,
    params: Mapping[str, ParamValue],
    data: data_picker.DataChoice,
    rules: rules_form.Rules,
) -> RunSpec:
    if not data.symbols:
        raise InvalidInput("no symbol is chosen", expected="at least one", field="symbols")
    checked = clean_params(info.params, info.constraints, params)
    return rules_form.request(info, checked, data, rules)


def fill(spec: RunSpec) -> None:
    """Set the whole form to a spec, so that it can be run again with changes."""
    rules_form.fill(spec)
    data_picker.fill(spec, keys=state.RUN_DATA)


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
