"""One box for everything that went wrong: what was found, what was expected, what to do."""

from __future__ import annotations

from core.domain.job import JobError
from core.domain.run import RunError
from core.errors import WorkbenchError
from ui.components import markup

TITLES = {
    "invalid_input": "This cannot be run as asked",
    "not_found": "Not found",
    "conflict": "Not possible in this state",
    "cancelled": "Stopped",
    "data_problem": "The prices have a problem",
    "strategy_failed": "The strategy failed",
    "unavailable": "A part of the workbench cannot answer now",
}


def show(error: WorkbenchError) -> None:
    """Draw a deliberate error and, when there are several, every part of it."""
    title = TITLES.get(error.code, "Something is wrong")
    if not error.problems:
        markup.write(_box(title, _rows(error)))
        return
    rows = [row for part in error.problems for row in _rows(part)]
    markup.write(_box(title, rows))


def show_failure(error: RunError | JobError, *, what: str = "run") -> None:
    """Draw why a run failed, or something else that is done as a job."""
    rows = [("Cause", error.message)]
    if error.hint:
        rows.append(("What to do", error.hint))
    title = f"The {what} was lost" if error.code == "lost" else TITLES.get(error.code)
    markup.write(_box(title or f"The {what} failed", rows))


def show_unexpected() -> None:
    """Draw the last resort: a fault of ours, without any detail that only a log should hold."""
    rows = [
        ("Found", "an error in the workbench itself; it was written to the log"),
        ("What to do", "reload the page; stored runs are not affected"),
    ]
    markup.write(_box("Something went wrong on this page", rows))


def _rows(error: WorkbenchError) -> list[tuple[str, str]]:
    rows = [("Found", error.message)]
    if error.expected:
        rows.append(("Expected", error.expected))
    if error.hint:
        rows.append(("What to do", error.hint))
    return rows


def _box(title: str, rows: list[tuple[str, str]]) -> str:
    body = "".join(
        f"<dt>{markup.text(name)}</dt><dd>{markup.text(said[:1].upper() + said[1:])}</dd>"
        for name, said in rows
    )
    return (
        f'<section class="wb-box wb-problem" role="alert"><h2>{markup.text(title)}</h2>'
        f"<dl>{body}</dl></section>"
    )
