"""Bringing a database up to date: one process at a time, all or nothing, with a copy kept before.

The whole upgrade is one transaction, also on SQLite, so a kill leaves the old schema or the new
one. Downgrades are for people; nothing calls them by itself.
"""

from __future__ import annotations

import fcntl
import functools
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.errors import DataProblem, InvalidInput, Unavailable
from core.store.database import PATIENCE, Database
from core.store.refusals import blocked_folder, name_of, sqlite_refusal
from core.store.tables import Base

VERSION_TABLE: Final = "workbench_alembic_version"
_SCRIPTS: Final = Path(__file__).parent / "migrations"
_WAIT: Final = 120.0
# WAL needs memory shared between processes, which these do not give.
_NETWORK_DISKS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}
)


def head() -> str:
    """The revision this version of the program works with."""
    newest = _scripts().get_current_head()
    if newest is None:
        raise DataProblem("the program has no migrations", hint="install it again")
    return newest


def current(url: str) -> str | None:
    """The revision a database is at; None when it has none or does not exist.

    Raises:
        Unavailable: the database cannot answer now.
    """
    with closing(Database(url)) as database:
        return _current(database)


def upgrade(url: str) -> str:
    """Bring a database to `head`, making a SQLite file and its folder if need be.

    A SQLite file that holds anything is copied first, to `<file>.backup-<revision>`.

    Raises:
        Unavailable: it cannot be opened or written, or is newer than this program.
    """
    with closing(Database(url, foreign_keys=False)) as database:
        _refuse_unknown(database)
        if _current(database) != head():
            with _alone(database):
                _run(database, head(), backwards=False)
    return head()


def downgrade(url: str, revision: str) -> None:
    """Take a database back to an older revision, or `base` for none, after copying it.

    Raises:
        InvalidInput: no such revision.
        Unavailable: it cannot be opened or written.
    """
    if revision != "base" and revision not in _known():
        raise InvalidInput(
            f"revision {revision!r} is not known", expected=f"base or {', '.join(_known())}"
        )
    with closing(Database(url, foreign_keys=False)) as database, _alone(database):
        _refuse_unknown(database)
        _run(database, revision, backwards=True)


def check(url: str) -> list[str]:
    """Differences between the tables of a database and those of the program; none is good.

    Tables of other programs in the same database do not count.

    Raises:
        Unavailable: the database cannot answer now.
    """
    with closing(Database(url)) as database, database.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "include_object": _is_ours,
            },
        )
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def _run(database: Database, revision: str, *, backwards: bool) -> None:
    before = _current(database)
    if before == (None if revision == "base" else revision):
        return  # another process was faster
    if database.path is not None:
        _back_up(database.path, before)
    with database.write() as connection:
        if _revision(connection) != before:
            return  # likewise, on a server
        config = _config()
        config.attributes["connection"] = connection
        (command.downgrade if backwards else command.upgrade)(config, revision)
        if database.is_sqlite:
            _refuse_orphans(connection)


def _is_ours(_item: Any, _name: str | None, _kind: str, reflected: bool, twin: Any) -> bool:  # noqa: FBT001 - called so by Alembic
    table = getattr(_item, "table", _item)
    return not (reflected and twin is None and table.name not in Base.metadata.tables)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@functools.cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _known() -> list[str]:
    return [script.revision for script in _scripts().walk_revisions()]


def _current(database: Database) -> str | None:
    path = database.path
    if path is not None and not path.exists():
        return None
    with database.read() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _refuse_unknown(database: Database) -> None:
    found = _current(database)
    if found is not None and found not in _known():
        raise Unavailable(
            f"{name_of(database.url)} is at revision {found}, newer than this program knows",
            expected=f"at most {head()}",
            hint="install the newer version, or restore the backup beside the file",
        )


def _refuse_orphans(connection: Connection) -> None:
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        raise DataProblem(
            f"{len(orphans)} rows point at nothing, the first in table {orphans[0][0]}",
            hint="nothing was changed; restore the backup or report this",
        )


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold the only right to migrate; a server's advisory lock comes with every write."""
    path = database.path
    if path is None:
        yield
        return
    _prepare_folder(path)
    with _locked(path), _explained(database):
        _prepare_file(path)
        yield


@contextmanager
def _explained(database: Database) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        reason = sqlite_refusal(error, database.url)
        if reason is None:
            raise
        raise reason from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Unavailable(
            f"{lock} cannot be opened: {error.strerror}", hint="make it and its folder writable"
        ) from error
    try:
        deadline = time.monotonic() + _WAIT
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another process has been migrating {path} for {_WAIT:g} s",
                    hint="wait for it or end it, then try again",
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prepare_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"folder {path.parent} cannot be made: {(error.strerror or str(error)).lower()}",
            hint="make it yourself, writable, or name another one",
        ) from error
    reason = blocked_folder(path.parent)
    if reason is not None:
        raise reason
    disk = network_disk(path.parent)
    if disk is not None:
        raise Unavailable(
            f"{path.parent} is on a network disk ({disk}), where SQLite would lose data",
            hint="use a local disk, or PostgreSQL",
        )


def _prepare_file(path: Path) -> None:
    """Make the file and switch it to WAL, here and nowhere else: later it would be locked out."""
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
        mode = _switch_to_wal(connection)
    if mode != "wal":
        raise Unavailable(f"the disk of {path} cannot do WAL", hint="use a local disk")


def _switch_to_wal(connection: sqlite3.Connection) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError:
            # SQLite does not wait for readers here, whatever the timeout.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _back_up(path: Path, revision: str | None) -> None:
    """Copy a file that holds anything by the backup API, which knows about the WAL."""
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as source:
        (tables,) = source.execute(
            "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE ?", (f"%{VERSION_TABLE}%",)
        ).fetchone()
        if not tables:
            return
        target = _free_name(path.with_name(f"{path.name}.backup-{revision or 'none'}"))
        partial = target.with_name(f"{target.name}.partial")
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        partial.rename(target)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.{number}") for number in range(2, 10_000))
    return next(name for name in (path, *names) if not name.exists())


def network_disk(folder: Path, mounts: str | None = None) -> str | None:
    """Kind of the network disk a folder is on, None when it is local or nobody can tell.

    Args:
        folder: An existing folder.
        mounts: Text in the form of `/proc/mounts`; by default that of this machine.
    """
    if mounts is None:
        table = Path("/proc/mounts")
        mounts = table.read_text("utf-8", "replace") if table.exists() else ""
    wanted = folder.resolve()
    found = (len(Path("/").parts), "")
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        mounted = Path(point.replace("\\040", " "))
        if wanted.is_relative_to(mounted) and len(mounted.parts) >= found[0]:
            found = (len(mounted.parts), kind)
    return found[1] if found[1] in _NETWORK_DISKS else None
