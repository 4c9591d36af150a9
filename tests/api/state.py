"""A hash of everything a workbench keeps, to tell whether a request had an effect."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

# Not state: what can be deleted at any time, and the database's own files (its rows are read).
_FLEETING = {"cache", "presence", "scratch"}


def state_hash(data_dir: Path) -> str:
    digest = hashlib.sha256()
    with closing(sqlite3.connect(f"file:{data_dir / 'workbench.db'}?mode=ro", uri=True)) as opened:
        tables = [
            name
            for (name,) in opened.execute(
                "select name from sqlite_master where type = 'table' order by name"
            )
        ]
        for table in tables:
            digest.update(table.encode())
            rows = opened.execute(f'select * from "{table}"')  # noqa: S608 - names of our tables
            for row in sorted(map(repr, rows)):
                digest.update(row.encode())
    for path in sorted(data_dir.rglob("*")):
        parts = path.relative_to(data_dir).parts
        if path.is_file() and parts[0] not in _FLEETING and "workbench.db" not in parts[0]:
            digest.update("/".join(parts).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
