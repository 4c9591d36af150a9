"""Finished chunks as bytes: for a folder they are kept in, and for the way from another machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from io import BytesIO

import numpy as np

from core.engine.lanes import LaneRows
from core.engine.sweep import Chunk
from core.errors import DataProblem


def encode(chunks: Sequence[Chunk]) -> bytes:
    """Give chunks as one archive of arrays (npz, nothing pickled)."""
    heads = [
        {
            "plan": chunk.plan,
            "number": chunk.number,
            "errors": {str(place): text for place, text in chunk.errors.items()},
        }
        for chunk in chunks
    ]
    columns = {
        f"{place}.{each.name}": getattr(chunk.rows, each.name)
        for place, chunk in enumerate(chunks)
        for each in fields(LaneRows)
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
            return [
                Chunk(
                    plan=str(head["plan"]),
                    number=int(head["number"]),
                    rows=LaneRows(*(found[f"{place}.{each.name}"] for each in fields(LaneRows))),
                    errors={int(lane): str(text) for lane, text in head["errors"].items()},
                )
                for place, head in enumerate(heads)
            ]
    except Exception as error:
        raise DataProblem(
            f"{len(content)} bytes are no finished chunks: {error!s:.200}",
            expected="an archive of them",
        ) from error
