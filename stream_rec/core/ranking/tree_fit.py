"""Fits an oblivious forest to past lists: gradient boosting of a listwise softmax on top of the linear scores.

With s_i = linear_i + sum of the trees so far, p the softmax of s over a list, y_i = 1 for its target:

    L = -sum over lists of log p_target,  g_i = p_i - y_i,  h_i = p_i (1 - p_i)

Most candidates of a list have next to no probability and teach next to nothing, so a negative is kept with probability
k_i = min(1, floor + share · p_i) under the linear scores and stands for w_i = 1 / k_i of its kind:

    p_i = w_i exp(s_i) / sum_j w_j exp(s_j),  g_i = p_i - y_i,  h_i = p_i (1 - p_i / w_i)

References
----------
Cao et al.: Learning to rank: from pairwise approach to listwise approach, ICML 2007 (the top-one softmax).
Friedman: Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.bins import bin_column, quantile_edges
from stream_rec.core.ranking.boosting import BoostParams, Draws, Rows, boost
from stream_rec.core.ranking.past_lists import TrainingLists
from stream_rec.core.ranking.trees import DEPTH, NEVER, Forest
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array
from stream_rec.errors import ConfigError

EDGE_ROWS = 100_000
"""Rows that edges are chosen from; 1,500 in each of 64 bins."""


def fit_forest(training: TrainingLists, params: FitParams, seed: int) -> Forest:
    """Return a forest fitted to past lists.

    Parameters
    ----------
    training
        At least one list; no target outside its list. Not changed.
    params
        How to fit.
    seed
        Of the draws (negatives, lists and features of each tree): the same seed gives the same bytes.

    Returns
    -------
    Forest
        `params.trees` trees. Where no split gains anything, a tree has fewer levels.

    Raises
    ------
    ConfigError
        There is no list, or a parameter makes no sense.

    Notes
    -----
    One thread. About 13 rows of a list of 60 are kept; time goes in rows · features · levels · trees.
    """
    _check(training, params)
    rng = np.random.default_rng(seed)
    edges = quantile_edges(_sample(training))
    chosen = choose_rows(training, params, rng.random(len(training.linear), np.float32))
    rows = Rows(_bins(training, chosen.rows, edges), chosen.start, chosen.weight, chosen.ends, chosen.targets)
    n_features = len(edges)
    per_tree = max(1, int(n_features * params.feature_fraction))
    draws = Draws(
        lists=rng.random((params.trees, len(rows.ends)), np.float32) < params.list_fraction,
        # In ascending order, so that of features that split alike the first one wins.
        features=np.sort([rng.permutation(n_features)[:per_tree] for _ in range(params.trees)]).astype(np.int32),
    )
    how = BoostParams(params.depth, params.learning_rate, params.l2, params.least_hessian)
    split_feature, split_bin, leaves = boost(rows, draws, how)
    split_value = np.where(split_bin >= 0, edges[split_feature, split_bin], NEVER)
    return Forest(split_feature, split_value.astype(np.float32), leaves)


class ChosenRows(NamedTuple):
    """The rows a fit looks at, list by list: every target and a sample of the others.

    Attributes
    ----------
    rows
        int64[m], the row's place in the training lists.
    start
        float64[m], its linear score less its list's highest.
    weight
        float64[m], how many rows it stands for.
    ends, targets
        int64[lists], where each list's rows end, and the target's place in `rows`.
    """

    rows: Int64Array
    start: Float64Array
    weight: Float64Array
    ends: Int64Array
    targets: Int64Array


def choose_rows(training: TrainingLists, params: FitParams, draws: Float32Array) -> ChosenRows:
    """Keep a row where its draw, float32[rows] in [0, 1), is below its probability of being kept."""
    floor, share = params.negative_floor, params.negative_share
    return ChosenRows(*_choose(training.linear, training.ends, training.targets, draws, floor, share))


@entry()
def _choose(
    linear: Float32Array, ends: Int64Array, targets: Int32Array, draws: Float32Array, floor: float, share: float
) -> tuple[Int64Array, Float64Array, Float64Array, Int64Array, Int64Array]:
    index, start = np.empty(len(linear), np.int64), np.empty(len(linear))
    weight = np.empty(len(linear))
    chosen_ends, chosen_targets = np.empty(len(ends), np.int64), np.empty(len(ends), np.int64)
    first, m = 0, 0
    for q in range(len(ends)):
        highest = linear[first : ends[q]].max()
        total = 0.0
        for k in range(first, ends[q]):
            total += np.exp(np.float64(linear[k] - highest))
        for k in range(first, ends[q]):
            above = np.float64(linear[k] - highest)
            kept = min(1.0, floor + share * np.exp(above) / total)
            is_target = k - first == targets[q]
            if is_target or draws[k] < kept:
                if is_target:
                    chosen_targets[q] = m
                index[m], start[m], weight[m] = k, above, 1.0 if is_target else 1.0 / kept
                m += 1
        first = ends[q]
        chosen_ends[q] = m
    return index[:m], start[:m], weight[:m], chosen_ends, chosen_targets


def _sample(training: TrainingLists) -> Float32Array:
    """Rows at even distances over all lists."""
    every = -(-len(training.linear) // EDGE_ROWS)
    return training.features[::every].astype(np.float32)


def _bins(training: TrainingLists, index: Int64Array, edges: Float32Array) -> UInt8Array:
    """The chosen rows' bins, uint8[F, m]: a feature's are side by side, as the fit reads them."""
    bins = np.empty((len(edges), len(index)), np.uint8)
    for feature, column in enumerate(bins):
        bin_column(training.features[index, feature].astype(np.float32), edges[feature], column)
    return bins


def _check(training: TrainingLists, params: FitParams) -> None:
    sizes = np.diff(training.ends, prepend=0)
    if not len(sizes) or not ((training.targets >= 0) & (training.targets < sizes)).all():
        raise ConfigError(
            f"fit: need lists that hold their targets; got {len(sizes)} lists, "
            f"{int(((training.targets < 0) | (training.targets >= sizes)).sum())} without. Leave those out."
        )
    if not (1 <= params.depth <= DEPTH and params.trees >= 1 and params.negative_floor > 0.0 and params.l2 > 0.0):
        raise ConfigError(
            f"fit: need depth 1 to {DEPTH}, trees >= 1, negative_floor > 0 and l2 > 0; got {params}. "
            "Correct the preset."
        )
