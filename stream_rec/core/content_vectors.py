"""Content vectors: what an item's text says, as 128 numbers of length 1, kept as one byte a number.

    value ≈ scale · byte,   cos(i, j) ≈ scale_i · scale_j · Σ_q byte_iq · byte_jq

An item without a text has no direction: all its numbers are 0, and so is its cosine with anything. What the projection
and the bytes cost is in docs/measurements.md.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.types import Float32Array, Int8Array

CONTENT_WIDTH = 128

_LARGEST = 127


def no_content(items: int) -> Float32Array:
    """Return the content vectors of items by a model that knows no texts: of width 0."""
    return np.zeros((items, 0), np.float32)


def pack_content(vectors: Float32Array) -> tuple[Int8Array, Float32Array]:
    """Return int8[n, w] bytes and the float32[n] scale of each row of float32[n, w].

    Examples
    --------
    >>> numbers, scale = pack_content(np.array([[0.6, -0.8], [0, 0]], np.float32))
    >>> numbers.tolist(), scale.round(4).tolist()
    ([[95, -127], [0, 0]], [0.006300000008195639, 0.0])
    """
    scale = np.abs(vectors).max(axis=1, initial=0.0) / np.float32(_LARGEST)
    numbers = np.rint(vectors / np.where(scale > 0, scale, 1)[:, None])
    return numbers.astype(np.int8), scale.astype(np.float32)


def unpack_content(numbers: Int8Array, scale: Float32Array) -> Float32Array:
    """Return the float32[n, w] that `pack_content` packed, as far as its precision goes."""
    return np.asarray(scale[:, None] * numbers.astype(np.float32), np.float32)
