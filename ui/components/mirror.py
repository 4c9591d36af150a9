"""Where a run or study is in MLflow, beside what it was computed from."""

from __future__ import annotations

from core.domain.tracking import Mirror
from ui.components import markup


def card(mirror: Mirror) -> str:
    """Give the card; nothing where nobody asked for a mirror."""
    if mirror.state == "off":
        return ""
    return markup.card("In MLflow", markup.facts(_facts(mirror)))


def _facts(mirror: Mirror) -> dict[str, str]:
    if mirror.state == "waiting":
        said = f": {mirror.reason}" if mirror.reason else ""
        return {"State": markup.text(f"Not written yet{said}")}
    if mirror.state == "failed":
        return {
            "State": markup.text(f"Not written: {mirror.reason or 'nobody knows why'}"),
            "What to do": "<code>workbench mlflow --catch-up</code> asks again",
        }
    found = {
        "Experiment": markup.mono(mirror.experiment_id),
        "Run": markup.mono(mirror.run_id),
    }
    if mirror.url:
        address = markup.text(mirror.url)
        found["Page"] = f'<a href="{address}">{address}</a>'
    return found
