"""Rows of the table of trials as charts use them: few enough to draw, the best among them."""

from __future__ import annotations

import numpy as np
import polars as pl

from core.plots.equity import FloatArray

MOST_MARKS = 2_500
KEPT_BEST = 400


def thinned(trials: pl.DataFrame, most: int = MOST_MARKS) -> pl.DataFrame:
    """Take at most so many eligible trials, by number: the best ones, and others evenly.

    Args:
        trials: `number` and `score`, greater is better, null where a trial is not eligible.
        most: How many.
    """
    eligible = trials.filter(pl.col("score").is_not_null())
    if len(eligible) <= most:
        return eligible.sort("number")
    ranked = eligible.sort("score", "number", descending=[True, False])
    best = min(KEPT_BEST, most // 2)
    rest = ranked.slice(best).sort("number")
    places = np.linspace(0, len(rest) - 1, most - best).astype(np.int64)
    return pl.concat([ranked.head(best), rest[places]]).sort("number")


def row_of(trials: pl.DataFrame, number: int | None) -> pl.DataFrame:
    """Take the row of a trial; no row for None, and where it is not among them."""
    return trials.filter(pl.col("number") == (-1 if number is None else number))


def column(frame: pl.DataFrame, name: str) -> FloatArray:
    """Give a column as float64, NaN where it is null."""
    numbers: FloatArray = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return numbers


def values_of(frame: pl.DataFrame, name: str) -> tuple[float | str, ...]:
    """Give the values of a parameter; switches as words, so that an axis takes them for names."""
    values = frame[name].to_list()
    return tuple(
        ("on" if value else "off") if isinstance(value, bool) else value for value in values
    )


def is_named(frame: pl.DataFrame, name: str) -> bool:
    """Whether the values of a parameter are names or switches, which have no distances."""
    return frame.schema[name] in (pl.String, pl.Boolean)
