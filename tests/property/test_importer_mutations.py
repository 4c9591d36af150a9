"""Two thousand damaged files: none brings a traceback, none comes in as something else.

Reliability C1. What may come of a damaged file is declared with the damage
(`importer_mutations.py`); what is right in it is found by the slow reader of tests/reference.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.catalog import Catalog
from core.catalog.bar_file import BarFile, read_bar_file
from core.catalog.columns import Columns
from core.catalog.importer import import_csv
from core.catalog.options import ReadOptions
from core.domain.market import find_market
from core.domain.timeframe import Timeframe
from core.errors import WorkbenchError
from tests.property import importer_mutations as mutations
from tests.property.importer_mutations import EQUAL, KINDS, LISTED, REFUSED, Base, Mutant
from tests.reference import csv_reader

FILES = 2_000
SEEDS = range(-(-FILES // len(KINDS)))


def make(kind: str, seed: int) -> tuple[Base, Mutant]:
    rng = random.Random(f"{kind}/{seed}")  # noqa: S311 - repeatable
    good = mutations.base(rng)
    mutant = KINDS[kind](rng, good)
    return mutant.options.get("base", good), mutant


def options_of(good: Base, mutant: Mutant) -> dict[str, Any]:
    said = {name: value for name, value in mutant.options.items() if name != "base"}
    options = good.options | said
    if "timeframe" in options:
        options["timeframe"] = Timeframe.parse(options["timeframe"])
    return options


def rows_of(bars: Columns) -> list[tuple[Any, ...]]:
    return [
        (int(row[0]), *map(float, row[1:5]), None if math.isnan(row[5]) else float(row[5]))
        for row in zip(*bars[:6], strict=True)
    ]


def judged(good: Base, mutant: Mutant) -> csv_reader.Reading:
    """What is right: of the undamaged file if nothing was to change, else of the damaged one."""
    if mutant.allowed == EQUAL:
        return csv_reader.read(good.text().encode(), good.dialect)
    return csv_reader.read(mutant.data, good.dialect, mutant.encoding)


def test_there_are_more_than_forty_kinds_of_each_outcome_and_two_thousand_files() -> None:
    outcomes = {make(kind, 0)[1].allowed for kind in KINDS}

    assert len(KINDS) >= 40
    assert len(KINDS) * len(SEEDS) >= FILES
    assert outcomes == {EQUAL, LISTED, REFUSED}


@pytest.mark.parametrize("maker", mutations.BASES)
def test_the_slow_reader_accepts_every_row_of_an_undamaged_file(maker: Any) -> None:
    good = maker(random.Random(7), 50)  # noqa: S311 - repeatable

    reading = csv_reader.read(good.text().encode(), good.dialect)

    assert reading.rejected == {}
    assert len(reading.bars) == reading.rows == 50


def outcome(good: Base, mutant: Mutant) -> BarFile | WorkbenchError:
    said = options_of(good, mutant)
    try:
        options = ReadOptions(**said | {"market": find_market(said["market"])})
        return read_bar_file(mutant.data, mutant.name, options)
    except WorkbenchError as error:
        return error


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_comes_to_what_was_declared(kind: str) -> None:
    for seed in SEEDS:
        good, mutant = make(kind, seed)
        where = f"{kind}/{seed} on {good.name}"

        came = outcome(good, mutant)

        if isinstance(came, WorkbenchError):
            assert mutant.allowed == REFUSED, f"{where}: {came.sentence()}"
            assert len(came.sentence()) < 2_000, where
            continue
        rejected = {each.line: each.reason for each in came.keeper.rejections}
        assert mutant.allowed != REFUSED, f"{where} was read: {came.layout} {rejected}"
        right = judged(good, mutant)
        assert rejected == right.rejected, where
        assert set(rejected.values()) <= mutant.reasons, where
        assert rows_of(came.bars) == list(csv_reader.content(right)), where
        assert came.rows_read == right.rows == len(came.bars.ts) + len(rejected), where


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_ends_in_the_lake_as_it_was_read_or_leaves_no_trace(
    kind: str, tmp_path: Path
) -> None:
    good, mutant = make(kind, seed=0)
    catalog = Catalog(tmp_path)

    try:
        report = import_csv(
            catalog, mutant.data, name=mutant.name, symbol="MUT", **options_of(good, mutant)
        )
    except WorkbenchError:
        assert mutant.allowed == REFUSED
        assert catalog.symbols() == []
        return

    right = judged(good, mutant)
    frame = catalog.frame("MUT", report.timeframe)
    stored = [(csv_reader.micros(row[0]), *row[1:]) for row in frame.iter_rows()]
    assert stored == list(csv_reader.content(right))
    assert catalog.last_import("MUT") == replace(report)
