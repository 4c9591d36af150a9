"""Whatever strategy code raises, said as one sentence with the strategy's own file and line."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StrategyFailed

LONGEST = 400


@contextmanager
def blamed(folder: Path) -> Iterator[None]:
    """Turn what code below `folder` raises into `StrategyFailed`.

    Raises:
        StrategyFailed: the code raised, or ended the process, or ran out of memory.
    """
    try:
        yield
    except StrategyFailed as error:
        message = with_place(error.message, _place(error, folder))
        raise StrategyFailed(message, expected=error.expected, hint=error.hint) from error
    except SystemExit as error:
        message = f"tried to end its process (exit code {error.code})"
        raise StrategyFailed(with_place(message, _place(error, folder))) from error
    except MemoryError as error:
        message = "needed more memory than a run may use"
        raise StrategyFailed(with_place(message, _place(error, folder))) from error
    except Exception as error:
        raise StrategyFailed(with_place(_words(error), _place(error, folder))) from error


def with_place(message: str, place: tuple[str, int] | None) -> str:
    """Add file and line to a message."""
    return f"{message} ({place[0]}, line {place[1]})" if place else message


def _words(error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{kind}: {error.msg}"
    last = traceback.format_exception_only(error)[-1].strip()
    text = " ".join(last.split())
    if not text.startswith(kind):  # the message has several lines and this is the last of them
        text = " ".join(f"{kind}: {error}".split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _place(error: BaseException, folder: Path) -> tuple[str, int] | None:
    inside = f"{folder}{os.sep}"
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(inside):
        return Path(str(error.filename)).name, error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(inside)]
    return (Path(own[-1].filename).name, own[-1].lineno or 0) if own else None
