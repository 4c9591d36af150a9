"""Connections of the store: what holds on each of them, and what happens when they cannot work."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import StatementError
from sqlalchemy.sql import insert

from core.domain.run import RunQuery, RunStatus
from core.errors import InvalidInput, Unavailable
from core.store import ArtifactStore, migrate, open_store
from core.store.database import Database
from core.store.tables import RunEventRow, RunSymbolRow
from tests.contract.samples import NOW, a_spec, key, some_frames


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "workbench.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def path(template, tmp_path) -> Path:
    target = tmp_path / "workbench.db"
    shutil.copy(template, target)
    return target


@pytest.fixture
def database(path) -> Iterator[Database]:
    with contextlib.closing(Database(f"sqlite:///{path}", patience=0.2)) as opened:
        yield opened


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns or raises in a forked child."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads; the child uses none
        child = os.fork()
    if child == 0:
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - the parent judges
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answers:
        return answers.read()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder everybody may enter, unlike those of pytest."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user whom permissions stop; root they do not.

    This thread alone where that can be had: fixtures of others may have workers in this process.
    """
    if os.geteuid() != 0:
        yield
        return
    become = getattr(ctypes.CDLL(None), "setfsuid", os.seteuid)
    become(65534)
    try:
        yield
    finally:
        become(0)


class TestConnections:
    def test_every_connection_has_its_pragmas(self, database):
        for _ in range(2):
            with database.read() as one, database.read() as another:
                for connection in (one, another):
                    found = {
                        name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                        for name in ("foreign_keys", "synchronous", "journal_mode", "busy_timeout")
                    }
                    assert found == {
                        "foreign_keys": 1,
                        "synchronous": 2,  # FULL
                        "journal_mode": "wal",
                        "busy_timeout": 200,
                    }

    def test_wal_is_set_by_the_migration_and_stays_in_the_file(self, path):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_a_write_takes_its_lock_before_it_reads(self, database, path):
        with database.write() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM runs")
            with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    other.execute("BEGIN IMMEDIATE")
                assert other.execute("SELECT count(*) FROM runs").fetchone() == (0,)

    def test_a_lock_held_elsewhere_is_named_and_does_no_harm(self, database, path):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="is locked by another program"), database.write():
                pass
            with database.read() as connection:
                assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
            other.execute("ROLLBACK")

        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM runs")

    def test_stores_of_one_process_share_one_writer(self, database, path):
        other = Database(f"sqlite:///{path}", patience=0.05)

        def occupy() -> None:
            with other.write():
                busy.set()
                done.wait(5)

        busy, done = threading.Event(), threading.Event()
        thread = threading.Thread(target=occupy)
        thread.start()
        busy.wait(5)
        with pytest.raises(Unavailable, match=r"has been busy for 0\.2 s"), database.write():
            pass
        done.set()
        thread.join()
        other.close()

        with database.write():
            pass

    def test_a_foreign_key_to_nothing_is_refused(self, database):
        row = {"run_id": 7, "position": 0, "symbol": "SPY"}

        def point_at_nothing() -> None:
            with database.write() as connection:
                connection.execute(insert(RunSymbolRow).values(row))

        with pytest.raises(Exception, match="FOREIGN KEY"):
            point_at_nothing()

    def test_a_time_without_a_zone_is_refused_by_the_column_itself(self, database):
        row = {"run_id": 7, "at": datetime(2026, 4, 1), "to_status": "x", "note": ""}  # noqa: DTZ001

        def write() -> None:
            with database.write() as connection:
                connection.execute(insert(RunEventRow).values(row))

        with pytest.raises(StatementError, match="has no time zone"):
            write()


class TestFork:
    def test_a_store_opened_before_a_fork_is_refused_after_it(self, path, tmp_path):
        with open_store(f"sqlite:///{path}", tmp_path) as store:
            store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)

            found = in_child(lambda: str(store.runs.get(1)))

            assert found.startswith(
                f"Unavailable: this connection belongs to process {os.getpid()}"
            )
            assert store.runs.get(1).id == 1

    def test_a_connection_carried_through_a_fork_is_refused_too(self, database):
        with database.read() as connection:
            found = in_child(lambda: str(connection.exec_driver_sql("SELECT 1").scalar()))

            assert found.startswith("Unavailable: this connection belongs to process")
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1

    def test_a_child_opens_its_own_even_when_the_parent_was_writing(self, database, path, tmp_path):
        def work() -> str:
            with open_store(f"sqlite:///{path}", tmp_path) as own:
                run = own.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
                return str(run.id)

        with database._writer:  # as if another thread were writing at the moment of the fork
            assert in_child(work) == "1"


