"""Choose a strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.domain.strategy import StrategyInfo
from ui import state
from ui.components import markup


def show(strategies: Sequence[StrategyInfo], *, on_change: Callable[[], None]) -> StrategyInfo:
    """Draw the picker and what the chosen strategy does; give the chosen one.

    Args:
        strategies: At least one usable one; unusable ones are listed below with their reason.
        on_change: Called when another strategy is chosen.
    """
    usable = {info.id: info for info in strategies if info.usable}
    state.keep_valid(state.FORM_STRATEGY, list(usable))
    chosen = st.selectbox(
        "Strategy",
        list(usable),
        format_func=lambda name: usable[name].title,
        key=state.FORM_STRATEGY,
        persist_state="session",
        on_change=on_change,
    )
    info = usable[chosen]
    if info.summary:
        st.caption(info.summary)
    if info.legacy:
        st.caption("A class of the earlier systems, asked bar by bar: slower than others.")
    broken = [info for info in strategies if not info.usable]
    if broken:
        _broken(broken)
    return info


def _broken(strategies: Sequence[StrategyInfo]) -> None:
    why = "\n".join(f"{info.id}: {info.error}" for info in strategies)
    noun = "strategy" if len(strategies) == 1 else "strategies"
    markup.write(
        f'<abbr class="wb-tip wb-muted wb-small" title="{markup.text(why)}">'
        f"{len(strategies)} {noun} cannot be used"
        f'<span class="wb-sr">: {markup.text(why)}</span></abbr>'
    )
