"""How numbers, times and names look: one place, so that every page says them the same way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from math import ceil
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from core.domain.dimension import Dimension
from core.domain.metrics import METRICS, REASONS, Metrics, MetricUnit
from core.domain.run import RunSpec

NONE = "—"
MINUS = "\N{MINUS SIGN}"
# Options whose name says it in letters.
SETTINGS = {"max_dd_limit": "drawdown limit"}
INFINITE = "\N{INFINITY}"

# What spreadsheets take for the start of a formula, full-width and hidden characters included.
FORMULA_START = r"^[\s\x00\ufeff]*[=+\-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20]"

HUGE = 10.0
NO_CENTS = 1_000.0

Tone = Literal["gain", "loss", "plain"]

SIGNED = frozenset(
    {
        "alpha",
        "net_profit",
        "total_return",
        "cagr",
        "expectancy",
        "expectancy_pct",
        "average_win",
        "average_loss",
        "best_trade",
        "worst_trade",
    }
)

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """Write a number with thousands separators and a true minus sign."""
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def plain(value: float) -> str:
    """Write a setting with all its digits, and no more: two that differ must look different."""
    return f"{value:,.15g}".replace("-", MINUS)


def parameter(value: object) -> str:
    """Write the value of a parameter; None is one nobody chose."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "on" if value else "off"
    return plain(value) if isinstance(value, (int, float)) else str(value)


def setting(name: str) -> str:
    """Write the name of an option or a figure as words."""
    return SETTINGS.get(name, name.replace("_", " "))


def percent(fraction: float, digits: int = 2, *, signed: bool = False) -> str:
    """Write a fraction as percent; from 1,000% on the decimals say nothing and go."""
    return number(fraction * 100, 0 if abs(fraction) >= HUGE else digits, signed=signed) + "%"


def money(value: float, *, signed: bool = False) -> str:
    """Write account currency: cents only where they matter."""
    return number(value, 0 if abs(value) >= NO_CENTS else 2, signed=signed)


def duration(seconds: float) -> str:
    """Write a length of time in its largest sensible unit."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if abs(seconds) >= unit:
            return f"{number(seconds / unit, 1)} {name}"
    return f"{number(seconds, 0)} s"


def metric(name: str, value: float | None) -> str:
    """Write a metric in its unit; undefined ones as a dash."""
    if value is None:
        return NONE
    signed = name in SIGNED
    whole = value == int(value)
    if name == "min_trl":
        value = ceil(value)  # part of a session is not enough
    writers: dict[MetricUnit, Callable[[], str]] = {
        "fraction": lambda: percent(value, signed=signed),
        "money": lambda: money(value, signed=signed),
        "count": lambda: number(value, 0),
        "sessions": lambda: number(value, 0),
        "bars": lambda: number(value, 0 if whole else 1),
        "seconds": lambda: duration(value),
        "bps": lambda: f"{number(value, 1)} bps",
        "ratio": lambda: number(value, 2),
    }
    return writers[METRICS[name].unit]()


def reason(metrics: Metrics, name: str) -> str:
    """Say why a metric is undefined, in words."""
    code = metrics.reasons.get(name, "")
    return REASONS.get(code, code.replace("_", " "))


def undefined(metrics: Metrics, name: str) -> str:
    """Write what has no number: a dash, or infinity for profits without a loss."""
    return INFINITE if metrics.is_lossless(name) else NONE


def tone(name: str, value: float | None) -> Tone:
    """Say whether a signed metric reads as gain or loss."""
    if name not in SIGNED or not value:
        return "plain"
    return "gain" if value > 0 else "loss"


def zone(name: str | None) -> ZoneInfo:
    """Give the reader's time zone, UTC when the browser names none we know."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def moment(when: datetime, reader: ZoneInfo) -> str:
    """Write an instant in the reader's zone."""
    return when.astimezone(reader).strftime("%d %b %Y %H:%M:%S %Z")


def ago(when: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    seconds = (now - when).total_seconds()
    for limit, unit, name in ((_HOUR, _MINUTE, "min"), (_DAY, _HOUR, "h"), (_WEEK, _DAY, "d")):
        if seconds < _MINUTE:
            return "just now"
        if seconds < limit:
            return f"{int(seconds // unit)} {name} ago"
    return when.strftime("%d %b %Y")


def day(value: date | datetime | None) -> str:
    """Write a date; a dash for none."""
    return NONE if value is None else value.strftime("%d %b %Y")


def span(start: datetime | date | None, end: datetime | date | None) -> str:
    """Write a range of dates; no dates at all mean everything there is."""
    if start is None and end is None:
        return "all sessions"
    return f"{day(start)} \N{EN DASH} {day(end)}"


def params(values: dict[str, object] | None) -> str:
    """Write parameters on one line: `fast 12 · slow 48`."""
    return " · ".join(f"{name} {_plain(value)}" for name, value in (values or {}).items())


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}".replace("-", MINUS)
    return str(value)


def varied(dimension: Dimension) -> str:
    """Write what a parameter is varied over: `10 to 30 by 10`, `off, on`."""
    if any(isinstance(each, bool) for each in dimension.choices):
        return ", ".join(_plain(each) for each in dimension.choices)
    return dimension.describe()


def names(symbols: tuple[str, ...], most: int = 3) -> str:
    """Write symbols on one line; beyond `most` only how many more."""
    shown = ", ".join(symbols[:most])
    return shown if len(symbols) <= most else f"{shown} +{len(symbols) - most}"


def benchmark(spec: RunSpec) -> str:
    """Name what a run is measured against, as within a sentence."""
    return f"holding {spec.benchmark}" if spec.benchmark else "buy and hold"


def utc_now() -> datetime:
    """Give the present moment (the door reads the clock, the core is told)."""
    return datetime.now(UTC)


def csv(frame: pl.DataFrame) -> bytes:
    """Write a frame as CSV that a spreadsheet reads as data and nothing else.

    Texts that a spreadsheet would take for a formula get an apostrophe in front; numbers and times
    stay as they are, to the last digit.
    """
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    safe = frame.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA_START))
        .then(pl.concat_str(pl.lit("'"), pl.col(name)))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    )
    return safe.write_csv().encode()


def change(name: str, difference: float) -> str:
    """Write a difference of two values of a metric, always with its sign."""
    match METRICS[name].unit:
        case "fraction":
            return f"{number(difference * 100, 2, signed=True)} pp"
        case "money":
            return money(difference, signed=True)
        case "count" | "sessions":
            return number(difference, 0, signed=True)
        case "seconds":
            return ("+" if difference > 0 else "") + duration(difference)
        case _:
            return number(difference, 2, signed=True)
