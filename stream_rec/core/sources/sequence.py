"""The sequence model as a source: what a user's last items, in their order, lead to.

    logit(i) = user vector · output(i) + bias(i)

The user vector is the distilled transformer's (`core/embedding.py`), made anew for every list. It ranks all candidates
it knows, and proposes the best of the catalogue where that is small enough to be searched (`core/sequence_serving.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.core.compiled import inner
from stream_rec.core.prefetch import prefetch
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
