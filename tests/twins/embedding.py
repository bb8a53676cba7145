"""The slow twin of the embedding kernel: one user, one head, one line after the other, in float64."""

from __future__ import annotations

import math

import numpy as np

from stream_rec.core.sequence_tables import ItemVectors, StudentWeights
from stream_rec.core.types import Float64Array


def embed_one(history: list[int], vectors: ItemVectors, weights: StudentWeights, last: int) -> tuple[Float64Array, int]:
    """The user vector of item rows, oldest first, and how many of them were known and looked at."""
    width = weights.width
    known = [row for row in history if 0 <= row < len(vectors.known) and vectors.known[row]][-last:]
    if not known:
        return np.zeros(width), 0
    query, residual = np.split(vectors.started[known[-1]].astype(np.float64), 2)
    keys, values = np.split(vectors.attended[known].astype(np.float64), 2, axis=1)
    heads = len(weights.distance)
    mixed = np.zeros(width)
    for head in range(heads):
        part = slice(head * width // heads, (head + 1) * width // heads)
        back = np.arange(len(known))[::-1]
        shares = np.exp(keys[:, part] @ query[part] + weights.distance[head, back])
        mixed[part] = shares @ values[:, part] / shares.sum()
    x = residual + mixed @ weights.mix
    hidden = normalised(x) @ weights.widen + weights.widen_bias
    gelu = np.array([z * 0.5 * (1 + math.erf(z / math.sqrt(2))) for z in hidden])
    x = x + gelu @ weights.narrow + weights.narrow_bias
    return normalised(x) @ weights.head + weights.head_bias, len(known)


def normalised(x: Float64Array) -> Float64Array:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)
