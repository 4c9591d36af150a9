"""Prices of one symbol with every entry and exit at the price it was filled."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray, milliseconds

CANDLE_LIMIT = 400
MAX_BARS = 2_000
BIG_MARKS = 120
REASONS: dict[str, str] = {
    "entry": "entry signal",
    "exit_signal": "exit signal",
    "reverse": "reversal",
    "stop": "stop",
    "stop_gap": "stop, gapped",
    "target": "target",
    "target_gap": "target, gapped",
    "trail": "trailing stop",
    "max_bars": "time limit",
    "square_off": "end of session",
    "daily_target": "day's target",
    "daily_loss": "day's loss",
    "margin": "margin call",
    "ruin": "ruin",
    "drawdown": "drawdown limit",
    "delist": "delisting",
    "rebalance": "rebalancing",
    "split": "split",
    "end": "end of run",
}

Kind = Literal["long entry", "short entry", "exit, gain", "exit, loss"]
SYMBOLS: dict[Kind, str] = {
    "long entry": "triangle-up",
    "short entry": "triangle-down",
    "exit, gain": "circle",
    "exit, loss": "x",
}
COLORS: dict[Kind, str] = {
    "long entry": theme.BLUE,
    "short entry": theme.MAGENTA,
    "exit, gain": theme.GAIN,
    "exit, loss": theme.LOSS,
}


class Marks(NamedTuple):
    """Fills of one kind: where, at what price, and what the reader learns on hovering."""

    kind: Kind
    x: FloatArray
    price: FloatArray
    text: tuple[str, ...]


class PricesInfo(NamedTuple):
    """What the chart says.

    Attributes:
        x: Milliseconds since 1970, shape (T,).
        open, high, low, close: Prices; candles are drawn while there are few enough bars.
        marks: One group for each kind of fill that occurred.
        candles: Whether bars are drawn as candles and not as a line of closes.
    """

    symbol: str
    x: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    marks: tuple[Marks, ...]
    candles: bool
    intraday: bool


def prices_info(
    prices: pl.DataFrame,
    trades: pl.DataFrame,
    sessions: pl.DataFrame,
    *,
    symbol: str,
    intraday: bool,
) -> PricesInfo:
    """Gather bars and fills of one symbol.

    Args:
        prices: `timestamp`, `open`, `high`, `low`, `close`, already thinned for drawing.
        trades: Schema `TRADES_SCHEMA`, any symbols; an open trade has an entry and no exit.
        sessions: `timestamp` and `session` of every bar; daily fills are drawn on their session.
        symbol: Whose trades to mark.
        intraday: Whether bars are shorter than a session.
    """
    mine = trades.filter(pl.col("symbol") == symbol)
    dates = sessions.select("timestamp", "session").unique("timestamp")
    bars = prices.join(dates, on="timestamp", how="left", maintain_order="left")
    for moment in ("entry", "exit"):
        mine = mine.join(
            dates.rename({"timestamp": f"{moment}_time", "session": f"{moment}_session"}),
            on=f"{moment}_time",
            how="left",
            maintain_order="left",
        )
    return PricesInfo(
        symbol=symbol,
        x=milliseconds(bars, intraday=intraday),
        open=prices["open"].to_numpy(),
        high=prices["high"].to_numpy(),
        low=prices["low"].to_numpy(),
        close=prices["close"].to_numpy(),
        marks=tuple(
            mark
            for mark in (
                _entries(mine, "long", intraday=intraday),
                _entries(mine, "short", intraday=intraday),
                _exits(mine, gain=True, intraday=intraday),
                _exits(mine, gain=False, intraday=intraday),
            )
            if len(mark.x)
        ),
        candles=len(prices) <= CANDLE_LIMIT,
        intraday=intraday,
    )


def _times(trades: pl.DataFrame, moment: Literal["entry", "exit"], *, intraday: bool) -> FloatArray:
    columns = {f"{moment}_time": "timestamp", f"{moment}_session": "session"}
    return milliseconds(trades.select(*columns).rename(columns), intraday=intraday)


def _entries(trades: pl.DataFrame, direction: str, *, intraday: bool) -> Marks:
    found = trades.filter(pl.col("direction") == direction)
    verb = "Buy" if direction == "long" else "Sell short"
    return Marks(
        "long entry" if direction == "long" else "short entry",
        _times(found, "entry", intraday=intraday),
        found["entry_price"].to_numpy(),
        tuple(
            f"<b>{verb}</b> {abs(quantity):,.6g} @ {price:,.2f}"
            for quantity, price in found.select("quantity", "entry_price").iter_rows()
        ),
    )


def _exits(trades: pl.DataFrame, *, gain: bool, intraday: bool) -> Marks:
    won = pl.col("pnl") > 0
    found = trades.filter(~pl.col("open") & (won if gain else ~won))
    columns = ("direction", "quantity", "exit_price", "exit_reason", "pnl", "return", "bars")
    return Marks(
        "exit, gain" if gain else "exit, loss",
        _times(found, "exit", intraday=intraday),
        found["exit_price"].to_numpy(),
        tuple(_exit_text(row) for row in found.select(columns).iter_rows(named=True)),
    )


def _exit_text(row: dict[str, Any]) -> str:
    verb = "Sell" if row["direction"] == "long" else "Cover"
    reason = REASONS.get(row["exit_reason"], row["exit_reason"])
    return (
        f"<b>{verb}</b> {abs(row['quantity']):,.6g} @ {row['exit_price']:,.2f} · {reason}<br>"
        f"P&L {row['pnl']:+,.0f} ({row['return']:+.2%}) after {row['bars']} bars"
    )


def figure(info: PricesInfo, *, log: bool = False, height: int = 420) -> go.Figure:
    """Draw prices as candles or closes, and the fills over them."""
    chart = go.Figure()
    if info.candles:
        chart.add_candlestick(
            x=info.x,
            open=info.open,
            high=info.high,
            low=info.low,
            close=info.close,
            name=info.symbol,
            increasing={"line": {"color": theme.GREY, "width": 1}, "fillcolor": "rgba(0,0,0,0)"},
            decreasing={"line": {"color": theme.GREY, "width": 1}, "fillcolor": theme.GREY},
        )
    else:
        chart.add_scatter(
            x=info.x,
            y=info.close,
            name=f"{info.symbol} close",
            line={"color": theme.GREY, "width": 1.25},
            hovertemplate="%{y:,.2f}",
        )
    for mark in info.marks:
        draw = go.Scattergl if len(mark.x) > theme.MANY_MARKS else go.Scatter
        chart.add_trace(
            draw(
                x=mark.x,
                y=mark.price,
                text=mark.text,
                name=mark.kind.capitalize(),
                mode="markers",
                marker=_marker(mark, few=len(mark.x) <= BIG_MARKS),
                hovertemplate="%{text}<extra></extra>",
                legendgroup=mark.kind,
                showlegend=False,
            )
        )
        # The legend would draw the stand-off too; a mark that is nowhere stands for the group.
        chart.add_scatter(
            x=[None],
            y=[None],
            name=mark.kind.capitalize(),
            mode="markers",
            marker={"symbol": SYMBOLS[mark.kind], "color": COLORS[mark.kind], "size": 9},
            legendgroup=mark.kind,
        )
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest" if not info.candles else "x"},
        xaxis=theme.time_axis(intraday=info.intraday) | {"rangeslider": {"visible": False}},
        yaxis=theme.value_axis(type="log" if log else "linear"),
    )
    return chart


def _marker(mark: Marks, *, few: bool) -> dict[str, Any]:
    """Entries stand off the price, long below and short above, so that a reversal shows both."""
    crowd = len(mark.x) > theme.MANY_MARKS
    size = 9 if few else 4 if crowd else 6
    marker: dict[str, Any] = {
        "symbol": SYMBOLS[mark.kind],
        "color": COLORS[mark.kind],
        "size": size,
    }
    if crowd:
        return marker | {"opacity": 0.55}
    if mark.kind in {"exit, gain", "exit, loss"}:
        return marker | {"size": size - 2}
    is_short = mark.kind == "short entry"
    return marker | {
        "symbol": "triangle-up",
        "angle": 180 if is_short else 0,
        "standoff": size,
    }
