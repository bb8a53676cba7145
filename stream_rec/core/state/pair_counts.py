"""The item plane's kernel: one frame of counts into the item table.

For an event of item x at time t, with g(t) the forward-decay weight (see `decay`) times the entry's weight:

    P[x] += g                                         pair mass
    C[j, x] += g w_k,  C[x, j] += bw g w_k            for each earlier item j, w_k the pair's weight

A row keeps K neighbours: a new one takes the place of the lightest (in the sense of space-saving counters, without
inheriting its weight). Popularity, event count and first/last seen of x are counted besides.

References
----------
Metwally, Agrawal, El Abbadi (2005), "Efficient computation of frequent and top-k elements in data streams", ICDT.
https://doi.org/10.1007/978-3-540-30570-5_27
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry, inner
from stream_rec.core.decay import HALVINGS_PER_EPOCH
from stream_rec.core.deltas import CountColumns, FrameSizes, columns_of
from stream_rec.core.state.item_layout import FADES_MS, SMALLEST_MASS, Facts, ItemArrays
from stream_rec.core.state.popular import popular_raise
from stream_rec.core.types import Int32Array, Int64Array, UInt8Array

BoolArray = npt.NDArray[np.bool_]

_EVENT_DONE = 65536  # above every line number
_FADES_MS = tuple(float(decay_ms) for decay_ms in FADES_MS)  # numba compiles anew for every integer that it knows


class CountRates(NamedTuple):
    """What the kernel needs of the preset and of the table's landmarks."""

    pair_landmark: int
    pair_decay_ms: float
    popularity_landmark: int
    popularity_decay_ms: float
    backward_weight: float
    mass_power: float
    candidate_power: float


class FramePlace(NamedTuple):
    """Where a frame comes from: its shard of how many, and its offset in `item-deltas`."""

    shard: int
    n_shards: int
    offset: int


class _Marks(NamedTuple):
    """One flag per item of the frame.

    `owned`: the row is of the frame's shard. `open`: owned, and it does not include the frame yet. `touched`: an
    entry concerned an owned row, open or not; mutated.
    """

    owned: BoolArray
    open: BoolArray
    touched: BoolArray


@entry()
def apply_counts(
    t: ItemArrays,
    data: UInt8Array,
    sizes: FrameSizes,
    rows: Int32Array,
    place: FramePlace,
    applied: Int64Array,
    rates: CountRates,
) -> tuple[int, Int32Array]:
    """Apply the entries that are above the watermark to the rows that do not include the frame.

    Parameters
    ----------
    t
        The table; mutated.
    data, sizes
        The frame, decoded.
    rows
        int32[hashes]: the row of each item of the frame.
    place
        Where the frame comes from; rows it changes get its offset.
    applied
        int64[topics, partitions]: offset up to which each source is applied; raised.
    rates
        Decay and powers; no entry may be newer than the landmarks' epochs.

    Returns
    -------
    (int, int32[m])
        Entries above the watermark, and the rows of the shard they concern, changed now or before.

    Notes
    -----
    Lines of one event share an offset, so an entry counts as new if its (offset, line) is above the source's
    (watermark, done). O(entries · W · K) at worst: a pair is one pass over a row's neighbours.
    """
    c = columns_of(data, sizes)
    owned = c.hashes % np.uint64(place.n_shards) == np.uint64(place.shard)
    marks = _Marks(owned, owned & (t.delta_offset[rows] < place.offset), np.zeros_like(owned))
    lines = np.full(applied.shape, _EVENT_DONE, np.int64)
    n_new, end = 0, 0
    for e in range(len(c.offsets)):
        first = end
        end += c.pair_counts[e]
        topic, partition, offset, line = c.topics[e], c.partitions[e], c.offsets[e], c.lines[e]
        done = applied[topic, partition]
        if offset < done or (offset == done and line <= lines[topic, partition]):
            continue
        applied[topic, partition], lines[topic, partition] = offset, line
        n_new += 1
        _apply_entry(t, c, rows, marks, rates, e, first, end)
    for item in range(len(rows)):
        if marks.touched[item] and marks.open[item]:
            t.delta_offset[rows[item]] = place.offset
    return n_new, rows[marks.touched]


