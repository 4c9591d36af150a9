"""A named tuple handed on by its address reads as it would by value."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from core.engine.compiled import loop
from core.engine.handle import by_address


class Pair(NamedTuple):
    first: float
    second: float


class Inner(NamedTuple):
    flag: bool
    small: np.ndarray
    absent: None
    table: np.ndarray


class Outer(NamedTuple):
    count: int
    inner: Inner
    pair: Pair
    records: Any
    last: float


def _read(outer: Outer) -> float:
    """A sum in which every field has a weight of its own."""
    inner = outer.inner
    total = outer.count + 10.0 * outer.last + 100.0 * outer.pair.second - outer.pair.first
    total += 1_000.0 * inner.small[1] if inner.flag else 0.0
    if inner.absent is not None:
        total = -1.0
    record = outer.records[1]
    return total + 10_000.0 * inner.table[1, 2] + 100_000.0 * record.b + 0.5 * record.a


def _write(outer: Outer) -> None:
    outer.inner.table[0, 1] = 7.0
    outer.records[0].a = outer.count


def _whole(outer):
    handed = by_address(outer)
    _write(handed)
    return _read(handed), len(handed.records), handed.inner.table.shape[1]


def _given() -> Outer:
    records = np.zeros(3, dtype=[("a", np.int32), ("b", np.float64)]).view(np.recarray)
    records[1] = (8, 0.25)
    table = np.arange(6.0).reshape(2, 3)
    inner = Inner(flag=True, small=np.array([3, 4], dtype=np.int8), absent=None, table=table)
    return Outer(9, inner, Pair(1.5, 2.5), records, 0.125)


def test_every_field_reads_and_arrays_are_the_same_in_compiled_code():
    from numba.extending import register_jitable

    register_jitable(_read)
    register_jitable(_write)
    expected = 9 + 1.25 + 250.0 - 1.5 + 4_000.0 + 50_000.0 + 25_000.0 + 4.0

    for function in (_whole, loop(_whole)):
        given = _given()
        assert function(given) == (expected, 3, 3)
        assert given.inner.table[0].tolist() == [0.0, 7.0, 2.0]
        assert given.records.a.tolist() == [9, 8, 0]


def test_tuples_of_other_fields_are_read_by_code_of_their_own():
    from numba.extending import register_jitable

    register_jitable(_read)
    register_jitable(_write)
    whole, given = loop(_whole), _given()
    records = np.zeros(3, dtype=[("b", np.float32), ("c", np.int8), ("a", np.int64)])
    records["b"][1], records["a"][1] = 0.25, 8
    other = given._replace(
        inner=given.inner._replace(small=np.array([3.0, 4.5]), flag=True),
        pair=Pair(1, 2.5),
        records=records.view(np.recarray),
    )

    assert whole(other) == _whole(other)
    assert whole(given) == _whole(given)
    assert whole(other)[0] - whole(given)[0] == 500.0 + 0.5
