"""Popularity: what everybody is after lately; the only source that needs no history."""

from __future__ import annotations

import numpy as np
from numba import njit

from stream_rec.core.presets import CANDIDATES_PER_SOURCE
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, UInt8Array


@njit(cache=True)
def popular_propose(
    popular_rows: Int32Array, popular_size: Int64Array, popularity: Float64Array, listable: UInt8Array,
    excluded: UInt8Array,
) -> tuple[Int32Array, Float64Array]:  # fmt: skip
    """Return the first `CANDIDATES_PER_SOURCE` of `popular_rows` that may be shown, with their popularity."""
    out_rows = np.empty(CANDIDATES_PER_SOURCE, np.int32)
    out_scores = np.empty(CANDIDATES_PER_SOURCE, np.float64)
    n = 0
    for place in range(popular_size[0]):
        row = popular_rows[place]
        if listable[row] == 0 or excluded[row] != 0:
            continue
        out_rows[n], out_scores[n] = row, popularity[row]
        n += 1
        if n == CANDIDATES_PER_SOURCE:
            break
    return out_rows[:n], out_scores[:n]
