"""Commands about prices: import, data."""

from __future__ import annotations

from argparse import Namespace
from datetime import date
from typing import TYPE_CHECKING, Any

from core import bootstrap
from core.cli.output import Reply, line, progress, table
from core.cli.words import csv_file, one_day, pairs
from core.domain.dataset import ImportReport, Series
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from rich.console import Console

    from core.services.market import Market

LABELS = ("open", "close")
DATE_ORDERS = ("auto", "dmy", "mdy", "ymd")
REJECTIONS_SHOWN = 10
# As the lake takes files that say nothing, and the API uploads that say nothing.
UNNAMED_MARKET = "24/7"


def import_file(args: Namespace) -> Reply:
    """Import a CSV file of prices into the lake."""
    source = csv_file(args.file)
    given: dict[str, Any] = {
        "zone": args.zone,
        "currency": args.currency,
        "timeframe": None if args.timeframe is None else Timeframe.parse(args.timeframe),
        "label": _one_of(args.label, LABELS, "label"),
        "date_order": _one_of(args.date_order, DATE_ORDERS, "date-order"),
        "columns": pairs(args.column, "--column") or None,
        "splits": tuple(_split(*each) for each in pairs(args.split, "--split").items()),
    }
    with (
        bootstrap.build(executor="inline") as services,
        progress(f"Importing {source.name}", quiet=args.json) as tick,
    ):
        market = args.market
        if market is None:
            market = _known_market(services.market, args.symbol)
        assumed = market is None
        report = services.market.import_csv(
            source,
            name=source.name,
            symbol=args.symbol,
            market=UNNAMED_MARKET if assumed else market,
            synthetic=args.synthetic,
            description=args.description,
            source_note=args.source,
            progress=tick,
            **{name: value for name, value in given.items() if value is not None},
        )

    def show(out: Console) -> None:
        show_report(out, report)
        if assumed:
            assumption = f"{report.market} is assumed: UTC, no opening hours"
            line(out, f"  note: no market was named; {assumption}. --market names another")

    return Reply(report_data(report) | {"market_assumed": assumed}, show)


def data(args: Namespace) -> Reply:
    """List what the lake holds, or show bars of one symbol."""
    with bootstrap.build(executor="inline") as services:
        if args.symbol is None:
            return _listing(services.market.series())
        if args.rows < 1:
            raise InvalidInput(f"--rows is {args.rows}", expected="at least 1", field="rows")
        timeframes = services.market.timeframes(args.symbol)
        wanted = timeframes[0] if args.timeframe is None else Timeframe.parse(args.timeframe)
        frame = services.market.bars_frame(
            args.symbol, wanted, one_day(args.start, "start"), one_day(args.end, "end")
        )
    bars = frame.tail(args.rows).to_dicts()
    facts = {
        "symbol": args.symbol,
        "timeframe": wanted.value,
        "timeframes": [timeframe.value for timeframe in timeframes],
        "rows": frame.height,
        "bars": bars,
    }

    def show(out: Console) -> None:
        rows = [
            (
                f"{bar['timestamp']:%Y-%m-%d %H:%M}",
                *(f"{bar[name]:,.4f}" for name in ("open", "high", "low", "close")),
                "-" if bar["volume"] is None else f"{bar['volume']:,.0f}",
            )
            for bar in bars
        ]
        table(out, ("Opens (UTC)", "Open>", "High>", "Low>", "Close>", "Volume>"), rows)
        line(out, f"Last {len(bars)} of {frame.height:,} {wanted} bars of {args.symbol}.")

    return Reply(facts, show)


def _listing(series: list[Series]) -> Reply:
    facts = {
        "series": [
            {
                "symbol": item.symbol,
                "timeframe": item.timeframe.value,
                "market": item.market,
                "first": item.first,
                "last": item.last,
                "rows": item.rows,
                "synthetic": item.synthetic,
                "currency": item.currency,
                "description": item.description,
                "source": item.source,
            }
            for item in series
        ]
    }

    def show(out: Console) -> None:
        if not series:
            line(out, "The lake is empty. `workbench demo` fills it, `workbench import` too.")
            return
        rows = [
            (
                item.symbol,
                item.timeframe.value,
                item.market,
                f"{item.first:%Y-%m-%d}",
                f"{item.last:%Y-%m-%d}",
                f"{item.rows:,}",
                item.currency or "-",
                ("synthetic: " if item.synthetic else "") + item.description,
            )
            for item in series
        ]
        table(
            out,
            ("Symbol", "Bars", "Market", "First", "Last", "Rows>", "Currency", "What it is"),
            rows,
        )

    return Reply(facts, show)


def report_data(report: ImportReport) -> dict[str, Any]:
    """Give an import report as one JSON object."""
    return {
        "symbol": report.symbol,
        "timeframe": report.timeframe.value,
        "market": report.market,
        "outcome": report.outcome,
        "rows_read": report.rows_read,
        "rows_stored": report.rows_stored,
        "rows_new": report.rows_new,
        "rows_rejected": len(report.rejections),
        "rejected_by_reason": report.rejected_by_reason,
        "rejections": [
            {"line": item.line, "reason": item.reason, "detail": item.detail}
            for item in report.rejections
        ],
        "first": report.first,
        "last": report.last,
        "content_hash": report.content_hash,
        "warnings": list(report.warnings),
        "layout": dict(report.layout),
    }


def show_report(out: Console, report: ImportReport) -> None:
    """Print an import report for people."""
    line(
        out,
        f"{report.symbol}, {report.timeframe} bars of {report.market}, "
        f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}: {report.outcome}.",
    )
    line(
        out,
        f"  {report.rows_read:,} rows read = {report.rows_stored:,} stored "
        f"({report.rows_new:,} new) + {len(report.rejections):,} rejected",
    )
    layout = ", ".join(f"{name} {value}" for name, value in report.layout.items())
    line(out, f"  read as: {layout}")
    for warning in report.warnings:
        line(out, f"  note: {warning}")
    for item in report.rejections[:REJECTIONS_SHOWN]:
        line(out, f"  line {item.line}: {item.reason}, {item.detail}")
    if len(report.rejections) > REJECTIONS_SHOWN:
        line(out, f"  and {len(report.rejections) - REJECTIONS_SHOWN:,} more; --json lists all")


def _known_market(market: Market, symbol: str) -> str | None:
    try:
        return market.series(symbol)[0].market
    except NotFound:
        return None


def _one_of(value: str | None, allowed: tuple[str, ...], option: str) -> str | None:
    if value is not None and value not in allowed:
        raise InvalidInput(
            f"--{option} is {value!r}", expected="one of " + ", ".join(allowed), field=option
        )
    return value


def _split(day: str, ratio: str) -> tuple[date, float]:
    try:
        return date.fromisoformat(day), float(ratio)
    except ValueError:
        raise InvalidInput(
            f"--split is {day}={ratio}", expected="DATE=RATIO, e.g. 2005-02-28=2", field="split"
        ) from None
