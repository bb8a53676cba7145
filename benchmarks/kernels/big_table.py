"""An item table of any size, as a shop of long standing would have it, written straight into its arrays.

Items live in clusters, as goods of one kind do. Of a row's 100 neighbours 80 are of its own cluster and 20 of others,
the popular ones more often; how popular falls with a power of the rank, and popular items were mostly first seen early.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.decay import epoch_of, weight
from stream_rec.core.features import CONTEXTS, FEATURES
from stream_rec.core.presets import DAY_MS, Preset
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.popular import popular_rebuild
from stream_rec.core.types import Float32Array, Int32Array

NOW_MS = 400 * DAY_MS
CLUSTER_SIZE = 400
NEAR, FAR = 80, 20
_PATTERNS = 1024
_ROWS_AT_ONCE = 50_000
_TERMS_PER_CLUSTER, _TERMS_PER_ITEM = 64, 8


class BigTable(NamedTuple):
    """A table and its clusters: `members` int32[clusters, size], the rows of each, the most popular first."""

    items: ItemTable
    members: Int32Array


def big_table(n: int, preset: Preset, seed: int = 1) -> BigTable:
    """Return `n` items, all arrays filled; 1.6 KB an item, about 10 µs each.

    Raises
    ------
    ValueError
        Fewer items than a few clusters of full rows need.
    """
    if n < 2 * CLUSTER_SIZE:
        raise ValueError(f"big table: need at least {2 * CLUSTER_SIZE} items; got {n}. Ask for more.")
    rng = np.random.default_rng(seed)
    items = ItemTable(preset, capacity=n)
    items.adopt_landmarks(epoch_of(NOW_MS, preset.cooc.decay_ms), epoch_of(NOW_MS, preset.popularity.decay_ms))
    _name(items, n, rng)
    members = _clusters(n, rng)
    _count(items, members, rng)
    for start in range(0, n, _ROWS_AT_ONCE):
        _fill_rows(items, members, start, min(n, start + _ROWS_AT_ONCE), rng)
    _write_texts(items, members, rng)
    for context in range(len(CONTEXTS)):
        for _ in range(3):  # weights that have moved: every feature counts
            items.ranker.step(context, True, rng.normal(size=len(FEATURES)).astype(np.float32))
    return BigTable(items, members)


def bytes_per_item(items: ItemTable) -> float:
    """Return what an item takes in the table's arrays, the Python side (ids, hash table) left out."""
    per_row = (
        items.facts, items.counts, items.mass_candidate, items.neighbour_rows, items.neighbour_weights,
        items.factor_out, items.factor_in,
    )  # fmt: skip
    return sum(array.nbytes for array in (*per_row, *items.texts.arrays()[:5])) / items.capacity


def _name(items: ItemTable, n: int, rng: np.random.Generator) -> None:
    """Give every row an id and a random hash: what they are does not matter here, and hashing ids takes longest."""
    hashes = rng.integers(0, 1 << 63, n, dtype=np.uint64)
    items.hashes[:] = hashes
    items.ids.extend(f"item-{row}" for row in range(n))
    items._row_of_hash.add(items.hashes, 0, n)
    items.n = n


def _clusters(n: int, rng: np.random.Generator) -> Int32Array:
    """Return int32[clusters, size]; rows follow the rank of popularity, not closely."""
    n_clusters = n // CLUSTER_SIZE
    by_rank = np.argsort(np.log1p(np.arange(n)) + rng.normal(size=n)).argsort().astype(np.int32)
    size = n // n_clusters
    return np.ascontiguousarray(by_rank[: n_clusters * size].reshape(size, n_clusters).T)


