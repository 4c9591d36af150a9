"""JSON that means two things, or nothing, is not read (A2)."""

from __future__ import annotations

import json

import pytest

from api.strict import MAX_DEPTH, parse

REFUSED = {
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": Infinity}',
    "minus infinity": b"[-Infinity]",
    "too large a float": b'{"a": 1e999}',
    "too large a negative float": b'{"a": -1e999}',
    "repeated key": b'{"a": 1, "a": 2}',
    "repeated key, spelled differently": b'{"a": 1, "\\u0061": 2}',
    "repeated key inside": b'[{"x": {"a": 1, "a": 1}}]',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair as key": b'{"\\udc00": 1}',
    "reversed surrogates": b'["\\udc00\\ud800"]',
    "not utf-8": b'{"a": "\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "a whole number of 5,000 digits": b"1" * 5_000,
    "depth beyond the limit": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "depth 3,000": b"[" * 3_000 + b"]" * 3_000,
    "depth 3,000 of objects": b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    "depth 200,000, unclosed": b"[" * 200_000,
    "trailing text": b"{} {}",
    "single quotes": b"{'a': 1}",
    "empty": b"",
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
}
READ = {
    "a pair of surrogates": b'{"a": "\\ud83d\\ude00"}',
    "depth at the limit": b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
    "small float": b"[1e-999]",
    "400 digits": b"1" * 400,
    "scalars": b'[null, true, 1, 1.5, "x"]',
}


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_json_is_refused_as_a_decoding_error(name: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse(REFUSED[name])


@pytest.mark.parametrize("name", READ)
def test_strict_json_is_read_as_the_standard_library_reads_it(name: str) -> None:
    assert parse(READ[name]) == json.loads(READ[name])
