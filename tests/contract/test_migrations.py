"""Migrations on both databases: up, down, up again, without drift, by many at once, under kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from core.domain.metrics import METRICS, REASONS
from core.domain.run import RunError, RunQuery
from core.errors import InvalidInput, Unavailable
from core.store import migrate, open_store
from core.store.database import Database
from core.store.tables import ADDED, Base
from tests.contract.samples import NOW, a_result, a_spec, key

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(HERE / name), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def tables(url: str) -> set[str]:
    with closing(Database(url)) as database, database.read() as connection:
        return set(inspect(connection).get_table_names())


def is_numbered_once(connection: Connection, table: str) -> bool:
    """Whether SQLite promises that a number is never used again; PostgreSQL always does."""
    if connection.dialect.name != "sqlite":
        return True
    made = text("SELECT sql FROM sqlite_master WHERE name = :table")
    return "AUTOINCREMENT" in connection.execute(made, {"table": table}).scalar_one()


def shape(connection: Connection) -> dict[str, object]:
    """Everything the database itself knows about our tables."""
    look = inspect(connection)
    return {
        table: {
            "columns": [
                {**column, "type": repr(column["type"])} for column in look.get_columns(table)
            ],
            "key": look.get_pk_constraint(table),
            "foreign": sorted(look.get_foreign_keys(table), key=str),
            "unique": sorted(look.get_unique_constraints(table), key=str),
            "checks": sorted(look.get_check_constraints(table), key=str),
            "indexes": sorted(look.get_indexes(table), key=str),
            "numbers": is_numbered_once(connection, table),
        }
        for table in sorted(Base.metadata.tables)
    }


def test_up_down_and_up_again_leaves_the_tables_of_the_program(empty_database):
    url = empty_database()

    assert migrate.current(url) is None
    assert migrate.upgrade(url) == migrate.head() == migrate.current(url)
    assert tables(url) == {*Base.metadata.tables, "workbench_alembic_version"}
    assert migrate.check(url) == []
    migrate.downgrade(url, "base")
    assert migrate.current(url) is None
    assert tables(url) == {"workbench_alembic_version"}
    migrate.upgrade(url)
    assert migrate.check(url) == []


def test_the_written_migration_makes_exactly_what_the_tables_declare(empty_database):
    """Alembic's comparison looks past checks and names; the databases' own catalogues do not."""
    migrated, declared = empty_database(), empty_database()
    migrate.upgrade(migrated)
    if declared.startswith("sqlite"):
        sqlite3.connect(declared.removeprefix("sqlite:///")).close()
    shapes = []

    with closing(Database(declared)) as database:
        with database.write() as connection:
            Base.metadata.create_all(connection)
        with database.read() as connection:
            shapes.append(shape(connection))
    with closing(Database(migrated)) as database, database.read() as connection:
        shapes.append(shape(connection))

    assert shapes[0] == shapes[1]


def test_every_metric_has_its_column(url):
    with closing(Database(url)) as database, database.read() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("metrics")}

    assert set(METRICS) <= columns


def test_drift_is_found(url):
    with closing(Database(url)) as database, database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE metrics DROP COLUMN sharpe")
        connection.exec_driver_sql("DROP INDEX ix_runs_status")
        connection.exec_driver_sql("CREATE TABLE of_another_program (id INTEGER)")

    found = migrate.check(url)

    assert len(found) == 2
    assert "sharpe" in str(found)
    assert "ix_runs_status" in str(found)


def test_an_upgrade_keeps_the_rows(url, tmp_path):
    with open_store(url, tmp_path) as store:
        run = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
        migrate.upgrade(url)

        assert store.runs.list(RunQuery()).runs == (run,)


def test_a_result_of_before_has_what_it_had_and_says_what_it_has_not(url, tmp_path):
    """Columns that a later version added are empty, with a reason of their own."""
    later = [name for name in ADDED if name in METRICS]
    with open_store(url, tmp_path) as store:
        run = store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
        result = a_result(key("old"), run.spec, 1, dict.fromkeys(later, 0.5))
        artifacts = store.artifacts.publish(result.run_key, result.frames)
        before = store.runs.complete(run.id, result, artifacts, reused=False, now=NOW).metrics
    assert before is not None

    migrate.downgrade(url, "0001")
    assert migrate.upgrade(url) == migrate.head()

    with open_store(url, tmp_path) as store:
        run = store.runs.get(run.id)
        listed = store.runs.list(RunQuery()).runs[0].metrics
    assert run.metrics == listed
    assert run.metrics is not None
    assert run.metrics.values == {**before.values, **dict.fromkeys(later)}
    assert run.metrics.reasons == {**before.reasons, **dict.fromkeys(later, "not_computed")}
    assert set(run.metrics.reasons.values()) <= set(REASONS)
    assert {"alpha", "beta", "info_ratio", "funding", "psr", "sessions"} <= set(later)


def test_history_of_deleted_runs_goes_with_the_revision_that_keeps_it(url, tmp_path):
    with open_store(url, tmp_path) as store:
        kept, gone = (
            store.runs.create(a_spec(), title="t", source="cli", owner="o", now=NOW)
            for _ in range(2)
        )
        store.runs.fail(gone.id, RunError("lost", "gone"), now=NOW)
        store.runs.delete(gone.id, by="cli", now=NOW)

    migrate.downgrade(url, "0012")
    with closing(Database(url)) as database, database.read() as connection:
        told = connection.exec_driver_sql("SELECT DISTINCT run_id FROM run_events").scalars().all()
    migrate.upgrade(url)

    assert told == [kept.id]
    with open_store(url, tmp_path) as store:
        assert store.runs.list(RunQuery()).runs == (kept,)


def test_an_older_database_has_no_columns_of_later_metrics(url):
    migrate.downgrade(url, "0001")

    with closing(Database(url)) as database, database.read() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("metrics")}

    assert not {"alpha", "beta", "psr", "min_trl", "mae_r", "total_costs"} & columns
    assert {"sharpe", "reasons"} <= columns


def test_eight_processes_upgrade_an_empty_database_once(empty_database):
    urls = [empty_database() for _ in range(3)]

    done = script("upgrade_storm.py", *urls)

    assert done.stdout.splitlines() == ["ok"] * 8 * len(urls), done.stderr
    for url in urls:
        assert migrate.check(url) == []
        with closing(Database(url)) as database, database.read() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM workbench_alembic_version").all()
        assert [tuple(row) for row in rows] == [(migrate.head(),)]


def test_an_upgrade_killed_at_any_statement_is_old_or_new(empty_database):
    urls = [empty_database() for _ in range(25)]

    done = script("killed_upgrade.py", *urls)

    deaths = [int(line) for line in done.stdout.splitlines()]
    statements = deaths.count(signal.SIGKILL)
    assert statements >= 24, done.stderr
    assert deaths == [signal.SIGKILL] * statements + [0] * (len(urls) - statements)
    for url, death in zip(urls, deaths, strict=True):
        if death:
            assert migrate.current(url) is None
            assert not tables(url)
        migrate.upgrade(url)
        assert migrate.check(url) == []


def test_a_database_from_the_future_is_left_alone(url):
    with closing(Database(url)) as database, database.write() as connection:
        connection.exec_driver_sql("UPDATE workbench_alembic_version SET version_num = '9999'")

    for call in (migrate.upgrade, lambda url: migrate.downgrade(url, "base")):
        with pytest.raises(Unavailable, match="at revision 9999, newer than this program knows"):
            call(url)


def test_a_revision_that_is_not_known_is_refused(url):
    with pytest.raises(InvalidInput, match="'0999' is not known"):
        migrate.downgrade(url, "0999")


def test_a_database_without_tables_says_how_to_make_them(empty_database, tmp_path):
    url = empty_database()
    if url.startswith("sqlite"):
        sqlite3.connect(url.removeprefix("sqlite:///")).close()

    with open_store(url, tmp_path) as store:
        for call in (store.ping, store.runs.change_token, lambda: store.runs.list(RunQuery())):
            with pytest.raises(Unavailable, match="has no tables") as caught:
                call()
            assert "workbench migrate" in caught.value.sentence()
