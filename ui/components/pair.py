"""Two columns side by side, one under the other where the page has no room for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


def columns(
    key: str, left: float, right: float, *, gap: Literal["medium", "large"] = "large"
) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Give the two columns.

    Args:
        key: Of the pair on its page: `pictures` are kept apart on medium screens already.
        left: Width of the first one, in parts.
        right: Width of the second one, in the same parts.
        gap: Between them.
    """
    with st.container(key=f"pair_{key}"):
        first, second = st.columns([left, right], gap=gap)
    return first, second
