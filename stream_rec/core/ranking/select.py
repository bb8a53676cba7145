"""Dense per-item scratch memory and the exact selection of the best few out of many.

A source adds scores into a dense array and notes which rows it touched; selection then costs time in the
touched rows, never in the catalogue. Sorting them all would dominate a list's cost, so a histogram over the
exponent and the first mantissa bits, of the value or of its gap to the best, discards nearly everything that cannot win
and hands the rest over almost in order, for an insertion sort to finish. The result is exact, ties included.

The kernels hold their inner loops themselves: numba counts references to arrays at every call it does not see
through, which made a loop of one addition five times slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, UInt8Array

_BINS = 512
_BIN_SHIFT = 18  # of a float's 23 mantissa bits: 32 bins per doubling, so 512 bins span a factor of 65,536
_GAP_SHIFT = 17  # 64 bins per doubling of the gap to the best, 512 bins for gaps up to 64
_STEADY = np.float32(0.25)  # added to the gap: bins of equal width near the best
_STEADY_BIN = int(_STEADY.view(np.int32)) >> _GAP_SHIFT
_ROUNDED = 1.0 - 2.0**-23  # what was rounded up to a normal float is not less than this much of it
_LEAST_NORMAL = 2.0**-126
_MAGNITUDE = 0x7FFF_FFFF
ABOVE_ZERO = 5e-324
"""The least number that is."""
_UNSIGNED = np.uint64  # an index that cannot count from the end saves asking whether it does


class Scratch:
    """Dense buffers indexed by item row, shared by all sources and rankers of one thread.

    Between calls `score` and `in_session` are zero and `slot` is -1 everywhere: who writes them cleans up.
    `excluded` belongs to the caller, who sets it before proposals and clears it after (`rules.py`).

    Attributes
    ----------
    score
        float64[capacity], sums under construction.
    touched
        int32[capacity + 1], the rows with a score; its contents mean nothing between calls. The last place takes the
        write of a kernel that notes first and decides after.
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
        self.touched = np.zeros(capacity + 1, np.int32)
        self.in_session = np.zeros(capacity, np.uint8)
        self.excluded = np.zeros(capacity, np.uint8)
        self.slot = np.full(capacity, -1, np.int32)


@inner()
def _fill_bins(values: Float64Array, n: int, logits: bool, images: Float32Array, bits: Int32Array) -> int:
    """Write a bin per value, 0 for the best ones, at most 511, and return the bits of the best.

    No value is in a worse bin than a smaller one.

    `images` float32[n + 1] and `bits` are the same memory; float32 is exact enough. Every loop vectorises.
    """
    for c in range(n):
        images[c] = np.float32(values[c])
    best = np.int32(bits[0] ^ ((bits[0] >> 31) & _MAGNITUDE))
    for c in range(n):  # a float's bits order like the float, once those of negative numbers are flipped
        best = max(best, np.int32(bits[c] ^ ((bits[c] >> 31) & _MAGNITUDE)))
    if logits:
        bits[n] = best ^ ((best >> 31) & _MAGNITUDE)
        largest = images[n]
        for c in range(n):
            images[c] = (largest - images[c]) + _STEADY
        for c in range(n):
            bits[c] = min(((bits[c] & _MAGNITUDE) >> _GAP_SHIFT) - _STEADY_BIN, _BINS - 1)
    else:
        for c in range(n):
            bits[c] = min((best >> _BIN_SHIFT) - ((bits[c] ^ ((bits[c] >> 31) & _MAGNITUDE)) >> _BIN_SHIFT), _BINS - 1)
    return int(best)


@inner(allocates=True)
def floor_of_best(values: Float64Array, n: int, k: int) -> float:
    """Return a number above 0 that the best k of `values[:n]` reach, all of them above 0, and few others do."""
    counts, bins = np.zeros(_BINS, np.int32), np.empty(n + 1, np.int32)
    images = bins.view(np.float32)
    best = _fill_bins(values, n, False, images, bins)
    for c in range(n):
        counts[_UNSIGNED(bins[c])] += 1
    cut, m = 0, counts[0]
    while m < k:
        cut += 1
        m += counts[cut]
    bins[n] = ((best >> _BIN_SHIFT) - cut) << _BIN_SHIFT  # the least float of the bin
    if cut == _BINS - 1 or not _LEAST_NORMAL <= images[n] < np.inf:  # the last bin has no least float
        return ABOVE_ZERO
    return float(images[n]) * _ROUNDED


