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
from stream_rec.core.deltas import FrameSizes, UInt32Array, columns_of
from stream_rec.core.prefetch import prefetch
from stream_rec.core.state.cache_lines import CACHE_LINE
from stream_rec.core.state.item_layout import FADES_MS, SMALLEST_MASS, Facts, ItemArrays
from stream_rec.core.state.popular import popular_raise
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

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


class _Neighbours(NamedTuple):
    """The part of the table that pairs are counted in: a kernel is handed every array of a tuple, used or not."""

    rows: Int32Array
    weights: Float32Array
    counts: Int32Array


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
    near = _Neighbours(t.neighbour_rows, t.neighbour_weights, t.neighbour_count)
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
        item, now_ms = c.items[e], c.timestamps_ms[e]
        g = c.weights[e] * forward_weight(now_ms, rates.pair_landmark, rates.pair_decay_ms)
        marks.touched[item] |= marks.owned[item]
        if marks.open[item]:
            _count_item(t, rows[item], now_ms, g, c.weights[e], rates)
        pairs, weights = c.pairs[first:end], c.pair_weights[first:end]
        _count_pairs(near, rows, pairs, weights, marks, item, g, rates.backward_weight)
    for item in range(len(rows)):
        if marks.touched[item] and marks.open[item]:
            t.delta_offset[rows[item]] = place.offset
    return n_new, rows[marks.touched]


@inner()
def _count_pairs(
    near: _Neighbours, rows: Int32Array, pairs: UInt32Array, weights: Float64Array, marks: _Marks, item: int, g: float,
    backward: float,
) -> None:  # fmt: skip
    """Count an event of an item of the frame with each earlier one."""
    x, counts = rows[item], near.counts
    for k in range(len(pairs)):
        _ask_for(near, rows[pairs[k]])
    for k in range(len(pairs)):
        earlier = pairs[k]
        j, w = rows[earlier], g * weights[k]
        marks.touched[earlier] |= marks.owned[earlier]
        if marks.open[earlier]:
            counts[j] = add_neighbour(near.rows[j], near.weights[j], counts[j], x, np.float32(w))
        if marks.open[item] and j != x and backward > 0.0:
            counts[x] = add_neighbour(near.rows[x], near.weights[x], counts[x], j, np.float32(backward * w))


@inner()
def _ask_for(near: _Neighbours, row: int) -> None:
    """Ask for the lines of a row before they are needed."""
    for line in range(0, near.rows.shape[1], CACHE_LINE // 4):
        prefetch(near.rows[row], line)
        prefetch(near.weights[row], line)


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
    if mass >= SMALLEST_MASS:
        t.mass_vote[x] = mass**-rates.mass_power
        if t.listable[x]:
            t.mass_candidate[x] = mass**-rates.candidate_power


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
def add_neighbour(neighbours: Int32Array, weights: Float32Array, n: int, x: int, w: np.float32) -> int:
    """Add w to neighbour x of a row that has n; return how many it has now.

    When the row is full, x takes the place of the lightest and starts at w only.
    """
    at = _first(neighbours, n, np.int32(x))
    if at < n:
        weights[at] += w
        return n
    if n == len(weights):
        bits = weights.view(np.int32)  # they order as the weights do, none of which is negative
        at = _first(bits, n, _least(bits))
    neighbours[at], weights[at] = x, w
    return min(n + 1, len(weights))


@inner()
def _first(values: Int32Array, n: int, value: np.int32) -> int:
    """Return the first place of a value among n, n if it is not there. All are looked at: so it vectorises."""
    place = np.int32(n)
    for k in range(n):
        place = min(place, np.int32(k) if values[k] == value else np.int32(n))
    return int(place)


@inner()
def _least(values: Int32Array) -> np.int32:
    least: np.int32 = values[0]
    for k in range(len(values)):
        least = min(least, values[k])
    return least