@inner()
def _apply_entry(
    t: ItemArrays, c: CountColumns, rows: Int32Array, marks: _Marks, rates: CountRates, e: int, first: int, end: int
) -> None:
    """Apply entry e, whose pairs are [first, end)."""
    item, now_ms = c.items[e], c.timestamps_ms[e]
    x = rows[item]
    g = c.weights[e] * forward_weight(now_ms, rates.pair_landmark, rates.pair_decay_ms)
    marks.touched[item] |= marks.owned[item]
    if marks.open[item]:
        _count_item(t, x, now_ms, g, c.weights[e], rates)
    for k in range(first, end):
        earlier = c.pairs[k]
        j, w = rows[earlier], g * c.pair_weights[k]
        marks.touched[earlier] |= marks.owned[earlier]
        if marks.open[earlier]:
            add_neighbour(t, j, x, np.float32(w))
        if marks.open[item] and j != x and rates.backward_weight > 0.0:
            add_neighbour(t, x, j, np.float32(rates.backward_weight * w))


@entry()
def forward_weight(time_ms: int, epoch: int, decay_ms: float) -> float:
    """`decay.weight`, compiled; the same operations in the same order."""
    length_ms = HALVINGS_PER_EPOCH * math.log(2.0) * decay_ms
    own = math.floor(time_ms / length_ms)
    return math.exp((time_ms - own * length_ms) / decay_ms) * math.ldexp(1.0, -HALVINGS_PER_EPOCH * (epoch - own))


@inner()
def _count_item(t: ItemArrays, x: int, now_ms: int, g: float, weight: float, rates: CountRates) -> None:
    """Add one event of x to everything that is counted per item."""
    mass = t.pair_mass[x] + g
    t.pair_mass[x] = mass
    if mass >= SMALLEST_MASS:
        t.mass_vote[x] = mass**-rates.mass_power
        t.mass_candidate[x] = mass**-rates.candidate_power
    t.popularity[x] += weight * forward_weight(now_ms, rates.popularity_landmark, rates.popularity_decay_ms)
    if t.event_count[x] == 0:
        t.first_seen_ms[x] = t.last_seen_ms[x] = now_ms
    _fade(t.facts, x, now_ms - t.last_seen_ms[x], np.float32(weight))
    t.event_count[x] += 1
    t.first_seen_ms[x] = min(t.first_seen_ms[x], now_ms)
    t.last_seen_ms[x] = max(t.last_seen_ms[x], now_ms)
    if t.named[x] and not t.unavailable[x]:
        t.listable[x] = 1
        popular_raise(t.popular_rows, t.popular_size, t.popularity, x)


@inner()
def _faded(count: np.float32, weight: np.float32, age_ms: int, decay_ms: float) -> np.float32:
    """Add an event `age_ms` after the last one, or that much before it if negative."""
    if age_ms >= 0:
        return np.float32(count * np.float32(math.exp(-age_ms / decay_ms)) + weight)
    return np.float32(count + weight * np.float32(math.exp(age_ms / decay_ms)))


@inner()
def _fade(facts: Facts, x: int, age_ms: int, weight: np.float32) -> None:
    """Add one event to the counts that decay fast and slowly, as of the item's newest event."""
    facts[x].fade_6h = _faded(facts[x].fade_6h, weight, age_ms, _FADES_MS[0])
    facts[x].fade_1d = _faded(facts[x].fade_1d, weight, age_ms, _FADES_MS[1])
    facts[x].fade_30d = _faded(facts[x].fade_30d, weight, age_ms, _FADES_MS[2])
    facts[x].fade_180d = _faded(facts[x].fade_180d, weight, age_ms, _FADES_MS[3])


@inner()
def add_neighbour(t: ItemArrays, j: int, x: int, w: np.float32) -> None:
    """Add w to neighbour x of row j; when the row is full, x takes the place of the lightest and starts at w only."""
    n, lightest = t.neighbour_count[j], 0
    for k in range(n):
        if t.neighbour_rows[j, k] == x:
            t.neighbour_weights[j, k] += w
            return
        if t.neighbour_weights[j, k] < t.neighbour_weights[j, lightest]:
            lightest = k
    if n < t.neighbour_rows.shape[1]:
        lightest = n
        t.neighbour_count[j] = n + 1
    t.neighbour_rows[j, lightest] = x
    t.neighbour_weights[j, lightest] = w
