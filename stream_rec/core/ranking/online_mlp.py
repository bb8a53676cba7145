"""The fallback before the first fit: a small network beside the linear scores, learning from every list.

With z_i the normal scores of row i's bins (`bins.py`), 16 hidden units and leaky(a) = a for a > 0, else a / 100:

    s_i = linear_i + v · z_i + u · leaky(W z_i + b)

v and u begin at 0, so the order begins as the linear ranker's. A step of AdaGrad on the listwise softmax:

    dL/ds_i = p_i - y_i,   G += g²,   θ -= rate · g / sqrt(G)

References
----------
Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization, JMLR 2011,
https://jmlr.org/papers/v12/duchi11a.html
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.ranking.bins import bin_features, normal_scores, quantile_edges
from stream_rec.core.ranking.second_stage import LANES, check_list, softmax
from stream_rec.core.ranking.trees import NEGLIGIBLE
from stream_rec.core.types import Float32Array, UInt8Array

UNITS = 16
LEAK = np.float32(0.01)
RATE = 0.02
EDGE_LISTS = 200
"""Lists that the edges are chosen from: 12,000 rows, of which the rarest bin of 64 holds some 190."""
_START = np.float32(1e-6)  # of AdaGrad's sums: a first step has the size of the rate whatever the gradient's unit


class Network(NamedTuple):
    """What is learned, and AdaGrad's sums of squares of the same shapes."""

    hidden: Float32Array  # W: [F, UNITS]
    bias: Float32Array  # b: [UNITS]
    out: Float32Array  # u: [UNITS]
    skip: Float32Array  # v: [F]
    hidden_sum: Float32Array
    bias_sum: Float32Array
    out_sum: Float32Array
    skip_sum: Float32Array


class _Scratch(NamedTuple):
    bins: UInt8Array  # [F, LANES]
    z: Float32Array  # [LANES, F]
    a: Float32Array  # [LANES, UNITS], W z + b
    scores: Float32Array  # [LANES]
    p: Float32Array  # [LANES]


@entry()
def _score(
    net: Network, edges: Float32Array, table: Float32Array, features: Float32Array, linear: Float32Array, s: _Scratch
) -> None:
    """Score a list into `s.scores[:n]`; leaves z and W z + b of each row for a step."""
    n, n_features = features.shape
    hidden, bias, out, skip, z, a, bins = net.hidden, net.bias, net.out, net.skip, s.z, s.a, s.bins
    bin_features(features, edges, bins)
    for k in range(n):
        score = linear[k]
        for unit in range(UNITS):
            a[k, unit] = bias[unit]
        for f in range(n_features):
            value = table[f, bins[f, k]]
            z[k, f] = value
            score += skip[f] * value
            for unit in range(UNITS):
                a[k, unit] += value * hidden[f, unit]
        for unit in range(UNITS):
            score += out[unit] * a[k, unit] * (np.float32(1.0) if a[k, unit] > 0 else LEAK)
        s.scores[k] = score


@entry()
def _learn(
    net: Network, edges: Float32Array, table: Float32Array, features: Float32Array, linear: Float32Array,
    target: int, rate: float, s: _Scratch,
) -> None:  # fmt: skip
    """One step of AdaGrad on a list; rows of negligible gradient are left out."""
    n, n_features = features.shape
    _score(net, edges, table, features, linear, s)
    softmax(s.scores, n, s.p)
    hidden_g, skip_g = np.zeros((n_features, UNITS), np.float32), np.zeros(n_features, np.float32)
    bias_g, out_g = np.zeros(UNITS, np.float32), np.zeros(UNITS, np.float32)
    back = np.empty(UNITS, np.float32)
    z, a, out = s.z, s.a, net.out
    for k in range(n):
        gradient = s.p[k] - np.float32(1.0 if k == target else 0.0)
        if abs(gradient) < NEGLIGIBLE:
            continue
        for unit in range(UNITS):
            slope = np.float32(1.0) if a[k, unit] > 0 else LEAK
            out_g[unit] += gradient * slope * a[k, unit]
            back[unit] = gradient * slope * out[unit]
            bias_g[unit] += back[unit]
        for f in range(n_features):
            value = z[k, f]
            skip_g[f] += gradient * value
            for unit in range(UNITS):
                hidden_g[f, unit] += back[unit] * value
    for f in range(n_features):
        _adagrad(net.hidden[f], net.hidden_sum[f], hidden_g[f], rate)
    _adagrad(net.bias, net.bias_sum, bias_g, rate)
    _adagrad(net.out, net.out_sum, out_g, rate)
    _adagrad(net.skip, net.skip_sum, skip_g, rate)


@inner()
def _adagrad(weights: Float32Array, sums: Float32Array, gradient: Float32Array, rate: float) -> None:
    """Step each weight by its gradient over the root of the squares so far."""
    step = np.float32(rate)
    for k in range(len(weights)):
        sums[k] += gradient[k] * gradient[k]
        weights[k] -= step * gradient[k] / np.sqrt(sums[k])


class OnlineMlp:
    """A second stage that needs no fit: identity until its bins have edges, then better with every list.

    Parameters
    ----------
    n_features
        F.
    seed
        Of the hidden layer's first weights.
    rate
        AdaGrad's.
    edge_lists
        How many lists with their target give the bins their edges.

    Attributes
    ----------
    network
        The weights, float32.

    Notes
    -----
    About 35 µs to score 60 candidates of 33 features, 60 µs to learn from them. The list that completes the sample
    takes some 20 ms more, once. On the measured shops four fifths of what a forest gains.
    """

    def __init__(self, n_features: int, seed: int, rate: float = RATE, edge_lists: int = EDGE_LISTS) -> None:
        first = np.random.default_rng(seed).normal(size=(n_features, UNITS)) / np.sqrt(n_features)
        weights = (
            first.astype(np.float32),
            np.zeros(UNITS, np.float32),
            np.zeros(UNITS, np.float32),
            np.zeros(n_features, np.float32),
        )
        self.network = Network(*weights, *(np.full_like(weight, _START) for weight in weights))
        self._rate, self._edge_lists = rate, edge_lists
        self._sample: list[Float32Array] = []
        self._bins: tuple[Float32Array, Float32Array] | None = None  # edges, normal scores
        self._scratch = _Scratch(
            bins=np.zeros((n_features, LANES), np.uint8),
            z=np.zeros((LANES, n_features), np.float32),
            a=np.zeros((LANES, UNITS), np.float32),
            scores=np.zeros(LANES, np.float32),
            p=np.zeros(LANES, np.float32),
        )

    def rerank(self, features: Float32Array, linear: Float32Array) -> Float32Array:
        """Return new scores, float32[n]; a copy of the linear ones while there are no edges."""
        check_list(features, linear, len(self.network.skip))
        if self._bins is None:
            return linear.copy()
        _score(self.network, *self._bins, features, linear, self._scratch)
        return self._scratch.scores[: len(linear)].copy()

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        """Take one step, or add to the sample that edges are chosen from; nothing for a target outside (-1)."""
        check_list(features, linear, len(self.network.skip), target_place)
        if target_place < 0:
            return
        if self._bins is None:
            self._sample.append(features.copy())
            if len(self._sample) >= self._edge_lists:
                rows = np.concatenate(self._sample)
                edges = quantile_edges(rows)
                self._bins = edges, normal_scores(rows, edges)
                self._sample = []
            return
        _learn(self.network, *self._bins, features, linear, target_place, self._rate, self._scratch)
