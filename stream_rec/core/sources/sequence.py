"""The sequence model as a source: what a user's last items, in their order, lead to.

    logit(i) = user vector · output(i) + bias(i)

The user vector is the distilled transformer's (`core/embedding.py`), made anew for every list. It ranks all candidates
it knows, and proposes the best of the catalogue where that is small enough to be searched (`core/sequence_serving.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.prefetch import prefetch
from stream_rec.core.ranking.select import best_logits
from stream_rec.core.sources.factors import SUMS
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, UInt8Array

_PER_LINE, _AHEAD = 16, 4  # floats in a cache line; candidates of several lines each


class OutputArrays(NamedTuple):
    """What candidates are scored with, by item row: float32[n, d], float32[n], and uint8[n] whether a row is known."""

    outputs: Float32Array
    bias: Float32Array
    known: UInt8Array


@inner(fastmath=SUMS)
def sequence_scores(
    model: OutputArrays, vector: Float32Array, candidates: Int32Array, n: int, chosen: Int32Array, scores: Float64Array
) -> int:
    """Write the places of the candidates the model knows, and their logits; return how many.

    `chosen` int32[n], `scores` float64[n]. About 12 ns a candidate at d = 64.
    """
    m = 0
    for c in range(n):
        ahead = candidates[min(c + _AHEAD, n - 1)]
        if ahead < len(model.known):
            prefetch(model.bias, ahead)
            for line in range(0, len(vector), _PER_LINE):
                prefetch(model.outputs[ahead], line)
        i = candidates[c]
        if i >= len(model.known) or not model.known[i]:
            continue
        total = model.bias[i]
        for q in range(len(vector)):
            total += vector[q] * model.outputs[i, q]
        chosen[m], scores[m] = c, total
        m += 1
    return m


@entry(fastmath=SUMS)
def sequence_nearest(
    model: OutputArrays, listable: UInt8Array, n: int, vectors: Float32Array, used: Int32Array, out_rows: Int32Array
) -> None:
    """Write the best listable rows below `n` of each user, best first, ties to the lower row, -1 behind them.

    Parameters
    ----------
    listable
        uint8[>= n].
    vectors, used
        float32[users, d], and int32[users]: users with 0 get none.
    out_rows
        int32[users, k], written.

    Notes
    -----
    Exact: every known row is scored, about 10 ns each at d = 64, then selected from as all sources do.
    """
    rows, count, d = np.empty(n, np.int32), 0, vectors.shape[1]
    for i in range(n):
        if model.known[i] and listable[i]:
            rows[count] = i
            count += 1
    scores, best = np.empty(count), np.empty(out_rows.shape[1])
    for u in range(len(vectors)):
        out_rows[u] = -1
        if not used[u]:
            continue
        vector = vectors[u]
        for c in range(count):
            row = np.uint32(rows[c])
            total = model.bias[row]
            for q in range(d):
                total += vector[q] * model.outputs[row, q]
            scores[c] = total + 0.0  # -0.0 becomes 0.0: equal values must have equal bits
        best_logits(rows, scores, count, out_rows[u], best)
