"""Excursions of stored trades in units of their risk."""

from __future__ import annotations

import polars as pl


def in_risk(trades: pl.DataFrame) -> pl.DataFrame:
    """Add `mae_r` and `mfe_r` to a table of trades: their excursions over the risk at entry.

    That risk is not in the table, but the money put in over it is R over the return, whatever the
    result was. Null without a stop, and for a trade that broke even to the last bit.

    Args:
        trades: Schema `TRADES_SCHEMA`.
    """
    stake = pl.when(pl.col("return") != 0.0).then(pl.col("r_multiple") / pl.col("return"))
    return trades.with_columns((pl.col(name) * stake).alias(f"{name}_r") for name in ("mae", "mfe"))
