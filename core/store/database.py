"""Connections: one engine per database, short transactions, one writer at a time.

SQLite and PostgreSQL behave alike here: reads see one moment, writes come one after another. That
makes the order of event ids the order of commits, which the change token relies on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from core.errors import InvalidInput, Unavailable
from core.store.refusals import name_of, refusal

PATIENCE: Final = 20.0
WRITER_LOCK: Final = 0x5157_424E_4348  # "QWBNCH": ours among a server's advisory locks

_WRITERS: dict[str, threading.Lock] = {}
_WRITERS_GUARD = threading.Lock()
# A lock that some thread of the parent held at the fork would never be released in the child.
os.register_at_fork(after_in_child=_WRITERS.clear)


def read_url(text: str) -> URL:
    """Read a database URL; relative SQLite paths become absolute.

    Raises:
        InvalidInput: not a URL, or not SQLite in a file or PostgreSQL.
    """
    expected = "sqlite:///path/to/file.db or postgresql+psycopg://user@host/name"
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        raise InvalidInput(
            "the database URL cannot be read", expected=expected, field="database_url"
        ) from None
    backend = url.drivername.partition("+")[0]
    if backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidInput(
            f"databases of kind {backend!r} are not supported",
            expected=expected,
            field="database_url",
        )
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise InvalidInput(
            "a SQLite database must be a file", expected=expected, field="database_url"
        )
    path = Path(url.database).expanduser().absolute()
    return url.set(drivername="sqlite", database=str(path))


class Database:
    """One database and its connections.

    Args:
        url: Where it is, see `read_url`.
        patience: Seconds to wait for a lock before giving up.
        foreign_keys: Only migrations, which rebuild tables, work without; they check at the end.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE, foreign_keys: bool = True) -> None:
        self.url = read_url(url)
        self._pid = os.getpid()
        self._patience = patience
        engine = (
            _sqlite(self.url, patience, foreign_keys=foreign_keys)
            if self.is_sqlite
            else _postgres(self.url, patience)
        )
        event.listen(engine, "before_cursor_execute", self._before_statement)
        self._engine = engine
        self._writer = _writer_lock(self.url)
        self._writing = engine.execution_options(workbench_write=True)
        # Several statements of one read must see the same moment, as they do on SQLite.
        self._reading = (
            engine
            if self.is_sqlite
            else engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file rather than a PostgreSQL server."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(self.url.database or "") if self.is_sqlite else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read in one transaction that sees one moment.

        Raises:
            Unavailable: the database cannot answer now.
        """
        self._same_process()
        with self._explained(), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Write in one transaction, all or nothing; writers wait for each other.

        Raises:
            Unavailable: the database cannot answer now.
        """
        self._same_process()
        if not self._writer.acquire(timeout=self._patience):
            raise Unavailable(
                f"{name_of(self.url)} has been busy for {self._patience:g} s", hint="try again"
            )
        try:
            with self._explained(), self._writing.begin() as connection:
                yield connection
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close every connection. After a fork the child's copies are left alone."""
        self._engine.dispose(close=os.getpid() == self._pid)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            reason = refusal(error, self.url)
            if reason is None:
                raise
            raise reason from error

    def _same_process(self) -> None:
        # SQLite's locks belong to a process and a server's socket to one conversation: a forked
        # child that used them would damage both.
        if os.getpid() != self._pid:
            raise Unavailable(
                f"this connection belongs to process {self._pid}, this is process {os.getpid()}",
                hint="open the store again after a fork",
            )

    def _before_statement(self, *_: object) -> None:
        self._same_process()


def _writer_lock(url: URL) -> threading.Lock:
    with _WRITERS_GUARD:
        return _WRITERS.setdefault(url.render_as_string(), threading.Lock())


def _sqlite(url: URL, patience: float, *, foreign_keys: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": patience})

    @event.listens_for(engine, "do_connect")
    def only_existing(
        _dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]
    ) -> None:
        # Opening must never create: an empty file would hide that nobody migrated.
        args[0] = f"file:{quote(url.database or '')}?mode=rw"
        options["uri"] = True

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, see below
        for pragma in (
            f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
            "synchronous=FULL",
            "journal_size_limit=67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails at once when another one wrote in
        # between, whatever the timeout (1,606 of 1,800 in a measurement); an immediate one waits.
        writes = connection.get_execution_options().get("workbench_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: URL, patience: float) -> Engine:
    options: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        options["connect_timeout"] = 10
    if "options" not in url.query:
        options["options"] = f"-c lock_timeout={int(patience * 1000)} -c timezone=UTC"
    engine = create_engine(url, pool_pre_ping=True, connect_args=options)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Event ids are drawn before the commit; without this a smaller id could appear after a
        # larger one was seen, and a poller would miss it.
        if connection.get_execution_options().get("workbench_write"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")

    return engine
