"""Commands about runs: run, list, show, label, delete, reproduce, assumptions, costs."""

from __future__ import annotations

import sys
import textwrap
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core import bootstrap
from core.cli.output import Reply, fact, line, number, progress, table
from core.cli.request import only_given, spec_of
from core.cli.words import problems_of
from core.domain.assumptions import RULE_LABELS
from core.domain.cost_breakdown import COST_PARTS, CostLine
from core.domain.cost_presets import sentence_of
from core.domain.metrics import BADGES, METRICS, REASONS, Metrics
from core.domain.run import Label, Run, RunQuery, RunStatus
from core.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from core.services import Services

BESIDE_TRADES = ("dividends", "borrow", "carry", "funding", "interest")
HEADLINE = (
    "total_return",
    "cagr",
    "sharpe",
    "psr",
    "min_trl",
    "sessions",
    "max_drawdown",
    "volatility",
    "alpha",
    "beta",
    "info_ratio",
    "trades",
    "win_rate",
    "profit_factor",
    "exposure",
    "fees",
    "slippage",
    "final_equity",
)
LISTED = ("total_return", "sharpe", "max_drawdown", "trades")
LONGEST_SHOWN = 40
# Fields of a query whose option has another name.
SHORTER = {"start": "since", "end": "until", "sort_by": "sort", "sort_order": "order"}
FAILED_EXIT = {
    "invalid_input": 2,
    "not_found": 3,
    "data_problem": 4,
    "strategy_failed": 5,
    "time_limit": 5,
    "memory_limit": 5,
    "crashed": 5,
    "no_result": 5,
}


def run(args: Namespace) -> Reply:
    """Run a backtest and keep it."""
    spec = spec_of(args)
    with bootstrap.build(executor="inline") as services:
        with progress(f"Running {spec.strategy}", quiet=args.json):
            kept = services.backtests.submit(
                spec, source="cli", reuse=not args.no_reuse, queue=args.queue
            )
        return run_reply(services, kept)


def list_runs(args: Namespace) -> Reply:
    """List kept runs."""
    given = {field: getattr(args, SHORTER.get(field, field)) for field in RunQuery.model_fields}
    said_by = {field: "--" + SHORTER.get(field, field).replace("_", "-") for field in given}
    with problems_of(said_by):
        query = RunQuery.model_validate(only_given(given))
    with bootstrap.build(executor="inline") as services:
        page = services.backtests.list(query)
    data = {
        "runs": [summary_data(item) for item in page.runs],
        "total": page.total,
        "page": page.page,
        "page_size": page.page_size,
        "total_pages": page.total_pages,
    }

    def show(out: Console) -> None:
        columns = ["Run>", "Status", "Strategy", "Symbols", "Bars", "Return>", "Sharpe>"]
        columns += ["Max DD>", "Trades>"]
        more = [query.sort_by] if query.sort_by in METRICS and query.sort_by not in LISTED else []
        columns += [f"{METRICS[name].label}>" for name in more] + ["Source", "Submitted (UTC)"]
        named = any(item.name for item in page.runs)
        columns += ["Name"] * named
        rows = [_row(item, (*LISTED, *more)) for item in page.runs]
        if named:
            rows = [
                [*row, textwrap.shorten(item.name or "", LONGEST_SHOWN, placeholder=" ...")]
                for row, item in zip(rows, page.runs, strict=True)
            ]
        table(out, columns, rows)
        line(out, f"Page {page.page} of {page.total_pages}, {page.total} runs in all.")

    return Reply(data, show)


def show(args: Namespace) -> Reply:
    """Show one run."""
    with bootstrap.build(executor="inline") as services:
        kept = services.backtests.get(args.run)
        reply = run_reply(services, kept)
        data = dict(reply.data)
        sections = [reply.show]
        if args.trades:
            trades = services.backtests.trades(kept).to_dicts()
            data["trade_list"] = [finite(trade) for trade in trades]
            sections.append(lambda out: _show_trades(out, trades))
        if args.history:
            events = [list(event) for event in services.backtests.history(kept.id)]
            data["history"] = [
                dict(zip(("at", "from", "to", "note"), event, strict=True)) for event in events
            ]
            sections.append(lambda out: _show_history(out, events))

    def show_all(out: Console) -> None:
        for section in sections:
            section(out)

    return Reply(data, show_all)


def label(args: Namespace) -> Reply:
    """Write a name or a note on a run."""
    said: Mapping[Label, str | None] = {"name": args.name, "note": args.note}
    given = {what: text for what, text in said.items() if text is not None}
    if not given:
        raise InvalidInput("nothing is to be written", expected="--name, --note, or both")
    with bootstrap.build(executor="inline") as services:
        kept = services.backtests.label(args.run, given)

    def show(out: Console) -> None:
        line(out, f"Run {kept.id}: {kept.title} on {', '.join(kept.spec.symbols)}")
        _show_label(out, kept)

    return Reply(summary_data(kept), show)


