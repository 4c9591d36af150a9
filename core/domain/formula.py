"""Formulas over names, read without `eval` and computed for many rows at once.

Constraints of parameters, objectives and requirements of searches are all formulas. What a formula
says of one row is what `core.domain.parameters.holds` says of it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.domain import syntax
from core.errors import InvalidInput

Column = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
LONGEST = 200

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
}


class _Answer(NamedTuple):
    """Values of a part, and the rows in which it divides by zero."""

    values: Any
    undefined: Any


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression that was read and found to be one.

    Attributes:
        text: As it was written.
        names: What it speaks of, in the order of the alphabet.
        compares: Whether it is true or false rather than a number.
    """

    text: str
    names: tuple[str, ...]
    compares: bool
    _tree: ast.expr = field(repr=False, compare=False)

    @classmethod
    def read(cls, text: str, *, functions: bool = True, longest: int = LONGEST) -> Formula:
        """Read an expression of names, numbers, + - * /, comparisons, `and`, `or`, `not`.

        Args:
            text: It.
            functions: Whether `abs`, `sqrt`, `min` and `max` are allowed.
            longest: Characters it may have.

        Raises:
            InvalidInput: it is none, or uses something else.
        """
        if len(text) > longest:
            raise InvalidInput(
                f"the expression has {len(text)} characters", expected=f"at most {longest}"
            )
        try:
            tree = syntax.parse_expression(text.strip()).body
            names = frozenset(_names(tree, text, functions=functions))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise InvalidInput(
                f"{text!r} is not an expression",
                expected="names and numbers with + - * / between them",
            ) from None
        compares = isinstance(tree, (ast.Compare, ast.BoolOp)) or (
            isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
        )
        return cls(text, tuple(sorted(names)), compares, tree)

    def numbers(self, columns: Mapping[str, Column]) -> Column:
        """Compute it for every row.

        Args:
            columns: A column for each of `names`, all of shape (N,); NaN where undefined.

        Returns:
            Float64 of shape (N,); NaN where it is undefined or not finite.
        """
        rows = _rows(columns)
        with np.errstate(all="ignore"):
            answer = _compute(self._tree, columns)
            values = np.broadcast_to(_number(answer.values), rows).astype(np.float64)
        values[~np.isfinite(values) | np.broadcast_to(answer.undefined, rows)] = np.nan
        return values

    def truths(self, columns: Mapping[str, Column]) -> Mask:
        """Say for every row whether it holds; where it divides by zero it does not."""
        rows = _rows(columns)
        with np.errstate(all="ignore"):
            answer = _compute(self._tree, columns)
        holds: Mask = np.broadcast_to(_truth(answer.values) & ~np.asarray(answer.undefined), rows)
        return holds


def order_of(formula: Formula) -> tuple[tuple[str, bool, str], ...] | None:
    """Read a formula as an order of names.

    Returns:
        (smaller, whether strictly, greater) for each pair of neighbours: `a < b <= c` is
        `(("a", True, "b"), ("b", False, "c"))`, and `a - 1 > b` is None.
    """
    tree = formula._tree  # noqa: SLF001 - its own module
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        parts: list[ast.expr] = tree.values
    else:
        parts = [tree]
    found: list[tuple[str, bool, str]] = []
    for part in parts:
        if not isinstance(part, ast.Compare):
            return None
        sides = [part.left, *part.comparators]
        for left, sign, right in zip(sides, part.ops, sides[1:], strict=False):
            if not (isinstance(left, ast.Name) and isinstance(right, ast.Name)):
                return None
            match sign:
                case ast.Lt() | ast.LtE():
                    found.append((left.id, isinstance(sign, ast.Lt), right.id))
                case ast.Gt() | ast.GtE():
                    found.append((right.id, isinstance(sign, ast.Gt), left.id))
                case _:
                    return None
    return tuple(found)


