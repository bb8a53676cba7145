"""Item rows of the sequence model as bytes: half precision, or one byte a number with a scale per vector.

    fp16   10d + 2 bytes: the row as it is, 642 for d = 64
    int8   5d + 24 bytes: five scales and the bias as float32, then the vectors, value = scale · byte; 344 for d = 64

Little-endian. What the precision costs in hit rate is in docs/measurements.md.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from stream_rec.core.sequence_tables import PARTS, row_width
from stream_rec.core.types import Float32Array, UInt8Array
from stream_rec.errors import CorruptStateError

Encoding = Literal["fp16", "int8"]
ENCODINGS: tuple[Encoding, ...] = ("fp16", "int8")

_LARGEST = 127
_HEAD_BYTES = 4 * (PARTS + 1)
_FLOAT16_MOST = 65_504.0


def row_bytes(width: int, encoding: Encoding) -> int:
    """Return how many bytes a row takes.

    Examples
    --------
    >>> row_bytes(64, "fp16"), row_bytes(64, "int8")
    (642, 344)
    """
    return 2 * row_width(width) if encoding == "fp16" else PARTS * width + _HEAD_BYTES


def pack_rows(rows: Float32Array, encoding: Encoding) -> UInt8Array:
    """Return uint8[n, row_bytes] of float32[n, row_width].

    Examples
    --------
    >>> rows = np.array([[1, -1, 2, 2, 3, 3, 4, 4, 0.5, 0.25, 0.1]], np.float32)
    >>> [float(abs(unpack_rows(pack_rows(rows, encoding), 2, encoding) - rows).max()) < 0.002 for encoding in ENCODINGS]
    [True, True]
    """
    if encoding == "fp16":
        halves = np.clip(rows, -_FLOAT16_MOST, _FLOAT16_MOST).astype("<f2")
        return halves.view(np.uint8)
    n, width = len(rows), (rows.shape[1] - 1) // PARTS
    parts = rows[:, :-1].reshape(n, PARTS, width)
    scales = np.abs(parts).max(axis=2) / _LARGEST
    numbers = np.rint(parts / np.where(scales > 0, scales, 1)[..., None]).astype(np.int8)
    head = np.concatenate([scales, rows[:, -1:]], axis=1).astype("<f4")
    return np.concatenate([head.view(np.uint8), numbers.reshape(n, -1).view(np.uint8)], axis=1)


def unpack_rows(packed: UInt8Array, width: int, encoding: Encoding) -> Float32Array:
    """Return the float32[n, row_width] that `pack_rows` packed, as far as its precision goes.

    Raises
    ------
    CorruptStateError
        The rows have another length, or hold what is no number.
    """
    if packed.shape[1] != row_bytes(width, encoding):
        raise CorruptStateError(
            f"item vectors: need rows of {row_bytes(width, encoding)} bytes ({encoding}, d = {width}); got "
            f"{packed.shape[1]}. They are of another model or encoding."
        )
    packed = np.ascontiguousarray(packed)
    if encoding == "fp16":
        rows = packed.view("<f2").astype(np.float32)
    else:
        head = np.ascontiguousarray(packed[:, :_HEAD_BYTES]).view("<f4")
        numbers = packed[:, _HEAD_BYTES:].view(np.int8).reshape(len(packed), PARTS, width)
        vectors = head[:, :PARTS, None] * numbers.astype(np.float32)
        rows = np.concatenate([vectors.reshape(len(packed), -1), head[:, PARTS:]], axis=1).astype(np.float32)
    if not np.isfinite(rows).all():
        raise CorruptStateError("item vectors: need finite numbers; got others. Write the rows again.")
    return rows
