"""What people call a run and say of it, and the button that deletes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from core.domain.run import LONGEST_NAME, LONGEST_NOTE, Label, Run
from core.errors import WorkbenchError
from ui.components import markup, problem

NOTE_HEIGHT = 200


def show(run: Run) -> None:
    """Draw name and note, where there are any."""
    if run.name or run.note:
        markup.write(
            '<div class="wb-label" data-testid="run_label">',
            f"<b>{markup.text(run.name)}</b>" if run.name else "",
            f"<p>{markup.text(run.note)}</p>" if run.note else "",
            "</div>",
        )


def edit(run: Run, write: Callable[[int, Mapping[Label, str | None]], object]) -> None:
    """Draw the form behind which name and note are written.

    Args:
        run: As it is.
        write: Called with its number and what is to be written.
    """
    # A new key is a new popover, and that is closed: what was saved is seen on the page.
    written = "" if run.edited_at is None else f"_{run.edited_at:%Y%m%d%H%M%S%f}"
    with (
        st.popover(
            "Name",
            key=f"run_label_ask{written}",
            help="Name this run, or note something on it.",
        ),
        st.form("run_label_form", border=False),
    ):
        name = st.text_input(
            "Name", run.name or "", max_chars=LONGEST_NAME, key=f"run_name_{run.id}"
        )
        note = st.text_area(
            "Note",
            run.note or "",
            max_chars=LONGEST_NOTE,
            height=NOTE_HEIGHT,
            key=f"run_note_{run.id}",
        )
        if not st.form_submit_button("Save", type="primary", key="run_label_save"):
            return
        try:
            write(run.id, {"name": name, "note": note})
        except WorkbenchError as refused:
            problem.show(refused)
            return
        st.toast("Saved")
        st.rerun()


def delete(run: Run, end: Callable[[int], object]) -> bool:
    """Draw the button that deletes a run that is over; say whether it was pressed and done.

    Args:
        run: That is over.
        end: Called with its number once the reader is sure.
    """
    with st.popover("Delete", key="run_delete_ask", help="Delete this run."):
        st.markdown(
            "Its trades and tables are deleted with it, unless another run has the same result. "
            "Nothing brings them back."
        )
        if not st.button(f"Delete run #{run.id}", type="primary", key="run_delete"):
            return False
        try:
            end(run.id)
        except WorkbenchError as refused:
            problem.show(refused)
            return False
        return True
