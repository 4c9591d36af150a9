"""Strict reading of numbers: a text is exactly a number in a known notation, or it is not one.

Accepted: `12`, `-0.5`, `.5`, `1.2e-05`, `28,374.6`, `$1,234`, `58.87K` (K, M, B, T). Thousands
commas count only if the file shows that its decimal mark is a point; `1,234` alone shows nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from core.catalog.columns import BoolArray
from core.domain.bars import FloatArray

MISSING: Final = ("", "-", "--", "null", "none", "nil", "nan", "na", "n/a", "#n/a")
"""What sources write where they have no value, compared without case."""

# [0-9] and not \d: the digits of other scripts are not numbers here.
_PLAIN: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$"
_DRESSED: Final = r"^[+-]?\$?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?[KMBTkmbt]?$"
_GROUPED: Final = r",[0-9]{3}"
_POINT_DECIDED: Final = r",[0-9]{3},[0-9]{3}|,[0-9]{3}\.|^[^,]*\.[0-9]"
_DECIMAL_COMMA: Final = r"^[+-]?[0-9]+,[0-9]+$"
_SUFFIXES: Final = {"k": "e3", "m": "e6", "b": "e9", "t": "e12"}


class Numbers(NamedTuple):
    """One column of texts, read.

    Attributes:
        values: NaN where there is no finite number.
        missing: Where the text says that there is no value.
        grouped: Some number has thousands commas.
        point_decided: Some number shows that the decimal mark is a point.
        decimal_commas: Some text looks like a number with a decimal comma.
    """

    values: FloatArray
    missing: BoolArray
    grouped: bool
    point_decided: bool
    decimal_commas: bool


def read_numbers(text: pl.Series) -> Numbers:
    """Read a column of stripped texts."""
    missing = text.str.to_lowercase().is_in(MISSING)
    plain = text.str.contains(_PLAIN)
    values = text.set(~plain, None).cast(pl.Float64)
    dressed = text.set(plain | missing, None)
    decimal_commas = False
    if dressed.null_count() < len(dressed):
        decimal_commas = _any(dressed, _DECIMAL_COMMA)
        dressed = dressed.set(~dressed.str.contains(_DRESSED), None)
        values = values.zip_with(values.is_not_null(), _undress(dressed))
    result = values.fill_null(float("nan")).to_numpy().copy()
    result[~np.isfinite(result)] = np.nan
    return Numbers(
        values=result,
        missing=missing.to_numpy(),
        grouped=_any(dressed, _GROUPED),
        point_decided=_any(dressed, _POINT_DECIDED) or _any(text.filter(plain), r"\.[0-9]"),
        decimal_commas=decimal_commas,
    )


def _undress(text: pl.Series) -> pl.Series:
    bare = text.str.to_lowercase().str.replace_all(r"[$,]", "")
    for letter, exponent in _SUFFIXES.items():
        # An exponent is read together with its digits and rounded once; a product rounds twice.
        bare = bare.str.replace(f"{letter}$", exponent)
    return bare.cast(pl.Float64)


def _any(text: pl.Series, pattern: str) -> bool:
    return bool(text.str.contains(pattern).any())
