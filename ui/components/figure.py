"""Put a chart of `core.plots` on the page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.plots.theme import CONFIG


def show(chart: Any, *, key: str, alt: str) -> None:
    """Draw a figure.

    Args:
        chart: A figure of `core.plots`.
        key: Identity on the page, so that a redraw updates instead of replacing.
        alt: What the chart says, for those who cannot see it.
    """
    st.plotly_chart(chart, width="stretch", theme="streamlit", key=key, config=CONFIG, alt=alt)
