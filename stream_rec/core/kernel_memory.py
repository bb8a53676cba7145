"""Handing a kernel many arrays at once: a block of addresses instead of the arrays.

Numba looks into every array it is given, for about 0.3 µs each; a ranking needs forty. A block is one int64 array that
holds their addresses; inside a kernel `float64_at` and its like make arrays of them again, for nothing.

Whoever makes a block keeps the arrays alive as long as it is used, and makes a new one when an array is replaced: that
is why blocks are made where arrays are (`ItemTable`, `Workspace`) and nowhere else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types  # type: ignore[attr-defined]  # re-exported without saying so
from numba.extending import intrinsic

from stream_rec.core.compiled import inner
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

UInt16Array = npt.NDArray[np.uint16]
UInt32Array = npt.NDArray[np.uint32]


def block_of(*values: npt.NDArray[Any] | int) -> Int64Array:
    """Return int64[n]: the address of each array, and each number as it is."""
    return np.array([value if isinstance(value, int) else value.ctypes.data for value in values], np.int64)


def _to_pointer(typing_context: Any, address: Any) -> Any:
    """Turn an address into a pointer numba can make an array of."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


pointer: Any = intrinsic(_to_pointer)  # called without the typing context, which type checkers cannot know


@inner(allocates=True)
def float64_at(address: int, length: int) -> Float64Array:
    """Return the float64 array at an address of a block."""
    return carray(pointer(address), length, np.float64)


@inner(allocates=True)
def float32_at(address: int, length: int) -> Float32Array:
    """Return the float32 array at an address of a block."""
    return carray(pointer(address), length, np.float32)


@inner(allocates=True)
def float32_rows_at(address: int, length: int, width: int) -> Float32Array:
    """Return the float32[length, width] array at an address of a block."""
    return carray(pointer(address), (length, width), np.float32)


@inner(allocates=True)
def float64_rows_at(address: int, length: int, width: int) -> Float64Array:
    """Return the float64[length, width] array at an address of a block."""
    return carray(pointer(address), (length, width), np.float64)


@inner(allocates=True)
def int32_at(address: int, length: int) -> Int32Array:
    """Return the int32 array at an address of a block."""
    return carray(pointer(address), length, np.int32)


@inner(allocates=True)
def int32_rows_at(address: int, length: int, width: int) -> Int32Array:
    """Return the int32[length, width] array at an address of a block."""
    return carray(pointer(address), (length, width), np.int32)


@inner(allocates=True)
def int64_at(address: int, length: int) -> Int64Array:
    """Return the int64 array at an address of a block."""
    return carray(pointer(address), length, np.int64)


@inner(allocates=True)
def uint8_at(address: int, length: int) -> UInt8Array:
    """Return the uint8 array at an address of a block."""
    return carray(pointer(address), length, np.uint8)


@inner(allocates=True)
def uint8_rows_at(address: int, length: int, width: int) -> UInt8Array:
    """Return the uint8[length, width] array at an address of a block."""
    return carray(pointer(address), (length, width), np.uint8)


@inner(allocates=True)
def uint16_rows_at(address: int, length: int, width: int) -> UInt16Array:
    """Return the uint16[length, width] array at an address of a block."""
    return carray(pointer(address), (length, width), np.uint16)


@inner(allocates=True)
def uint32_at(address: int, length: int) -> UInt32Array:
    """Return the uint32 array at an address of a block."""
    return carray(pointer(address), length, np.uint32)
