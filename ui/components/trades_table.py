"""Every trade, sortable, with exports that are safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import streamlit as st

from core.plots.prices import REASONS
from ui.components import downloads

ROW_HEIGHT = 30
MOST_ROWS = 14
SILENT = ("r_multiple", "mae_r", "mfe_r", "ambiguous")


def show(
    trades: pl.DataFrame,
    *,
    csv: Callable[[], bytes],
    parquet: Callable[[], bytes],
    name: str,
    intraday: bool,
) -> None:
    """Draw the trades and the two downloads.

    Args:
        trades: Schema `TRADES_SCHEMA`, with `mae_r` and `mfe_r`.
        csv: Makes the CSV file when somebody asks for it.
        parquet: Likewise the Parquet file.
        name: Of the files, without ending.
        intraday: Whether the time of day says something.
    """
    if trades.is_empty():
        st.caption("Nothing was traded.")
        return
    downloads.show(
        key="trades",
        count=f"{len(trades):,} {'trade' if len(trades) == 1 else 'trades'}",
        name=name,
        csv=(
            csv,
            "Every column; texts a spreadsheet would take for formulas are neutralised.",
        ),
        parquet=(parquet, "The stored file itself, byte for byte."),
    )
    st.dataframe(
        _shown(trades).to_arrow(),  # no detour over pandas
        column_config=_columns(intraday=intraday),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=min(MOST_ROWS, len(trades) + 1) * ROW_HEIGHT + 8,
        placeholder="—",
        key="trades_table",
        alt="All trades of the run",
    )


def _shown(trades: pl.DataFrame) -> pl.DataFrame:
    reason = pl.col("exit_reason").replace(REASONS)
    shown = trades.select(
        "symbol",
        "direction",
        "quantity",
        "entry_time",
        "entry_price",
        "exit_time",
        "exit_price",
        pl.when(pl.col("open")).then(pl.lit("still open")).otherwise(reason).alias("exit_reason"),
        "pnl",
        pl.col("return") * 100,
        "bars",
        pl.col("mae") * 100,
        pl.col("mfe") * 100,
        "r_multiple",
        "mae_r",
        "mfe_r",
        "fees",
        "slippage",
        "ambiguous",
    )
    return shown.drop([name for name in SILENT if not _says_something(shown[name])])


def _says_something(column: pl.Series) -> bool:
    """Whether a column holds anything but gaps and no."""
    kept = column.drop_nulls()
    return bool(kept.any() if kept.dtype == pl.Boolean else kept.is_not_nan().any())


def _columns(*, intraday: bool) -> dict[str, Any]:
    column = st.column_config
    when = "YYYY-MM-DD HH:mm" if intraday else "YYYY-MM-DD"
    zone = " (UTC)" if intraday else ""
    return {
        "symbol": column.TextColumn("Symbol", pinned=True),
        "direction": column.TextColumn("Side"),
        "quantity": column.NumberColumn("Quantity", format="localized"),
        "entry_time": column.DatetimeColumn(f"Entry{zone}", format=when, timezone="UTC"),
        "entry_price": column.NumberColumn("Entry price", format="%,.2f"),
        "exit_time": column.DatetimeColumn(f"Exit{zone}", format=when, timezone="UTC"),
        "exit_price": column.NumberColumn("Exit price", format="%,.2f"),
        "exit_reason": column.TextColumn("Exit by"),
        "pnl": column.NumberColumn("P&L", format="%,.2f", help="After fees, account currency."),
        "return": column.NumberColumn("Return", format="%.2f%%"),
        "bars": column.NumberColumn("Bars", format="%,d"),
        "mae": column.NumberColumn("MAE", format="%.2f%%", help="Worst excursion."),
        "mfe": column.NumberColumn("MFE", format="%.2f%%", help="Best excursion."),
        "r_multiple": column.NumberColumn("R", format="%.2f", help="P&L over initial risk."),
        "mae_r": column.NumberColumn("MAE R", format="%.2f", help="Worst excursion over risk."),
        "mfe_r": column.NumberColumn("MFE R", format="%.2f", help="Best excursion over risk."),
        "fees": column.NumberColumn("Fees", format="%,.2f"),
        "slippage": column.NumberColumn("Slippage", format="%,.2f"),
        "ambiguous": column.CheckboxColumn(
            "Ambiguous", help="Hung on the order of prices inside a bar."
        ),
    }
