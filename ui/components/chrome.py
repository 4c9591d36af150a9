"""The frame of every page: title, icon, logo and the house's style sheet."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent.parent / "assets"
SIDEBAR_WIDTH = 330


def show() -> None:
    """Configure the page; everything shown is served from here, nothing from outside."""
    st.set_page_config(
        page_title="Quant Workbench",
        page_icon=str(ASSETS / "icon.png"),
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
        menu_items={"About": "**Quant Workbench**: a research workbench for systematic trading."},
    )
    st.logo(str(ASSETS / "logo.svg"), size="medium")
    st.html(ASSETS / "style.css")
