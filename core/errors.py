"""Every error the core raises on purpose.

WorkbenchError
├── InvalidInput      the caller asked for something malformed or out of range
├── NotFound          the thing named does not exist
├── Conflict          the thing exists, but not in a state that allows this
├── Cancelled         somebody asked for the work to stop
├── DataProblem       prices are missing, damaged or contradictory
├── StrategyFailed    a strategy file or its code misbehaved
└── Unavailable       a part of the system cannot answer now

An error says what was found, what was expected and what to do. Doors translate; the core speaks
no HTTP.
"""

from __future__ import annotations

from typing import Any

CODES: dict[str, str] = {
    # the request
    "not_json": "the body is not strict JSON",
    "missing": "a value that must be given is not",
    "unknown_field": "a key that does not exist there",
    "wrong_type": "a value of another type: a text for a number, say",
    "wrong_format": "a text that does not read as what it should say",
    "wrong_length": "a text or a list is too short or too long",
    "out_of_range": "a number is too small or too large",
    "not_one_of": "a value is not among those there are",
    "repeated": "something is given twice",
    "contradiction": "values cannot all be meant",
    "not_available": "an option that this version does not have",
    "invalid_input": "wrong in another way, or in several: then `problems` has each",
    "request_too_large": "more is asked for than one answer may hold",
    "bad_request": "the request cannot be read",
    "no_such_path": "nothing is at this path",
    "method_not_allowed": "the path does not take this method",
    # what it is about
    "not_found": "nothing of that name exists",
    "conflict": "its state does not allow this now",
    "cancelled": "the work was stopped on request",
    "data_problem": "prices or results are missing, damaged or contradictory",
    "strategy_failed": "the strategy cannot be used, raised, or returned nonsense",
    "time_limit": "the run took too long",
    "memory_limit": "the run needed too much memory",
    "crashed": "the run ended its process",
    "no_result": "the run left without a result",
    # the server
    "stopped": "the server stopped while the run was on its way",
    "lost": "the server ended while the run was on its way",
    "unavailable": "a part cannot answer now; later it may",
    "internal_error": "nobody foresaw this; the log has more",
    "workbench_error": "no other code says it",
    # the guard: core/perimeter.py
    "bad_target": "the request target is not a path",
    "bad_host": "the Host header cannot be read",
    "foreign_host": "the Host header names another server",
    "forwarded": "a proxy stands in front",
    "foreign_origin": "a page of another origin asks",
    "cross_site": "a page of another site asks",
    "simple_request": "another origin changes something with a plain form",
    "bad_length": "the Content-Length header cannot be read",
    "body_too_large": "the body is larger than may be sent",
}
"""Every code by which a program may tell what went wrong. Closed; a code never changes meaning."""


class WorkbenchError(Exception):
    """Base of all deliberate errors.

    Args:
        message: One sentence: what is wrong, with the value that was found.
        found: That value by itself.
        expected: What would have been right.
        hint: What to do next.
        field: The input field at fault, dotted (`params.fast`), when there is one.
        problems: Further errors of the same kind, when several were found at once.
    """

    code = "workbench_error"

    def __init__(
        self,
        message: str,
        *,
        found: Any = None,
        expected: str | None = None,
        hint: str | None = None,
        field: str | None = None,
        problems: tuple[WorkbenchError, ...] = (),
    ) -> None:
        """Keep the parts apart so that every door can show them its own way."""
        super().__init__(message)
        self.message = message
        self.found = found
        self.expected = expected
        self.hint = hint
        self.field = field
        self.problems = problems

    def sentence(self) -> str:
        """Give the whole error as one readable line."""
        parts = [self.message.rstrip(".")]
        if self.expected:
            parts.append(f"expected {self.expected.rstrip('.')}")
        if self.hint:
            parts.append(self.hint.rstrip("."))
        return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


class InvalidInput(WorkbenchError):
    """The request is malformed or out of range."""

    code = "invalid_input"


class NotFound(WorkbenchError):
    """Nothing of that name exists."""

    code = "not_found"


class Conflict(WorkbenchError):
    """The state of the thing does not allow this now."""

    code = "conflict"


class Cancelled(WorkbenchError):
    """The work was stopped on request."""

    code = "cancelled"


class DataProblem(WorkbenchError):
    """Prices are missing, damaged or contradictory."""

    code = "data_problem"


class StrategyFailed(WorkbenchError):
    """A strategy raised, returned nonsense, ran too long or died."""

    code = "strategy_failed"


class Unavailable(WorkbenchError):
    """A part of the system cannot answer now."""

    code = "unavailable"
