"""The kernel of a fit: trees grown level by level on binned rows.

A level asks one question of every leaf: the (feature, bin) with the largest gain, G and H a leaf's sums of g and h:

    gain(f, b) = sum over leaves of G_left² / (H_left + λ) + G_right² / (H_right + λ) - G² / (H + λ)

where a leaf counts only if both children have enough hessian. Leaves then get V = -rate · G / (H + λ).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry, inner
from stream_rec.core.ranking.bins import N_BINS
from stream_rec.core.ranking.trees import DEPTH, N_LEAVES
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

NO_SPLIT = -1
_WHOLE = 1e-6  # least hessian of a row, or a list that is settled would divide by nothing


class Rows(NamedTuple):
    """What is learned from, list after list: see `ChosenRows` in `tree_fit.py`.

    `bins` uint8[F, m]; `start`, `weight` float64[m]; `ends`, `targets` int64[lists].
    """

    bins: UInt8Array
    start: Float64Array
    weight: Float64Array
    ends: Int64Array
    targets: Int64Array


class Draws(NamedTuple):
    """What chance decides: the lists, bool[T, lists], and the features, int32[T, m], each tree looks at."""

    lists: npt.NDArray[np.bool_]
    features: Int32Array


class BoostParams(NamedTuple):
    """`FitParams` as far as the kernel needs them."""

    depth: int
    rate: float
    l2: float
    least_hessian: float


@entry()
def boost(rows: Rows, draws: Draws, params: BoostParams) -> tuple[UInt8Array, Int32Array, Float32Array]:
    """Grow one tree after the other.

    Returns
    -------
    split_feature, split_bin, leaves
        uint8[T, 6], int32[T, 6], float32[T, 64]. A row goes right where its bin is above the split's; NO_SPLIT sends
        all left.

    Notes
    -----
    O(T · depth · features per tree · rows). The order of every sum is fixed: the same input gives the same bytes.
    """
    n_trees, n_rows = len(draws.lists), len(rows.start)
    split_feature = np.zeros((n_trees, DEPTH), np.uint8)
    split_bin = np.full((n_trees, DEPTH), NO_SPLIT, np.int32)
    leaves = np.zeros((n_trees, N_LEAVES), np.float32)
    scores = rows.start.copy()
    leaf = np.empty(n_rows, np.uint8)
    bagged, g, h = np.empty(n_rows, np.int64), np.empty(n_rows), np.empty(n_rows)
    for t in range(n_trees):
        m = gradients(rows, scores, draws.lists[t], bagged, g, h)
        leaf[:] = 0
        for level in range(params.depth):
            feature, split = best_split(
                rows.bins, draws.features[t], 1 << level, leaf, bagged[:m], g, h, params.l2, params.least_hessian
            )
            if split == NO_SPLIT:
                break  # nor will the next level find one: it would be asked the same
            split_feature[t, level], split_bin[t, level] = feature, split
            column = rows.bins[feature]
            for k in range(n_rows):
                leaf[k] = 2 * leaf[k] + (column[k] > split)
        grown = 0
        while grown < DEPTH and split_bin[t, grown] != NO_SPLIT:
            grown += 1
        missing = DEPTH - grown  # of a tree that ended early the leaves stand where all went left below
        leaf_values(leaf, missing, bagged[:m], g, h, params, leaves[t])
        for k in range(n_rows):
            scores[k] += leaves[t, leaf[k] << missing]
    return split_feature, split_bin, leaves


@inner()
def gradients(
    rows: Rows, scores: Float64Array, drawn: npt.NDArray[np.bool_], bagged: Int64Array, g: Float64Array, h: Float64Array
) -> int:
    """Write row, gradient and hessian of the drawn lists' rows side by side; return how many."""
    first, m = 0, 0
    for q in range(len(rows.ends)):
        end = rows.ends[q]
        if drawn[q]:
            highest, total = -np.inf, 0.0
            for k in range(first, end):
                highest = max(highest, scores[k])
            for k in range(first, end):
                g[m + k - first] = rows.weight[k] * np.exp(scores[k] - highest)
                total += g[m + k - first]
            for k in range(first, end):
                p = g[m] / total
                bagged[m] = k
                h[m] = p * (1.0 - p / rows.weight[k]) + _WHOLE
                g[m] = p - (1.0 if k == rows.targets[q] else 0.0)
                m += 1
        first = end
    return m


@inner(allocates=True)
def best_split(
    bins: UInt8Array, features: Int32Array, n_leaves: int, leaf: UInt8Array, bagged: Int64Array, g: Float64Array,
    h: Float64Array, l2: float, least_hessian: float,
) -> tuple[int, int]:  # fmt: skip
    """Return the (feature, bin) of the largest gain above 0, the first of those that tie; (0, NO_SPLIT) for none."""
    best, best_feature, best_bin = 0.0, 0, NO_SPLIT
    sums = np.empty((n_leaves * N_BINS, 2))
    gain = np.empty(N_BINS - 1)
    for feature in features:
        column = bins[feature]
        sums[:] = 0.0
        for m in range(len(bagged)):
            k = bagged[m]
            cell = N_BINS * leaf[k] + column[k]
            sums[cell, 0] += g[m]
            sums[cell, 1] += h[m]
        gain[:] = 0.0
        for at in range(0, n_leaves * N_BINS, N_BINS):
            _add_gain(sums[at : at + N_BINS], l2, least_hessian, gain)
        for b in range(N_BINS - 1):
            if gain[b] > best:
                best, best_feature, best_bin = gain[b], feature, b
    return best_feature, best_bin


@inner()
def _add_gain(sums: Float64Array, l2: float, least_hessian: float, gain: Float64Array) -> None:
    """Add what one leaf gains by each split of a feature whose bins have these sums of g and h."""
    all_g, all_h = 0.0, 0.0
    for b in range(N_BINS):
        all_g += sums[b, 0]
        all_h += sums[b, 1]
    if all_h <= 2.0 * least_hessian:
        return
    whole = all_g * all_g / (all_h + l2)
    left_g, left_h = 0.0, 0.0
    for b in range(N_BINS - 1):
        left_g += sums[b, 0]
        left_h += sums[b, 1]
        right_g, right_h = all_g - left_g, all_h - left_h
        if left_h > least_hessian and right_h > least_hessian:
            gain[b] += left_g * left_g / (left_h + l2) + right_g * right_g / (right_h + l2) - whole


@inner(allocates=True)
def leaf_values(
    leaf: UInt8Array, missing: int, bagged: Int64Array, g: Float64Array, h: Float64Array, params: BoostParams,
    leaves: Float32Array,
) -> None:  # fmt: skip
    """Write each leaf's step; a leaf without a row keeps 0."""
    sums = np.zeros((N_LEAVES, 2))
    for m in range(len(bagged)):
        at = leaf[bagged[m]] << missing
        sums[at, 0] += g[m]
        sums[at, 1] += h[m]
    for at in range(N_LEAVES):
        leaves[at] = -params.rate * sums[at, 0] / (sums[at, 1] + params.l2)
