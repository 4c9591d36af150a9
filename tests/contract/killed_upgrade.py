"""Upgrade the nth database and die by SIGKILL at its nth statement: `killed_upgrade.py URL…`.

The last step before the end is the commit. Prints the signal each process died of, 0 for none.
"""

import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from core.store import migrate


def upgrade_and_die(fatal: int, url: str) -> None:
    seen = 0

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def before_statement(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().startswith(("CREATE", "INSERT", "DROP", "ALTER", "UPDATE")):
            step()

    @event.listens_for(Engine, "commit")
    def before_commit(_connection: Any) -> None:
        if seen:
            step()

    migrate.upgrade(url)


if __name__ == "__main__":
    for number, address in enumerate(sys.argv[1:], start=1):
        child = os.fork()
        if child == 0:
            upgrade_and_die(number, address)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status), flush=True)  # noqa: T201
