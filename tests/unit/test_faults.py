"""Faults of a validation in our words: the same through every door, none of them pydantic's."""

from __future__ import annotations

from datetime import date, time
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import CODES
from core.faults import code_of, expectation_of, sentence_of


class Inner(BaseModel):
    n: int = 0


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    given: int = 0
    share: float = Field(0.5, gt=0, le=1)
    count: int = Field(1, ge=0, lt=10)
    name: str = Field("abc", min_length=2, max_length=4, pattern="^[a-z]+$")
    names: list[str] = Field(["a"], min_length=1, max_length=2)
    pair: tuple[int, int] = (1, 2)
    table: dict[str, int] = {}
    inner: Inner = Inner()
    on: bool = True
    day: date = date(2020, 1, 1)
    clock: time = time(9, 15)
    side: Literal["long", "short"] = "long"

    @field_validator("given")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("given must be even")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Everything:
        if self.count == 9 and self.share == 1:
            raise ValueError("count and share contradict each other")
        return self


CASES: list[tuple[dict[str, Any], str, str | None, str]] = [
    ({"share": 0}, "out_of_range", "more than 0", "share is 0, expected more than 0"),
    ({"share": 2}, "out_of_range", "at most 1", "share is 2, expected at most 1"),
    ({"share": "x"}, "wrong_type", "a number", "share is 'x', expected a number"),
    ({"share": float("nan")}, "out_of_range", "a finite number",
     "share is nan, expected a finite number"),
    ({"count": -1}, "out_of_range", "at least 0", "count is -1, expected at least 0"),
    ({"count": 10}, "out_of_range", "less than 10", "count is 10, expected less than 10"),
    ({"count": 1.5}, "wrong_type", "a whole number", "count is 1.5, expected a whole number"),
    ({"name": "a"}, "wrong_length", "2 or more characters",
     "name is 'a', expected 2 or more characters"),
    ({"name": "abcde"}, "wrong_length", "at most 4 characters",
     "name is 'abcde', expected at most 4 characters"),
    ({"name": "AB"}, "wrong_format", "a text that matches ^[a-z]+$",
     "name is 'AB', expected a text that matches ^[a-z]+$"),
    ({"name": 5}, "wrong_type", "a text", "name is 5, expected a text"),
    ({"names": []}, "wrong_length", "1 or more items", "names is [], expected 1 or more items"),
    ({"names": [1]}, "wrong_type", "a text", "names.0 is 1, expected a text"),
    ({"names": 1}, "wrong_type", "a list", "names is 1, expected a list"),
    ({"pair": 1}, "wrong_type", "a list", "pair is 1, expected a list"),
    ({"table": 1}, "wrong_type", "an object", "table is 1, expected an object"),
    ({"inner": 1}, "wrong_type", "an object", "inner is 1, expected an object"),
    ({"on": "perhaps"}, "wrong_type", "true or false", "on is 'perhaps', expected true or false"),
    ({"day": "soon"}, "wrong_format", "a date as YYYY-MM-DD",
     "day is 'soon', expected a date as YYYY-MM-DD"),
    ({"clock": "noon"}, "wrong_format", "a time of day as HH:MM",
     "clock is 'noon', expected a time of day as HH:MM"),
    ({"side": "up"}, "not_one_of", "one of long or short",
     "side is 'up', expected one of long or short"),
    ({"colour": 1}, "unknown_field", None, "colour is not known"),
    ({"given": 1}, "invalid_input", None, "given: given must be even"),
    ({"count": 9, "share": 1}, "invalid_input", None, "count and share contradict each other"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "code", "expected", "sentence"), CASES)
def test_a_fault_has_our_code_and_our_words(
    given: dict[str, Any], code: str, expected: str | None, sentence: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        Everything.model_validate(given)

    (fault,) = refused.value.errors()
    assert code_of(fault) == code
    assert code in CODES
    assert expectation_of(fault) == expected
    assert sentence_of(fault) == sentence


def test_what_is_missing_is_said() -> None:
    class Asked(BaseModel):
        name: str

    with pytest.raises(ValidationError) as refused:
        Asked.model_validate({})

    (fault,) = refused.value.errors()
    assert (code_of(fault), expectation_of(fault)) == ("missing", "a value")
    assert sentence_of(fault) == "name is missing"
