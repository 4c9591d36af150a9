"""The command line: `workbench`, the same as `python -m core`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.cli.output import Usage, emit, emit_error, emit_stop, quietly
from core.cli.parser import build_parser
from core.errors import DataProblem, InvalidInput, NotFound, StrategyFailed, WorkbenchError

EXIT_CODES: dict[type[WorkbenchError], int] = {
    InvalidInput: 2,
    NotFound: 3,
    DataProblem: 4,
    StrategyFailed: 5,
}


def exit_code(error: WorkbenchError) -> int:
    """Give the exit code of an error: 2 invalid, 3 not found, 4 data, 5 strategy, 1 other."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code. Never shows a traceback for a deliberate error."""
    words = list(sys.argv[1:] if argv is None else argv)
    return quietly(lambda: _answer(words))


def _answer(words: list[str]) -> int:
    as_json = "--json" in words
    try:
        args = build_parser().parse_args([word for word in words if word != "--json"])
        args.json = as_json
        reply = args.command(args)
        emit(reply, as_json=as_json)
    except Usage as problem:
        emit_error(problem, as_json=as_json, usage=problem.usage)
        return exit_code(problem)
    except WorkbenchError as problem:
        emit_error(problem, as_json=as_json)
        return exit_code(problem)
    except KeyboardInterrupt as stop:
        emit_stop(stop, as_json=as_json)
        return 130
    return int(reply.code)
