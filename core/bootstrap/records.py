"""The schema of the records, for people who look after them: where it is, and moving it."""

from __future__ import annotations

from typing import NamedTuple

from core.settings import Settings
from core.store import migrate


class Schema(NamedTuple):
    """Revision a database is at, None for none, and the one this program works with."""

    found: str | None
    wanted: str

    @property
    def is_current(self) -> bool:
        """Whether nothing needs doing."""
        return self.found == self.wanted


def schema(settings: Settings | None = None) -> Schema:
    """Look where the records are.

    Raises:
        Unavailable: the database cannot answer now.
    """
    settings = settings or Settings.load()
    return Schema(migrate.current(settings.database_url), migrate.head())


def move_schema(to: str | None = None, settings: Settings | None = None) -> Schema:
    """Bring the records to this program's schema, or back to revision `to`, after copying them.

    Raises:
        InvalidInput: no such revision.
        Unavailable: the database cannot be opened or written, or is newer than this program.
    """
    settings = settings or Settings.load()
    if to is None or to == migrate.head():
        migrate.upgrade(settings.database_url)
    else:
        migrate.downgrade(settings.database_url, to)
    return schema(settings)
