"""Prices of one symbol with every entry and exit at the price it was filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray, milliseconds

CANDLE_LIMIT = 400
MAX_BARS = 2_000
BIG_MARKS = 120
SAME_QUANTITY = 1e-9  # of the greatest fill of a bar: what sums of quantities may be off
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
    fills: pl.DataFrame,
    positions: pl.DataFrame,
    *,
    symbol: str,
    intraday: bool,
) -> PricesInfo:
    """Gather bars and fills of one symbol.

    Args:
        prices: `timestamp`, `open`, `high`, `low`, `close`, already thinned for drawing.
        trades: Schema `TRADES_SCHEMA`, any symbols.
        fills: Schema `FILLS_SCHEMA`, of the same run. A trade that was added to or sold down has
            several of either side, and each is marked where it happened.
        positions: `timestamp`, `session` and `quantity` of every bar of the symbol; daily fills are
            drawn on their session.
        symbol: Whose fills to mark.
        intraday: Whether bars are shorter than a session.
    """
    dates = positions.select("timestamp", "session").unique("timestamp")
    bars = prices.join(dates, on="timestamp", how="left", maintain_order="left")
    placed = _placed(
        trades.filter(pl.col("symbol") == symbol),
        fills.filter(pl.col("symbol") == symbol),
        positions,
    )
    won = pl.col("pnl") > 0
    groups: tuple[tuple[Kind, pl.Expr, Callable[[dict[str, Any]], str]], ...] = (
        ("long entry", pl.col("enters") & (pl.col("direction") == "long"), _entry_text),
        ("short entry", pl.col("enters") & (pl.col("direction") == "short"), _entry_text),
        ("exit, gain", ~pl.col("enters") & won, _exit_text),
        ("exit, loss", ~pl.col("enters") & ~won, _exit_text),
    )
    marks = []
    for kind, which, text in groups:
        found = placed.filter(which)
        if len(found):
            marks.append(
                Marks(
                    kind,
                    milliseconds(found, intraday=intraday),
                    found["price"].to_numpy(),
                    tuple(text(row) for row in found.iter_rows(named=True)),
                )
            )
    return PricesInfo(
        symbol=symbol,
        x=milliseconds(bars, intraday=intraday),
        open=prices["open"].to_numpy(),
        high=prices["high"].to_numpy(),
        low=prices["low"].to_numpy(),
        close=prices["close"].to_numpy(),
        marks=tuple(marks),
        candles=len(prices) <= CANDLE_LIMIT,
        intraday=intraday,
    )


def _placed(trades: pl.DataFrame, fills: pl.DataFrame, positions: pl.DataFrame) -> pl.DataFrame:
    """Put beside each fill what it did to the position, and the trade it belongs to.

    What is held before and after a fill is counted back from what is held at the close of its bar,
    so that splits, which change it without a fill, need no word. Ruin and the like may end a
    position where its symbol has no bar: there it is counted on from the bar before.
    """
    size = pl.col("quantity")
    closes = positions.select(
        "timestamp", "session", pl.col("quantity").alias("held"), at=pl.col("timestamp")
    )
    found = fills.join_asof(closes, on="timestamp", check_sortedness=False)
    later = size.cum_sum(reverse=True).over("timestamp") - size
    after = (
        pl.when(pl.col("at") == pl.col("timestamp"))
        .then(pl.col("held") - later)
        .otherwise(pl.col("held") + size.cum_sum().over("timestamp"))
    )
    least = SAME_QUANTITY * size.abs().max().over("timestamp")
    found = found.with_columns(after=after, before=after - size).with_columns(
        opens=pl.col("before").abs() <= least, closes=pl.col("after").abs() <= least
    )
    last = max(len(trades) - 1, 0)  # no fill goes unmarked, however small what was held
    found = found.with_columns(
        enters=pl.col("reason") == "entry",
        trade=(pl.col("opens").cast(pl.Int64).cum_sum() - 1).clip(0, last),
    )
    columns = ("direction", "exit_reason", "pnl", "return", "bars")
    numbered = trades.sort("entry_time", maintain_order=True).select(*columns)
    return found.join(
        numbered.with_row_index("trade").with_columns(pl.col("trade").cast(pl.Int64)),
        on="trade",
        how="inner",
        maintain_order="left",
    )


def _entry_text(row: dict[str, Any]) -> str:
    verb = "Buy" if row["direction"] == "long" else "Sell short"
    more = "" if row["opens"] else " more"
    return f"<b>{verb}</b> {abs(row['quantity']):,.6g}{more} @ {row['price']:,.2f}"


def _exit_text(row: dict[str, Any]) -> str:
    verb = "Sell" if row["direction"] == "long" else "Cover"
    why = row["exit_reason"] if row["closes"] else row["reason"]
    text = (
        f"<b>{verb}</b> {abs(row['quantity']):,.6g} @ {row['price']:,.2f} · {REASONS.get(why, why)}"
    )
    if not row["closes"]:
        return text
    after = f"{row['bars']} bar{'' if row['bars'] == 1 else 's'}"
    return f"{text}<br>P&L {row['pnl']:+,.0f} ({row['return']:+.2%}) after {after}"


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