@inner(allocates=True)
def _contenders(values: Float64Array, n: int, k: int, logits: bool) -> Int32Array:
    """Return the places of `values[:n]` whose bin holds or beats the k-th best (1 <= k <= n), best bin first."""
    counts, memory = np.zeros(_BINS, np.int32), np.empty(3 * n + 2, np.int32)
    bins, inside, order = memory[: n + 1], memory[n + 1 : 2 * n + 2], memory[2 * n + 2 :]
    _fill_bins(values, n, logits, bins.view(np.float32), bins)
    for c in range(n):
        counts[_UNSIGNED(bins[c])] += 1
    cut, m = 0, counts[0]
    counts[0] = 0
    while m < k:  # counts become the place where each bin starts
        cut += 1
        counts[cut], m = m, m + counts[cut]
    e = _UNSIGNED(0)
    for c in range(n):  # no branch: who is inside is a coin flip to the processor
        inside[e] = c
        e += _UNSIGNED(bins[c] <= cut)
    for q in range(m):
        b = _UNSIGNED(bins[_UNSIGNED(inside[q])])
        order[_UNSIGNED(counts[b])] = inside[q]
        counts[b] += 1
    return order[:m]


@inner(allocates=True)
def _best(
    keys: Int32Array, values: Float64Array, n: int, logits: bool, out_keys: Int32Array, out_values: Float64Array
) -> int:
    k = min(n, len(out_keys))
    if k == 0:
        return 0
    order, last = _contenders(values, n, k, logits), _UNSIGNED(k - 1)
    for q in range(len(order)):
        key, value = keys[_UNSIGNED(order[q])], values[_UNSIGNED(order[q])]
        place = _UNSIGNED(q)
        if q >= k:
            if not (value > out_values[last] or (value == out_values[last] and key < out_keys[last])):
                continue
            place = last
        while place > _UNSIGNED(0):
            before = place - _UNSIGNED(1)
            ahead = out_values[before]
            if ahead > value or (ahead == value and out_keys[before] < key):
                break
            out_keys[place], out_values[place] = out_keys[before], ahead
            place = before
        out_keys[place], out_values[place] = key, value
    return k


@entry()
def best_of(keys: Int32Array, values: Float64Array, n: int, out_keys: Int32Array, out_values: Float64Array) -> int:
    """Write the best `len(out_keys)` of `values[:n]` best first, ties to the lower key.

    Parameters
    ----------
    keys, values
        int32[>= n] distinct, float64[>= n] without NaN or -0.0.
    out_keys, out_values
        int32[k], float64[k], written.

    Returns
    -------
    int
        How many were written, min(n, k).

    Notes
    -----
    O(n + k) when values spread over the bins. O(m k) for m values that share the cut-off's bin, all tied in the
    worst case.
    """
    return _best(keys, values, n, False, out_keys, out_values)


@entry()
def best_logits(keys: Int32Array, values: Float64Array, n: int, out_keys: Int32Array, out_values: Float64Array) -> int:
    """Do what `best_of` does, faster where values matter by their differences, not by their ratios."""
    return _best(keys, values, n, True, out_keys, out_values)


@entry()
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
        int32[>= n_touched] rows. A row may repeat if `floor` >= 0: its score is gone the second time.
    excluded, listable
        uint8[capacity]: rows that are excluded, or not listable, are passed over.
    out_rows, out_scores
        int32[k], float64[k], written.

    Returns
    -------
    int
        How many were written.
    """
    keys, values, n = np.empty(n_touched + 1, np.int32), np.empty(n_touched + 1, np.float64), np.uint64(0)
    for t in range(n_touched):
        row = np.uint32(touched[t])  # unsigned: an index that cannot count from the end
        value = score[row] + 0.0  # -0.0 becomes 0.0: equal values must have equal bits
        score[row] = 0.0
        keys[n], values[n] = row, value  # no branch: the next one takes its place if it does not count
        n += np.uint64((value > floor) & (listable[row] != 0) & (excluded[row] == 0))
    n_kept: Any = np.int64(n)  # signed again
    return best_of(keys, values, n_kept, out_rows, out_scores)
