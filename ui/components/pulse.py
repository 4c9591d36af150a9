"""A heartbeat: redraws the fragment it stands in every few seconds, but never across a page change.

`st.fragment(run_every=…)` is not used: its timer also fires while the reader leaves the page, and
Streamlit 1.67 answers that late request for the page already left, which empties the new one.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent.parent / "assets"

_pulse = st.components.v2.component(
    "pulse", js=(ASSETS / "pulse.js").read_text(encoding="utf-8"), isolate_styles=False
)


def show(key: str, *, seconds: float) -> None:
    """Redraw the surrounding fragment every so many seconds while the page is looked at.

    Args:
        key: Identity of the heartbeat.
        seconds: Between two redraws; the time a redraw takes comes on top.
    """
    _pulse(key=key, data={"seconds": seconds}, on_beat_change=_nothing)


def _nothing() -> None:
    """Streamlit wants a callback for every value a component may send."""
