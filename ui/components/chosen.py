"""The trial to take: its parameters, what it did, and where it may be improved."""

from __future__ import annotations

from core.domain.findings import Findings, Study
from core.domain.metrics import METRICS
from ui import formats
from ui.components import markup, verdict

SHOWN = ("sharpe", "total_return", "max_drawdown", "trades", "profit_factor")
NOTHING = "No trial met the requirements, so there is none to take."


def show(study: Study) -> None:
    """Draw the trial the study chose, training beside what was held back."""
    found = study.findings
    if found is None:
        return
    if found.chosen is None:
        markup.write(f'<p class="wb-why" data-testid="chosen">{NOTHING}</p>')
        return
    params = {
        name.replace("_", " ").capitalize(): f"<b>{markup.text(formats.parameter(value))}</b>"
        for name, value in found.chosen.params.items()
    }
    later = found.validation
    heads = f'<th scope="col">{formats.span(found.first, found.last)}</th>'
    if later is not None:
        heads += f'<th scope="col">held back, {formats.span(later.first, later.last)}</th>'
    markup.write(
        '<div data-testid="chosen">',
        markup.facts({"Trial": f"{found.chosen.number:,}{_peak(found)}", **params}),
        '<div class="wb-scroll"><table class="wb-table"><caption class="wb-sr">'
        "The trial where it was searched and afterwards</caption>",
        f'<thead><tr><th scope="col"></th>{heads}</tr></thead><tbody>',
        ""
        if study.spec.objectives[0].metric in SHOWN
        else _row(verdict.objective_name(study), verdict.objective(study), None, later is not None),
        *(_metric(name, found) for name in SHOWN),
        "</tbody></table></div>",
        _embargo(found),
        "</div>",
    )


def _peak(found: Findings) -> str:
    if found.peak is None or found.chosen is None or found.peak.number == found.chosen.number:
        return ' <span class="wb-muted">the best, with its neighbours too</span>'
    alone = f"trial {found.peak.number:,} with {formats.params(dict(found.peak.params))}"
    words = f"the best with its neighbours; alone it is {alone}"
    return f' <span class="wb-muted">{markup.text(words)}</span>'


def _embargo(found: Findings) -> str:
    """Say that positions reach into what was held back, where they may."""
    later = found.validation
    if later is None or later.embargo_needed <= later.embargo:
        return ""
    noun = "session" if later.embargo_needed == 1 else "sessions"
    left_out = f"only {later.embargo:,}" if later.embargo else "none"
    return (
        f'<p class="wb-muted wb-small wb-notes">This trial holds a position for up to '
        f"{later.embargo_needed:,} {noun}, and {left_out} of those before the part held back were "
        "left out: one that was opened before may have earned in it. An embargo of "
        f"{later.embargo_needed:,} would keep both apart.</p>"
    )


def _metric(name: str, found: Findings) -> str:
    later, chosen = found.validation, found.chosen
    value = None if chosen is None else chosen.metrics.get(name)
    after = None
    if later is not None:
        after = {
            "sharpe": later.sharpe,
            "total_return": later.total_return,
            "max_drawdown": later.max_drawdown,
        }.get(name)
    shown = (
        "" if later is None or name not in {"sharpe", *SHOWN[1:3]} else _metric_text(name, after)
    )
    return _row(METRICS[name].label, _metric_text(name, value), shown, later is not None)


def _metric_text(name: str, value: float | None) -> str:
    return formats.metric(name, value)


def _row(label: str, value: str, after: str | None, has_after: bool) -> str:  # noqa: FBT001
    cell = f"<td>{markup.text(after or '')}</td>" if has_after else ""
    return f'<tr><th scope="row">{markup.text(label)}</th><td>{markup.text(value)}</td>{cell}</tr>'


def show_edges(found: Findings) -> None:
    """Say which parameters lie at an end of their range; nothing where none does."""
    if not found.edges:
        return
    ends = {"low": "lower", "high": "upper"}
    said = "; ".join(
        f"{str(edge['name']).replace('_', ' ')} is at the {ends[str(edge['side'])]} end of its "
        f"range, {formats.plain(float(edge['value']))}"
        for edge in found.edges
    )
    markup.write(
        '<section class="wb-box wb-caution wb-edges" role="status" data-testid="edges">'
        "<h2>Something better may lie beyond the range</h2>"
        f"<p>{markup.text(said[:1].upper() + said[1:])}. Search again with a wider one.</p>"
        "</section>"
    )
