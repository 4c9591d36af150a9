"""Reads a run request: from `--spec`, and from the options, which win."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from core.cli.words import one_day, pairs, param_value, problems_of, refuse
from core.domain.cost_presets import costs_from
from core.domain.cost_shapes import shape_of
from core.domain.costs import CostModel
from core.domain.engine_words import REMOVABLE, EngineWords, read_engine
from core.domain.options import EngineOptions, OptionProxy
from core.domain.run import RunSpec
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

# Fields of the engine's options whose option has another name.
SHORTER = {"initial_cash": "cash", "initial_margin": "margin", "allow_short": "short"}
# Options that are said by symbol.
BY_SYMBOL = ("shortable", "borrow_rates")
# Says of an option that may be none that there shall be none, whatever the strategy sets.
NONE = "none"
COST_FILES = (".yaml", ".yml", ".json")
NEEDED = {
    "strategy": ("the id of a strategy", "`workbench strategies` lists them"),
    "symbols": ("symbols of the lake, separated by commas", "`workbench data` lists them"),
}
# Keys of the REST API -> what a spec calls them.
FROM_REST = {
    "cost_config": "costs",
    "dataset": "symbols",
    "dataset_id": "symbols",
    "end_date": "end",
    "fee_per_trade": "engine_options.fee_per_trade, or costs.per_trade",
    "fill_rule": "options.fill",
    "initial_capital": "options.initial_cash",
    "lots": "engine_options.lots, or options.sizing, options.size and options.lot_size",
    "option_delta": "engine_options.option_delta, or options.multiplier",
    "option_price_per_unit": "engine_options.option_price_per_unit, or options.multiplier",
    "parameters": "params",
    "session_close_time": "options.square_off",
    "slippage": "engine_options.slippage in points, or costs.slippage_bps",
    "start_date": "start",
    "strategy_params": "params",
    "symbol": "symbols",
} | {name: f"options.{name}" for name in EngineOptions.model_fields}


def spec_of(args: Namespace) -> RunSpec:
    """Read the request from `--spec` and the options; only what was given is set.

    Raises:
        InvalidInput: the request is incomplete or out of range.
    """
    given = {} if args.spec is None else _read_spec(args.spec)
    symbols = args.symbols
    typed = {
        "strategy": args.strategy,
        "symbols": symbols and [part.strip() for part in symbols.split(",") if part.strip()],
        "timeframe": args.timeframe,
        "start": one_day(args.start, "start"),
        "end": one_day(args.end, "end"),
        "costs": args.costs,
        "benchmark": args.benchmark,
    }
    given |= only_given(typed)
    for name, (expected, hint) in NEEDED.items():
        if not given.get(name):
            found = getattr(args, name)
            said = f"--{name} is {'missing' if found is None else repr(found)}"
            raise InvalidInput(said, expected=expected, hint=hint, field=name)
    if isinstance(given.get("timeframe"), str):
        given["timeframe"] = Timeframe.parse(given["timeframe"])
    if "costs" in given:
        given["costs"] = _costs_of(given["costs"])
    given["params"] = given.get("params", {}) | {
        name: param_value(text) for name, text in pairs(args.param, "--param").items()
    }
    options = only_given(
        {name: getattr(args, SHORTER.get(name, name)) for name in EngineOptions.model_fields}
    )
    if args.fx is not None:
        options["fx"] = {code.upper(): name for code, name in pairs(args.fx, "--fx").items()}
    options |= _by_symbol(options)
    options |= {name: None for name in REMOVABLE if options.get(name) in (NONE, [NONE])}
    if options.get("option") is not None:
        proxy = pairs(args.option, "--option")
        refuse(
            [
                InvalidInput(
                    f"--option {name} is not known",
                    expected=f"one of {', '.join(OptionProxy.model_fields)}",
                    field="options.option",
                )
                for name in proxy
                if name not in OptionProxy.model_fields
            ]
        )
        options["option"] = {name: param_value(text) for name, text in proxy.items()}
    words = given.pop("engine_options", {}) | engine_words(args.engine)
    engine = read_engine(words)
    given["options"] = engine.options | given.get("options", {}) | options
    if "costs" in given and any(
        words.get(name) is not None for name in ("fee_per_trade", "slippage")
    ):
        raise InvalidInput(
            "costs and the engine's fee_per_trade and slippage contradict each other",
            expected="only one of them",
            hint="A cost model has per_trade and slippage_points",
            field="costs",
        )
    if engine.costs is not None:  # those of a preset yield to what is said
        given.setdefault("costs", engine.costs)
    said_by = {name: f"--{name}" for name in only_given(typed)}
    said_by |= {
        f"options.{name}": "--" + SHORTER.get(name, name).replace("_", "-") for name in options
    }
    with problems_of(said_by):
        return RunSpec.model_validate(given)


def _by_symbol(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Read `SYMBOL=VALUE` items."""
    said = {
        name: pairs(options[name], f"--{name.replace('_', '-')}")
        for name in BY_SYMBOL
        if name in options
    }
    return {
        name: {symbol: param_value(text) for symbol, text in items.items()}
        for name, items in said.items()
    }


