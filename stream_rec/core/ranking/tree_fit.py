"""Fits an oblivious forest to past lists: gradient boosting of a listwise softmax on top of the linear scores.

With s_i = linear_i + sum of the trees so far, p the softmax of s over a list, y_i = 1 for its target:

    L = -sum over lists of log p_target,  g_i = p_i - y_i,  h_i = p_i (1 - p_i)

A negative that stands for w_i of its kind (`past_lists.py`) weighs that many:

    p_i = w_i exp(s_i) / sum_j w_j exp(s_j),  g_i = p_i - y_i,  h_i = p_i (1 - p_i / w_i)

References
----------
Cao et al.: Learning to rank: from pairwise approach to listwise approach, ICML 2007 (the top-one softmax).
Friedman: Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.bins import bin_column, quantile_edges
from stream_rec.core.ranking.boosting import BoostParams, Draws, Rows, boost
from stream_rec.core.ranking.past_lists import TrainingLists
from stream_rec.core.ranking.trees import DEPTH, NEVER, Forest
from stream_rec.core.types import Float32Array
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
        Of the draws (lists and features of each tree): the same seed gives the same bytes.

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
    One thread; time goes in rows · features · levels · trees.
    """
    _check(training, params)
    rng = np.random.default_rng(seed)
    edges = quantile_edges(_sample(training))
    rows = _rows(training, edges)
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


def _sample(training: TrainingLists) -> Float32Array:
    """Rows at even distances over all lists."""
    every = -(-len(training.linear) // EDGE_ROWS)
    return training.features[::every].astype(np.float32)


def _rows(training: TrainingLists, edges: Float32Array) -> Rows:
    """What the kernel learns from; bins are uint8[F, m]: a feature's are side by side, as the fit reads them."""
    bins = np.empty((len(edges), len(training.linear)), np.uint8)
    for feature, column in enumerate(bins):
        bin_column(training.features[:, feature].astype(np.float32), edges[feature], column)
    first_rows = np.zeros_like(training.ends)
    first_rows[1:] = training.ends[:-1]
    start, weight = training.linear.astype(np.float64), training.weights.astype(np.float64)
    return Rows(bins, start, weight, training.ends, first_rows + training.targets)


def _check(training: TrainingLists, params: FitParams) -> None:
    sizes = np.diff(training.ends, prepend=0)
    if not len(sizes) or not ((training.targets >= 0) & (training.targets < sizes)).all():
        raise ConfigError(
            f"fit: need lists that hold their targets; got {len(sizes)} lists, "
            f"{int(((training.targets < 0) | (training.targets >= sizes)).sum())} without. Leave those out."
        )
    if not (1 <= params.depth <= DEPTH and params.trees >= 1 and params.l2 > 0.0):
        raise ConfigError(f"fit: need depth 1 to {DEPTH}, trees >= 1 and l2 > 0; got {params}. Correct the preset.")
