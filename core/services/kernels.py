"""Whether the engine is compiled: which kernels are kept on disk, and the words for who waits.

Nothing here loads the engine, so a server may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core import engine

COMPILING = (
    "The engine is being compiled, once for each version of it. That takes up to a minute; "
    "later runs do not wait."
)

_CODE = Path(engine.__file__).parent
# The general driver takes longer than all others together and is compiled last.
_ACCOUNTS = "portfolio.run_portfolio*.nbi"

Ask = Callable[[dict[str, Any]], Mapping[str, Any]]


def has_kernels(folder: Path) -> bool:
    """Whether kernels of one symbol were compiled since the engine was last written to."""
    return _newest(folder, "*.nbi") >= _newest(_CODE, "*.py")


def has_accounts(folder: Path) -> bool:
    """Whether the kernel of accounts was; runs of several symbols on one account need it."""
    return _newest(folder, _ACCOUNTS) >= _newest(_CODE, "*.py")


def note_kernels(folder: Path) -> None:
    """Note that kernels of one symbol are as good as compiled now: they were just loaded."""
    for file in {*folder.rglob("*.nbi")} - {*folder.rglob(_ACCOUNTS)}:
        file.touch()


def note_accounts(folder: Path) -> None:
    """Note that of accounts likewise."""
    for file in folder.rglob(_ACCOUNTS):
        file.touch()


@contextmanager
def told(ask: Ask) -> Iterator[None]:
    """Tell the server, while something is compiled here, that it is."""
    ask({"compiling": True})
    try:
        yield
    finally:
        ask({"compiling": False})


def _newest(folder: Path, pattern: str) -> float:
    return max((file.stat().st_mtime for file in folder.rglob(pattern)), default=0.0)
