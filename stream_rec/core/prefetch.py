"""Asking the processor for memory before it is needed.

In a table of a million items nearly everything a list looks at is outside the caches, and a processor waits 0.1 µs for
each line that it only learns of when it needs it. Loops over rows that are known beforehand ask some places ahead.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

AHEAD = 12
"""Places ahead: long enough for memory, short enough that the line is still there."""

_READ, _KEEP, _DATA = 0, 3, 1
_WORD = ir.IntType(32)


def _to_prefetch(typing_context: Any, array: Any, row: Any) -> Any:
    """Ask for the cache line at the beginning of row `row` of an array; the row need not be inside it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        step = builder.extract_value(view.strides, 0)
        offset = builder.mul(step, context.cast(builder, arguments[1], signature.args[1], types.intp))
        pointer_type = context.get_value_type(types.voidptr)
        address = builder.add(builder.ptrtoint(view.data, offset.type), offset)
        pointer = builder.inttoptr(address, pointer_type)
        kind = ir.FunctionType(ir.VoidType(), [pointer_type, _WORD, _WORD, _WORD])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer_type], kind)
        builder.call(function, [pointer, _WORD(_READ), _WORD(_KEEP), _WORD(_DATA)])
        return context.get_dummy_value()

    return types.void(array, row), generate


prefetch: Any = intrinsic(_to_prefetch)
"""prefetch(array, row); called without the typing context, which type checkers cannot know."""
