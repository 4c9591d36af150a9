"""`make bench`: a table of times, with the versions they belong to.

Nothing here judges time. Each measurement first asserts that what is about to be timed gives the
right answer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.timing import Measure, Row, readable
from core.bootstrap.kernels import VARIABLE, kernel_cache

ROOT = Path(__file__).parent.parent
PARTS = ("engine", "sweep", "study", "page", "prices", "doors")
PACKAGES = ("numpy", "numba", "polars", "duckdb", "sqlalchemy", "fastapi", "streamlit")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args(argv)
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))} cannot be measured")
    rows: list[Row] = []
    os.environ[VARIABLE] = str(kernel_cache(ROOT / ".venv"))  # never those of other code
    for part in args.parts or PARTS:
        measure: Measure = import_module(f"benchmarks.{part}").measure
        for item in measure(quick=args.quick):
            rows.append(item)
            if not args.json:
                print(_line(item), flush=True)
    if args.json:
        keys = ("what", "size", "median", "best", "note")
        table = [{key: getattr(item, key) for key in keys} for item in rows]
        print(json.dumps({"machine": machine(), "rows": table}, indent=2))
    else:
        print("\n" + "\n".join(f"{name} {value}" for name, value in machine().items()))
    return 0


def _line(item: Row) -> str:
    times = f"{readable(item.median):>9}  best {readable(item.best):>9}"
    return f"{item.what:<44} {item.size:>16}  {times}  {item.note}".rstrip()


def machine() -> dict[str, str]:
    """Name the machine and the versions that numbers belong to."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return {
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}, {cores} cores",
        "versions": ", ".join(f"{name} {number}" for name, number in names.items()),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as facts:  # noqa: PTH123
            return next(
                (text.split(":")[1].strip() for text in facts if text.startswith("model name")), ""
            )
    except OSError:
        return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
