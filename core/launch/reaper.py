"""Outlives a launcher that was killed, to end what it had started.

Reads process groups from stdin, one number a line. When stdin closes without the line `done`, the
launcher died without cleaning up: the groups are ended. A pipe closes on every kind of death, and
on every system, which a parent-death signal does not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def main() -> None:
    """Wait for the launcher's end."""
    groups: list[int] = []
    for word in sys.stdin:
        if word.strip() == "done":
            return
        groups.append(int(word))
    for blow in (signal.SIGTERM, signal.SIGKILL):
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, blow)
        if blow is signal.SIGTERM:
            time.sleep(GRACE_SECONDS)


if __name__ == "__main__":
    main()
