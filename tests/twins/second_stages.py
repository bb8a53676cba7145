"""Bins, forests, fits and the network as their equations say, one row at a time: oracles for the kernels."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from stream_rec.core.ranking.bins import N_BINS, NO_EDGE
from stream_rec.core.ranking.boosting import NO_SPLIT, BoostParams, Draws, Rows
from stream_rec.core.ranking.online_mlp import LEAK, Network
from stream_rec.core.ranking.trees import DEPTH, N_LEAVES, NEGLIGIBLE, Forest
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

BoolArray = npt.NDArray[np.bool_]


def edges_of(values: list[float]) -> list[float]:
    """A bin at a time: it takes values until it has its share of what is left, or the next one fills a bin alone."""
    different = sorted(set(values))
    left, bins_left, edges = len(values), N_BINS, []
    while bins_left > 1 and len(different) > 1:
        held = 0
        for k in range(len(different) - 1):
            held += values.count(different[k])
            share = left / bins_left
            if held >= share or values.count(different[k + 1]) >= share or len(set(values)) <= N_BINS:
                edges.append((different[k] + different[k + 1]) / 2)
                left, bins_left, different = left - held, bins_left - 1, different[k + 1 :]
                break
        else:
            break
    return edges


def bin_of(value: float, edges: Float32Array) -> int:
    return sum(1 for edge in edges.tolist() if edge <= value)


def leaf_of(forest: Forest, t: int, row: Float32Array) -> int:
    answers = [int(row[f] >= v) for f, v in zip(forest.split_feature[t], forest.split_value[t], strict=True)]
    return int("".join(map(str, answers)), 2)


def forest_scores(forest: Forest, features: Float32Array, linear: Float32Array) -> list[float]:
    trees = range(len(forest.leaves))
    return [
        float(score) + sum(float(forest.leaves[t, leaf_of(forest, t, row)]) for t in trees)
        for row, score in zip(features, linear, strict=True)
    ]


def softmax(scores: list[float]) -> list[float]:
    highest = max(scores)
    exps = [math.exp(score - highest) for score in scores]
    return [value / sum(exps) for value in exps]


def stepped_leaves(
    forest: Forest, features: Float32Array, linear: Float32Array, target: int, rate: float
) -> Float64Array:
    leaves = forest.leaves.astype(np.float64)
    for k, p in enumerate(softmax(forest_scores(forest, features, linear))):
        gradient = p - (k == target)
        if abs(gradient) >= NEGLIGIBLE:
            for t in range(len(leaves)):
                leaves[t, leaf_of(forest, t, features[k])] -= rate * gradient
    return leaves


def list_gradients(rows: Rows, scores: Float64Array) -> tuple[Float64Array, Float64Array]:
    """g = p - y, h = p (1 - p / w) + a trifle, list by list."""
    g, h = np.zeros(len(scores)), np.zeros(len(scores))
    for first, end, target in zip([0, *rows.ends[:-1]], rows.ends, rows.targets, strict=True):
        weight = rows.weight[first:end]
        p = weight * np.exp(scores[first:end] - scores[first:end].max())
        p /= p.sum()
        g[first:end], h[first:end] = p, p * (1 - p / weight) + 1e-6
        g[target] -= 1
    return g, h


def in_drawn_lists(rows: Rows, drawn: BoolArray) -> BoolArray:
    """Whether each row's list is drawn."""
    return np.repeat(drawn, np.diff(rows.ends, prepend=0))


def gain_of(right: BoolArray, leaf: Int64Array, g: Float64Array, h: Float64Array, params: BoostParams) -> float:
    """What all leaves gain where `right` rows go right."""
    gain = 0.0
    for number in set(leaf.tolist()):
        here = leaf == number
        sides = [(g[here & side].sum(), h[here & side].sum()) for side in (right, ~right)]
        if min(hessian for _, hessian in sides) > params.least_hessian:
            gain += sum(a * a / (b + params.l2) for a, b in sides) - g[here].sum() ** 2 / (h[here].sum() + params.l2)
    return gain


def check_boosting(
    rows: Rows,
    draws: Draws,
    params: BoostParams,
    split_feature: UInt8Array,
    split_bin: Int32Array,
    leaves: Float32Array,
) -> None:
    """Follow a fit: every split it made has the largest gain there is, every leaf its value."""
    scores = rows.start.copy()
    for t in range(len(leaves)):
        drawn = in_drawn_lists(rows, draws.lists[t])
        g, h = (column[drawn] for column in list_gradients(rows, scores))
        leaf, ended = np.zeros(len(scores), np.int64), False
        for level in range(DEPTH):
            split, feature = split_bin[t, level], split_feature[t, level]
            if level < params.depth and not ended:
                gains = {
                    (f, b): gain_of(rows.bins[f, drawn] > b, leaf[drawn], g, h, params)
                    for f in draws.features[t].tolist()
                    for b in range(N_BINS - 1)
                }
                best = max(gains.values())
                ended = split == NO_SPLIT
                assert best <= 1e-9 if ended else gains[int(feature), int(split)] >= best - 1e-9
            else:
                assert split == NO_SPLIT
            leaf = 2 * leaf + (0 if split == NO_SPLIT else rows.bins[feature] > split)
        for number in range(N_LEAVES):
            here = leaf[drawn] == number
            value = -params.rate * g[here].sum() / (h[here].sum() + params.l2)
            np.testing.assert_allclose(leaves[t, number], value, rtol=1e-5, atol=1e-9)
        scores += leaves[t, leaf]


def network_scores(net: Network, z: Float64Array, linear: Float32Array) -> Float64Array:
    """linear + v z + u leaky(W z + b), for z of shape [n, F]."""
    a = z @ net.hidden.astype(np.float64) + net.bias
    return np.asarray(linear + z @ net.skip + np.where(a > 0, a, LEAK * a) @ net.out)


def network_gradients(net: Network, z: Float64Array, g: Float64Array) -> list[Float64Array]:
    """dL/dW, dL/db, dL/du and dL/dv from dL/ds = g."""
    a = z @ net.hidden.astype(np.float64) + net.bias
    slope = np.where(a > 0, 1.0, LEAK)
    back = g[:, None] * slope * net.out
    return [z.T @ back, back.sum(axis=0), g @ (slope * a), g @ z]


def z_of(features: Float32Array, edges: Float32Array, table: Float32Array) -> Float64Array:
    return np.array([[table[f, bin_of(value, edges[f])] for f, value in enumerate(row)] for row in features.tolist()])


def used_edges(edges: Float32Array) -> list[float]:
    return [edge for edge in edges.tolist() if edge != NO_EDGE]
