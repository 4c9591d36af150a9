"""Which parts of the workbench answer."""

from __future__ import annotations

from collections.abc import Mapping

from ui.components import markup


def show(parts: Mapping[str, Mapping[str, str]]) -> None:
    """Draw one line for each part: its state and a word about it."""
    rows = {
        name.capitalize(): f"{_chip(part['status'])} {markup.text(part['detail'])}"
        for name, part in parts.items()
    }
    markup.write(markup.section("What answers"), markup.facts(rows))


def _chip(status: str) -> str:
    kind = "completed" if status == "healthy" else "failed"
    return f'<span class="wb-chip wb-{kind}">{markup.text(status.capitalize())}</span>'
