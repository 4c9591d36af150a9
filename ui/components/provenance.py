"""What a result was computed from, and how to compute it again from anywhere."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import streamlit as st

from core.domain.cost_presets import cost_presets, sentence_of
from core.domain.costs import CostModel
from core.domain.run import RATES, Run, RunSpec, RunStatus
from core.domain.tracking import Mirror
from ui import formats
from ui.components import markup, mirror, pair

# Options that have words of their own.
ASKED = (
    "initial_cash",
    "account_currency",
    "fx",
    "size",
    "sizing",
    "fill",
    "allow_short",
    "risk_free",
)


def show(run: Run, *, mirrored: Mirror, api_url: str, reader: ZoneInfo) -> None:
    """Draw spec, hashes and the calls that ask for exactly this run."""
    left, right = pair.columns("provenance", 1, 1)
    with left:
        markup.write(
            markup.card("What was asked", markup.facts(_asked(run.spec))),
            markup.card("What it was computed from", markup.facts(_computed(run, reader))),
            mirror.card(mirrored),
        )
    with right:
        markup.write(markup.section("The same from a shell"))
        st.code(cli_call(run.spec), language="bash", wrap_lines=True)
        markup.write(markup.section("The same over REST"))
        st.code(rest_call(run.spec, api_url), language="bash", wrap_lines=True)


def address(host: str, port: int) -> str:
    """Give the URL at which this machine reaches a server that listens on a host."""
    try:
        listens = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if listens.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def cli_call(spec: RunSpec) -> str:
    """Give the shell command that asks for this spec, every choice spelled out."""
    asked = spec.model_dump(mode="json", exclude={"costs"}) | {"costs": _costs(spec.costs)}
    said = {name: value for name, value in asked.items() if value is not None}
    return f"echo {shlex.quote(json.dumps(said, separators=(',', ':')))} | workbench run --spec -"


def rest_call(spec: RunSpec, api_url: str) -> str:
    """Give the curl command that asks for this spec."""
    body = json.dumps(rest_body(spec), separators=(",", ":"))
    return (
        f"curl -X POST {api_url}/api/backtests/run \\\n"
        f"  -H 'content-type: application/json' \\\n  -d {shlex.quote(body)}"
    )


def rest_body(spec: RunSpec) -> dict[str, object]:
    """Give the body of `POST /api/backtests/run` for this spec, every choice spelled out.

    An option that is null is said to be: it takes away what the strategy sets for itself.
    """
    body: dict[str, object] = {
        "strategy": spec.strategy,
        "symbols": list(spec.symbols),
        "parameters": dict(spec.params),
        "timeframe": str(spec.timeframe),
        "costs": _costs(spec.costs),
        "engine_options": spec.options.model_dump(mode="json"),
    }
    if spec.benchmark:
        body["benchmark"] = spec.benchmark
    if spec.start:
        body["start_date"] = spec.start.isoformat()
    if spec.end:
        body["end_date"] = spec.end.isoformat()
    return body


def _costs(costs: CostModel) -> object:
    """Name a preset, spell out anything else."""
    if cost_presets().get(costs.name) == costs:
        return costs.name
    return costs.model_dump(mode="json", exclude_defaults=True)


def _asked(spec: RunSpec) -> dict[str, str]:
    options = spec.options
    sizes = {
        "percent_of_equity": "% of equity",
        "units": "units",
        "lots": "lots",
        "value": "of money",
        "risk": "% of equity at the stop",
        "vol_target": "% volatility a year",
    }
    pairs: dict[str, object] = {
        "Strategy": spec.strategy,
        "Parameters": formats.params(dict(spec.params)) or formats.NONE,
        "Symbols": ", ".join(spec.symbols),
        "Bars": spec.timeframe,
        "Sessions": formats.span(spec.start, spec.end) if spec.start or spec.end else "all",
        "Capital": " ".join(
            filter(None, (formats.money(options.initial_cash), options.account_currency))
        ),
        "Size": f"{options.size:g} {sizes[options.sizing]}",
        "Fill": "next open" if options.fill == "next_open" else "same close",
        "Shorts": "yes" if options.allow_short else "no",
        "Costs": sentence_of(spec.costs),
        "Benchmark": spec.benchmark or "own symbols, bought and held",
    }
    changed = {
        formats.setting(name).capitalize(): value
        for name, value in options.model_dump(mode="json", exclude_defaults=True).items()
        if name not in ASKED
    }
    for name in ("shortable", "borrow_rates"):
        if said := getattr(options, name):
            label = formats.setting(name).capitalize()
            changed[label] = _by_symbol(said)
    if options.risk_free:
        changed["Risk-free rate"] = f"{options.risk_free * 100:.6g}% a year"
    if options.fx:
        changed["Rates"] = ", ".join(f"{code} by {name}" for code, name in options.fx.items())
    return {name: markup.text(value) for name, value in (pairs | changed).items()}


def _by_symbol(said: Mapping[str, float | bool]) -> str:
    words = {True: "yes", False: "no"}
    return ", ".join(
        f"{symbol} {words[value] if isinstance(value, bool) else formats.plain(value)}"
        for symbol, value in said.items()
    )


def _computed(run: Run, reader: ZoneInfo) -> dict[str, str]:
    pairs: dict[str, str] = {
        "Run": f"#{run.id} · {markup.mono(run.job_id)}",
        "Submitted": markup.text(formats.moment(run.created_at, reader)),
    }
    if run.completed_at:
        ended = "Completed" if run.status is RunStatus.COMPLETED else "Ended"
        pairs[ended] = markup.text(formats.moment(run.completed_at, reader))
    if run.engine_ms is not None:
        pairs["Computed in"] = f"{formats.number(run.engine_ms, 1)} ms" + (
            " (by the first equal run)" if run.reused else ""
        )
    if run.run_key:
        pairs["Run key"] = markup.mono(run.run_key)
    for symbol, value in run.data_hashes.items():
        is_rate = symbol.startswith(RATES)
        pairs[f"Rates {symbol.removeprefix(RATES)}" if is_rate else f"Prices {symbol}"] = (
            markup.mono(value)
        )
    if run.code_hash:
        pairs["Strategy code"] = markup.mono(run.code_hash)
    if run.engine_version:
        pairs["Engine"] = f"version {markup.text(run.engine_version)}"
    for name, value in run.artifacts.items():
        pairs[name] = markup.mono(value)
    return pairs
