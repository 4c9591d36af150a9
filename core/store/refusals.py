"""What a database driver says, put into one sentence with its remedy.

Only circumstances are translated (locked, full, missing, damaged, unreachable). What is left is a
mistake in our own statements and stays an exception of the driver.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, exc

from core.errors import Unavailable

MIGRATE = "bring it up to date with `workbench migrate`"

_SQLITE = {
    "SQLITE_BUSY": ("is locked by another program", "close what holds it open, then try again"),
    "SQLITE_LOCKED": ("is locked by another program", "close what holds it open, then try again"),
    "SQLITE_READONLY": ("cannot be written", "make the file and its folder writable"),
    "SQLITE_PERM": ("cannot be opened", "make the file and its folder readable and writable"),
    "SQLITE_FULL": ("has no room left on its disk", "free some space, then try again"),
    "SQLITE_IOERR": ("cannot be read or written by its disk", "check the disk and its free space"),
    "SQLITE_CORRUPT": ("is damaged", "restore the newest backup beside it"),
    "SQLITE_NOTADB": ("is not a SQLite database", "move that file away or name another one"),
    "SQLITE_PROTOCOL": ("is locked by another program", "close what holds it open, then try again"),
}
_POSTGRES = {
    "42P01": ("has no tables of this version", MIGRATE),
    "42703": ("has no tables of this version", MIGRATE),
    "25006": ("accepts no writes", "point WORKBENCH_DATABASE_URL at the primary server"),
    "42501": ("refuses this user", "grant the user its tables"),
    "53100": ("has no room left on its disk", "free some space, then try again"),
    "53300": ("has no connection left", "close other clients or raise max_connections"),
    "55P03": ("is locked by another program", "try again when it is done"),
    "57014": ("cancelled the statement", "try again"),
}


def refusal(error: exc.SQLAlchemyError, url: URL) -> Unavailable | None:
    """Say why the database cannot answer, or None when the fault is ours."""
    if isinstance(error, exc.TimeoutError):
        return Unavailable(
            f"{name_of(url)} has no free connection", hint="try again, with fewer requests at once"
        )
    if not isinstance(error, exc.DBAPIError):
        return None
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return sqlite_refusal(cause, url)
    found = _POSTGRES.get(getattr(cause, "sqlstate", None) or "")
    if found is None and isinstance(error, exc.OperationalError | exc.InterfaceError):
        first_line = str(cause).strip().partition("\n")[0]
        found = (f"does not answer: {first_line}", "start it, or correct WORKBENCH_DATABASE_URL")
    return Unavailable(f"{name_of(url)} {found[0]}", hint=found[1]) if found else None


def sqlite_refusal(cause: sqlite3.Error, url: URL) -> Unavailable | None:
    """Likewise for an error of the sqlite3 module itself."""
    code = getattr(cause, "sqlite_errorname", "")
    if code.startswith("SQLITE_CANTOPEN"):
        return _cannot_open(Path(url.database or ""))
    if code == "SQLITE_ERROR" and str(cause).startswith(("no such table", "no such column")):
        return Unavailable(f"{name_of(url)} has no tables of this version", hint=MIGRATE)
    for prefix, (what, remedy) in _SQLITE.items():
        if code.startswith(prefix):
            return Unavailable(f"{name_of(url)} {what}", hint=remedy)
    return None


def name_of(url: URL) -> str:
    """The database as users know it, without its password."""
    if url.get_backend_name() == "sqlite":
        return f"database {url.database}"
    where = f"{url.host or 'local socket'}" + (f":{url.port}" if url.port else "")
    return f"database {url.database!r} at {where}"


def blocked_folder(folder: Path) -> Unavailable | None:
    """Say why a folder cannot hold our files, or None when it can."""
    if not folder.exists():
        return Unavailable(f"folder {folder} does not exist", hint="create it or name another one")
    if not folder.is_dir():
        return Unavailable(f"{folder} is a file", expected="a folder", hint="name another one")
    effective = os.access in os.supports_effective_ids
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=effective):
        return Unavailable(
            f"folder {folder} cannot be written by this user",
            hint="make it writable or name another one",
        )
    return None


def _cannot_open(path: Path) -> Unavailable:
    folder = blocked_folder(path.parent)
    if folder is not None:
        return folder
    if not path.exists():
        return Unavailable(
            f"database {path} does not exist", hint="create it with `workbench migrate`"
        )
    return Unavailable(
        f"database {path} cannot be opened", hint="make the file readable and writable"
    )
