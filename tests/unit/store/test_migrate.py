"""Care around migrations of a SQLite file: the copy before, the lock, the disk."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
from pathlib import Path

import pytest

from core.errors import DataProblem, Unavailable
from core.store import migrate, open_store
from tests.contract.samples import NOW, a_spec


def rows(path: Path, statement: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_an_empty_database_needs_no_copy(tmp_path):
    migrate.upgrade(f"sqlite:///{tmp_path}/new/folder/a.db")

    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "a.db",
        "a.db.lock",
    ]


def test_a_database_that_holds_something_is_copied_first(tmp_path):
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (x)")
        connection.execute("INSERT INTO precious VALUES (42)")
        connection.commit()

    migrate.upgrade(f"sqlite:///{path}")

    copy = tmp_path / "a.db.backup-none"
    assert rows(copy, "SELECT x FROM precious") == [(42,)]
    assert rows(copy, "SELECT count(*) FROM sqlite_master") == [(1,)]
    assert rows(path, "SELECT x FROM precious") == [(42,)]


def test_a_copy_holds_what_only_the_wal_knows_and_never_replaces_another(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    for expected in (f"a.db.backup-{migrate.head()}", f"a.db.backup-{migrate.head()}.2"):
        migrate.upgrade(url)
        with open_store(url, tmp_path) as store:
            run = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
            assert (tmp_path / "a.db-wal").stat().st_size > 0
            migrate.downgrade(url, "base")

        assert rows(tmp_path / expected, "SELECT uuid FROM runs") == [(run.uuid,)]


def test_an_upgrade_to_where_it_is_touches_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    migrate.upgrade(url)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())

    migrate.upgrade(url)

    after = sorted(
        (path.name, path.stat().st_mtime_ns)
        for path in tmp_path.iterdir()
        if path.suffix not in {".db-wal", ".db-shm"}
    )
    assert after == before


def test_an_upgrade_waits_for_another(tmp_path):
    (tmp_path / "a.db").touch()
    with (tmp_path / "a.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=migrate.upgrade, args=[f"sqlite:///{tmp_path}/a.db"])
        thread.start()
        thread.join(0.3)
        waited = thread.is_alive()
        fcntl.flock(lock, fcntl.LOCK_UN)
        thread.join(30)

    assert waited
    assert migrate.check(f"sqlite:///{tmp_path}/a.db") == []


def test_an_upgrade_that_waits_too_long_says_for_whom(tmp_path, monkeypatch):
    monkeypatch.setattr(migrate, "_WAIT", 0.05)
    with (tmp_path / "a.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(Unavailable, match="another process has been migrating"):
            migrate.upgrade(f"sqlite:///{tmp_path}/a.db")


def test_rows_that_point_at_nothing_stop_a_migration(tmp_path):
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child (parent_id REFERENCES parent (id))")
        connection.execute("INSERT INTO child VALUES (1)")
        connection.commit()

    with pytest.raises(DataProblem, match="1 rows point at nothing, the first in table child"):
        migrate.upgrade(f"sqlite:///{path}")

    assert migrate.current(f"sqlite:///{path}") is None
    assert rows(path, "SELECT count(*) FROM sqlite_master") == [(2,)]


@pytest.mark.parametrize("name", ["100% sure", "ümläut 漢字", "hash#tag", "plus+and&", "q'uote\"s"])
def test_any_folder_name_will_do(tmp_path, name):
    url = f"sqlite:///{tmp_path}/{name}/a.db"

    migrate.upgrade(url)

    assert (tmp_path / name / "a.db").stat().st_size > 0
    with open_store(url, tmp_path) as store:
        store.ping()


def test_a_relative_path_means_the_folder_of_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    migrate.upgrade("sqlite:///data/a.db")

    assert (tmp_path / "data" / "a.db").exists()


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("/dev/vda / ext4 rw 0 0\n", None),
        ("/dev/vda / ext4 rw 0 0\nserver:/x {} nfs4 rw 0 0\n", "nfs4"),
        ("server:/x / nfs rw 0 0\n/dev/vda {} ext4 rw 0 0\n", None),
        ("server:/x / nfs rw 0 0\n", "nfs"),
        ("server:/x {}x cifs rw 0 0\n", None),
        ("server:/x {}\\040y cifs rw 0 0\n", None),
        ("", None),
    ],
)
def test_a_network_disk_is_recognised_by_its_nearest_mount(tmp_path, mounts, expected):
    assert migrate.network_disk(tmp_path, mounts.format(tmp_path)) == expected


def test_a_database_on_a_network_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(migrate, "network_disk", lambda _: "nfs4")

    with pytest.raises(Unavailable, match=r"on a network disk \(nfs4\)"):
        migrate.upgrade(f"sqlite:///{tmp_path}/a.db")

    assert list(tmp_path.iterdir()) == []