def _costs_of(said: Any) -> Any:
    """Read costs: a preset, a file (`costs.yaml`, or `costs.yaml:ib_pro` for a part of it), keys.

    Raises:
        InvalidInput: no such preset, or what is said cannot be read.
    """
    name, _, part = said.partition(":") if isinstance(said, str) else ("", "", "")
    if not name.endswith(COST_FILES):
        return costs_from(said)
    try:
        found = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise InvalidInput(
            f"--costs {name!r} cannot be read: {' '.join(str(problem).split())[:200]}",
            expected="a YAML or JSON file with a cost model",
            field="costs",
        ) from None
    if part and not (isinstance(found, dict) and isinstance(found.get(part), dict)):
        parts = ", ".join(map(str, found)) if isinstance(found, dict) else "none"
        raise InvalidInput(
            f"--costs {name!r} has no {part!r}", expected=f"one of {parts}", field="costs"
        )
    found = found[part] if part else found
    if not isinstance(found, dict):
        raise InvalidInput(
            f"--costs {name!r} holds {found!r:.80}", expected="a cost model", field="costs"
        )
    several = found and all(isinstance(value, dict) for value in found.values())
    if several and shape_of(found) is CostModel:
        first = next(iter(found))
        raise InvalidInput(
            f"--costs {name!r} holds {', '.join(map(str, found))}",
            expected=f"one of them, as {name}:{first}",
            field="costs",
        )
    return costs_from({"name": part or Path(name).stem[:40], **found})


def engine_words(items: Sequence[str]) -> dict[str, Any]:
    """Read `--engine NAME=VALUE` items; `option` may be an object in JSON, options may be none."""
    return {
        name: _object(name, text)
        if text.startswith("{")
        else None
        if text == NONE
        else param_value(text)
        for name, text in pairs(items, "--engine").items()
    }


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise InvalidInput(
            f"--engine {name} is {text[:60]!r}, which is not JSON: {problem}",
            expected=f'an object, such as {name}={{"delta": 0.5}}',
            field="engine",
        ) from None
    return found


def only_given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is None."""
    return {name: value for name, value in values.items() if value is not None}


def _read_spec(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        given = json.loads(text)
    except OSError as problem:
        raise InvalidInput(
            f"--spec {name!r} cannot be read: {problem.strerror}",
            expected="a JSON file, or - for stdin",
            field="spec",
        ) from None
    except (ValueError, RecursionError) as problem:
        raise InvalidInput(
            f"--spec {name!r} is not JSON: {problem}", expected="one JSON object", field="spec"
        ) from None
    if not isinstance(given, dict):
        raise InvalidInput(
            f"--spec {name!r} holds {given!r:.80}", expected="one JSON object", field="spec"
        )
    if "costs" not in given and "cost_config" in given:
        given["costs"] = given.pop("cost_config")
    refuse(_misplaced(given))
    return given


def _misplaced(given: Mapping[str, Any]) -> list[InvalidInput]:
    """Find keys that a spec does not have, and objects that are none."""
    problems = []
    engine = EngineOptions.model_fields
    said = given.get("costs")
    costs = shape_of(said if isinstance(said, dict) else {}).model_fields
    words: Mapping[str, Any] = {**EngineWords.model_fields, **engine}
    known: dict[str, Mapping[str, Any]]
    known = {"options": engine, "engine_options": words, "costs": costs}
    top: Mapping[str, Any] = {**RunSpec.model_fields, "engine_options": words}
    keys = [(key, key, top) for key in given]
    keys += [
        (f"{place}.{key}", key, fields)
        for place, fields in known.items()
        if isinstance(given.get(place), dict)
        for key in given[place]
    ]
    for where, key, fields in keys:
        if key not in fields:
            expected = FROM_REST.get(key) or f"one of {', '.join(fields)}"
            problems.append(
                InvalidInput(f"--spec has the key {where!r}", expected=expected, field=where)
            )
    return problems + [
        InvalidInput(f"--spec has {key} {given[key]!r:.80}", expected="an object", field=key)
        for key in ("params", "options", "engine_options")
        if not isinstance(given.get(key, {}), dict)
    ]
