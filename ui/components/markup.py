"""Small pieces of HTML. Every text goes through `text()`: a name is never markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import streamlit as st

from core.domain.metrics import BADGES, METRICS, Metrics
from core.domain.run import RunStatus
from ui import formats

SHORT_BADGES = {
    "optimistic_fill": "Optimistic",
    "delta_approximation": "Delta only",
    "zero_cost": "No costs",
    "short_history": "Under a year",
    "coarse_bars": "Coarse bars",
    "stale_prices": "Stale prices",
    "ruined": "Ruined",
    "drawdown_limit": "Ended early",
    "total_return": "Total return",
    "synthetic_data": "Synthetic",
}


def text(value: object) -> str:
    """Escape a value for use in HTML, attributes included."""
    return escape(str(value), quote=True)


def write(*parts: str) -> None:
    """Put HTML on the page (Streamlit sanitises it once more)."""
    st.html("".join(parts))


def chip(status: RunStatus) -> str:
    """Give the state of a run as a chip."""
    return f'<span class="wb-chip wb-{text(status)}">{text(status.capitalize())}</span>'


def badges(names: Iterable[str]) -> str:
    """Give cautions as badges whose full sentence shows on hover and to screen readers."""
    return "".join(
        f'<span class="wb-chip wb-badge" title="{text(BADGES.get(name, name))}">'
        f"{text(badge_label(name))}"
        f'<span class="wb-sr">: {text(BADGES.get(name, ""))}</span></span>'
        for name in names
    )


def badge_label(name: str) -> str:
    """Give the short name of a caution."""
    return SHORT_BADGES.get(name, name.replace("_", " ").capitalize())


def value(metrics: Metrics, name: str) -> str:
    """Give a metric's value; an undefined one is a dash that explains itself."""
    number = metrics.values.get(name)
    if number is None:
        why = text(formats.reason(metrics, name))
        shown = formats.undefined(metrics, name)
        return (
            f'<abbr class="wb-tip wb-muted" title="Undefined: {why}">{shown}'
            f'<span class="wb-sr"> undefined: {why}</span></abbr>'
        )
    tone = formats.tone(name, number)
    style = "" if tone == "plain" else f' class="wb-{tone}"'
    return f"<span{style}>{text(formats.metric(name, number))}</span>"


def label(name: str) -> str:
    """Give a metric's name with its definition as tooltip."""
    known = METRICS[name]
    return f'<abbr class="wb-tip" title="{text(known.help)}">{text(known.label)}</abbr>'


def facts(pairs: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """Give label and value pairs; values are HTML."""
    listed = pairs.items() if isinstance(pairs, Mapping) else pairs
    return (
        '<dl class="wb-facts">'
        + "".join(f"<dt>{text(name)}</dt><dd>{html}</dd>" for name, html in listed)
        + "</dl>"
    )


def card(title: str, body: str) -> str:
    """Give HTML under a small heading of its own."""
    return f'<div class="wb-card"><h3>{text(title)}</h3>{body}</div>'


def mono(value: object) -> str:
    """Give a name that only machines read."""
    return f'<span class="wb-mono">{text(value)}</span>'


def section(title: str) -> str:
    """Give a quiet heading."""
    return f'<h2 class="wb-section">{text(title)}</h2>'
