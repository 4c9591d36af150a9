"""Every window of walking forward: what it chose, what it kept, and how far that moved."""

from __future__ import annotations

from typing import Any

import polars as pl

from core.domain.findings import Study
from core.domain.metrics import METRICS
from core.domain.objective import LCB
from ui import formats
from ui.components import markup, search_form

VERDICTS = {"ok": ("green", "Held"), "warn": ("amber", "Doubtful"), "fail": ("red", "Not held")}


def show(study: Study, windows: pl.DataFrame) -> None:
    """Draw one row for each window and what is judged in it; changes beyond the alert are named."""
    names = [name for name in study.spec.space if f"param_{name}" in windows.columns]
    metric = study.spec.objectives[0].metric
    judged, figure = search_form.objective_label(metric), "value"
    if metric in {LCB, "sharpe"}:
        judged, figure = METRICS["sharpe"].label, "sharpe"
    heads = (
        ("Trained", "wb-left"),
        ("Tested", "wb-left"),
        *((name.replace("_", " ").capitalize(), "") for name in names),
        (f"{judged}, training", ""),
        (f"{judged}, test", ""),
        ("Return, test", ""),
        ("Held", "wb-left"),
        ("Drift", ""),
        ("Moved much", "wb-left"),
    )
    head = "".join(
        f'<th scope="col" class="{style}">{markup.text(name)}</th>' for name, style in heads
    )
    rows = "".join(_row(row, names, figure) for row in windows.iter_rows(named=True))
    markup.write(
        '<div class="wb-scroll"><table class="wb-table" data-testid="windows">',
        '<caption class="wb-sr">Windows of walking forward</caption>',
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
    )


def _row(row: dict[str, Any], names: list[str], figure: str) -> str:
    params = "".join(
        f"<td>{markup.text(formats.parameter(row[f'param_{name}']))}</td>" for name in names
    )
    verdict = formats.NONE
    if row["overfit"] in VERDICTS:
        light, word = VERDICTS[row["overfit"]]
        verdict = f'<span class="wb-light wb-{light}">{word}</span>'
    drift = row["drift"]
    moved = f'<span class="wb-chip wb-badge">{markup.text(row["alerts"])}</span>'
    gain = formats.percent(row["test_return"], signed=True)
    tone = "wb-gain" if row["test_return"] > 0 else "wb-loss" if row["test_return"] < 0 else ""
    return (
        f'<tr><td class="wb-left">{formats.span(row["train_first"], row["train_last"])}</td>'
        f'<td class="wb-left">{formats.span(row["test_first"], row["test_last"])}</td>{params}'
        f"<td>{_ratio(row[f'train_{figure}'])}</td><td>{_ratio(row[f'test_{figure}'])}</td>"
        f'<td class="{tone}">{gain}</td><td class="wb-left">{verdict}</td>'
        f"<td>{formats.NONE if drift is None else formats.percent(drift, 0)}</td>"
        f'<td class="wb-left">{moved if row["alerts"] else ""}</td></tr>'
    )


def _ratio(value: float | None) -> str:
    return formats.NONE if value is None else formats.number(value)
