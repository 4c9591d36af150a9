"""A run beside the same decisions under the other fill rules."""

from __future__ import annotations

from core.domain.assumptions import RULE_LABELS, Assumption, Assumptions
from ui import formats
from ui.components import markup

COLUMNS = (
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "trades",
    "win_rate",
    "profit_factor",
    "fees",
)
AMBIGUOUS = "Ambiguous bars"


def show(found: Assumptions) -> None:
    """Draw one row for each rule and how far they lie apart beneath."""
    head = "".join(f'<th scope="col">{markup.label(name)}</th>' for name in COLUMNS)
    head += f'<th scope="col">{AMBIGUOUS}</th>'
    rows = "".join(_row(one) for one in found.each)
    spans = "".join(f"<td>{_span(found, name)}</td>" for name in COLUMNS)
    markup.write(
        '<p class="wb-muted wb-small">The same decisions, filled at other moments, and with bars '
        "read another way. A result that lives on one of them lives on the assumption.</p>",
        '<div class="wb-scroll"><table class="wb-table" data-testid="assumptions">',
        '<caption class="wb-sr">Results by fill rule</caption>',
        f'<thead><tr><th scope="col" class="wb-left">Filled at</th>{head}</tr></thead>',
        f"<tbody>{rows}</tbody>",
        f'<tfoot><tr><th scope="row">Interval</th>{spans}<td></td></tr></tfoot></table></div>',
        *(f'<p class="wb-muted">{markup.text(note)}</p>' for note in _notes(found)),
    )


def _notes(found: Assumptions) -> list[str]:
    """Say what finer bars decided, where there are some, and why they could not."""
    said = [
        f"{RULE_LABELS[one.rule]}: {words}."
        for one in found.each
        if one.rule == "detail" or one.is_own
        if (words := one.detail()) is not None
    ]
    return [*said, *(f"Not computed: {note}." for note in found.notes)]


def _row(one: Assumption) -> str:
    cells = "".join(f"<td>{markup.value(one.metrics, name)}</td>" for name in COLUMNS)
    cells += f"<td>{one.metrics.counters['ambiguous_bars']:,}</td>"
    own = ' <span class="wb-chip">this run</span>' if one.is_own else ""
    marks = f' <span class="wb-chips">{markup.badges(_own_marks(one))}</span>'
    return f'<tr><th scope="row">{markup.text(RULE_LABELS[one.rule])}{own}{marks}</th>{cells}</tr>'


def _own_marks(one: Assumption) -> list[str]:
    """Give the cautions that come from the rule; the others stand above, for every rule alike."""
    return [name for name in one.metrics.badges if name in {"optimistic_fill", "ruined"}]


def _span(found: Assumptions, name: str) -> str:
    span = found.interval(name)
    if span is None:
        return formats.NONE
    low, high = (formats.metric(name, value) for value in span)
    return markup.text(low if low == high else f"{low} to {high}")
