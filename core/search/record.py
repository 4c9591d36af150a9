"""Finished batches as a table, and back: what is kept of a search so that it can go on."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from core.domain.study import StudySpec
from core.errors import Conflict
from core.search.search import Batch, Evaluations
from core.search.space import Space


def table_of(batches: Sequence[Batch], spec: StudySpec) -> pl.DataFrame:
    """Write batches as a table: a row for each set.

    Columns: `batch`; `param_*` of every dimension; `metric_*` of every metric the study needs, NaN
    where undefined; `error`; `reasons`, JSON of the metrics that are undefined. Batches without a
    new set have no row and need none.
    """
    rows: list[dict[str, object]] = []
    for batch in batches:
        found = batch.evaluations
        undefined: dict[int, dict[str, str]] = {}
        for (place, name), reason in found.reasons.items():
            undefined.setdefault(place, {})[name] = reason
        for place, params in enumerate(batch.params):
            why = undefined.get(place)
            rows.append(
                {
                    "batch": batch.number,
                    **{f"param_{name}": params[name] for name in spec.space},
                    **{
                        f"metric_{name}": float(found.columns[name][place]) for name in spec.metrics
                    },
                    "error": found.errors.get(place),
                    "reasons": json.dumps(why, sort_keys=True) if why else None,
                }
            )
    schema = {
        "batch": pl.Int64,
        **{f"metric_{name}": pl.Float64 for name in spec.metrics},
        "error": pl.String,
        "reasons": pl.String,
    }
    table = pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)
    return table if rows else pl.DataFrame(schema=schema)


def batches_of(table: pl.DataFrame, spec: StudySpec, space: Space) -> list[Batch]:
    """Read batches back, those without a row too, to be handed in as `done`.

    Raises:
        Conflict: the table has other columns than this study.
    """
    if table.is_empty():
        return []
    wanted = {f"param_{name}" for name in spec.space} | {f"metric_{n}" for n in spec.metrics}
    wanted |= {"batch", "error", "reasons"}
    if missing := sorted(wanted - set(table.columns)):
        raise Conflict(
            f"the table of trials has no {', '.join(missing)}",
            expected="the table that this study has written",
        )
    batches: list[Batch] = []
    numbers = table["batch"].to_numpy()
    for number in range(int(numbers.max()) + 1):
        part = table.filter(pl.col("batch") == number)
        params = part.select(pl.col(f"param_{name}").alias(name) for name in space.names).to_dicts()
        columns = {name: part[f"metric_{name}"].to_numpy().copy() for name in spec.metrics}
        errors = {k: text for k, text in enumerate(part["error"].to_list()) if text is not None}
        reasons = {
            (place, name): reason
            for place, text in enumerate(part["reasons"].to_list())
            if text is not None
            for name, reason in json.loads(text).items()
        }
        batches.append(Batch(number, tuple(params), Evaluations(columns, errors, reasons)))
    return batches
