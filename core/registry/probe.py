"""What a scan asks of one strategy file, answered in a child process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.domain.options import EngineOptions
from core.domain.parameters import clean_params
from core.domain.strategy import Strategy
from core.errors import InvalidInput, StrategyFailed, WorkbenchError
from core.registry.blame import blamed
from core.registry.entries import param_to_json
from core.registry.load import find_class, imported

Message = dict[str, Any]
Ask = Callable[[Message], Message]


def open_probe(_config: Message) -> Callable[[Message, Ask], Message]:
    """Give the handler for requests `{"folder": ..., "id": ...}`."""
    return probe


def probe(request: Message, _ask: Ask) -> Message:
    """Import the file and describe the strategy, or say why that cannot be done."""
    folder = Path(request["folder"])
    try:
        with imported(folder, request["id"]) as module:
            cls = find_class(module)
            with blamed(folder):
                return _describe(cls)
    except WorkbenchError as error:
        return {"error": error.sentence()}


def _describe(cls: type[Strategy]) -> Message:
    specs = cls.param_specs()
    if cls.generate_signals is Strategy.generate_signals:
        raise StrategyFailed(f"{cls.__name__} has no generate_signals")
    try:
        clean_params(specs, cls.constraints, {})
    except InvalidInput as error:
        raise StrategyFailed(f"its own defaults are refused: {error.sentence()}") from error
    if not isinstance(cls.universe, bool):
        raise StrategyFailed(f"its universe is {cls.universe!r}", expected="True or False")
    if cls.universe and cls.engine.get("account", "shared") != "shared":
        raise StrategyFailed(
            "it weighs a universe and asks for sleeves", expected="no engine option account"
        )
    try:
        engine = EngineOptions.model_validate(cls.engine).model_dump(mode="json")
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise StrategyFailed(f"its engine option {where!r}: {fault['msg']}") from error
    return {
        "class_name": cls.__name__,
        "title": cls.display_title(),
        "summary": cls.summary(),
        "params": [param_to_json(spec) for spec in specs],
        "constraints": list(cls.constraints),
        "engine": {name: engine[name] for name in cls.engine},
        "legacy": cls.legacy,
        "universe": cls.universe,
    }
