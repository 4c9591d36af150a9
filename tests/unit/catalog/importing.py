"""Work for processes that are killed or race: imports that never end, one small part after another.

Part k holds two minutes in each of three years, with volume k. A lake that holds some of its six
rows and not the others shows half an import.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.domain.timeframe import Timeframe
from tests.unit.catalog.csv_files import csv

YEARS = (2001, 2002, 2003)
SYMBOL = "PARTS"


def part(number: int) -> bytes:
    rows = []
    for year in YEARS:
        for at in (0, 1):
            moment = datetime(year, 3, 1, tzinfo=UTC) + timedelta(minutes=2 * number + at)
            rows.append(f"{moment.isoformat()},1,2,0.5,1.5,{number}")
    return csv(*rows)


def import_part(catalog: Catalog, number: int) -> str:
    report = import_csv(
        catalog,
        part(number),
        name=f"{number}.csv",
        symbol=SYMBOL,
        market="24/7",
        timeframe=Timeframe.M1,
    )
    return report.outcome


def import_for_ever(root: str, first: int, done: Connection) -> None:
    """Import part after part, telling each number when its import has returned.

    The first import of a process takes many times longer than the next; it goes elsewhere, so that
    kills hit work and not preparations.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        import_part(Catalog(Path(elsewhere)), 0)
    catalog = Catalog(Path(root))
    done.send(-1)
    while True:
        import_part(catalog, first)
        done.send(first)
        first += 1


def import_some(root: str, numbers: list[int], done: Connection) -> None:
    """Import some parts and tell what came of each."""
    catalog = Catalog(Path(root))
    done.send([import_part(catalog, number) for number in numbers])
