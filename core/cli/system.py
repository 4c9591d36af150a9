"""Commands about the workbench itself: strategies, serve, migrate, demo."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.cli.demo import demo
from core.cli.output import SAID, Reply, line, table, to_json
from core.cli.words import pairs, param_value
from core.domain.parameters import ParamSpec
from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["demo", "migrate", "serve", "strategies"]


def strategies(args: Namespace) -> Reply:
    """List strategies, or explain one."""
    from core import bootstrap

    with bootstrap.build(executor="inline") as services:
        if args.name is None:
            return _listing(services.strategies.list())
        info = services.strategies.get(args.name)
        data = info_data(info)
        if args.check:
            typed = pairs(args.param, "--param")
            given = {name: param_value(text) for name, text in typed.items()}
            data["check"] = services.strategies.check(args.name, given)

    def show(out: Console) -> None:
        line(out, f"{info.title} ({info.id}, version {info.version})")
        line(out, f"  {info.summary}")
        kind = ", legacy: asked bar by bar, which is slow" if info.legacy else ""
        line(out, f"  {info.module}.{info.class_name} in {info.path}{kind}")
        if info.error:
            line(out, f"  cannot be used: {info.error}")
        rows = [(spec.name, str(spec.default), spec.describe(), spec.help) for spec in info.params]
        if rows:
            table(out, ("Parameter", "Default", "May be", "What it does"), rows)
        for note in _notes(info):
            line(out, f"  {note}")
        if args.check:
            tried = data["check"]
            works = "works" if tried["valid"] else "does not work"
            if tried["valid"]:
                works += f": {tried['trades']} trades on {tried['bars']:,} made-up bars"
            line(out, f"  {works}")
            for problem in (*tried["errors"], *tried["warnings"]):
                line(out, f"  {problem}")

    return Reply(data, show, code=0 if not args.check or data["check"]["valid"] else 5)


def migrate(args: Namespace) -> Reply:
    """Bring the database to this version's schema, or say where it is."""
    from core.bootstrap.records import move_schema, schema

    state = schema() if args.check else move_schema(args.to)
    data = {"found": state.found, "wanted": state.wanted, "up_to_date": state.is_current}

    def show(out: Console) -> None:
        where = f"at {state.found}" if state.found else "without a schema"
        advice = "" if state.is_current else f"; this version works with {state.wanted}"
        line(out, f"The records are {where}{advice}.")

    return Reply(data, show, code=1 if args.check and not state.is_current else 0)


def serve(args: Namespace) -> Reply:
    """Start UI, API and a worker; comes back when they are stopped."""
    from core.launch import supervisor
    from core.launch.__main__ import announce

    def announce_json(places: Mapping[str, str]) -> None:
        print(to_json(places), flush=True)

    try:
        supervisor.serve(
            ui_port=args.ui_port,
            api_port=args.api_port,
            demo=args.demo,
            announce=announce_json if args.json else announce,
            quiet=args.json,
        )
    except InvalidInput as problem:
        for name in ("ui", "api"):  # the launcher speaks to those who typed `make run`
            said, own = f"make run {name.upper()}_PORT=", f"workbench serve --{name}-port "
            problem.hint = problem.hint and problem.hint.replace(said, own)
        raise
    return SAID


def _notes(info: StrategyInfo) -> list[str]:
    shared = ["weighs all symbols of a run together, on one shared account"] * info.universe
    return [*shared, *(f"must hold: {constraint}" for constraint in info.constraints)]


def info_data(info: StrategyInfo) -> dict[str, Any]:
    """Give a strategy as one JSON object."""
    return {
        "id": info.id,
        "title": info.title,
        "summary": info.summary,
        "module": info.module,
        "class_name": info.class_name,
        "path": info.path,
        "version": info.version,
        "params": [param_data(spec) for spec in info.params],
        "constraints": list(info.constraints),
        "engine": dict(info.engine),
        "legacy": info.legacy,
        "universe": info.universe,
        "error": info.error,
    }


def param_data(spec: ParamSpec) -> dict[str, Any]:
    """Give a parameter as data."""
    return {
        "name": spec.name,
        "kind": spec.kind,
        "default": spec.default,
        "ge": spec.ge,
        "le": spec.le,
        "step": spec.step,
        "choices": list(spec.choices),
        "unit": spec.unit,
        "help": spec.help,
    }


def _listing(infos: list[StrategyInfo]) -> Reply:
    def show(out: Console) -> None:
        rows = [
            (
                info.id,
                info.title,
                ", ".join(f"{spec.name}={spec.default}" for spec in info.params),
                f"cannot be used: {info.error}" if info.error else info.summary,
            )
            for info in infos
        ]
        table(out, ("Id", "Title", "Parameters", "What it does"), rows)

    return Reply({"strategies": [info_data(info) for info in infos]}, show)
