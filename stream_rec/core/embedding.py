"""Embedding users: from the last items of a history to a user vector, by the student's tables.

    attention   a = softmax(query(last) · key(j) + bias(distance of j)),   x = residual(last) + (Σ a_j value(j)) · mix
    feed        x ← x + gelu(norm(x) · widen) · narrow
    output      norm(x) · head

About 5 µs a user in a batch and 13 alone, on one core (`stream-rec bench embed`). Nothing of a user is kept: an
embedding one event old loses 44 % of its hit rate, so it is made anew on every event.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.float_kernels import fill_exp
from stream_rec.core.prefetch import prefetch
from stream_rec.core.products import add_product
from stream_rec.core.sequence_tables import HIDDEN, ItemVectors, StudentWeights
from stream_rec.core.types import Float32Array, Int32Array, Int64Array, UInt8Array

BLOCK = 32
"""Users whose rows are multiplied together: their hidden layers just fit into the first cache."""

_F32 = np.float32
_NORM_FLOOR = _F32(1e-5)
_ROOT_HALF = _F32(0.70710678)
_LOWEST = _F32(-3e38)


def embed(
    histories: Int32Array, ends: Int64Array, vectors: ItemVectors, weights: StudentWeights, last: int | None = None
) -> tuple[Float32Array, Int32Array]:
    """Return float32[users, d] user vectors, and int32[users] how many items each was made of.

    Parameters
    ----------
    histories
        int32[events]: item rows of all users, one user after the other, oldest first. Rows below 0 or not `known` are
        passed over; a user of whom no row is known gets zeros and 0.
    ends
        int64[users]: where each user's rows end in `histories`.
    last
        Known items of a user to look at: the newest; by default and at most as many as the student was trained with.

    Notes
    -----
    Reads nothing but its arguments and keeps nothing; allocates about 40 kB.
    """
    out = np.empty((len(ends), weights.width), np.float32)
    used = np.empty(len(ends), np.int32)
    looked_at = weights.length if last is None else min(last, weights.length)
    embed_into(histories, ends, vectors, weights, looked_at, out, used)
    return out, used


@entry()
def embed_into(
    histories: Int32Array,
    ends: Int64Array,
    vectors: ItemVectors,
    weights: StudentWeights,
    last: int,
    out: Float32Array,
    used: Int32Array,
) -> None:
    """As `embed`, into `out` float32[users, d] and `used` int32[users]; `last` is at most the trained length."""
    width = weights.mix.shape[0]
    rows, logits = np.empty(last, np.int64), np.empty(last, np.float32)
    mixed, x = np.empty((BLOCK, width), np.float32), np.empty((BLOCK, width), np.float32)
    hidden, powers = np.empty((BLOCK, HIDDEN * width), np.float32), np.empty(HIDDEN * width, np.float32)
    begin = 0
    for first in range(0, len(ends), BLOCK):
        n = min(BLOCK, len(ends) - first)
        for u in range(n):
            end = ends[first + u]
            found = _last_known(histories, begin, end, vectors.known, rows, last)
            begin = end
            used[first + u] = found
            for c in range(width):
                mixed[u, c] = _F32(0.0)
                x[u, c] = vectors.started[rows[0], width + c] if found else _F32(0.0)
            if found:
                _attend(rows, found, vectors, weights.distance, logits, mixed[u])
        _feed(mixed, x, hidden, powers, weights, n)
        for u in range(n):
            for c in range(width):
                out[first + u, c] = weights.head_bias[c] if used[first + u] else _F32(0.0)
                x[u, c] = x[u, c] if used[first + u] else _F32(0.0)
        add_product(x, weights.head, out[first : first + n], n)


@inner()
def _last_known(histories: Int32Array, begin: int, end: int, known: UInt8Array, rows: Int64Array, most: int) -> int:
    """Put the newest known rows of a history into `rows`, newest first; return how many."""
    found = 0
    place = end - 1
    while place >= begin and found < most:
        row = histories[place]
        if row >= 0 and row < len(known) and known[row]:
            rows[found] = row
            found += 1
        place -= 1
    return found


@inner(fastmath={"contract", "reassoc", "nsz"})
def _attend(
    rows: Int64Array,
    found: int,
    vectors: ItemVectors,
    distance: Float32Array,
    logits: Float32Array,
    mixed: Float32Array,
) -> None:
    """Add to `mixed`, which is zero, the mean of the values by attention from the newest row, head by head."""
    heads, width = len(distance), len(mixed)
    size = width // heads
    for j in range(found):
        prefetch(vectors.attended, rows[j])
    for head in range(heads):  # slices, because indices that may be negative keep loops from being vectorised
        begin, end = head * size, (head + 1) * size
        query, mean = vectors.started[rows[0]][begin:end], mixed[begin:end]
        highest = _LOWEST
        for j in range(found):
            key = vectors.attended[rows[j]][begin:end]
            logit = distance[head, j]
            for c in range(size):
                logit += query[c] * key[c]
            logits[j] = logit
            highest = max(highest, logit)
        for j in range(found):
            logits[j] -= highest
        fill_exp(logits, found)
        total = _F32(0.0)
        for j in range(found):
            total += logits[j]
        for j in range(found):
            value = vectors.attended[rows[j]][width + begin : width + end]
            share = logits[j] / total
            for c in range(size):
                mean[c] += share * value[c]


@inner(fastmath={"contract"})
def _feed(
    mixed: Float32Array, x: Float32Array, hidden: Float32Array, powers: Float32Array, weights: StudentWeights, n: int
) -> None:
    """From attention to the normed output in `x`, for n users; all four arrays are changed."""
    add_product(mixed, weights.mix, x, n)
    for u in range(n):
        for c in range(len(weights.narrow_bias)):
            mixed[u, c] = x[u, c]
        _normalise(mixed[u])
        for c in range(len(weights.widen_bias)):
            hidden[u, c] = weights.widen_bias[c]
    add_product(mixed, weights.widen, hidden, n)
    for u in range(n):
        _gelu(hidden[u], powers)
        for c in range(len(weights.narrow_bias)):
            x[u, c] += weights.narrow_bias[c]
    add_product(hidden, weights.narrow, x, n)
    for u in range(n):
        _normalise(x[u])


@inner(fastmath={"contract", "reassoc", "nsz"})
def _normalise(x: Float32Array) -> None:
    """Give x mean 0 and variance 1 (Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450)."""
    total = _F32(0.0)
    for c in range(len(x)):
        total += x[c]
    mean = total / _F32(len(x))
    squares = _F32(0.0)
    for c in range(len(x)):
        x[c] -= mean
        squares += x[c] * x[c]
    scale = _F32(1.0) / np.sqrt(squares / _F32(len(x)) + _NORM_FLOOR)
    for c in range(len(x)):
        x[c] *= scale


@inner(fastmath={"contract"})
def _gelu(x: Float32Array, powers: Float32Array) -> None:
    """x ← x · (1 + erf(x / √2)) / 2, by formula 7.1.26 of Abramowitz and Stegun (1964): off by 1.5e-7 of x.

    https://personal.math.ubc.ca/~cbm/aands/page_299.htm
    """
    n = len(x)
    for c in range(n):
        powers[c] = _F32(-0.5) * x[c] * x[c]
    fill_exp(powers, n)
    for c in range(n):
        t = _F32(1.0) / (_F32(1.0) + _F32(0.3275911) * _ROOT_HALF * abs(x[c]))
        tail = _F32(1.061405429) * t - _F32(1.453152027)
        tail = tail * t + _F32(1.421413741)
        tail = tail * t - _F32(0.284496736)
        tail = (tail * t + _F32(0.254829592)) * t * powers[c]
        x[c] *= _F32(0.5) * (_F32(1.0) + np.copysign(_F32(1.0) - tail, x[c]))
