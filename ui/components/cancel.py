"""The button that ends what waits or runs: it asks once more, for nothing brings it back."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.domain.job import Job
from core.errors import WorkbenchError
from ui.components import markup, problem


def show(job: Job, end: Callable[[int], object], *, what: str, lost: str) -> None:
    """Draw the button of a job that is not over; one that is being ended only says so.

    Args:
        job: That waits or runs.
        end: Called with its number once the reader is sure.
        what: It is, in a word: `run` or `study`. The keys of the widgets begin with it.
        lost: What ending it costs, as a sentence.
    """
    if job.is_cancel_wanted:
        st.button("Cancelling", disabled=True, key=f"{what}_cancelling")
        return
    with st.popover("Cancel", key=f"{what}_cancel_ask"):
        st.markdown(lost)
        if not st.button(f"End this {what}", type="primary", key=f"{what}_cancel"):
            return
        try:
            end(job.id)
        except WorkbenchError as too_late:
            problem.show(too_late)
            return
        st.rerun()


def show_cancelled(what: str, lost: str) -> None:
    """Say in a box that something was cancelled, and what that cost."""
    markup.write(
        '<section class="wb-box" role="status" data-testid="cancelled">'
        f"<h2>This {markup.text(what)} was cancelled</h2><p>{markup.text(lost)}</p></section>"
    )
