"""What a run is and what it says, before any number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from core.domain.run import Run, RunStatus
from ui import formats
from ui.components import markup

SOURCES = {
    "ui": "in the UI",
    "api": "over REST",
    "cli": "from the command line",
    "python": "from Python",
    "demo": "as a demo",
}


def show(
    run: Run,
    *,
    verdict: str | None,
    policy: str,
    notes: Sequence[str],
    reader: ZoneInfo,
    now: datetime,
) -> None:
    """Draw title, state, cautions, verdict, policy and notes of a run."""
    markup.write(
        '<header class="wb-headline">',
        f"<h1>{markup.text(run.title)}{_params(run)}</h1>",
        f'<div class="wb-sub">{_facts(run, reader, now)}</div>',
        f'<p class="wb-verdict">{markup.text(verdict)}</p>' if verdict else "",
        f'<p class="wb-policy">{markup.text(policy)}</p>',
        *(f'<p class="wb-policy wb-note">{markup.text(note)}</p>' for note in notes),
        "</header>",
    )


def _params(run: Run) -> str:
    line = formats.params(dict(run.spec.params))
    return f' <span class="wb-params">{markup.text(line)}</span>' if line else ""


def _facts(run: Run, reader: ZoneInfo, now: datetime) -> str:
    symbols = markup.text(formats.names(run.spec.symbols, most=8))
    first, last = run.first_bar or run.spec.start, run.last_bar or run.spec.end
    bars = f" · {run.bars:,} bars" if run.bars else ""
    title = markup.text(formats.moment(run.created_at, reader))
    door = SOURCES.get(run.source, run.source)
    submitted = markup.text(f"{formats.ago(run.created_at, now)} {door}")
    parts = [
        f'<span class="wb-muted">Run #{run.id}</span>',
        f"<b>{symbols}</b>",
        f"<span>{markup.text(run.spec.timeframe)}, {formats.span(first, last)}{bars}</span>",
        _currency(run),
        f'<span title="{title}">Submitted {submitted}</span>',
        f'<span class="wb-chips">{_state(run)}{markup.badges(run.badges)}</span>',
    ]
    return "".join(parts)


def _currency(run: Run) -> str:
    account = run.spec.options.account_currency
    if account is None:
        return ""
    return f'<span title="Currency of cash and every sum">in {markup.text(account)}</span>'


def _state(run: Run) -> str:
    chips = "" if run.status is RunStatus.COMPLETED else markup.chip(run.status)
    if run.reused:
        chips += (
            '<span class="wb-chip wb-note" title="The same strategy code, parameters, prices and '
            'rules had been computed before; the stored result is shown.">Reused result</span>'
        )
    return chips
