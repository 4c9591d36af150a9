"""Keeps the form from running while a field holds what it may not, and says what it may."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent.parent / "assets"

_guard = st.components.v2.component(
    "form_guard", js=(ASSETS / "form_guard.js").read_text(encoding="utf-8"), isolate_styles=False
)


def show() -> None:
    """Hold back clicks and keys that ask for a run while a number or a date is out of range."""
    _guard(key="form_guard")
