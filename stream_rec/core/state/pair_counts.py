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
from numba import njit

from stream_rec.core.deltas import CountColumns
from stream_rec.core.state.items import SMALLEST_MASS, ItemArrays
from stream_rec.core.state.popular import popular_raise
from stream_rec.core.types import Int32Array, Int64Array, UInt8Array

_EVENT_DONE = 65536  # above every line number


class CountRates(NamedTuple):
    """What the kernel needs of the preset and of the table's landmarks."""

    pair_landmark_ms: float
    pair_decay_ms: float
    popularity_landmark_ms: float
    popularity_decay_ms: float
    backward_weight: float
    mass_power: float
    candidate_power: float


class FrameRows(NamedTuple):
    """The items of a frame in this table, one entry per hash of the frame.

    `rows` int32[h]. `owned` uint8[h]: in the frame's shard. `open` uint8[h]: owned, and the row does not include the
    frame yet. `touched` uint8[h]: set where an entry concerned an owned row, open or not; mutated.
    """

    rows: Int32Array
    owned: UInt8Array
    open: UInt8Array
    touched: UInt8Array


@njit(cache=True)
def apply_counts(t: ItemArrays, c: CountColumns, f: FrameRows, applied: Int64Array, rates: CountRates) -> int:
    """Apply the entries that are above the watermark to the rows that are open.

    Parameters
    ----------
    t
        The table; mutated.
    c, f
        The frame, and its items in the table; `f.touched` is mutated.
    applied
        int64[topics, partitions]: offset up to which each source is applied; raised.
    rates
        Decay and powers; no entry may be newer than the landmarks' epoch allows.

    Returns
    -------
    int
        Entries above the watermark.

    Notes
    -----
    Lines of one event share an offset, so an entry counts as new if its (offset, line) is above the source's
    (watermark, done). O(entries · W · K) at worst: a pair is one pass over a row's neighbours.
    """
    n_new, q = 0, 0
    lines = np.full(applied.shape, _EVENT_DONE, np.int64)
    for e in range(len(c.offsets)):
        first = q
        q += c.pair_counts[e]
        topic, partition, offset, line = c.topics[e], c.partitions[e], c.offsets[e], np.int64(c.lines[e])
        done = applied[topic, partition]
        if offset < done or (offset == done and line <= lines[topic, partition]):
            continue
        applied[topic, partition], lines[topic, partition] = offset, line
        n_new += 1
        _apply_entry(t, c, f, rates, e, first, q)
    return n_new


@njit(cache=True)
def _apply_entry(t: ItemArrays, c: CountColumns, f: FrameRows, rates: CountRates, e: int, first: int, end: int) -> None:
    item = c.items[e]
    x, now_ms = f.rows[item], c.timestamps_ms[e]
    g = c.weights[e] * math.exp((now_ms - rates.pair_landmark_ms) / rates.pair_decay_ms)
    if f.owned[item]:
        f.touched[item] = 1
    if f.open[item]:
        _count_item(t, x, now_ms, g, c.weights[e], rates)
    for k in range(first, end):
        earlier = c.pairs[k]
        j = f.rows[earlier]
        w = g * c.pair_weights[k]
        if f.owned[earlier]:
            f.touched[earlier] = 1
        if f.open[earlier]:
            add_neighbour(t, j, x, np.float32(w))
        if f.open[item] and j != x and rates.backward_weight > 0.0:
            add_neighbour(t, x, j, np.float32(rates.backward_weight * w))


@njit(cache=True)
def _count_item(t: ItemArrays, x: int, now_ms: int, g: float, weight: float, rates: CountRates) -> None:
    """Add one event of x to everything that is counted per item."""
    mass = t.pair_mass[x] + g
    t.pair_mass[x] = mass
    if mass >= SMALLEST_MASS:
        t.mass_vote[x] = mass**-rates.mass_power
        t.mass_candidate[x] = mass**-rates.candidate_power
    t.popularity[x] += weight * math.exp((now_ms - rates.popularity_landmark_ms) / rates.popularity_decay_ms)
    if t.event_count[x] == 0:
        t.first_seen_ms[x] = t.last_seen_ms[x] = now_ms
    t.event_count[x] += 1
    t.first_seen_ms[x] = min(t.first_seen_ms[x], now_ms)
    t.last_seen_ms[x] = max(t.last_seen_ms[x], now_ms)
    if t.named[x] and not t.unavailable[x]:
        t.listable[x] = 1
        popular_raise(t.popular_rows, t.popular_size, t.popularity, x)


@njit(cache=True)
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
