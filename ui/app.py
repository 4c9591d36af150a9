"""The app: its pages, its frame, and the one place that turns any error into a sentence."""

from __future__ import annotations

import logging
from contextlib import suppress

import streamlit as st

from core.errors import Unavailable, WorkbenchError
from ui import navigation, wiring
from ui.components import chrome, health, problem
from ui.views import backtests, compare, optimizations, run, study

log = logging.getLogger("workbench.ui")


def show_backtests() -> None:
    """Page of all runs and the form for a new one."""
    backtests.render(wiring.services())


def show_run() -> None:
    """Page of one run."""
    run.render(wiring.services())


def show_compare() -> None:
    """Page of several runs side by side."""
    compare.render(wiring.services())


def show_optimizations() -> None:
    """Page of all studies and the form for a new one."""
    optimizations.render(wiring.services())


def show_study() -> None:
    """Page of one study."""
    study.render(wiring.services())


def _show_health() -> None:
    """Say which parts still answer, where that can be told."""
    with suppress(WorkbenchError):
        health.show(wiring.services().system.health())


def main() -> None:
    """Draw the page the address names."""
    chrome.show()
    pages = {
        navigation.BACKTESTS: st.Page(show_backtests, title="Backtests", default=True),
        navigation.OPTIMIZATIONS: st.Page(
            show_optimizations, title="Optimizations", url_path="optimizations"
        ),
        navigation.STUDY: st.Page(show_study, title="Study", url_path="study", visibility="hidden"),
        navigation.RUN: st.Page(show_run, title="Run", url_path="run", visibility="hidden"),
        navigation.COMPARE: st.Page(
            show_compare, title="Compare", url_path="compare", visibility="hidden"
        ),
    }
    navigation.register(pages)
    page = st.navigation(list(pages.values()), position="top")
    try:
        page.run()
    except WorkbenchError as error:
        problem.show(error)
        if isinstance(error, Unavailable):
            _show_health()
    except Exception:
        log.exception("page %s failed", page.url_path or navigation.BACKTESTS)
        problem.show_unexpected()


main()
