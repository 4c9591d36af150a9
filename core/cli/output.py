"""What a command answers and how it reaches the terminal: words and tables, or one JSON object."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Cancelled, InvalidInput, WorkbenchError

if TYPE_CHECKING:
    from rich.console import Console


FACT_INDENT = 14
HELP = "`--help` after any command says what it takes"
CLOSED_PIPE = 141  # 128 + SIGPIPE, what a shell sees of a tool whose reader has gone


class Usage(InvalidInput):
    """The command line itself cannot be read.

    Args:
        message: What is wrong with it.
        usage: The synopsis of the command at fault.
    """

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message, hint=HELP)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of a command: the same facts for machines and for people.

    Attributes:
        data: One JSON object.
        show: Prints it for people.
        code: Exit code.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None]
    code: int = 0


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, and what became of what was under way.

    Args:
        message: What became of it, as a sentence.
        data: More of it, for programs.
    """

    def __init__(self, message: str, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


SAID = Reply({}, lambda _out: None)
"""The answer of a command that has printed it already."""


def quietly(work: Callable[[], int]) -> int:
    """Do the work and give its exit code; without a word if the reader (head, less) has gone."""
    try:
        try:
            return work()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # what is left in the buffer goes nowhere, or the interpreter would complain at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def emit(reply: Reply, *, as_json: bool) -> None:
    """Print the answer on stdout."""
    if reply is SAID:
        return
    if as_json:
        print(to_json(reply.data))
    else:
        reply.show(console())


def emit_error(error: WorkbenchError, *, as_json: bool, usage: str = "") -> None:
    """Print an error: JSON on stdout where that was asked for, one sentence on stderr otherwise."""
    if as_json:
        print(to_json({"error": error_data(error)}))
        return
    if usage:
        print(usage.strip(), file=sys.stderr)
    print(sentence(error), file=sys.stderr)
    for problem in error.problems:
        if problem.message not in error.message:
            print(f"  {sentence(problem)}", file=sys.stderr)


def emit_stop(stop: KeyboardInterrupt, *, as_json: bool) -> None:
    """Say that Ctrl-C ended it, and what became of it."""
    message = stop.message if isinstance(stop, Interrupted) else "Stopped by Ctrl-C."
    if as_json:
        data = dict(stop.data) if isinstance(stop, Interrupted) else {}
        print(to_json(data | {"error": {"code": Cancelled.code, "message": message}}))
        return
    print(message if isinstance(stop, Interrupted) else "Stopped.", file=sys.stderr)


def sentence(error: WorkbenchError) -> str:
    """Give an error as one line; a hint that asks (`Did you mean AAPL?`) ends as it is."""
    return error.sentence().replace("?.", "?")


def error_data(error: WorkbenchError) -> dict[str, Any]:
    """Give an error as data, without its empty parts."""
    parts: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "expected": error.expected,
        "hint": error.hint,
        "field": error.field,
        "problems": [error_data(problem) for problem in error.problems],
    }
    return {name: value for name, value in parts.items() if value}


def to_json(data: Any) -> str:
    """Write strict JSON: no NaN, times in ISO 8601."""
    return json.dumps(data, default=_plain, allow_nan=False, ensure_ascii=False, indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def console() -> Console:
    """Make the console for people; wide enough for tables when nobody watches."""
    from rich.console import Console

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would leave the process

    width = None if sys.stdout.isatty() else 140
    return Pipe(width=width, highlight=False, soft_wrap=False)


def table(
    out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None
) -> None:
    """Print a table; columns whose name ends in `>` are right-aligned."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    sheet = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        right = column.endswith(">")
        sheet.add_column(column.rstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        sheet.add_row(*(escape(cell) for cell in row))
    out.print(sheet)


def line(out: Console, text: str = "") -> None:
    """Print text as it is: no markup is read from names that users gave."""
    out.print(text, markup=False)


def fact(out: Console, label: str, text: str) -> None:
    """Print a labelled sentence, wrapped beside its label."""
    width = max(40, out.width - FACT_INDENT)
    lines = [part for each in text.splitlines() for part in textwrap.wrap(each, width) or [""]]
    for first, part in zip_longest([label], lines or [""], fillvalue=""):
        line(out, f"  {first:<{FACT_INDENT - 2}}{part}")


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Show a bar on stderr while work goes on; the yielded function takes the fraction done."""
    if quiet or not sys.stderr.isatty():
        yield lambda _fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task(label, total=1.0)
        yield lambda fraction: bars.update(task, completed=fraction)


_FORMATS = {
    "fraction": "{:.2%}",
    "money": "{:,.2f}",
    "count": "{:,.0f}",
    "sessions": "{:,.0f}",
    "bars": "{:,.1f}",
    "bps": "{:,.1f} bps",
    "ratio": "{:,.2f}",
}


def number(value: float | None, unit: str) -> str:
    """Write a metric for people, by its unit."""
    if value is None:
        return "-"
    return duration(value) if unit == "seconds" else _FORMATS[unit].format(value)


def duration(seconds: float) -> str:
    """Write a length of time: `45s`, `12.5m`, `3.0h`, `8.2d`."""
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f}{letter}"
    return f"{seconds:.0f}s"
