"""What processes of their own do that speak to MLflow: one that writes, one that reads.

Each gives a handler of `core.jobs.wire`: plain data in, plain data out. An MLflow that hangs hangs
such a process, which can be ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from core.errors import Unavailable, WorkbenchError
from core.tracking.entry import Entry, Series
from core.tracking.reader import Reader
from core.tracking.sink import Place, Sink

Plain = dict[str, Any]
Ask = Callable[[Plain], Plain]

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0
PROGRESS_SECONDS: Final = 0.2


def open_writer(config: Plain) -> Callable[[Plain, Ask], Plain]:
    """Give the handler of a process that writes.

    Args:
        config: `uri`: of MLflow. `files`: folder for files of runs, where no server keeps them.
            `patience`: seconds to wait for an MLflow that does not answer.

    The handler takes `names` of the experiment, `entries`: a file with one on each line, the first
    the run or study itself, `count` of the others and `files` to copy. It gives `experiment_id` and
    `run_id`, or `error`.
    """

    def write(request: Plain, ask: Ask) -> Plain:
        deadline = time.monotonic() + config["patience"]
        delay = FIRST_DELAY
        while True:
            try:
                place = _write(Sink(config["uri"], Path(config["files"])), request, ask)
            except Unavailable as error:
                if time.monotonic() + delay > deadline:
                    return _told(error)
                ask(_progress(0, 0, f"waits {delay:.0f} s: {error.message}"))
                time.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)
            except WorkbenchError as error:
                return _told(error)
            else:
                return asdict(place)

    return write


def open_reader(config: Plain) -> Callable[[Plain, Ask], Plain]:
    """Give the handler of a process that reads; `config` has the `uri`.

    The handler takes `op`, a method of `Reader`, and its arguments. It gives `found` or `error`.
    """
    kept: list[Reader] = []

    def read(request: Plain, _ask: Ask) -> Plain:
        given = dict(request)
        try:
            if not kept:
                kept.append(Reader(config["uri"]))
            found = getattr(kept[0], given.pop("op"))(**given)
        except WorkbenchError as error:
            if isinstance(error, Unavailable):
                kept.clear()
            return {**_told(error), "pristine": True}
        return {"found": found, "pristine": True}

    return read


def write_entries(path: Path, entries: Iterator[Entry]) -> int:
    """Write entries to a file, one on each line; give how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps(asdict(entry), allow_nan=False) + "\n")
            count += 1
    return count


def _write(sink: Sink, request: Plain, ask: Ask) -> Place:
    files = [Path(each) for each in request["files"]]
    names = request["names"]
    with Path(request["entries"]).open(encoding="utf-8") as lines:
        entries = (_entry(json.loads(line)) for line in lines)
        first = next(entries)
        if len(names) == 1:
            return sink.write_run(names[0], first, files)
        told_at = 0.0

        def tell(done: int, of: int) -> None:
            nonlocal told_at
            if time.monotonic() >= told_at + PROGRESS_SECONDS:
                told_at = time.monotonic()
                ask(_progress(done, of, "writing trials"))

        count = request["count"]
        return sink.write_study(names, first, entries, files, count=count, tell=tell)


def _entry(plain: Plain) -> Entry:
    series = {name: Series(**each) for name, each in plain["series"].items()}
    return Entry(**{**plain, "series": series})


def _progress(done: int, total: int, step: str) -> Plain:
    return {"progress": {"done": done, "total": total, "step": step}}


def _told(error: WorkbenchError) -> Plain:
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
