"""An oblivious forest over a list: scores it, and steps its leaves.

A tree asks six questions, one per level and the same for all rows, so a row's leaf is six bits and a list goes through
a tree in vector registers. A score is the linear score plus a leaf of every tree:

    leaf(t, i) = sum over levels l < 6 of 2^(5-l) [x(i, f(t,l)) >= v(t,l)]
    s(i) = linear(i) + sum_t V[t, leaf(t, i)]

Splits are kept as values of the features, not as bins: asking 600 values costs less than finding 2,100 bins, and no
edges travel with a forest.

References
----------
Prokhorenkova et al.: CatBoost: unbiased boosting with categorical features, NeurIPS 2018,
https://arxiv.org/abs/1706.09516 (oblivious trees).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.ranking.second_stage import LANES, reciprocal_rank, softmax
from stream_rec.core.types import Float32Array, UInt8Array

DEPTH = 6
N_LEAVES = 1 << DEPTH
NEVER = np.float32(np.inf)
"""The split value that sends every finite row left: how a tree of fewer levels is filled up."""
NEGLIGIBLE = 0.002
"""Rows whose gradient is smaller are left alone: two thirds of a list, and nothing is lost."""


class Forest(NamedTuple):
    """T trees of six levels. A row goes right where its feature is at or above the split value.

    Attributes
    ----------
    split_feature
        uint8[T, 6], level by level from the root.
    split_value
        float32[T, 6].
    leaves
        float32[T, 64]; the root's answer is the highest bit of the leaf's number.
    """

    split_feature: UInt8Array
    split_value: Float32Array
    leaves: Float32Array

    def copy(self) -> Forest:
        """Return a forest whose leaves can be stepped without changing these."""
        return Forest(self.split_feature, self.split_value, self.leaves.copy())


class ForestScratch(NamedTuple):
    """Buffers of the kernels; they mean nothing between calls."""

    columns: Float32Array  # [F, LANES], the list feature by feature
    leaf_of: UInt8Array  # [T, LANES], each row's leaf in each tree: what a step needs of the scoring before it
    scores: Float32Array  # [LANES]
    p: Float32Array  # [LANES]


def forest_scratch(n_trees: int, n_features: int) -> ForestScratch:
    """Return buffers for forests of so many trees and lists of so many features."""
    return ForestScratch(
        columns=np.zeros((n_features, LANES), np.float32),
        leaf_of=np.zeros((n_trees, LANES), np.uint8),
        scores=np.zeros(LANES, np.float32),
        p=np.zeros(LANES, np.float32),
    )


@entry()
def score_list(forest: Forest, features: Float32Array, linear: Float32Array, scratch: ForestScratch) -> None:
    """Score a list into `scratch.scores[:n]`, its leaves into `scratch.leaf_of[:, :n]`.

    Parameters
    ----------
    forest
        Not changed.
    features, linear
        float32[n, F], float32[n]; n <= LANES.
    scratch
        Written.

    Notes
    -----
    O(T · LANES): 100 trees take about 9 µs. Sums in the order of the trees, so equal rows get equal bits.
    """
    n, n_features = features.shape
    columns, leaf_of, scores = scratch.columns, scratch.leaf_of, scratch.scores
    asked, at, leaves = forest.split_feature, forest.split_value, forest.leaves
    for k in range(n):
        for column in range(n_features):
            columns[column, k] = features[k, column]
        scores[k] = linear[k]
    for t in range(len(leaves)):
        # The levels stand side by side, not in a loop: so the bits stay in registers, 8 rows at a time.
        row = leaf_of[t]
        a, b, c = columns[asked[t, 0]], columns[asked[t, 1]], columns[asked[t, 2]]
        d, e, f = columns[asked[t, 3]], columns[asked[t, 4]], columns[asked[t, 5]]
        va, vb, vc, vd, ve, vf = at[t, 0], at[t, 1], at[t, 2], at[t, 3], at[t, 4], at[t, 5]
        for k in range(LANES):
            row[k] = np.uint8(
                np.int32(32) * np.int32(a[k] >= va)
                + np.int32(16) * np.int32(b[k] >= vb)
                + np.int32(8) * np.int32(c[k] >= vc)
                + np.int32(4) * np.int32(d[k] >= vd)
                + np.int32(2) * np.int32(e[k] >= ve)
                + np.int32(f[k] >= vf)
            )
        for k in range(LANES):
            scores[k] += leaves[t, row[k]]


@entry()
def learn_list(
    forest: Forest, features: Float32Array, linear: Float32Array, target: int, rate: float, scratch: ForestScratch
) -> float:
    """Score a list, then take one step of softmax regression on the leaves its rows are in.

        V[t, leaf(t, i)] -= rate (p_i - y_i)    for every tree t and row i with |p_i - y_i| >= NEGLIGIBLE

    Parameters
    ----------
    forest
        `leaves` is stepped, the splits stay.
    features, linear
        float32[n, F], float32[n].
    target
        Place of the event's item, 0 <= target < n; y is 1 there and 0 elsewhere.
    rate
        Step size.
    scratch
        Written.

    Returns
    -------
    float
        The target's reciprocal rank before the step.

    Notes
    -----
    About 15 µs for 100 trees. Between two fits this keeps a forest fresh: one fit lasts 200,000 events.
    """
    n = len(linear)
    score_list(forest, features, linear, scratch)
    reached = reciprocal_rank(scratch.scores, n, target)
    softmax(scratch.scores, n, scratch.p)
    for k in range(n):
        gradient = scratch.p[k] - (1.0 if k == target else 0.0)
        if abs(gradient) >= NEGLIGIBLE:
            step = np.float32(rate * gradient)
            for t in range(len(forest.leaves)):
                forest.leaves[t, scratch.leaf_of[t, k]] -= step
    return reached