def delete(args: Namespace) -> Reply:
    """Delete a run."""
    with bootstrap.build(executor="inline") as services:
        if not args.yes:
            _ask_first(args, services)
        number = services.backtests.delete(args.run, source="cli")
    return Reply(
        {"run_id": number, "deleted": True}, lambda out: line(out, f"Run {number} is deleted.")
    )


def _ask_first(args: Namespace, services: Services) -> None:
    """Have somebody say that a run is to be deleted.

    Raises:
        InvalidInput: nobody is there to be asked, or they do not want it.
    """
    if args.json or not sys.stdin.isatty():
        raise InvalidInput(
            f"nothing brings run {args.run} back",
            expected="--yes, to say that it is meant",
            field="yes",
        )
    kept = services.backtests.get(args.run)
    named = f" ({kept.name})" if kept.name else ""
    print(
        f"Delete run {kept.id}{named}, {kept.title} on {', '.join(kept.spec.symbols)}? "
        "Nothing brings it back. [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise InvalidInput("nothing was deleted", expected="y")


def reproduce(args: Namespace) -> Reply:
    """Compute a run again and compare the bytes."""
    with (
        bootstrap.build(executor="inline") as services,
        progress(f"Computing run {args.run} again", quiet=args.json),
    ):
        outcome = services.backtests.reproduce(args.run)
    data = {
        "run_id": outcome.run.id,
        "identical": outcome.identical,
        "changed_inputs": list(outcome.changed_inputs),
        "artifacts": {
            name: {"stored": stored, "computed": computed}
            for name, (stored, computed) in outcome.artifacts.items()
        },
    }

    def show(out: Console) -> None:
        rows = [
            (name, stored[:16], computed[:16], "same" if stored == computed else "differs")
            for name, (stored, computed) in outcome.artifacts.items()
        ]
        table(out, ("Artifact", "Stored", "Computed", ""), rows)
        if outcome.identical:
            line(out, f"Run {outcome.run.id} is reproduced bit for bit.")
        elif outcome.changed_inputs:
            changed = ", ".join(outcome.changed_inputs)
            line(out, f"Run {outcome.run.id} comes out differently; changed since: {changed}.")
        else:
            line(out, f"Run {outcome.run.id} comes out differently though no input has changed.")

    return Reply(data, show, code=0 if outcome.identical else 1)


def assumptions(args: Namespace) -> Reply:
    """Compute a run under the other fill rules."""
    with (
        bootstrap.build(executor="inline") as services,
        progress(f"Computing run {args.run} under other rules", quiet=args.json),
    ):
        found = services.backtests.assumptions(args.run)
    spans = {name: found.interval(name) for name in METRICS}
    data = {
        "run_id": found.run.id,
        "rules": [
            {
                "rule": one.rule,
                "fill": one.options.fill,
                "delay": one.options.delay,
                "intrabar": one.options.intrabar,
                "detail": one.options.detail,
                "counters": dict(one.metrics.counters),
                "is_own": one.is_own,
                "metrics": dict(one.metrics.values),
                "undefined": dict(one.metrics.reasons),
                "badges": list(one.metrics.badges),
            }
            for one in found.each
        ],
        "intervals": {name: span and list(span) for name, span in spans.items()},
        "notes": list(found.notes),
    }

    def show(out: Console) -> None:
        metrics = [one.metrics for one in found.each]
        columns = [f"{RULE_LABELS[one.rule]}{' (own)' * one.is_own}>" for one in found.each]
        table(out, ["Metric", *columns], [_metric_row(name, metrics) for name in HEADLINE])
        for one in found.each:
            if (said := one.detail()) is not None:
                line(out, f"{RULE_LABELS[one.rule]}: {said}.")
        for note in found.notes:
            line(out, f"Not computed: {note}.")
        line(out, "The same decisions, filled at other moments. Nobody can trade the same close.")

    return Reply(data, show)


def costs(args: Namespace) -> Reply:
    """Show what a run paid for what."""
    with bootstrap.build(executor="inline") as services:
        found = services.backtests.costs(args.run)
    model = found.run.spec.costs
    sums = {"fees": found.fees, "slippage": found.slippage, "total": found.total}
    data = {
        "run_id": found.run.id,
        "model": model.name,
        "sentence": sentence_of(model),
        "parts": {line.part: _line_data(line) for line in found.lines},
        **{name: _line_data(line) for name, line in sums.items()},
        "traded": found.traded,
        "fills": found.fills,
        "trades": found.trades,
        "net_profit": found.net_profit,
        "gross_profit": found.gross_profit,
        "breakeven_multiple": found.breakeven_multiple,
        "breakeven_bps": found.breakeven_bps,
        "undefined": found.reasons,
        "curve": [{"multiple": k, "net_profit": net} for k, net in found.curve],
    }

    def show(out: Console) -> None:
        fact(out, "costs", sentence_of(model))
        rows = [
            (COST_PARTS[line.part].label, COST_PARTS[line.part].payee, *_line_cells(line))
            for line in found.lines
        ]
        rows += [(name.capitalize(), "", *_line_cells(line)) for name, line in sums.items()]
        columns = ["", "Paid to", "Money>", "bps of value>", "of gross>", "per trade>", "Fills>"]
        table(out, columns, rows)
        fact(out, "gross profit", f"{found.gross_profit:,.2f}")
        fact(out, "net profit", f"{found.net_profit:,.2f}")
        times = found.breakeven_multiple
        why = REASONS.get(found.reasons.get("breakeven_multiple", ""), "")
        fact(out, "break-even", f"undefined: {why}" if times is None else f"{times:,.2f} times")
        if found.breakeven_bps is not None:
            fact(out, "", f"{found.breakeven_bps:,.2f} bps of the value of each fill")
        line(out, "The same trades, charged a multiple of what they paid:")
        points = [(f"{k:g} times", f"{net:,.2f}") for k, net in found.curve if k == round(k)]
        table(out, ("Costs", "Net profit>"), points)

    return Reply(data, show)


def run_reply(services: Services, kept: Run) -> Reply:
    """Answer with one run: everything an agent or a person wants to know of it."""
    data = run_data(services, kept)
    code = 0
    if kept.status is RunStatus.FAILED:
        code = FAILED_EXIT.get(kept.error.code, 1) if kept.error else 1
    return Reply(data, lambda out: show_run(out, kept, data), code)


def run_data(services: Services, kept: Run) -> dict[str, Any]:
    """Give a run as one JSON object."""
    data = summary_data(kept)
    data |= {
        "options": kept.spec.options.model_dump(mode="json"),
        "costs": kept.spec.costs.model_dump(mode="json"),
        "policy": services.backtests.policy(kept),
        "notes": list(services.backtests.notes(kept)),
        "verdict": services.backtests.verdict(kept),
        "run_key": kept.run_key,
        "first_bar": kept.first_bar,
        "last_bar": kept.last_bar,
        "bars": kept.bars,
        "engine_ms": kept.engine_ms,
        "engine_version": kept.engine_version,
        "code_hash": kept.code_hash,
        "data_hashes": dict(kept.data_hashes),
        "artifacts": {
            name: {"path": services.backtests.artifact_path(kept, name), "sha256": digest}
            for name, digest in kept.artifacts.items()
        },
        "undefined": dict(kept.metrics.reasons) if kept.metrics else {},
        "counters": dict(kept.metrics.counters) if kept.metrics else {},
        "by_symbol": {symbol: dict(metrics.values) for symbol, metrics in kept.by_symbol.items()},
    }
    return data


def summary_data(kept: Run) -> dict[str, Any]:
    """Give the part of a run that lists show."""
    trades = kept.metrics["trades"] if kept.metrics else None
    return {
        "run_id": kept.id,
        "uuid": kept.uuid,
        "job_id": kept.job_id,
        "status": kept.status.value,
        "strategy": kept.spec.strategy,
        "title": kept.title,
        "params": dict(kept.spec.params),
        "symbols": list(kept.spec.symbols),
        "benchmark": kept.spec.benchmark,
        "timeframe": kept.spec.timeframe.value,
        "start": kept.spec.start,
        "end": kept.spec.end,
        "source": kept.source,
        "reused": kept.reused,
        "study_id": kept.trial and kept.trial.study,
        "trial": kept.trial and kept.trial.number,
        "name": kept.name,
        "note": kept.note,
        "created_at": kept.created_at,
        "started_at": kept.started_at,
        "completed_at": kept.completed_at,
        "error": None
        if kept.error is None
        else {"code": kept.error.code, "message": kept.error.message, "hint": kept.error.hint},
        "badges": list(kept.badges),
        "trades": None if trades is None else int(trades),
        "metrics": dict(kept.metrics.values) if kept.metrics else None,
    }


def show_run(out: Console, kept: Run, data: Mapping[str, Any]) -> None:
    """Print a run for people."""
    spec = kept.spec
    line(out, f"Run {kept.id}: {kept.title} on {', '.join(spec.symbols)}, {spec.timeframe} bars")
    _show_label(out, kept)
    params = ", ".join(f"{name}={value}" for name, value in spec.params.items())
    fact(out, "parameters", params or "none")
    if kept.first_bar and kept.last_bar:
        fact(out, "period", f"{kept.first_bar:%Y-%m-%d} to {kept.last_bar:%Y-%m-%d}")
    fact(out, "benchmark", spec.benchmark or "own symbols, bought and held")
    fact(out, "rules", data["policy"])
    for note in data["notes"]:
        fact(out, "caution", note)
    fact(out, "status", kept.status.value + (", result was already kept" if kept.reused else ""))
    if kept.error:
        fact(out, "failed", kept.error.message)
        if kept.error.hint:
            fact(out, "", kept.error.hint)
    if kept.metrics is None:
        return
    fact(out, "verdict", data["verdict"])
    for badge in kept.badges:
        fact(out, "caution", BADGES.get(badge, badge))
    out.print()
    columns = ["", "All>"]
    metrics = [kept.metrics]
    if len(kept.by_symbol) > 1:
        columns += [f"{symbol}>" for symbol in kept.by_symbol]
        metrics += list(kept.by_symbol.values())
    beside = [name for name in BESIDE_TRADES if kept.metrics[name]]
    table(out, columns, [_metric_row(name, metrics) for name in (*HEADLINE, *beside)])
    for name, reason in kept.metrics.reasons.items():
        if name in HEADLINE:
            line(out, f"  {METRICS[name].label} is undefined: {REASONS.get(reason, reason)}.")
    dropped = {name: count for name, count in kept.metrics.counters.items() if count}
    line(out, "  Counters: " + ", ".join(f"{name} {count}" for name, count in dropped.items()))


def _show_label(out: Console, kept: Run) -> None:
    for what, text in (("name", kept.name), ("note", kept.note)):
        if text:
            fact(out, what, text)


def _metric_row(name: str, metrics: Sequence[Metrics]) -> list[str]:
    metric = METRICS[name]
    return [metric.label, *(number(item[name], metric.unit) for item in metrics)]


def _line_data(cost: CostLine) -> dict[str, float | None]:
    names = ("amount", "fills", "bps", "gross_share", "cost_share", "per_trade")
    return {name: getattr(cost, name) for name in names}


def _line_cells(cost: CostLine) -> list[str]:
    return [
        f"{cost.amount:,.2f}",
        "-" if cost.bps is None else f"{cost.bps:,.3f}",
        "-" if cost.gross_share is None else f"{cost.gross_share:.2%}",
        "-" if cost.per_trade is None else f"{cost.per_trade:,.2f}",
        str(cost.fills),
    ]


def _row(kept: Run, metrics: Sequence[str]) -> list[str]:
    def value(name: str) -> str:
        return number(kept.metrics[name], METRICS[name].unit) if kept.metrics else "-"

    return [
        str(kept.id),
        kept.status.value + ", unreadable" * (kept.error is not None and kept.metrics is not None),
        kept.spec.strategy,
        ", ".join(kept.spec.symbols),
        kept.spec.timeframe.value,
        *map(value, metrics),
        kept.source,
        f"{kept.created_at:%Y-%m-%d %H:%M}",
    ]


def _show_trades(out: Console, trades: Sequence[Mapping[str, Any]]) -> None:
    columns = ["Symbol", "Side", "Units>", "Entry (UTC)", "Price>", "Exit (UTC)", "Price>"]
    columns += ["Reason", "P&L>", "Return>", "Bars>"]
    rows = [
        (
            trade["symbol"],
            trade["direction"],
            f"{trade['quantity']:,.6g}",
            f"{trade['entry_time']:%Y-%m-%d %H:%M}",
            f"{trade['entry_price']:,.4f}",
            "open" if trade["open"] else f"{trade['exit_time']:%Y-%m-%d %H:%M}",
            f"{trade['exit_price']:,.4f}",
            trade["exit_reason"] or "",
            f"{trade['pnl']:,.2f}",
            f"{trade['return']:.2%}",
            str(trade["bars"]),
        )
        for trade in trades
    ]
    table(out, columns, rows)


def _show_history(out: Console, events: Sequence[Sequence[Any]]) -> None:
    rows = [
        (f"{at:%Y-%m-%d %H:%M:%S}", str(before or ""), str(after or ""), str(note or ""))
        for at, before, after, note in events
    ]
    table(out, ("At (UTC)", "From", "To", "Note"), rows)


def finite(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row as JSON can hold it: what is not a number is null there."""
    return {name: None if value != value else value for name, value in record.items()}  # noqa: PLR0124
