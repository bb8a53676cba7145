"""Dense per-item scratch memory and the exact selection of the best few out of many.

A source adds scores into a dense array and notes which rows it touched; selection then costs time in the
touched rows, never in the catalogue. Sorting them all would dominate a list's cost, so a histogram over the
exponent and the first mantissa bits discards nearly everything that cannot win, and a bounded heap orders the
rest. The result is exact, ties included.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stream_rec.core.types import Float64Array, Int32Array, UInt8Array

_BINS = 512
_BIN_SHIFT = 47  # of a double's 52 mantissa bits: 32 bins per doubling, so 512 bins span a factor of 65,536
_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)


class Scratch:
    """Dense buffers indexed by item row, shared by all sources and rankers of one thread.

    Between calls `score` and `in_session` are zero and `slot` is -1 everywhere: who writes them cleans up.
    `excluded` belongs to the caller, who sets it before proposals and clears it after (`rules.py`).

    Attributes
    ----------
    score
        float64[capacity], sums under construction.
    touched
        int32[capacity], the rows with a score; its contents mean nothing between calls.
    in_session, excluded
        uint8[capacity] flags.
    slot
        int32[capacity], place of a row in some short list, -1 = in none.

    Examples
    --------
    >>> scratch = Scratch(capacity=2)
    >>> scratch.excluded[1] = 1
    >>> scratch.fit(4)
    >>> scratch.excluded.tolist(), scratch.slot.tolist()
    ([0, 1, 0, 0], [-1, -1, -1, -1])
    """

    __slots__ = ("excluded", "in_session", "score", "slot", "touched")

    score: Float64Array
    touched: Int32Array
    in_session: UInt8Array
    excluded: UInt8Array
    slot: Int32Array

    def __init__(self, capacity: int = 0) -> None:
        self._allocate(capacity)

    def fit(self, capacity: int) -> None:
        """Make room for item rows below `capacity`. Keeps `excluded`; replaces every array when it grows."""
        if capacity <= len(self.score):
            return
        excluded = self.excluded
        self._allocate(capacity)
        self.excluded[: len(excluded)] = excluded

    def _allocate(self, capacity: int) -> None:
        self.score = np.zeros(capacity, np.float64)
        self.touched = np.zeros(capacity, np.int32)
        self.in_session = np.zeros(capacity, np.uint8)
        self.excluded = np.zeros(capacity, np.uint8)
        self.slot = np.full(capacity, -1, np.int32)


@njit(cache=True)
def add_score(score: Float64Array, touched: Int32Array, n_touched: int, row: int, amount: float) -> int:
    """Add `amount` to `score[row]`, note the row when it is its first; return the new `n_touched`.

    Amounts that are not positive (underflow, NaN) are dropped: "score is zero" has to mean "not touched".
    """
    if amount > 0.0:
        if score[row] == 0.0:
            touched[n_touched] = row
            n_touched += 1
        score[row] += amount
    return n_touched


@njit(cache=True)
def flag_session(flags: UInt8Array, rows: Int32Array, sessions: Int32Array, session: int, value: int) -> None:
    """Set the flag of every history row of `session`, which is the last one if it has any event yet."""
    at = len(rows) - 1
    while at >= 0 and sessions[at] == session:
        flags[rows[at]] = value
        at -= 1


@njit(cache=True)
def _loses(value_a: float, key_a: int, value_b: float, key_b: int) -> bool:
    """Whether a stands behind b: a lower value, or the same value and a higher key."""
    return value_a < value_b or (value_a == value_b and key_a > key_b)


@njit(cache=True)
def _sift_down(keys: Int32Array, values: Float64Array, start: int, end: int) -> None:
    """Restore the heap (last place at the root) in [0, end) below `start`."""
    key, value, hole = keys[start], values[start], start
    while 2 * hole + 1 < end:
        child = 2 * hole + 1
        if child + 1 < end and _loses(values[child + 1], keys[child + 1], values[child], keys[child]):
            child += 1
        if not _loses(values[child], keys[child], value, key):
            break
        keys[hole], values[hole] = keys[child], values[child]
        hole = child
    keys[hole], values[hole] = key, value


@njit(cache=True)
def _drop_hopeless(keys: Int32Array, values: Float64Array, n: int, k: int) -> int:
    """Compact `keys`, `values` [0, n) to those whose bin holds or beats the k-th best; return how many."""
    bins = np.empty(n, np.int64)
    bits = values.view(np.int64)
    best = np.int64(-(1 << 62))
    for c in range(n):  # a double's bits order like the double, once those of negative numbers are flipped
        b = bits[c]
        bins[c] = (b if b >= 0 else b ^ _MAGNITUDE) >> _BIN_SHIFT
        best = max(best, bins[c])
    counts = np.zeros(_BINS, np.int32)
    for c in range(n):
        bins[c] = min(best - bins[c], _BINS - 1)
        counts[bins[c]] += 1
    cut, seen = 0, counts[0]
    while seen < k:
        cut += 1
        seen += counts[cut]
    kept = 0
    for c in range(n):
        if bins[c] <= cut:
            keys[kept], values[kept] = keys[c], values[c]
            kept += 1
    return kept


@njit(cache=True)
def best_of(keys: Int32Array, values: Float64Array, n: int, out_keys: Int32Array, out_values: Float64Array) -> int:
    """Write the best `len(out_keys)` of `values[:n]` best first, ties to the lower key.

    Parameters
    ----------
    keys, values
        int32[>= n] distinct, float64[>= n] without NaN or -0.0. Both are reordered.
    out_keys, out_values
        int32[k], float64[k], written.

    Returns
    -------
    int
        How many were written, min(n, k).

    Notes
    -----
    O(n + m log k) with m the survivors of the histogram: about k, unless values tie.
    """
    k = min(n, len(out_keys))
    if k == 0:
        return 0
    if n > 2 * k:
        n = _drop_hopeless(keys, values, n, k)
    out_keys[:k] = keys[:k]
    out_values[:k] = values[:k]
    for start in range(k // 2 - 1, -1, -1):
        _sift_down(out_keys, out_values, start, k)
    for c in range(k, n):
        if _loses(out_values[0], out_keys[0], values[c], keys[c]):
            out_keys[0], out_values[0] = keys[c], values[c]
            _sift_down(out_keys, out_values, 0, k)
    for end in range(k - 1, 0, -1):  # the root is the last of what is left
        out_keys[0], out_keys[end] = out_keys[end], out_keys[0]
        out_values[0], out_values[end] = out_values[end], out_values[0]
        _sift_down(out_keys, out_values, 0, end)
    return k


@njit(cache=True)
def select_top(
    score: Float64Array,
    touched: Int32Array,
    n_touched: int,
    excluded: UInt8Array,
    listable: UInt8Array,
    floor: float,
    out_rows: Int32Array,
    out_scores: Float64Array,
) -> int:
    """Write the best touched rows with score > `floor`, best first, ties to the lower row; zero their scores.

    Parameters
    ----------
    score
        float64[capacity]; every touched row is set back to 0.
    touched
        int32[capacity], distinct rows in [0, n_touched); reordered.
    excluded, listable
        uint8[capacity]: rows that are excluded, or not listable, are passed over.
    out_rows, out_scores
        int32[k], float64[k], written.

    Returns
    -------
    int
        How many were written.
    """
    values = np.empty(n_touched, np.float64)
    n = 0
    for t in range(n_touched):
        row = touched[t]
        value = score[row] + 0.0  # -0.0 becomes 0.0: equal values must have equal bits
        score[row] = 0.0
        if value > floor and listable[row] != 0 and excluded[row] == 0:
            touched[n], values[n] = row, value
            n += 1
    return best_of(touched, values, n, out_rows, out_scores)
