"""Fewer points for a chart, without losing what a reader looks for: extremes, first and last."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from core.errors import InvalidInput

_ROW, _BUCKET = "__row", "__bucket"


def thin(frame: pl.DataFrame, max_points: int | None, columns: Sequence[str]) -> pl.DataFrame:
    """Keep at most `max_points` rows, in order, but never fewer than the extremes need.

    The rows are cut into equal stretches, at least one; of each the rows stay in which a column is
    least or greatest, and of the whole the first and the last. So the extremes always stay, and up
    to `2 + 2 * len(columns)` rows are given where `max_points` is less than that. Only rows of the
    frame are given, never averages.

    Args:
        frame: Rows in order of time.
        max_points: None keeps everything.
        columns: Whose extremes count.

    Raises:
        InvalidInput: `max_points` is less than 2.
    """
    _require(max_points)
    if max_points is None or frame.height <= max_points:
        return frame
    buckets = max(1, (max_points - 2) // (2 * len(columns)))
    rows = {0, frame.height - 1}
    picks = [
        pick
        for name in columns
        for pick in (
            pl.col(_ROW).get(pl.col(name).arg_min()).alias(f"{name}<"),
            pl.col(_ROW).get(pl.col(name).arg_max()).alias(f"{name}>"),
        )
    ]
    found = _bucketed(frame, buckets).group_by(_BUCKET, maintain_order=True).agg(picks)
    for name in found.columns[1:]:
        rows.update(row for row in found[name].to_list() if row is not None)
    return frame[sorted(rows)]


def merge_bars(frame: pl.DataFrame, max_points: int | None) -> pl.DataFrame:
    """Join neighbouring bars until at most `max_points` are left.

    A joined bar opens as the first, closes as the last and reaches as far as any of its bars, so
    no extreme is lost. Its time is that of the first.

    Args:
        frame: `timestamp, open, high, low, close, volume` in order of time.
        max_points: None keeps every bar.

    Raises:
        InvalidInput: `max_points` is less than 2.
    """
    _require(max_points)
    if max_points is None or frame.height <= max_points:
        return frame
    return (
        _bucketed(frame, max_points)
        .group_by(_BUCKET, maintain_order=True)
        .agg(
            pl.col("timestamp").first(),
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
        .drop(_BUCKET)
    )


def _bucketed(frame: pl.DataFrame, buckets: int) -> pl.DataFrame:
    return frame.with_row_index(_ROW).with_columns(
        (pl.col(_ROW).cast(pl.Int64) * buckets // frame.height).alias(_BUCKET)
    )


def _require(max_points: int | None) -> None:
    if max_points is not None and max_points < 2:  # noqa: PLR2004 - the first and the last
        raise InvalidInput(f"max_points is {max_points}", expected="at least 2", field="max_points")
