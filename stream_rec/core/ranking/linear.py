"""The linear ranker: a weighted sum of the evidence, learned with a listwise softmax over the candidates.

    s_i = θ · x_i,   p = softmax(s),   loss = −log p[item that came],   gradient = Σ_i (p_i − 1[i came]) x_i

A shop that wants to set the weights itself pins them: s_i = Σ_sources α · share, which is this ranker with a θ that
nobody learns.

References
----------
Cao, Qin, Liu, Tsai, Li (2007), "Learning to rank: from pairwise approach to listwise approach", ICML.
https://doi.org/10.1145/1273496.1273513
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.features import FEATURES, SCORED_SOURCES
from stream_rec.core.presets import SOURCE_NAMES
from stream_rec.core.types import Float32Array, Float64Array, Int32Array
from stream_rec.errors import ConfigError

_SUMS = {"reassoc", "contract", "nsz"}

PINNED = {name: f"{name}.share" for name in SCORED_SOURCES} | {"popularity": "popularity.r10"}
"""Source name -> the feature its pinned weight multiplies; all lie between 0 and 1."""


def _source_of(feature: str) -> int:
    first = feature.partition(".")[0]
    if first in SOURCE_NAMES:
        return SOURCE_NAMES.index(first)
    return {"item": SOURCE_NAMES.index("popularity"), "had": SOURCE_NAMES.index("own")}.get(first, -1)


SOURCE_OF_FEATURE: Int32Array = np.array([_source_of(name) for name in FEATURES], np.int32)
"""int32[F]: the source a feature's contribution is counted to, -1 for none."""


def pinned_weights(alpha: Mapping[str, float]) -> Float32Array:
    """Return float32[F] for y = Σ α_s · source_s.

    Raises
    ------
    ConfigError
        A name is no source, or a weight is negative or not finite.

    Examples
    --------
    >>> float(pinned_weights({"cooc": 0.75, "own": 0.25})[FEATURES.index("own.share")])
    0.25
    """
    theta = np.zeros(len(FEATURES), np.float32)
    for name, value in alpha.items():
        if name not in PINNED or not np.isfinite(value) or value < 0.0:
            raise ConfigError(
                f"pinned weights: need finite weights >= 0 of {', '.join(PINNED)}; got {name} {value}. Correct them."
            )
        theta[FEATURES.index(PINNED[name])] = value
    return theta


@entry(fastmath=_SUMS)
def linear_scores(features: Float32Array, n: int, theta: Float32Array) -> Float64Array:
    """Return float64[n], s_i = θ · x_i; `features` float32[F, >= n]."""
    total = np.zeros(n, np.float32)
    for f in range(len(theta)):
        weight, row = theta[f], features[f]
        for c in range(n):
            total[c] += weight * row[c]
    return total.astype(np.float64)


@entry(fastmath=_SUMS)
def listwise_gradient(features: Float32Array, theta: Float32Array, target: int) -> Float32Array:
    """Return float32[F], the gradient of −log p[target] with respect to θ; `features` float32[F, n]."""
    n = features.shape[1]
    p = linear_scores(features, n, theta)
    largest, total = p.max(), 0.0
    for c in range(n):
        p[c] = np.exp(p[c] - largest)
        total += p[c]
    gradient = np.empty(len(theta), np.float32)
    for f in range(len(theta)):
        moment = 0.0
        for c in range(n):
            moment += p[c] * features[f, c]
        gradient[f] = moment / total - features[f, target]
    return gradient


@entry()
def contributions(features: Float32Array, theta: Float32Array, chosen: Int32Array, n_sources: int) -> Float32Array:
    """Return float32[sources, n]: what each source adds to the scores of the columns `chosen` of `features`."""
    parts = np.zeros((n_sources, len(chosen)), np.float32)
    for f in range(len(theta)):
        source = SOURCE_OF_FEATURE[f]
        if source >= 0:
            row, part = features[f], parts[source]
            for c in range(len(chosen)):
                part[c] += theta[f] * row[chosen[c]]
    return parts