def _names(node: ast.AST, text: str, *, functions: bool) -> list[str]:
    """Collect names; raise at the first thing that does not belong."""
    inner: list[ast.expr]
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Constant(value=int() | float() as number) if abs(number) <= 1e300:  # noqa: PLR2004
            return []
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            inner = [operand]
        case ast.BoolOp(values=values):
            inner = values
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            inner = [left, right]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            inner = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            inner = [left, *others]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if (
            functions and name in _FUNCTIONS and len(args) == _FUNCTIONS[name][0]
        ):
            inner = args
        case _:
            inner = _foreign(text, functions=functions)
    return [name for each in inner for name in _names(each, text, functions=functions)]


def _foreign(text: str, *, functions: bool) -> list[ast.expr]:
    more = ", abs(), sqrt(), min(a, b), max(a, b)" if functions else ""
    raise InvalidInput(
        f"expression {text!r} cannot be read",
        expected=f"names, numbers, + - * /, comparisons, and, or, not{more}",
    )


def _rows(columns: Mapping[str, Column]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(np.shape(column) for column in columns.values()))


def _compute(node: ast.expr, columns: Mapping[str, Column]) -> _Answer:  # noqa: C901, PLR0911 - one match
    match node:
        case ast.Name(id=name):
            return _Answer(columns[name], False)  # noqa: FBT003 - no row is undefined
        case ast.Constant(value=number):
            return _Answer(float(number) if abs(number) > 2**53 else number, False)  # type: ignore[arg-type]  # noqa: FBT003 - as above
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            part = _compute(operand, columns)
            return _Answer(~_truth(part.values), part.undefined)
        case ast.UnaryOp(operand=operand):
            part = _compute(operand, columns)
            return _Answer(-_number(part.values), part.undefined)
        case ast.BoolOp(op=op, values=values):
            return _joined([_compute(each, columns) for each in values], isinstance(op, ast.And))
        case ast.BinOp(op=op, left=left, right=right):
            one, two = _compute(left, columns), _compute(right, columns)
            undefined = np.logical_or(one.undefined, two.undefined)
            first, second = _number(one.values), _number(two.values)
            if isinstance(op, ast.Div):
                return _Answer(
                    np.true_divide(first, second), np.logical_or(undefined, np.equal(second, 0))
                )
            return _Answer(_ARITHMETIC[type(op)](first, second), undefined)
        case ast.Compare(left=left, ops=ops, comparators=others):
            parts = [_compute(each, columns) for each in (left, *others)]
            truth: Any = True
            for one, sign, two in zip(parts, ops, parts[1:], strict=False):
                truth = np.logical_and(truth, _COMPARISONS[type(sign)](one.values, two.values))
            return _Answer(truth, _any([part.undefined for part in parts]))
        case ast.Call(func=ast.Name(id=name), args=args):
            parts = [_compute(each, columns) for each in args]
            values = _FUNCTIONS[name][1](*(_number(part.values) for part in parts))
            return _Answer(values, _any([part.undefined for part in parts]))
        case _:  # pragma: no cover - `read` has refused it
            raise AssertionError(ast.dump(node))


def _joined(parts: list[_Answer], is_and: bool) -> _Answer:  # noqa: FBT001 - one of two words
    """Join as Python does: what stands behind the part that decides is not looked at."""
    truth: Any = is_and
    undefined: Any = False
    for part in parts:
        asked = truth if is_and else np.logical_not(truth)
        undefined = np.logical_or(undefined, np.logical_and(asked, part.undefined))
        here = _truth(part.values)
        truth = np.logical_and(truth, here) if is_and else np.logical_or(truth, here)
    return _Answer(truth, undefined)


def _any(masks: list[Any]) -> Any:
    found: Any = False
    for mask in masks:
        found = np.logical_or(found, mask)
    return found


def _number(values: Any) -> Any:
    array = np.asarray(values)
    return array.astype(np.int64) if array.dtype == np.bool_ else array


def _truth(values: Any) -> Any:
    array = np.asarray(values)
    return array != "" if array.dtype.kind == "U" else array.astype(bool)
