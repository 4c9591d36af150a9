"""Chunks as bytes: what comes back is what went in, and nothing else is taken for it."""

from __future__ import annotations

import io
import pickle
from dataclasses import fields

import numpy as np
import pytest

from core.engine.lanes import LaneRows
from core.engine.sweep import Chunk
from core.errors import DataProblem
from core.services.chunks import Keep, decode, encode


def chunk(number: int, lanes: int = 3, sessions: int = 5) -> Chunk:
    rows = LaneRows.empty(lanes, sessions)
    rows.metrics[0, :3] = (0.1, -0.0, np.inf)
    rows.daily[-1] = np.float32(0.1)
    rows.counters[-1] = 1 << 40
    rows.ruined[0] = True
    return Chunk("p" * 64, number, rows, {2: "ValueError: \u00e9 \u2014 no idea", 0: ""})


def test_what_comes_back_is_what_went_in():
    given = [chunk(7), chunk(0, lanes=1), chunk(123, sessions=0)]
    found = decode(encode(given))

    assert [(each.plan, each.number, each.errors) for each in found] == [
        (each.plan, each.number, each.errors) for each in given
    ]
    for one, other in zip(found, given, strict=True):
        for column in fields(LaneRows):
            mine, its = getattr(one.rows, column.name), getattr(other.rows, column.name)
            assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
            assert mine.tobytes() == its.tobytes()
    assert decode(encode([])) == []


def pickled() -> bytes:
    content = io.BytesIO()
    np.savez(content, heads=np.array([{"plan": "p"}], dtype=object))
    return content.getvalue()


def without_rows() -> bytes:
    content = io.BytesIO()
    np.savez(content, heads=np.array('[{"plan": "p", "number": 1, "errors": {}}]'))
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", encode([chunk(1)])[:-40], pickle.dumps([1]), pickled(), without_rows()],
    ids=["empty", "text", "cut", "pickle", "pickle_inside", "no_rows"],
)
def test_other_bytes_are_refused(content):
    with pytest.raises(DataProblem, match="no finished chunks"):
        decode(content)


def test_a_folder_keeps_what_ends_soon_after_each_other_in_one_file(tmp_path):
    """Nothing is there before it is written, and whoever comes later finds all of it."""
    keep = Keep(tmp_path / "kept")
    for number in (4, 2, 9):
        keep.put(chunk(number))
    keep.write()
    files = len(list((tmp_path / "kept").iterdir()))
    Keep(tmp_path / "kept").put(chunk(1))
    later = Keep(tmp_path / "kept")

    assert files <= 3
    assert later.numbers() - {1} == {2, 4, 9}
    found = {each.number: each.rows.metrics.tobytes() for each in later.all()}
    assert all(found[number] == chunk(number).rows.metrics.tobytes() for number in (2, 4, 9))


def test_no_changed_byte_is_read_as_another_result():
    """Archives carry checksums of their members."""
    content = encode([chunk(1)])
    wanted = decode(content)[0]
    for place in range(40, len(content), 97):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        try:
            (found,) = decode(bytes(damaged))
        except DataProblem:
            continue
        for column in fields(LaneRows):
            mine, its = getattr(found.rows, column.name), getattr(wanted.rows, column.name)
            assert mine.tobytes() == its.tobytes()
