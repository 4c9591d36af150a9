"""What each symbol contributed, with a bar beside each number."""

from __future__ import annotations

from core.plots.attribution import AttributionInfo, AttributionRow, InterestRow
from ui import formats
from ui.components import markup

METRICS = ("trades", "open_trades", "win_rate", "turnover", "fees", "slippage")
SUMMED = frozenset({"trades", "open_trades", "fees", "slippage"})
HELP = {
    "P&L": "Money this symbol gained, open positions at their last close.",
    "Points": "That over the capital of the run, in percent: these add up to the total return.",
    "Share": "That over the net profit of the run.",
}


def show(info: AttributionInfo, *, shared: bool) -> None:
    """Draw one row for each symbol, best first, and the sum beneath.

    Args:
        info: What symbols contributed.
        shared: Whether they trade on one account; else each has its sleeve.
    """
    ours = "".join(
        f'<th scope="col"><abbr class="wb-tip" title="{markup.text(words)}">'
        f"{markup.text(name)}</abbr></th>"
        for name, words in HELP.items()
    )
    head = "".join(f'<th scope="col">{markup.label(name)}</th>' for name in METRICS)
    basis = (
        "Trades, costs and turnover are those of the symbol; turnover is relative to the curve "
        "that begins with the whole capital and gains this symbol's contribution only."
        if shared
        else "Each symbol trades with its own equal part of the capital, and its turnover is "
        "relative to that."
    )
    markup.write(
        '<div class="wb-scroll"><table class="wb-table wb-attribution" data-testid="attribution">',
        '<caption class="wb-sr">Contribution of each symbol</caption>',
        '<thead><tr><th scope="col" class="wb-left">Symbol</th>',
        '<th class="wb-room" aria-hidden="true"></th>',
        f"{ours}{head}</tr></thead><tbody>",
        *(_row(row, info.zero) for row in info.rows),
        _interest(info.interest),
        '</tbody><tfoot><tr><th scope="row">All</th><td></td>',
        f"<td>{_money(info.net_profit)}</td>",
        f"<td>{_percent(_points(info))}</td>",
        f"<td></td>{''.join(_sum(info, name) for name in METRICS)}</tr></tfoot></table></div>",
        f'<p class="wb-muted wb-small wb-notes">{markup.text(basis)}',
        f"{_accrued(info, shared=shared)}</p>",
    )


def _row(row: AttributionRow, zero: float) -> str:
    tone = "wb-up" if row.pnl >= 0 else "wb-down"
    bar = (
        f'<span class="wb-around"><b style="left:{zero * 100:.2f}%"></b>'
        f'<i class="{tone}" style="left:{row.start * 100:.2f}%;width:{row.width * 100:.2f}%"></i>'
        "</span>"
    )
    share = formats.NONE if row.share is None else markup.text(formats.percent(row.share, 1))
    cells = "".join(f"<td>{markup.value(row.metrics, name)}</td>" for name in METRICS)
    return (
        f'<tr><th scope="row">{markup.text(row.symbol)}</th><td class="wb-room">{bar}</td>'
        f"<td>{_money(row.pnl)}</td><td>{_percent(row.points)}</td><td>{share}</td>{cells}</tr>"
    )


def _interest(row: InterestRow | None) -> str:
    """Give the row of the account's cash, which no symbol has earned."""
    if row is None:
        return ""
    share = formats.NONE if row.share is None else markup.text(formats.percent(row.share, 1))
    return (
        '<tr><th scope="row">Interest on cash</th><td class="wb-room"></td>'
        f"<td>{_money(row.pnl)}</td><td>{_percent(row.points)}</td><td>{share}</td>"
        f"{'<td></td>' * len(METRICS)}</tr>"
    )


def _points(info: AttributionInfo) -> float:
    whole = sum(row.points for row in info.rows)
    return whole + info.interest.points if info.interest else whole


def _sum(info: AttributionInfo, name: str) -> str:
    """Give the cell beneath a column; empty where a sum says nothing."""
    if name not in SUMMED:
        return "<td></td>"
    total = sum(row.metrics[name] or 0.0 for row in info.rows)
    return f"<td>{markup.text(formats.metric(name, total))}</td>"


def _money(value: float) -> str:
    return _toned(formats.money(value, signed=True), value)


def _percent(value: float) -> str:
    return _toned(formats.percent(value, signed=True), value)


def _toned(words: str, value: float) -> str:
    tone = "wb-gain" if value > 0 else "wb-loss"
    return f'<span class="{tone}">{markup.text(words)}</span>' if value else markup.text(words)


def _accrued(info: AttributionInfo, *, shared: bool) -> str:
    if not info.accrued:
        return ""
    words = formats.money(info.accrued, signed=True)
    interest = "" if shared else "interest, "
    return (
        f" Of the P&L, {markup.text(words)} is in no trade: borrow on short positions, funding, "
        f"{interest}dividends and accruals of options."
    )
