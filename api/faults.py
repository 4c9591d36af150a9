"""What is wrong with a request, in our own codes: the part that every problem is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from core.errors import CODES, InvalidInput, WorkbenchError
from core.faults import code_of, expectation_of, message_of

LONGEST = 1_200
LONGEST_FOUND = 200
_EXACT = 2**53  # beyond it readers of JSON lose digits

# Where a value stood in the request; part of every location, of no use to a reader.
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_KEY = "[key]"  # after the key at fault of an object
# Where validation hands out what stands around the fault, not the value at fault.
_AROUND = frozenset({"missing", "not_json", "contradiction"})


def _text(text: str) -> str:
    """Make any text safe to send: bounded, and encodable even with half a surrogate pair."""
    return _clipped(text, LONGEST).encode("utf-8", "backslashreplace").decode()


def _shown(value: Any) -> Any:
    """Make any value safe to send: JSON, and short."""
    if isinstance(value, bytes):
        value = value[:LONGEST].decode("utf-8", "replace")
    if isinstance(value, str):
        return _text(_clipped(value, LONGEST_FOUND))
    if isinstance(value, int) and abs(value) > _EXACT:
        return _clipped(str(value), LONGEST_FOUND)
    try:
        written = json.dumps(value, default=str, allow_nan=False)
    except ValueError:
        written = str(value)
    else:
        if len(written) <= LONGEST_FOUND:
            return json.loads(written)
    return _clipped(written, LONGEST_FOUND)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


Text = Annotated[str, BeforeValidator(_text)]


class Cause(BaseModel):
    """What went wrong, by code and by value."""

    code: str = Field(
        description="Stable: programs may branch on it.\n\n"
        + "\n".join(f"- `{code}`: {meaning}" for code, meaning in CODES.items()),
        json_schema_extra={"enum": list(CODES)},
    )
    field: Text | None = Field(None, description="The input at fault, dotted: `parameters.fast`.")
    found: Annotated[Any, AfterValidator(_shown)] = Field(
        None, description="The value found there, as JSON and shortened."
    )
    expected: Text | None = Field(None, description="What would have been right.")
    hint: Text | None = Field(None, description="What to do next.")


class Fault(Cause):
    """One thing that is wrong."""

    message: Text

    @classmethod
    def of(cls, error: WorkbenchError) -> Fault:
        """Show an error of the core."""
        return cls(
            code=error.code,
            field=error.field,
            found=error.found,
            expected=error.expected,
            hint=error.hint,
            message=error.message,
        )

    @classmethod
    def read(cls, item: dict[str, Any]) -> Fault:
        """Show an error of validation."""
        code, context, value = code_of(item), item.get("ctx") or {}, item.get("input")
        message, expected = message_of(item), expectation_of(item)
        if code == "not_json":
            message = f"not JSON: {context.get('error', message)}"
        elif expected == "an object":
            message = "not an object"
        elif code == "unknown_field":
            value = item["loc"][-1]
        is_whole = item["type"] == "value_error" and tuple(item["loc"]) == ("body",)
        found = None if code in _AROUND or is_whole else value
        sent_as_text = isinstance(value, bytes)  # nothing said that the body is JSON
        return cls(
            code=code,
            field="body" if code == "not_json" else _field(item["loc"]),
            found=context.get("found", found),
            expected=expected,
            hint="Send Content-Type: application/json." if sent_as_text else context.get("hint"),
            message=message,
        )


@contextmanager
def as_request(*prefix: str) -> Iterator[None]:
    """Report a failed validation of a domain word as a fault of the request.

    Raises:
        RequestValidationError: what was validated inside is malformed.
    """
    try:
        yield
    except ValidationError as error:
        faults = [{**fault, "loc": (*prefix, *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None


@contextmanager
def as_fault() -> Iterator[None]:
    """Report, while a body is read, what the core says of words that do not go together.

    Raises:
        PydanticCustomError: the core refused them.
    """
    try:
        yield
    except InvalidInput as error:
        raise PydanticCustomError(
            "contradiction",
            "{message}",
            {"message": error.message, "expected": error.expected or ""},
        ) from None


def _field(location: Sequence[Any]) -> str:
    parts = list(location)
    place = str(parts.pop(0)) if parts and parts[0] in _PLACES else "body"
    # A body of several kinds puts the name of the model it was read as into the location.
    named = [str(part) for part in parts if not (isinstance(part, str) and part.endswith("Body"))]
    named = [part for part in named if part != _KEY]
    return ".".join(named) or place
