"""`make run`: demo data, UI, API and a worker, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from core.errors import WorkbenchError
from core.launch.supervisor import serve


def main(argv: Sequence[str] | None = None) -> int:
    """Start everything and stay until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m core.launch", description=__doc__)
    parser.add_argument("--ui-port", type=int, metavar="PORT", help="port of the UI (8501)")
    parser.add_argument("--api-port", type=int, metavar="PORT", help="port of the API (8000)")
    args = parser.parse_args(argv)
    try:
        return serve(ui_port=args.ui_port, api_port=args.api_port, demo=True, announce=announce)
    except WorkbenchError as problem:
        print(problem.sentence(), file=sys.stderr)
        return 1


def announce(places: Mapping[str, str]) -> None:
    """Tell people where to look."""
    print("\nQuant Workbench is ready.\n")
    print(f"  UI   {places['ui']}")
    print(f"  API  {places['api']}/docs\n")
    print(f"Ctrl-C stops everything. Logs are in {places['logs']}.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
