"""The foot of a form, always in sight: what is in the way, what it comes to, and the button."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import WorkbenchError
from ui.components import markup, problem


class Foot(NamedTuple):
    """The foot as it is drawn: whether its button was pressed, and where to answer that."""

    pressed: bool
    answer: DeltaGenerator


def show(label: str, refused: WorkbenchError | None, note: str = "") -> Foot:
    """Draw the foot.

    Args:
        label: Of the button.
        refused: Why the form cannot be sent as it is; the button is out of use then.
        note: HTML on what sending it comes to, where nothing is in the way.
    """
    with st.container(key="form_foot", gap="xsmall"):
        answer = st.container(key="form_answer")
        with answer:
            if refused is not None:
                problem.show(refused)
        if note and refused is None:
            markup.write(note)
        pressed = st.button(
            label,
            type="primary",
            width="stretch",
            shortcut="Mod+Enter",
            disabled=refused is not None,
            key="form_run",
        )
    return Foot(pressed, answer)
