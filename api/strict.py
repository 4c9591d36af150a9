"""Reads requests strictly.

JSON bodies have no NaN, no repeated key, no half surrogate and no bottomless nesting; queries and
forms have no key that is not declared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

MAX_DEPTH = 32
FAULTS_AT_MOST = 20
MAX_DIGITS = 400  # more than the greatest float has


class StrictRequest(Request):
    """A request whose JSON body means one thing only."""

    async def json(self) -> Any:
        """Parse the body.

        Raises:
            json.JSONDecodeError: the body is no strict JSON.
        """
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body with `StrictRequest` and refuses unknown query keys."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler so that it sees the strict request."""
        handler = super().get_route_handler()
        declared = _declared(self.dependant, "query_params")

        async def strict(request: Request) -> Response:
            refuse_unknown("query", request.query_params.keys(), declared)
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


async def known_form(request: Request) -> None:
    """Refuse a form with keys that its route does not declare; a dependency of that route.

    Raises:
        RequestValidationError: a key is not known.
    """
    route: APIRoute = request.scope["route"]
    declared = _declared(route.dependant, "body_params")
    refuse_unknown("body", (await request.form()).keys(), declared)


def _declared(dependant: Dependant, kind: str) -> list[str]:
    """Keys of a route and of what it depends on, in their order."""
    own = [field.alias for field in getattr(dependant, kind)]
    return own + [key for part in dependant.dependencies for key in _declared(part, kind)]


def refuse_unknown(place: str, found: Iterable[str], declared: Collection[str]) -> None:
    """Refuse keys that are not declared.

    Raises:
        RequestValidationError: naming the first of them and what is declared.
    """
    unknown = [key for key in dict.fromkeys(found) if key not in declared]
    if not unknown:
        return
    word = "query" if place == "query" else "form"
    expected = f"one of {', '.join(declared)}" if declared else f"no {word} keys"
    raise RequestValidationError(
        [
            {
                "type": "unknown_field",
                "loc": (place, key),
                "msg": f"no such {word} key",
                "input": key,
                "ctx": {"expected": expected},
            }
            for key in unknown[:FAULTS_AT_MOST]
        ]
    )


def parse(body: bytes) -> Any:
    """Parse JSON text.

    Raises:
        json.JSONDecodeError: not UTF-8, not JSON, a number that is not finite, a repeated key,
            nesting deeper than `MAX_DEPTH`, or a whole number of more than `MAX_DIGITS` digits.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("not UTF-8", "", error.start) from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except _NotStrict as error:
        raise json.JSONDecodeError(str(error), "", 0) from None
    if _depth(value) > MAX_DEPTH:
        raise json.JSONDecodeError(f"nested deeper than {MAX_DEPTH} levels", "", 0)
    if "\\u" in text:
        _check_surrogates(value)
    return value


class _NotStrict(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _NotStrict(f"key {name[:80]!r} is repeated")
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise _NotStrict(f"{name} is not JSON; a number must be finite")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _NotStrict(f"number {text[:40]} is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _NotStrict(f"a whole number has {len(text)} digits, at most {MAX_DIGITS} are read")
    return int(text)


def _depth(value: Any) -> int:
    """Depth of nesting, found without recursion."""
    depth = 0
    level = [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            inner for item in level for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise json.JSONDecodeError("text holds half a surrogate pair", "", 0) from None
