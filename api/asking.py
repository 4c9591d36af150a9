"""How endpoints ask for a run: exact types, and refusals in the words of the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi.exceptions import RequestValidationError

from api.bodies import Body
from core.domain.parameters import ParamSpec, clean_params
from core.domain.run import Run, RunSpec
from core.domain.strategy import StrategyInfo
from core.errors import StrategyFailed, WorkbenchError
from core.services import Services

# What the core calls a part of a request -> what bodies call it.
_WORDS = {
    "params": ("parameters", "strategy_params"),
    "symbols": ("symbols", "symbol"),
    "start": ("start_date",),
    "end": ("end_date",),
    "options": ("engine_options",),
}
_TYPES: dict[str, set[type]] = {"int": {int}, "float": {int, float}, "bool": {bool}, "text": {str}}


def submit(services: Services, body: Body, spec: RunSpec) -> Run:
    """Have the run computed that a body asks for.

    Raises:
        WorkbenchError, RequestValidationError: it cannot be run; nothing is recorded.
    """
    require_runnable(services, body, spec)
    with _in_words_of(body):
        return services.backtests.submit(spec, source="api")


def require_runnable(services: Services, body: Body, spec: RunSpec) -> None:
    """Refuse a strategy or parameters that cannot be run, before anything is stored.

    Raises:
        NotFound, InvalidInput: there is no such strategy, or its parameters are wrong.
        RequestValidationError: a parameter has another type than declared.
        StrategyFailed: the strategy cannot be used.
    """
    with _in_words_of(body, unnamed="params"):  # a broken constraint names no field
        if services.strategies.is_stale():
            services.strategies.rescan()
        info = services.strategies.get(spec.strategy)
        if info.error:
            raise StrategyFailed(
                f"strategy {info.id!r} cannot be used: {info.error.rstrip('.')}",
                hint="Repair its file and try again",
                field="strategy",
            )
        _require_types(info, spec.params, _word("params", type(body).model_fields))
        clean_params(info.params, info.constraints, spec.params)


def require_rates(
    services: Services, body: Body, spec: RunSpec, market: str, currency: str | None
) -> None:
    """Refuse prices of this market and currency that the run could not convert.

    Raises:
        NotFound, InvalidInput: there are no rates, or a currency is not known.
    """
    with _in_words_of(body):
        services.backtests.require_rates(spec.options, market, currency, spec.benchmark)


def _require_types(info: StrategyInfo, given: Mapping[str, Any], place: str) -> None:
    """Refuse what the core, which also reads forms and command lines, would convert."""
    faults = [
        {
            "type": "wrong_type",
            "loc": ("body", place, spec.name),
            "msg": f"parameter {spec.name!r} has another type than declared",
            "input": given[spec.name],
            "ctx": {"expected": spec.describe()},
        }
        for spec in info.params
        if spec.name in given and type(given[spec.name]) not in _types(spec)
    ]
    if faults:
        raise RequestValidationError(faults)


def _types(spec: ParamSpec) -> set[type]:
    if spec.kind != "choice":
        return _TYPES[spec.kind]
    types = {type(choice) for choice in spec.choices}
    return types | {int} if float in types else types


@contextmanager
def _in_words_of(body: Body, unnamed: str = "") -> Iterator[None]:
    """Name the field of the request that an error of the core speaks of, and what it holds."""
    try:
        yield
    except WorkbenchError as error:
        asked = body.model_dump(mode="json")
        for each in (error, *error.problems):
            head, _, name = (each.field or unnamed).partition(".")
            word = _word(head, asked)
            if word in asked:
                each.field = f"{word}.{name}" if name else word
                each.found = (asked[word] or {}).get(name) if name else asked[word]
        raise


def _word(head: str, known: Mapping[str, Any]) -> str:
    return next((word for word in _WORDS.get(head, ()) if word in known), head)
