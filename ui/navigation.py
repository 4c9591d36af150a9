"""Moving between pages: the app registers its pages once, everybody else names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NoReturn

import streamlit as st

from core.errors import NotFound
from ui import state

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

BACKTESTS: Final = "backtests"
RUN: Final = "run"
COMPARE: Final = "compare"
OPTIMIZATIONS: Final = "optimizations"
STUDY: Final = "study"

_pages: dict[str, StreamlitPage] = {}


def register(pages: Mapping[str, StreamlitPage]) -> None:
    """Make the pages of the app known; the same ones for every session."""
    _pages.update(pages)


def go(page: str, **query: str) -> NoReturn:
    """Leave this page for another one, with these query parameters."""
    st.switch_page(_pages[page], query_params=query)


def named(what: str) -> str:
    """Give the run or study that the address of this page names.

    Args:
        what: It names, in a word, which is also the page's path.

    Raises:
        NotFound: it names none.
    """
    wanted = st.query_params.get(state.RUN_ID)
    if not wanted:
        raise NotFound(
            f"this address names no {what}",
            expected=f"a {what}'s number, as in /{what}?id=7",
            hint="go back to the list and open one",
        )
    return wanted


def link(page: str, label: str, **query: str) -> None:
    """Draw a link to a page of the app, without losing the session."""
    st.page_link(_pages[page], label=label, query_params=query or None)
