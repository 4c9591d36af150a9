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


class WorkbenchError(Exception):
    """Base of all deliberate errors.

    Args:
        message: One sentence: what is wrong, with the value that was found.
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
        expected: str | None = None,
        hint: str | None = None,
        field: str | None = None,
        problems: tuple[WorkbenchError, ...] = (),
    ) -> None:
        """Keep the parts apart so that every door can show them its own way."""
        super().__init__(message)
        self.message = message
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
