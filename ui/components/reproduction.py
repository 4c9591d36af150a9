"""Whether computing a run again gave the same bits."""

from __future__ import annotations

from core.domain.run import Reproduction
from ui.components import markup


def show(outcome: Reproduction) -> None:
    """Draw the verdict, and what changed when it is not the same."""
    total = len(outcome.artifacts)
    same = sum(old == new for old, new in outcome.artifacts.values())
    if outcome.identical:
        title, body = "Bit-equal", f"All {total} tables were computed again with the stored hashes."
        kind = "good"
    elif outcome.changed_inputs:
        title = "Not the same, because inputs changed"
        body = f"{same} of {total} tables have the stored hash."
        kind = "caution"
    else:
        title = "Not the same, although no input changed"
        body = f"{same} of {total} tables have the stored hash. This is a fault; please report it."
        kind = "problem"
    changed = ", ".join(_input(name) for name in outcome.changed_inputs)
    rows = f"<dl><dt>Changed</dt><dd>{markup.text(changed)}</dd></dl>" if changed else ""
    markup.write(
        f'<section class="wb-box wb-{kind}" role="status" data-testid="reproduction">'
        f"<h2>{title}</h2><p>{markup.text(body)}</p>{rows}</section>"
    )


def _input(name: str) -> str:
    if name.startswith("data:"):
        return f"prices of {name.removeprefix('data:')}"
    return {"code": "strategy code", "engine": "engine version"}.get(name, name)
