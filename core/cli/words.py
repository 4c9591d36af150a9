"""Reads what people type: pairs, dates, values, files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.cli.output import HELP
from core.domain.parameters import ParamValue
from core.errors import InvalidInput, NotFound
from core.faults import expectation_of, message_of

Text = TypeVar("Text", bound=str)

LONGEST_NUMBER = 30


def pairs(items: Sequence[str], option: str) -> dict[str, str]:
    """Split `name=value` items.

    Raises:
        InvalidInput: an item has no `=` or no name, or a name comes twice.
    """
    split: dict[str, str] = {}
    for item in items:
        name, sign, value = (part.strip() for part in item.partition("="))
        if not sign or not name:
            raise InvalidInput(f"{option} is {item!r}", expected="name=value", field=option)
        if name in split:
            raise InvalidInput(
                f"{option} {name} is given twice, as {split[name]!r} and as {value!r}",
                expected="one of them",
                field=option,
            )
        split[name] = value
    return split


def param_value(text: str) -> ParamValue:
    """Read a value as a whole number, a finite number, true or false, else as text."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
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


def one_of(known: Iterable[Text], said: str | None, option: str) -> Text | None:
    """Read one of several words; None stays None.

    Raises:
        InvalidInput: it is none of them.
    """
    words = list(known)
    if said is None or said in words:
        return None if said is None else words[words.index(said)]
    raise InvalidInput(
        f"{option} is {said!r:.80}", expected=f"one of {', '.join(words)}", field=option
    )


def require_within(option: str, value: int, low: int, high: int) -> None:
    """Refuse a number out of its range.

    Raises:
        InvalidInput: it is.
    """
    if not low <= value <= high:
        raise InvalidInput(
            f"{option} is {_digits(value)}", expected=f"{low} to {high:,}", field=option
        )


def csv_file(name: str) -> Path:
    """Find a file of prices.

    Raises:
        NotFound: nothing is there.
        InvalidInput: it is a folder, or something else that is no file.
    """
    path = Path(name)
    if not path.exists():
        raise NotFound(f"file {name} does not exist", field="file")
    if not path.is_file():
        inside = min(path.glob("*.csv*"), default=None)
        raise InvalidInput(
            f"{name} is {'a folder' if path.is_dir() else 'no regular file'}",
            expected="one CSV file, plain or .gz",
            hint=f"name a file in it, such as {inside}" if inside else None,
            field="file",
        )
    return path


@contextmanager
def problems_of(options: Mapping[str, str]) -> Iterator[None]:
    """Turn a failed validation into the core's own error, naming every field.

    Args:
        options: Field to the option it was given by, where there is one.
    """
    try:
        yield
    except ValidationError as found:
        faults: dict[str, ErrorDetails] = {}
        for fault in found.errors(include_url=False):
            # a parameter is one of several types, and pydantic complains of each
            loc = fault["loc"][:2] if fault["loc"][:1] == ("params",) else fault["loc"]
            faults.setdefault(".".join(str(part) for part in loc), fault)
        problems = [
            _problem(field, fault, options)
            for field, fault in faults.items()
            if not any(other.startswith(f"{field}.") for other in faults)
        ]
        # One option may be read into several fields.
        refuse(list({each.sentence(): each for each in problems}.values()))


def refuse(problems: Sequence[InvalidInput]) -> None:
    """Raise what there is to complain about, as one error.

    Raises:
        InvalidInput: there is something.
    """
    if len(problems) == 1:
        raise problems[0] from None
    if problems:
        raise InvalidInput(
            "; ".join(
                f"{each.message}, expected {each.expected}" if each.expected else each.message
                for each in problems
            ),
            hint=HELP,
            problems=tuple(problems),
        ) from None


def _digits(value: int) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_NUMBER else f"a number of {len(text)} digits"


def _problem(field: str, fault: ErrorDetails, options: Mapping[str, str]) -> InvalidInput:
    where = _said_by(field, options)
    if fault["type"] == "value_error":  # a sentence of the core
        said = str(fault["ctx"]["error"])
        known = where.startswith("--")
        return InvalidInput(f"{where}: {said}" if known else said, hint=HELP, field=field or None)
    if fault["type"] == "extra_forbidden":
        return InvalidInput(f"{where} is not known", hint=HELP, field=field)
    return InvalidInput(
        f"{where} is {fault['input']!r:.80}",
        expected="a finite number, true, false or text"
        if field.startswith("params.")
        else expectation_of(fault) or message_of(fault),
        hint=HELP,
        field=field,
    )


def _said_by(field: str, options: Mapping[str, str]) -> str:
    """Name a field by the option it was given by, or a part of what that option holds."""
    for known, option in options.items():
        if field == known:
            return option
        if field.startswith(f"{known}."):
            part = field.removeprefix(f"{known}.")
            return option if part.isdecimal() else f"{option} {part}"
    return f"key {field!r}"
