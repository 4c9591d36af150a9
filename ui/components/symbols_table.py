"""What each symbol contributed."""

from __future__ import annotations

from collections.abc import Mapping

from core.domain.metrics import METRICS, Metrics
from ui.components import markup

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


def _row(symbol: str, metrics: Metrics) -> str:
    cells = "".join(
        f"<td>{markup.value(metrics, name)}</td>" for name in COLUMNS if name in METRICS
    )
    return f'<tr><th scope="row">{markup.text(symbol)}</th>{cells}</tr>'
