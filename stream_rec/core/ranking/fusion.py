"""Reciprocal-rank fusion: one order from several, without comparing scores that have nothing in common.

    fused(i) = Σ over sources s that propose i of weight_s / (rank_offset + rank_s(i)),   ranks from 1

It learns nothing: it serves until the linear ranker has shown to be better, and is what that one is compared with.

References
----------
Cormack, Clarke, Büttcher (2009), "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
SIGIR. https://doi.org/10.1145/1571941.1572114
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.presets import FusionParams
from stream_rec.core.types import Float32Array, Float64Array, Int32Array
from stream_rec.errors import ConfigError


def fusion_weights(params: FusionParams, n_sources: int) -> Float64Array:
    """Return float64[sources + 1]: the sources' weights, then the rank offset.

    Raises
    ------
    ConfigError
        There is not one weight per source, one is negative or not finite, or the rank offset is negative.

    Examples
    --------
    >>> fusion_weights(FusionParams(rank_offset=5.0, weights=(1.0, 0.5)), 2).tolist()
    [1.0, 0.5, 5.0]
    """
    weights = np.array([*params.weights, params.rank_offset], np.float64)
    if len(params.weights) != n_sources or not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise ConfigError(
            f"fusion: need {n_sources} finite weights >= 0 and a rank offset >= 0; "
            f"got weights {params.weights} and rank offset {params.rank_offset}. Correct the preset."
        )
    return weights


@entry()
def fusion_shares(ranks: Int32Array, n: int, weights: Float64Array) -> Float32Array:
    """Return float32[sources, n], what each source adds; `ranks` int32[sources, >= n] from 0, -1 absent."""
    n_sources = len(weights) - 1
    offset = weights[n_sources] + 1.0
    shares = np.zeros((n_sources, n), np.float32)
    for s in range(n_sources):
        for c in range(n):
            if ranks[s, c] >= 0:
                shares[s, c] = weights[s] / (offset + ranks[s, c])
    return shares


@entry()
def fusion_scores(ranks: Int32Array, n: int, weights: Float64Array) -> Float64Array:
    """Return float64[n], the fused scores. O(sources · n)."""
    n_sources = len(weights) - 1
    offset = weights[n_sources] + 1.0
    fused = np.zeros(n)
    for s in range(n_sources):
        for c in range(n):
            if ranks[s, c] >= 0:
                fused[c] += weights[s] / (offset + ranks[s, c])
    return fused
