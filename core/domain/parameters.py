"""Parameters of a strategy: one declaration, read by validation, forms, searches and schemas."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from core.domain import syntax
from core.errors import InvalidInput

ParamValue = int | float | bool | str
Kind = Literal["int", "float", "bool", "text", "choice"]
LONGEST_TEXT = 200


def Param(  # noqa: N802 - reads as a declaration, like pydantic's Field
    default: ParamValue,
    *,
    ge: float | None = None,
    le: float | None = None,
    step: float | None = None,
    log: bool = False,
    choices: Sequence[ParamValue] | None = None,
    unit: str = "",
    help: str = "",  # noqa: A002 - the word users know
) -> Any:
    """Declare a strategy parameter with its default, range, step and explanation."""
    extra: dict[str, Any] = {
        "ge": ge,
        "le": le,
        "step": step,
        "log": log,
        "choices": list(choices) if choices else None,
        "unit": unit,
    }
    return Field(default=default, description=help, json_schema_extra={"param": extra})


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """One parameter as data: what a form, a search space or an agent needs to know."""

    name: str
    kind: Kind
    default: ParamValue
    ge: float | None = None
    le: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[ParamValue, ...] = ()
    unit: str = ""
    help: str = ""

    @property
    def label(self) -> str:
        """Name for people: `stop_loss_pct` reads `Stop loss pct`."""
        return self.name.replace("_", " ").capitalize()

    def clean(self, value: Any) -> ParamValue:
        """Return the value in its own type.

        Raises:
            InvalidInput: wrong type or out of range.
        """
        if self.kind == "bool":
            if isinstance(value, bool):
                return value
            if isinstance(value, str) and value.lower() in {"true", "false"}:
                return value.lower() == "true"
            raise self._error(value)
        if self.kind == "choice":
            for choice in self.choices:
                if value == choice or str(value) == str(choice):
                    return choice
            raise self._error(value)
        if self.kind == "text":
            if isinstance(value, str) and len(value) <= LONGEST_TEXT:
                return value
            raise self._error(value)
        number = self._number(value)
        below = self.ge is not None and number < self.ge
        above = self.le is not None and number > self.le
        if below or above:
            raise self._error(value)
        return number

    def _number(self, value: Any) -> int | float:
        if isinstance(value, bool):
            raise self._error(value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._error(value) from None
        if not math.isfinite(number):
            raise self._error(value)
        if self.kind == "int":
            if number != int(number):
                raise self._error(value)
            return int(number)
        return number

    def describe(self) -> str:
        """Say what is allowed, for error messages and help texts."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        if self.kind == "text":
            return f"text of at most {LONGEST_TEXT} characters"
        noun = "a whole number" if self.kind == "int" else "a number"
        if self.ge is not None and self.le is not None:
            return f"{noun} from {self.ge:g} to {self.le:g}"
        if self.ge is not None:
            return f"{noun} of at least {self.ge:g}"
        if self.le is not None:
            return f"{noun} of at most {self.le:g}"
        return noun

    def _error(self, value: Any) -> InvalidInput:
        return InvalidInput(
            f"parameter {self.name!r} is {value!r}",
            expected=self.describe(),
            field=f"params.{self.name}",
        )


def unknown(given: Iterable[str], known: Collection[str], place: str) -> list[InvalidInput]:
    """Complain of each name that a strategy does not have; `place` is where they were given."""
    return [
        InvalidInput(
            f"parameter {name!r} is not known",
            expected="one of " + ", ".join(known) if known else "no parameters at all",
            field=f"{place}.{name}",
        )
        for name in given
        if name not in known
    ]


def clean_params(
    specs: Sequence[ParamSpec], constraints: Sequence[str], given: Mapping[str, Any]
) -> dict[str, ParamValue]:
    """Fill in defaults, convert types, check ranges and constraints; report every fault at once.

    Raises:
        InvalidInput: one or more parameters are unknown, of the wrong type or out of range, or the
            set breaks a constraint; `problems` lists each.
    """
    known = {spec.name: spec for spec in specs}
    problems = unknown(given, known, "params")
    values: dict[str, ParamValue] = {}
    for name, spec in known.items():
        try:
            values[name] = spec.clean(given.get(name, spec.default))
        except InvalidInput as problem:
            problems.append(problem)
    if not problems:
        for text in constraints:
            if not holds(text, values):
                used = {n: v for n, v in values.items() if n in constraint_names(text)}
                found = ", ".join(f"{name}={value}" for name, value in used.items())
                problems.append(
                    InvalidInput(f"parameters {found} break a constraint", expected=text)
                )
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InvalidInput(
            f"{len(problems)} parameters are wrong: "
            + "; ".join(problem.message for problem in problems),
            expected="; ".join(problem.expected or "" for problem in problems),
            field="params",
            problems=tuple(problems),
        )
    return values


_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def constraint_names(text: str) -> set[str]:
    """Names a constraint speaks of."""
    return {node.id for node in ast.walk(syntax.parse(text)) if isinstance(node, ast.Name)}


def holds(text: str, values: Mapping[str, ParamValue]) -> bool:
    """Evaluate a constraint such as `fast < slow` without `eval`.

    Raises:
        InvalidInput: the constraint uses something else than names, numbers, + - * /, comparisons,
            `and`, `or`, `not`; or it divides by a parameter that is 0.
    """

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Expression():
                return value(node.body)
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name() if node.id in values:
                return values[node.id]
            case ast.UnaryOp(op=ast.USub()):
                return -value(node.operand)
            case ast.UnaryOp(op=ast.Not()):
                return not value(node.operand)
            case ast.BoolOp(op=ast.And()):
                return all(value(part) for part in node.values)
            case ast.BoolOp(op=ast.Or()):
                return any(value(part) for part in node.values)
            case ast.BinOp() if type(node.op) in _BINARY:
                return _BINARY[type(node.op)](value(node.left), value(node.right))
            case ast.Compare() if all(type(op) in _BINARY for op in node.ops):
                sides = [value(part) for part in (node.left, *node.comparators)]
                return all(
                    _BINARY[type(op)](sides[i], sides[i + 1]) for i, op in enumerate(node.ops)
                )
            case _:
                raise InvalidInput(
                    f"constraint {text!r} cannot be read",
                    expected="names of parameters, numbers, + - * /, comparisons, and, or, not",
                )

    try:
        tree = syntax.parse_expression(text)
    except SyntaxError:
        raise InvalidInput(f"constraint {text!r} is not an expression") from None
    try:
        return bool(value(tree))
    except ZeroDivisionError:
        used = ", ".join(f"{name}={values[name]}" for name in sorted(constraint_names(text)))
        raise InvalidInput(
            f"constraint {text!r} divides by 0 with {used}",
            expected="parameters it can be computed with",
        ) from None