def _count(items: ItemTable, members: Int32Array, rng: np.random.Generator) -> None:
    """Fill what is counted: popularity falls with rank^-0.9, and everything counted follows it."""
    n, cooc, popular, facts, counts = items.n, items.preset.cooc, items.preset.popularity, items.facts, items.counts
    events = np.full(n, 2.0)
    events[members.T.ravel()] = 2.0 + 100.0 * n * np.arange(1, members.size + 1) ** -0.9 / 50.0
    counts["event_count"] = events
    counts["pair_mass"] = events * rng.uniform(0.3, 0.9, n) * weight(NOW_MS, items.pair_landmark, cooc.decay_ms)
    facts["mass_vote"] = counts["pair_mass"] ** -cooc.mass_power
    items.mass_candidate[:] = counts["pair_mass"] ** -cooc.candidate_power
    counts["popularity"] = events * rng.uniform(0.5, 1.0, n)
    counts["popularity"] *= weight(NOW_MS, items.popularity_landmark, popular.decay_ms)
    facts["first_seen_ms"] = NOW_MS - rng.uniform(30, 380, n) * DAY_MS
    facts["last_seen_ms"] = NOW_MS - np.minimum(30.0, rng.exponential(size=n) * 3000.0 / events) * DAY_MS
    for name, share in (("fade_6h", 1e-3), ("fade_1d", 4e-3), ("fade_30d", 0.1), ("fade_180d", 0.6)):
        facts[name] = events * share * rng.uniform(0.2, 1.8, n)
    facts["factor_bias"] = 0.3 * np.log(events)
    facts["named"] = facts["listable"] = 1
    popular_rebuild(items.popular_rows, items.popular_size, items.popularity, items.listable)


def _fill_rows(items: ItemTable, members: Int32Array, start: int, end: int, rng: np.random.Generator) -> None:
    """Fill neighbours and factors of rows [start, end)."""
    n, (n_clusters, size) = end - start, members.shape
    cluster = _cluster_of(members, items.n)[start:end]
    near, far = _places(NEAR, size, 1.3, rng), _places(FAR, size, 2.0, rng)
    pattern = rng.integers(0, _PATTERNS, n)
    other = (cluster[:, None] + rng.integers(1, n_clusters, (n, FAR))) % n_clusters
    items.neighbour_rows[start:end, :NEAR] = members[cluster[:, None], near[pattern]]
    items.neighbour_rows[start:end, NEAR:] = members[other, far[pattern]]
    weights: Float32Array = rng.standard_exponential((n, NEAR + FAR), np.float32)
    weights[:, NEAR:] *= np.float32(0.3)
    items.neighbour_weights[start:end] = weights * (items.pair_mass[start:end, None] / 60.0).astype(np.float32)
    items.neighbour_count[start:end] = NEAR + FAR
    d = items.factor_out.shape[1]
    centres: Float32Array = rng.standard_normal((n_clusters, d), np.float32)
    for factors in (items.factor_out, items.factor_in):
        own: Float32Array = rng.standard_normal((n, d), np.float32)
        factors[start:end] = np.float32(0.15) * own + np.float32(0.2) * centres[cluster]


def _places(n: int, size: int, power: float, rng: np.random.Generator) -> Int32Array:
    """Return int32[_PATTERNS, n] of places in a cluster, each once per pattern, the first ones more densely."""
    order = np.arange(n)
    strata = (order + rng.uniform(0.0, 1.0, (_PATTERNS, n))) / n
    free = np.clip((size * strata**power).astype(np.int32) - order, 0, size - n)
    return (np.maximum.accumulate(free, axis=1) + order).astype(np.int32)  # ascending, so no place comes twice


def _cluster_of(members: Int32Array, n: int) -> Int32Array:
    """Return int32[n]: each row's cluster; the few rows that fill none are in the first."""
    cluster = np.zeros(n, np.int32)
    cluster[members] = np.arange(len(members), dtype=np.int32)[:, None]
    return cluster


def _write_texts(items: ItemTable, members: Int32Array, rng: np.random.Generator) -> None:
    """Give every item eight terms, of the 64 its cluster has."""
    texts, cluster = items.texts.arrays(), _cluster_of(members, items.n)
    apart = _TERMS_PER_CLUSTER // _TERMS_PER_ITEM
    for place in range(_TERMS_PER_ITEM):
        own = place * apart + rng.integers(0, apart, items.n)
        texts.terms[:, place] = (cluster * _TERMS_PER_CLUSTER + own) & 0xFFFF
        texts.weights[:, place] = rng.integers(60, 256, items.n)
    texts.scale[:] = 1.0 / np.sqrt((texts.weights.astype(np.float32) ** 2).sum(axis=1))
    texts.document_count[:] = np.bincount(texts.terms[:, :_TERMS_PER_ITEM].ravel(), minlength=len(texts.document_count))
    texts.documents[0] = items.n
