"""Finished chunks as bytes: for a folder they are kept in, and for the way from another machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from core.engine.lanes import LaneRows
from core.engine.sweep import Chunk
from core.errors import DataProblem


def encode(chunks: Sequence[Chunk]) -> bytes:
    """Give chunks as one archive of arrays (npz, nothing pickled)."""
    heads = [
        {
            "plan": chunk.plan,
            "number": chunk.number,
            "shapes": {
                each.name: getattr(chunk.rows, each.name).shape for each in fields(LaneRows)
            },
            "errors": {str(place): text for place, text in chunk.errors.items()},
        }
        for chunk in chunks
    ]
    # One array for all chunks: an archive takes its time for each.
    columns = {
        each.name: np.concatenate([getattr(chunk.rows, each.name).ravel() for chunk in chunks])
        for each in fields(LaneRows)
        if chunks
    }
    content = BytesIO()
    np.savez(content, allow_pickle=False, heads=np.array(json.dumps(heads)), **columns)
    return content.getvalue()


def decode(content: bytes) -> list[Chunk]:
    """Give back what was encoded; reading it runs no code.

    Raises:
        DataProblem: these are not the bytes of chunks.
    """
    try:
        with np.load(BytesIO(content), allow_pickle=False) as found:
            heads = json.loads(str(found["heads"]))
            columns = {
                each.name: _parts(found[each.name], [head["shapes"][each.name] for head in heads])
                for each in fields(LaneRows)
                if heads
            }
            return [
                Chunk(
                    plan=str(head["plan"]),
                    number=int(head["number"]),
                    rows=LaneRows(**{name: parts[place] for name, parts in columns.items()}),
                    errors={int(lane): str(text) for lane, text in head["errors"].items()},
                )
                for place, head in enumerate(heads)
            ]
    except Exception as error:
        raise DataProblem(
            f"{len(content)} bytes are no finished chunks: {error!s:.200}",
            expected="an archive of them",
        ) from error


def _parts(column: npt.NDArray[Any], shapes: Sequence[Sequence[int]]) -> list[npt.NDArray[Any]]:
    sizes = [prod(shape) for shape in shapes]
    if sum(sizes) != len(column):
        raise ValueError(f"{len(column)} numbers instead of {sum(sizes)}")
    parts = np.split(column, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
