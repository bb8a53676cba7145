"""How the item table lies in memory, how kernels take it, and how one row of it travels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.presets import DAY_MS, HOUR_MS
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array

Facts = npt.NDArray[np.void]
"""Rows of `ITEM_FACTS`."""

SMALLEST_MASS = 1e-200
"""A mass below this is as good as none; its negative power would overflow."""

FADES_MS = (6 * HOUR_MS, DAY_MS, 30 * DAY_MS, 180 * DAY_MS)
"""Decay times of the four short and long event counts of an item."""

ITEM_FACTS = np.dtype(
    [
        ("mass_vote", np.float64),
        ("first_seen_ms", np.int64),
        ("last_seen_ms", np.int64),
        ("fade_6h", np.float32),
        ("fade_1d", np.float32),
        ("fade_30d", np.float32),
        ("fade_180d", np.float32),
        ("factor_bias", np.float32),
        ("squares_out", np.float32),
        ("squares_in", np.float32),
        ("squares_bias", np.float32),
        ("neighbour_count", np.int32),
        ("listable", np.uint8),
        ("named", np.uint8),
        ("unavailable", np.uint8),
        ("_spare", np.uint8),
    ]
)
"""What ranking a candidate and moving its factors read, one cache line: one miss, however many facts."""

ITEM_COUNTS = np.dtype(
    [
        ("popularity", np.float64),
        ("pair_mass", np.float64),
        ("hashes", np.uint64),
        ("event_count", np.int64),
        ("delta_offset", np.int64),
    ]
)
"""What counting reads besides. `mass_candidate` is a column by itself: co-occurrence reads it of a thousand rows."""

FADES = ("fade_6h", "fade_1d", "fade_30d", "fade_180d")
FACTOR_SCALARS = ("factor_bias", "squares_out", "squares_in", "squares_bias")


class CoocArrays(NamedTuple):
    """What the co-occurrence source reads, as one argument for kernels."""

    neighbour_rows: Int32Array
    neighbour_weights: Float32Array
    neighbour_count: Int32Array
    pair_mass: Float64Array
    mass_vote: Float64Array
    mass_candidate: Float64Array


class ItemArrays(NamedTuple):
    """What the item plane's kernel writes; `named` and `unavailable` it only reads."""

    neighbour_rows: Int32Array
    neighbour_weights: Float32Array
    neighbour_count: Int32Array
    pair_mass: Float64Array
    mass_vote: Float64Array
    mass_candidate: Float64Array
    popularity: Float64Array
    event_count: Int64Array
    first_seen_ms: Int64Array
    last_seen_ms: Int64Array
    delta_offset: Int64Array
    listable: UInt8Array
    named: UInt8Array
    unavailable: UInt8Array
    popular_rows: Int32Array
    popular_size: Int64Array
    facts: Facts


class FactorArrays(NamedTuple):
    """Factors as kernels take them: Q, P float32[capacity, d] and `ITEM_FACTS` for bias and squared gradients."""

    out: Float32Array
    into: Float32Array
    facts: Facts


class FactorRow(NamedTuple):
    """An item's factors as they travel: float32[d] as a target, float32[d] in a history, float32[4] the rest."""

    out: Float32Array
    into: Float32Array
    scalars: Float32Array


class ItemRow(NamedTuple):
    """One item as it travels: neighbours by hash, decayed values with the epochs they stand under."""

    item_id: str
    delta_offset: int
    pair_landmark: int
    popularity_landmark: int
    pair_mass: float
    popularity: float
    event_count: int
    first_seen_ms: int
    last_seen_ms: int
    neighbour_hashes: UInt64Array
    neighbour_weights: Float32Array
    fades: Float32Array | None = None  # float32[4] as of `last_seen_ms`
    factors: FactorRow | None = None
