"""Finished chunks as bytes: for a folder they are kept in, and for the way from another machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import fields
from io import BytesIO
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from core.engine.lanes import LaneRows
from core.engine.sweep import Chunk
from core.errors import DataProblem

KEPT_SECONDS = 0.1
"""Finished chunks wait so long at most, if others finish, before they are written down."""


class Keep:
    """Chunks of one sweep in a folder, so that they need not be computed again.

    Writing takes as long as many a chunk, so those that end soon after each other share a file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[Chunk] = []
        self._wrote = perf_counter()

    def put(self, chunk: Chunk) -> None:
        """Keep a chunk: at once, or within the next ones."""
        self._waiting.append(chunk)
        if perf_counter() >= self._wrote + KEPT_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what waits; a file is there whole or not at all."""
        if not self._waiting:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._waiting[0].number}.npz"
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(encode(self._waiting))
        partial.replace(path)
        self._waiting = []
        self._wrote = perf_counter()

    def all(self) -> list[Chunk]:
        """Read all of them; what cannot be read is forgotten."""
        found: list[Chunk] = []
        for path in sorted(self._folder.glob("*.npz")):
            try:
                found += decode(path.read_bytes())
            except (OSError, DataProblem):
                path.unlink(missing_ok=True)
        return found

    def numbers(self) -> set[int]:
        """Say which chunks are there."""
        return {chunk.number for chunk in self.all()}

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting = []
        shutil.rmtree(self._folder, ignore_errors=True)


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
