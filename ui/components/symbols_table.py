"""What each symbol contributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.domain.metrics import METRICS, Metrics
from core.services import Conversion
from ui import formats
from ui.components import markup

RATE = ".6g"

COLUMNS = (
    "net_profit",
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "trades",
    "win_rate",
    "profit_factor",
    "exposure",
    "fees",
)


def show(by_symbol: Mapping[str, Metrics]) -> None:
    """Draw one row for each sleeve."""
    head = "".join(f'<th scope="col">{markup.label(name)}</th>' for name in COLUMNS)
    rows = "".join(_row(symbol, metrics) for symbol, metrics in by_symbol.items())
    markup.write(
        '<div class="wb-scroll"><table class="wb-table" data-testid="by-symbol">',
        '<caption class="wb-sr">Results by symbol</caption>',
        f'<thead><tr><th scope="col" class="wb-left">Symbol</th>{head}</tr></thead>',
        f"<tbody>{rows}</tbody></table></div>",
    )


def show_conversions(found: Sequence[Conversion], account: str) -> None:
    """Draw how symbols were taken into the account's currency; nothing where none was."""
    if not found:
        return
    rows = "".join(
        f'<tr><th scope="row">{markup.text(each.symbol)}</th><td>{markup.text(each.currency)}</td>'
        f"<td>{markup.text(each.series)}</td><td>{each.first:{RATE}}</td>"
        f"<td>{each.last:{RATE}}</td>"
        f"<td>{formats.percent(each.last / each.first - 1, signed=True)}</td></tr>"
        for each in found
    )
    heads = ("Currency", "Rates", f"First, {account}", f"Last, {account}", "Change")
    head = "".join(f'<th scope="col">{markup.text(name)}</th>' for name in heads)
    markup.write(
        markup.section(f"Converted to {account}"),
        '<div class="wb-scroll"><table class="wb-table" data-testid="conversions">',
        '<caption class="wb-sr">Currencies of symbols and their rates</caption>',
        f'<thead><tr><th scope="col" class="wb-left">Symbol</th>{head}</tr></thead>',
        f"<tbody>{rows}</tbody></table></div>",
        '<p class="wb-muted wb-small wb-notes">Fills, fees and marks are converted at the rate '
        "known at their moment; prices are those of the symbol.</p>",
    )


def _row(symbol: str, metrics: Metrics) -> str:
    cells = "".join(
        f"<td>{markup.value(metrics, name)}</td>" for name in COLUMNS if name in METRICS
    )
    return f'<tr><th scope="row">{markup.text(symbol)}</th>{cells}</tr>'
