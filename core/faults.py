"""What a validation found wrong, in our codes and words: one table for every door.

A fault is one item of pydantic's `errors()`: its type, where it was, what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.errors import CODES

# Types of pydantic -> our code and what would have been right.
_MEANINGS: Final[dict[str, tuple[str, str]]] = {
    "json_invalid": ("not_json", "JSON in UTF-8, with finite numbers and no key twice"),
    "missing": ("missing", "a value"),
    "extra_forbidden": ("unknown_field", ""),
    "literal_error": ("not_one_of", "one of {expected}"),
    "enum": ("not_one_of", "one of {expected}"),
    "string_pattern_mismatch": ("wrong_format", "a text that matches {pattern}"),
    "string_too_short": ("wrong_length", "{min_length} or more characters"),
    "string_too_long": ("wrong_length", "at most {max_length} characters"),
    "too_short": ("wrong_length", "{min_length} or more items"),
    "too_long": ("wrong_length", "at most {max_length} items"),
    "greater_than": ("out_of_range", "more than {gt:.15g}"),
    "greater_than_equal": ("out_of_range", "at least {ge:.15g}"),
    "less_than": ("out_of_range", "less than {lt:.15g}"),
    "less_than_equal": ("out_of_range", "at most {le:.15g}"),
    "finite_number": ("out_of_range", "a finite number"),
    "int_parsing_size": ("out_of_range", "a whole number of ordinary size"),
}
# ... or by how the type begins.
_KINDS: Final[dict[str, tuple[str, str]]] = {
    "bool": ("wrong_type", "true or false"),
    "date": ("wrong_format", "a date as YYYY-MM-DD"),
    "dict": ("wrong_type", "an object"),
    "float": ("wrong_type", "a number"),
    "int": ("wrong_type", "a whole number"),
    "list": ("wrong_type", "a list"),
    "model": ("wrong_type", "an object"),
    "string": ("wrong_type", "a text"),
    "time": ("wrong_format", "a time of day as HH:MM"),
    "tuple": ("wrong_type", "a list"),
}


def code_of(fault: Mapping[str, Any]) -> str:
    """Give our code of a fault: its own type where that is one, else that of the table."""
    kind = str(fault["type"])
    return _meaning(kind, (kind if kind in CODES else "invalid_input", ""))[0]


def expectation_of(fault: Mapping[str, Any]) -> str | None:
    """Say what would have been right; None where only the message tells."""
    facts = {**(fault.get("ctx") or {})}
    _, words = _meaning(str(fault["type"]), ("", ""))
    if "expected" in facts:
        facts["expected"] = str(facts["expected"]).replace("'", "")
    return words.format_map(facts) or facts.get("expected") or None


def message_of(fault: Mapping[str, Any]) -> str:
    """Give the message without what pydantic puts before a sentence of ours."""
    return str(fault["msg"]).removeprefix("Value error, ")


def sentence_of(fault: Mapping[str, Any]) -> str:
    """Say the whole fault: where, what was found, what would have been right."""
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{field} is missing"
    if fault["type"] == "extra_forbidden":
        return f"{field} is not known"
    expected = expectation_of(fault)
    if expected is None:
        return f"{field}: {message_of(fault)}" if field else message_of(fault)
    return f"{field or 'it'} is {fault['input']!r:.80}, expected {expected}"


def _meaning(kind: str, otherwise: tuple[str, str]) -> tuple[str, str]:
    return _MEANINGS.get(kind) or _KINDS.get(kind.partition("_")[0]) or otherwise
