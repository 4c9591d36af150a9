"""Code of strategies within a sweep: built quickly, and what it raises said in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields

from core.domain.parameters import ParamValue
from core.domain.strategy import Strategy
from core.errors import WorkbenchError

LONGEST_MESSAGE = 400


def builder_of(strategy: type[Strategy]) -> Callable[[Mapping[str, ParamValue]], Strategy]:
    """Find the quickest way to make the strategy: parameters of a plan are checked already."""
    found = strategy.__pydantic_decorators__
    own = {name for each in fields(found) for name in getattr(found, each.name)} - {"_check"}
    if own or strategy.__init__ is not Strategy.__init__:
        return lambda params: strategy.build(dict(params))
    construct: Callable[..., Strategy] = strategy.model_construct
    return lambda params: construct(**params)


def sentence(error: BaseException) -> str:
    """Say why a lane has no row."""
    if isinstance(error, WorkbenchError):
        return error.sentence()
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"
