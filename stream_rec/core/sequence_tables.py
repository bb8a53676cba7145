"""The distilled sequence model as tables: a row per item and a few small matrices. All a worker needs of it.

The student has one layer whose attention knows of time only a bias by distance. So what an event gives to it depends on
its item alone and is computed once per item:

    key, value      read when the item is in a history
    query, residual read when the item is the last of a history
    output, bias    score(user, item) = user · output + bias
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.types import Float32Array, UInt8Array

PARTS = 5
"""Vectors in a row: key, value, query, residual, output, in this order; after them the bias."""

HIDDEN = 4
"""The feed-forward layer is this many times as wide as the vectors."""


class ItemVectors(NamedTuple):
    """The rows of n items; what is read together lies together.

    `attended` float32[n, 2d]: key and value. `started` float32[n, 2d]: query, divided by √(d / heads), and residual.
    `outputs` float32[n, d]. `bias` float32[n]. `known` uint8[n]: whether the row is filled in; histories are embedded
    without the others.
    """

    attended: Float32Array
    started: Float32Array
    outputs: Float32Array
    bias: Float32Array
    known: UInt8Array


class StudentWeights(NamedTuple):
    """What all items share; matrices are [in, out], gains and shifts of layer norms are multiplied into them.

    `distance` float32[heads, L]: attention bias by steps into the past. `mix` float32[d, d] (its bias is part of the
    residuals), `widen` float32[d, 4d], `narrow` float32[4d, d], `head` float32[d, d], and their biases.
    """

    distance: Float32Array
    mix: Float32Array
    widen: Float32Array
    widen_bias: Float32Array
    narrow: Float32Array
    narrow_bias: Float32Array
    head: Float32Array
    head_bias: Float32Array

    @property
    def width(self) -> int:
        """Numbers in a user vector, d."""
        return int(self.mix.shape[0])

    @property
    def length(self) -> int:
        """Events of a history the student was trained to look back on, L."""
        return int(self.distance.shape[1])


def row_width(width: int) -> int:
    """Return how many numbers an item's row has.

    Examples
    --------
    >>> row_width(64)
    321
    """
    return PARTS * width + 1


def empty_vectors(items: int, width: int) -> ItemVectors:
    """Return the rows of items of which nothing is known yet."""
    return ItemVectors(
        np.zeros((items, 2 * width), np.float32),
        np.zeros((items, 2 * width), np.float32),
        np.zeros((items, width), np.float32),
        np.zeros(items, np.float32),
        np.zeros(items, np.uint8),
    )


def put_rows(vectors: ItemVectors, places: np.ndarray[tuple[int], np.dtype[np.int64]], rows: Float32Array) -> None:
    """Fill in float32[k, row_width] at int64[k] places; `vectors` is changed."""
    width = vectors.outputs.shape[1]
    vectors.attended[places] = rows[:, : 2 * width]
    vectors.started[places] = rows[:, 2 * width : 4 * width]
    vectors.outputs[places] = rows[:, 4 * width : 5 * width]
    vectors.bias[places] = rows[:, 5 * width]
    vectors.known[places] = 1


def vectors_of_rows(rows: Float32Array) -> ItemVectors:
    """Return the vectors of float32[n, row_width], all known.

    Examples
    --------
    >>> vectors = vectors_of_rows(np.arange(22, dtype=np.float32).reshape(2, 11))
    >>> vectors.attended.tolist(), vectors.bias.tolist()
    ([[0.0, 1.0, 2.0, 3.0], [11.0, 12.0, 13.0, 14.0]], [10.0, 21.0])
    """
    vectors = empty_vectors(len(rows), (rows.shape[1] - 1) // PARTS)
    put_rows(vectors, np.arange(len(rows)), rows)
    return vectors
