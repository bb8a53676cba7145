"""From a score per item to the best few rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from stream_rec.core.ranking.select import best_of
from stream_rec.core.types import Float64Array, Int32Array


def best_rows(scores: Float64Array, excluded: Int32Array, k: int, floor: float = -np.inf) -> Int32Array:
    """Return int32[<= k]: the rows that score above `floor` and are not excluded, best first, ties to the lower row.

    Parameters
    ----------
    scores
        float64[known], overwritten.
    excluded
        int32[m] rows, repeats allowed.

    Notes
    -----
    O(known + k): about 10 µs for 4,000 items.

    Examples
    --------
    >>> best_rows(np.array([1.0, 9.0, 0.0, 4.0, 4.0]), np.array([1, 1], np.int32), 3, floor=0.0).tolist()
    [3, 4, 0]
    """
    scores[excluded] = -np.inf
    scores += 0.0  # -0.0 becomes 0.0: equal values must have equal bits
    best, values = np.empty(k, np.int32), np.empty(k)
    n = best_of(_first_rows(len(scores)), scores, len(scores), best, values)
    return best[:n][values[:n] > floor]


@lru_cache(maxsize=4)
def _room(size: int) -> Int32Array:
    return np.arange(size, dtype=np.int32)


def _first_rows(n: int) -> Int32Array:
    """Return int32[n] 0, 1, 2, …: a view of a buffer that doubles, since the catalogue grows item by item."""
    return _room(1 << max(n - 1, 0).bit_length())[:n]
