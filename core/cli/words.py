"""Reads what people type: pairs, dates, values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from pydantic import ValidationError

from core.domain.parameters import ParamValue
from core.errors import InvalidInput


def pairs(items: Sequence[str], option: str) -> list[tuple[str, str]]:
    """Split `name=value` items.

    Raises:
        InvalidInput: an item has no `=` or no name.
    """
    split = []
    for item in items:
        name, sign, value = item.partition("=")
        if not sign or not name.strip():
            raise InvalidInput(f"{option} is {item!r}", expected="name=value", field=option)
        split.append((name.strip(), value.strip()))
    return split


def param_value(text: str) -> ParamValue:
    """Read a value as a whole number, a number, true or false, else as text."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def one_day(text: str | None, field: str) -> date | None:
    """Read a date.

    Raises:
        InvalidInput: it is not YYYY-MM-DD.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--{field} is {text!r}", expected="a date as YYYY-MM-DD", field=field
        ) from None


@contextmanager
def problems_of(command: str) -> Iterator[None]:
    """Turn a failed validation into the core's own error, naming every field."""
    try:
        yield
    except ValidationError as found:
        problems = tuple(
            InvalidInput(
                f"{where}: {item['msg']}, found {item['input']!r}" if where else item["msg"],
                field=where or None,
            )
            for item in found.errors(include_url=False)
            for where in [".".join(str(part) for part in item["loc"])]
        )
        if len(problems) == 1:
            raise problems[0] from None
        raise InvalidInput(
            "; ".join(problem.message for problem in problems),
            hint=f"`workbench {command} --help`",
            problems=problems,
        ) from None
