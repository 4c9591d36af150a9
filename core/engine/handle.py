"""One address in place of hundreds of numbers.

Numba hands a tuple over element by element, and an array of two axes is nine of them already. A
function that is given all that a phase may look at would take some four hundred arguments: every
call would copy them, and most of the time of compiling it would go into writing them down.
"""

# What numba has inside is not annotated, or wrongly.
# mypy: disable-error-code="attr-defined, misc"
# mypy: disable-error-code="no-untyped-call, override, untyped-decorator"

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import lower_builtin, lower_getattr_generic, register_model, type_callable

_Whole = TypeVar("_Whole", bound=tuple[Any, ...])
_WORD = 8


def by_address(whole: _Whole) -> _Whole:
    """Give a named tuple as it is, which compiled code hands on as its address.

    Its fields are read as before, those of tuples within it too. Nothing may change what the
    tuple holds, and no function may give the address to its caller.
    """
    return whole


class Address(types.Type):
    """The address of a named tuple, whose numbers and arrays lie one after the other."""

    def __init__(self, whole: types.BaseNamedTuple) -> None:
        self.whole = whole
        # The name is part of that of every function that takes it.
        super().__init__(f"Address_{hashlib.sha256(str(whole).encode()).hexdigest()[:12]}")

    def place_of(self, context: Any, attr: str) -> int:
        """Give the distance of a field in bytes."""
        before = self.whole.fields.index(attr)
        return sum(_size(context, each) for each in self.whole.types[:before])


register_model(Address)(models.OpaqueModel)


def _size(context: Any, kind: types.Type) -> int:
    if isinstance(kind, types.BaseNamedTuple):
        return sum(_size(context, each) for each in kind.types)
    size = context.get_abi_sizeof(context.get_value_type(kind))
    return int(-(-size // _WORD) * _WORD)


@type_callable(by_address)
def _type_address(_context: Any) -> Any:
    def typed(whole: types.BaseNamedTuple) -> Address:
        return Address(whole)

    return typed


@lower_builtin(by_address, types.BaseNamedTuple)
def _take_address(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    (kind,), (whole,) = signature.args, given
    room = cgutils.alloca_once(builder, cgutils.intp_t, size=_size(context, kind) // _WORD)
    first = builder.bitcast(room, cgutils.voidptr_t)
    _lay(context, builder, kind, whole, first, 0)
    return first


def _lay(context: Any, builder: Any, kind: types.Type, value: Any, first: Any, place: int) -> int:
    """Lay a value out from `place` on; returns the place after it."""
    if isinstance(kind, types.BaseNamedTuple):
        for i, each in enumerate(kind.types):
            part = builder.extract_value(value, i)
            place = _lay(context, builder, each, part, first, place)
        return place
    builder.store(value, _pointer(builder, first, place, value.type))
    return place + _size(context, kind)


def _pointer(builder: Any, first: Any, place: int, kind: Any) -> Any:
    return builder.bitcast(_moved(builder, first, place), kind.as_pointer())


def _moved(builder: Any, first: Any, place: int) -> Any:
    return builder.gep(first, [cgutils.intp_t(place)], source_etype=cgutils.int8_t)


@infer_getattr
class _Fields(AttributeTemplate):
    key = Address

    def generic_resolve(self, address: Address, attr: str) -> types.Type | None:
        if attr not in address.whole.fields:
            return None
        kind = address.whole.types[address.whole.fields.index(attr)]
        return Address(kind) if isinstance(kind, types.BaseNamedTuple) else kind


@lower_getattr_generic(Address)
def _read_field(context: Any, builder: Any, kind: Address, first: Any, attr: str) -> Any:
    place = kind.place_of(context, attr)
    field = kind.whole.types[kind.whole.fields.index(attr)]
    if isinstance(field, types.BaseNamedTuple):
        return _moved(builder, first, place)
    where = _pointer(builder, first, place, context.get_value_type(field))
    return builder.load(where, typ=context.get_value_type(field))
