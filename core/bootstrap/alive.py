"""Whether the workers of this machine do their work, for whoever has to restart them if not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.errors import NotFound, Unavailable
from core.jobs.presence import Presence
from core.settings import Settings

LONGEST_SILENCE: Final = 15.0
"""Seconds; a lease is over after ten, and its job then belongs to whoever comes."""


def workers_folder(settings: Settings) -> Path:
    """Say where workers leave their signs of life."""
    return settings.data_dir / "presence" / "workers"


def workers_alive(settings: Settings | None = None) -> Mapping[str, float]:
    """Say of each worker of this machine how many seconds ago the queue last answered it.

    One that compiles its kernels counts as answered.

    Args:
        settings: Those of the environment by default.

    Raises:
        NotFound: there is none.
        Unavailable: one has been silent for too long.
    """
    found = Presence(workers_folder(settings or Settings.load())).silence()
    if not found:
        raise NotFound("no worker runs on this machine", hint="Start one with `workbench worker`")
    name, longest = max(found.items(), key=lambda each: each[1])
    if longest > LONGEST_SILENCE:
        raise Unavailable(
            f"worker {name} has been silent for {longest:.0f} s",
            expected=f"an answer of the queue at least every {LONGEST_SILENCE:.0f} s",
            hint="Look at its log, then restart it; others take its jobs over meanwhile",
        )
    return found
