"""Monthly returns as a heat map made of text."""

from __future__ import annotations

from core.plots.months import MONTHS, MonthsInfo, YearRow
from ui import formats
from ui.components import markup

STRONGEST = 62
ROW_HEIGHT = 26
MOST_HEIGHT = 434
WIDE = 0.9995  # from here on 99.95% would be written as 100.0


def show(info: MonthsInfo) -> None:
    """Draw years as rows, newest first; colour says size, the sign is written as well."""
    head = "".join(f'<th scope="col">{month}</th>' for month in (*MONTHS, "Year"))
    rows = "".join(_row(row, info.scale) for row in reversed(info.years))
    markup.write(
        '<div class="wb-scroll wb-months-frame"><table class="wb-months">',
        '<caption class="wb-sr">Returns by month in percent</caption>',
        f'<thead><tr><th scope="col"><span class="wb-sr">Year</span></th>{head}</tr></thead>',
        f"<tbody>{rows}</tbody></table></div>",
    )


def height(info: MonthsInfo) -> int:
    """Give about how many pixels the table takes, for what stands beside it."""
    return min(MOST_HEIGHT, ROW_HEIGHT * (len(info.years) + 1))


def _row(row: YearRow, scale: float) -> str:
    cells = "".join(_cell(value, scale) for value in row.months)
    return (
        f'<tr><th scope="row">{row.year}</th>{cells}'
        f'<td class="wb-year">{_percent(row.total)}</td></tr>'
    )


def _cell(value: float | None, scale: float) -> str:
    if value is None:
        return "<td></td>"
    strength = min(1.0, abs(value) / scale) if scale else 0.0
    color = "gain" if value > 0 else "loss"
    shade = (
        f"background: color-mix(in srgb, var(--wb-heat-{color}) {strength * STRONGEST:.0f}%, "
        "transparent)"
    )
    return f'<td style="{shade}">{_percent(value)}</td>'


def _percent(fraction: float) -> str:
    """Write a month in the width of a cell, which three digits and a decimal would leave."""
    return formats.number(fraction * 100, 1 if abs(fraction) < WIDE else 0)
