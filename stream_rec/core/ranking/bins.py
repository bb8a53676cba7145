"""Features as bins: 64 per feature, between quantiles, so that outliers and units cease to matter.

A feature's bin is the number of its edges at or below the value: with edges e_0 < e_1 < ... bin(v) = #{b: e_b <= v}.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.types import Float32Array, Float64Array, Int64Array, UInt8Array

N_BINS = 64
N_EDGES = N_BINS - 1
NO_EDGE = np.float32(np.inf)
"""Fills up the edges of a feature with few different values; no finite value reaches it."""


def quantile_edges(rows: Float32Array) -> Float32Array:
    """Return edges that split a sample into bins of about equal size; a value that fills a bin gets one of its own.

    Bins are closed from the lowest value up: a bin ends when it holds its share of what is left, or when the next
    value alone does. A feature of at most 64 different values gets a bin for each.

    Parameters
    ----------
    rows
        float32[m, F], a sample; values that are not finite are left out.

    Returns
    -------
    float32[F, 63]
        Ascending, halfway between two values of the sample; filled up with `NO_EDGE`.

    Notes
    -----
    O(F m log m). Deterministic. A feature without two different values has no edge.

    References
    ----------
    Ke et al.: LightGBM, NeurIPS 2017, https://papers.nips.cc/paper/6907 (bins of equal count, heavy values apart).

    Examples
    --------
    >>> edges = quantile_edges(np.array([[0.0], [0.0], [1.0], [3.0]], np.float32))
    >>> edges[0, :3].tolist()
    [0.5, 2.0, inf]
    """
    edges = np.full((rows.shape[1], N_EDGES), NO_EDGE, np.float32)
    for feature in range(rows.shape[1]):
        values = rows[:, feature]
        different, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        _close_bins(different.astype(np.float64), counts.astype(np.int64), edges[feature])
    return edges


@entry()
def _close_bins(values: Float64Array, counts: Int64Array, edges: Float32Array) -> None:
    """Write the edges between ascending values that occur `counts` times."""
    left, bins_left, held, n = counts.sum(), len(edges) + 1, 0, 0
    for k in range(len(values) - 1):
        held += counts[k]
        full = max(held, counts[k + 1]) * bins_left >= left or len(values) <= len(edges) + 1
        if full and bins_left > 1:
            edge = np.float32(0.5 * (values[k] + values[k + 1]))
            # Neighbouring floats have nothing between them; the edge itself belongs to the upper bin.
            edges[n] = edge if edge > values[k] else np.float32(values[k + 1])
            n += 1
            left, bins_left, held = left - held, bins_left - 1, 0


@entry()
def bin_column(values: Float32Array, edges: Float32Array, out: UInt8Array) -> None:
    """Write the bin of each value of one feature, `out[:len(values)]`; NaN is in bin 0, and infinity in the last.

    Six steps of a binary search without a branch: about 4 ns a value.
    """
    for k in range(len(values)):
        v, at = values[k], 0
        at += 32 * (edges[31] <= v)
        at += 16 * (edges[at + 15] <= v)
        at += 8 * (edges[at + 7] <= v)
        at += 4 * (edges[at + 3] <= v)
        at += 2 * (edges[at + 1] <= v)
        at += 1 * (edges[at] <= v)
        out[k] = at


@entry()
def bin_features(features: Float32Array, edges: Float32Array, out: UInt8Array) -> None:
    """Write the bins of a list, feature by feature.

    Parameters
    ----------
    features
        float32[n, F].
    edges
        float32[F, 63], of `quantile_edges`.
    out
        uint8[F, >= n], written up to n.

    Notes
    -----
    O(n F); 60 rows of 33 features take about 9 µs.

    Examples
    --------
    >>> features = np.array([[0.0], [1.0], [9.0]], np.float32)
    >>> bins = np.zeros((1, 3), np.uint8)
    >>> bin_features(features, quantile_edges(features), bins)
    >>> bins.tolist()
    [[0, 1, 2]]
    """
    for feature in range(features.shape[1]):
        bin_column(features[:, feature], edges[feature], out[feature])


def normal_scores(rows: Float32Array, edges: Float32Array) -> Float32Array:
    """Return for each bin the normal quantile of the middle of its share: z(b) = Φ⁻¹(P(bin < b) + P(bin = b) / 2).

    Parameters
    ----------
    rows
        float32[m, F], the sample the edges are from.
    edges
        float32[F, 63].

    Returns
    -------
    float32[F, 64]
        Ascending in b. Half a row is added to every share, so that bins the sample does not reach stay finite.

    References
    ----------
    van der Waerden: Order tests for the two-sample problem, 1952 (scores of ranks by the normal quantile).
    """
    bins = np.zeros((rows.shape[1], len(rows)), np.uint8)
    bin_features(rows, edges, bins)
    quantile = NormalDist().inv_cdf
    scores = np.zeros((len(bins), N_BINS), np.float32)
    for feature, column in enumerate(bins):
        used = np.searchsorted(edges[feature], NO_EDGE) + 1
        shares = (np.bincount(column, minlength=N_BINS) + 0.5)[:used]
        middles = (np.cumsum(shares) - 0.5 * shares) / shares.sum()
        scores[feature, :used] = [quantile(middle) for middle in middles.tolist()]
        scores[feature, used:] = scores[feature, used - 1]
    return scores