class TestProcesses:
    def test_processes_write_side_by_side_and_none_is_locked_out(self, path, tmp_path):
        url = f"sqlite:///{path}"

        def work() -> str:
            with open_store(url, tmp_path) as own:
                for _ in range(30):
                    run = own.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
                    own.runs.start(run.id, now=NOW)
            return "ok"

        with ThreadPoolExecutor(4) as parents:
            answers = list(parents.map(lambda _: in_child(work), range(4)))

        assert answers == ["ok"] * 4
        with open_store(url, tmp_path) as store:
            assert store.runs.list(RunQuery(status=RunStatus.RUNNING)).total == 120
            assert store.runs.change_token() == "240.0"


class TestRefusals:
    @pytest.mark.parametrize(
        "url",
        [
            *("", "nonsense", "mysql://u:s3cret@h/d", "postgresql://u:s3cret@h:port/d"),
            *("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"),
        ],
    )
    def test_a_url_that_is_not_ours_is_refused_without_showing_it(self, tmp_path, url):
        with pytest.raises(InvalidInput) as caught:
            open_store(url, tmp_path)

        assert "s3cret" not in caught.value.sentence()
        assert caught.value.field == "database_url"

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
    def test_postgresql_is_spoken_with_psycopg_however_it_is_written(self, scheme):
        assert Database(f"{scheme}://u@h/d").url.drivername == "postgresql+psycopg"

    def test_a_missing_file_is_not_created_but_named(self, tmp_path):
        store = open_store(f"sqlite:///{tmp_path}/none.db", tmp_path)
        with store, pytest.raises(Unavailable, match=r"none\.db does not exist") as caught:
            store.ping()

        assert "workbench migrate" in caught.value.sentence()
        assert list(tmp_path.glob("none.db*")) == []

    def test_a_missing_folder_is_named(self, tmp_path):
        store = open_store(f"sqlite:///{tmp_path}/nowhere/a.db", tmp_path)
        with store, pytest.raises(Unavailable, match="nowhere does not exist"):
            store.ping()

    def test_a_file_that_is_no_database_is_named(self, tmp_path):
        (tmp_path / "a.db").write_text("time,open\n" * 1000)

        store = open_store(f"sqlite:///{tmp_path}/a.db", tmp_path)
        with store, pytest.raises(Unavailable, match="is not a SQLite database"):
            store.ping()
        with pytest.raises(Unavailable, match="is not a SQLite database"):
            migrate.upgrade(f"sqlite:///{tmp_path}/a.db")

    def test_a_damaged_file_is_named(self, path, tmp_path):
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)

        store = open_store(f"sqlite:///{path}", tmp_path)
        with store, pytest.raises(Unavailable, match="is damaged"):
            store.runs.list(RunQuery())

    def test_a_full_disk_is_named_and_the_store_works_again_afterwards(self, path, tmp_path):
        with open_store(f"sqlite:///{path}", tmp_path) as store:
            first = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
            with store._database.read() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")

            def fill() -> None:
                for _ in range(1000):
                    store.runs.create(a_spec(), title="t" * 5000, source="cli", owner="o", now=NOW)

            with pytest.raises(Unavailable, match="no room left"):
                fill()
            with store._database.read() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count=1000000")

            assert store.runs.get(first.id) == first
            total = store.runs.list(RunQuery()).total
            last = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
            assert last.id == total + 1 == store.runs.list(RunQuery()).total

    @pytest.mark.parametrize("name", ["a.db", "deeper/a.db"])
    def test_a_folder_nobody_may_write_is_named(self, folder, name):
        folder.chmod(0o555)
        assert migrate.head()  # read before the rights to read it are gone

        with unprivileged(), pytest.raises(Unavailable, match=r"cannot be (written|made)"):
            migrate.upgrade(f"sqlite:///{folder}/{name}")

        folder.chmod(0o755)

    def test_a_file_nobody_may_read_is_named(self, folder, template):
        path = folder / "a.db"
        shutil.copy(template, path)
        path.chmod(0o000)
        folder.chmod(0o777)
        store = open_store(f"sqlite:///{path}", folder)

        with store, unprivileged(), pytest.raises(Unavailable, match=r"a\.db cannot be opened"):
            store.ping()

    def test_only_the_thread_that_gives_up_its_rights_loses_them(self, folder):
        path = folder / "a.db"
        path.write_bytes(b"")
        path.chmod(0o000)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(time.monotonic).result()  # a thread takes the rights of who starts it
            with unprivileged():
                with pytest.raises(PermissionError):
                    path.read_bytes()
                if sys.platform == "linux" and os.getuid() == 0:
                    assert pool.submit(path.read_bytes).result() == b""

    def test_artifacts_nobody_may_write_are_named(self, folder):
        frames = some_frames(1)
        folder.chmod(0o555)

        with unprivileged(), pytest.raises(Unavailable, match="permission denied"):
            ArtifactStore(folder / "artifacts").publish(key(1), frames)

        folder.chmod(0o755)
