"""How many rows a table shows, and the buttons that give all of it as files."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.components import markup


def show(
    *,
    key: str,
    count: str,
    name: str,
    csv: tuple[Callable[[], bytes], str],
    parquet: tuple[Callable[[], bytes], str],
) -> None:
    """Draw the count and the two buttons.

    Args:
        key: Before the keys of the buttons.
        count: In words.
        name: Of the files, without ending.
        csv: Makes the file when somebody asks for it, and what is said of it.
        parquet: Likewise.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(
            f'<span class="wb-muted" data-testid="{key}-count">{markup.text(count)}</span>',
            width="content",  # on the right the tools of the table would lie over the buttons
        )
        for label, mime, (make, said) in (
            ("CSV", "text/csv", csv),
            ("Parquet", "application/vnd.apache.parquet", parquet),
        ):
            st.download_button(
                label,
                make,
                file_name=f"{name}.{label.lower()}",
                mime=mime,
                on_click="ignore",
                key=f"{key}_{label.lower()}",
                help=said,
            )
