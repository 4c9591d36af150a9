"""Rule R6 with finer bars: which of them belong to a bar, and whether they fit it."""

from __future__ import annotations

from dataclasses import replace

from tests.reference.naive import Bar
from tests.reference.naive_symbol import Symbol

TOLERANCE = 1e-6


def lacks_detail(s: Symbol) -> str | None:
    """Why the finer bars of this bar do not decide, as a counter; None if they do."""
    bar, rows = s.sure_bar(), _rows(s)
    if not rows:
        return "detail_missing"
    highest, lowest = max(row[1] for row in rows), min(row[2] for row in rows)
    if highest > bar.high * (1 + TOLERANCE) or lowest < bar.low * (1 - TOLERANCE):
        return "detail_conflicts"
    if highest < bar.high * (1 - TOLERANCE) or lowest > bar.low * (1 + TOLERANCE):
        return "detail_missing"
    return None


def finer_bars(s: Symbol) -> list[Bar]:
    """The finer bars in order, cut to the range of the bar; the first opens where the bar does."""
    bar = s.sure_bar()

    def cut(price: float) -> float:
        return min(max(price, bar.low), bar.high)

    found = []
    for opened, high, low, close in _rows(s):
        first = bar.open if not found else cut(opened)
        found.append(replace(bar, open=first, high=cut(high), low=cut(low), close=cut(close)))
    return found


def _rows(s: Symbol) -> list[tuple[float, float, float, float]]:
    detail, bar = s.detail, s.sure_bar()
    assert detail is not None
    inside = range(int(detail.first[bar.row]), int(detail.first[bar.row + 1]))
    return [
        (
            float(detail.open[n]),
            float(detail.high[n]),
            float(detail.low[n]),
            float(detail.close[n]),
        )
        for n in inside
    ]
