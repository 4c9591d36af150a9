"""From signal to trade, with every loss on the way."""

from __future__ import annotations

from core.plots.funnel import FunnelInfo, FunnelStep
from ui import formats
from ui.components import markup


def show(info: FunnelInfo) -> None:
    """Draw the funnel, and beneath it what happened on the way."""
    notes = " · ".join(_note(note) for note in info.notes)
    markup.write(
        '<div class="wb-funnel" data-testid="funnel">',
        *(_bar(step) for step in info.steps),
        f'</div><p class="wb-muted wb-small wb-notes">{notes}</p>',
    )


def _bar(step: FunnelStep) -> str:
    style = "wb-bar wb-lost" if step.lost else "wb-bar"
    minus = f"{formats.MINUS} " if step.lost else ""
    return (
        f'<span title="{markup.text(step.help)}">{minus}{markup.text(step.label)}</span>'
        f'<span class="{style}"><i style="width:{step.share * 100:.2f}%"></i></span>'
        f'<span class="wb-count">{step.number:,}</span>'
    )


def _note(note: FunnelStep) -> str:
    return f'<abbr class="wb-tip" title="{markup.text(note.help)}">{_words(note)}</abbr>'


def _words(note: FunnelStep) -> str:
    return f"{note.number:,} {markup.text(note.label.lower())}"
