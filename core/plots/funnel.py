"""What became of every wish to trade: a funnel in which nothing is lost without a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class FunnelStep(NamedTuple):
    """One count, and its share of all wishes (0 to 1)."""

    label: str
    number: int
    share: float
    lost: bool
    help: str


class FunnelInfo(NamedTuple):
    """From wish to closed trade: `wanted` = `entries` + everything lost before it."""

    wanted: int
    steps: tuple[FunnelStep, ...]
    notes: tuple[FunnelStep, ...]


LOST: tuple[tuple[str, str, str], ...] = (
    ("blocked", "Blocked", "A session rule or one position per bar forbade it (R13, R20)."),
    (
        "expired",
        "Expired",
        "A resting entry that did not fill in its bar, or a session ended (R20).",
    ),
    ("limited", "Limited", "A day limit, the trades of a day or a cooldown forbade it (R14)."),
    ("rejected", "Rejected", "No cash, shorts not allowed, or protection on the wrong side (R9)."),
    ("dropped_lot", "Under one lot", "The size was smaller than one lot (R3)."),
    ("unsized", "No size", "No stop to risk up to, or no volatility known yet (R3)."),
)
NOTES: tuple[tuple[str, str, str], ...] = (
    ("scaled_cash", "Scaled to cash", "Entries made smaller because cash did not cover them (R9)."),
    ("volume_capped", "Capped by volume", "Orders cut to the share of volume allowed (R10)."),
    ("margin_calls", "Margin calls", "Closes at which equity fell short of maintenance (R12)."),
    ("conflicts", "Conflicts", "Rows that asked for long and short at once and did nothing."),
    ("ambiguous_bars", "Ambiguous bars", "Bars in which prices cannot say what came first (R6)."),
    ("missed_limits", "Missed limits", "Limits that were reached and did not fill (R5)."),
    ("detail_missing", "Detail missing", "Bars decided alone: finer ones leave some out (R6)."),
    ("detail_conflicts", "Detail conflicts", "Bars decided alone: finer ones go beyond them (R6)."),
)
SELDOM = frozenset(
    {"volume_capped", "margin_calls", "missed_limits", "detail_missing", "detail_conflicts"}
)


def funnel_info(counters: Mapping[str, int], *, closed: int, still_open: int) -> FunnelInfo:
    """Gather the funnel of a run from its counters (`COUNTER_NAMES`) and its trades."""
    wanted = counters["entries"] + sum(counters[name] for name, _, _ in LOST)

    def step(label: str, count: int, text: str, *, lost: bool = False) -> FunnelStep:
        return FunnelStep(label, count, count / wanted if wanted else 0.0, lost, text)

    steps = (
        step("Entries wanted", wanted, "Every intent that reached the account."),
        *(
            step(label, counters[name], text, lost=True)
            for name, label, text in LOST
            if counters[name]
        ),
        step("Positions opened", counters["entries"], "Entries that were filled."),
        step("Trades closed", closed, "Round trips from flat to flat."),
        *([step("Still open", still_open, "Marked at the last close (R19).")] * bool(still_open)),
    )
    notes = tuple(
        step(label, counters[name], text)
        for name, label, text in NOTES
        if counters[name] or name not in SELDOM
    )
    return FunnelInfo(wanted, steps, notes)
