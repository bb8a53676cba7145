"""Item deltas: the counts one round adds, as one binary frame per item shard.

An event is one entry per line (item); a pair of items (j, x) concerns row j in the shard of j and row x in the shard of
x, so the shard of x gets the entry with every pair and other shards get it with the pairs whose earlier item is theirs.
All entries of an event are in one frame per shard, and entries of different events are never merged: that is what lets
the item plane apply every event once whatever is replayed.

A frame is little-endian columns, widest first, so that every column is aligned and none is copied to be read::

    version u8 | record u8 ('d') | n_shards u16 | n_entries n, n_pairs p, n_hashes h, n_ids m, id_bytes : 5 x u32
    learned_bytes u32
    hash u64[h]                                                     the items of the frame, each once
    offset i64[n] | timestamp_ms i64[n] | weight f64[n]             entries
    pair_weight f64[p]
    item u32[n] (index into hash) | partition i32[n]
    pair u32[p] (index into hash)                                   earlier items, newest first, entry after entry
    id_item u32[m] (index into hash)                                items of this shard, so that its owner learns the id
    pair_count u16[n] | line u16[n] | id_length u16[m] | topic u8[n]
    ids, UTF-8
    the learned part (`gradients`)
    CRC-32 of all before u32

Version 1 had neither learned part nor its length; such frames are still read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry
from stream_rec.core.types import SOURCE_TOPICS, Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from stream_rec.errors import CorruptStateError

UInt16Array = npt.NDArray[np.uint16]
UInt32Array = npt.NDArray[np.uint32]

VERSION = 2
RECORD = 0x64  # "d"
_HEADER = struct.Struct("<BBHIIIIII")
_HEADER_1 = struct.Struct("<BBHIIIII")
_CRC = struct.Struct("<I")
_OUTSIDE = -2  # what a check returns instead of a partition


@dataclass(frozen=True, slots=True)
class CountEntry:
    """What one line of an event adds.

    Attributes
    ----------
    topic, partition, offset
        The event's source record; `topic` 0 clicks, 1 purchases.
    line
        Number of the line within the event; the entries of an event are added one after the other, lines ascending.
    timestamp_ms
        Event time.
    item_id, item_hash
        The item x of the line.
    weight
        Multiplies everything the line adds; above 0.
    previous_hashes, previous_weights
        The user's last W items before the line, newest first, and what each pair weighs: distance^-dp, times xs if
        the earlier item is of another session.
    """

    topic: int
    partition: int
    offset: int
    line: int
    timestamp_ms: int
    item_id: str
    item_hash: int
    weight: float
    previous_hashes: Sequence[int]
    previous_weights: Sequence[float]


class CountColumns(NamedTuple):
    """The numeric columns of a frame (see the module); views of its bytes."""

    hashes: UInt64Array
    offsets: Int64Array
    timestamps_ms: Int64Array
    weights: Float64Array
    pair_weights: Float64Array
    items: UInt32Array
    partitions: Int32Array
    pairs: UInt32Array
    id_items: UInt32Array
    pair_counts: UInt16Array
    lines: UInt16Array
    id_lengths: UInt16Array
    topics: UInt8Array


class FrameSizes(NamedTuple):
    """Lengths of a frame's columns."""

    entries: int
    pairs: int
    hashes: int
    ids: int


class Frame(NamedTuple):
    """A decoded frame; `item_ids[i]` is the id of item number `id_items[i]` of `hashes`.

    The columns themselves are for kernels to read from `data` (uint8[bytes], read-only, from the first column on) with
    `columns_of`. `last_partition` is -1 if there are no entries; `learned` is empty if there are no gradients.
    """

    n_shards: int
    data: UInt8Array
    sizes: FrameSizes
    hashes: UInt64Array
    id_items: UInt32Array
    item_ids: list[str]
    last_partition: int
    newest_ms: int
    learned: bytes


def shard_of(h: int, n_shards: int) -> int:
    """Return the shard that owns an item, by its hash."""
    return h % n_shards


class FrameBuilder:
    """Collects the entries of a round; about 3 µs per entry and shard it concerns.

    Examples
    --------
    >>> builder = FrameBuilder(4)
    >>> builder.add(CountEntry(0, 0, 7, 0, 1000, "b", 6, 1.0, [5, 9], [1.0, 0.5]))
    >>> {shard: decode(frame).sizes.pairs for shard, frame in builder.build().items()}
    {2: 2, 1: 2}
    """

    def __init__(self, n_shards: int) -> None:
        self._n_shards = n_shards
        self._shards: dict[int, _ShardEntries] = {}

    def add(self, entry: CountEntry) -> None:
        """Add one entry; an event's lines in order, nothing of another event between them."""
        home = shard_of(entry.item_hash, self._n_shards)
        self._entries_of(home).append(entry, entry.previous_hashes, entry.previous_weights, entry.item_id)
        if self._n_shards == 1:
            return
        elsewhere: dict[int, tuple[list[int], list[float]]] = {}
        for h, weight in zip(entry.previous_hashes, entry.previous_weights, strict=True):
            shard = shard_of(h, self._n_shards)
            if shard != home:
                hashes, weights = elsewhere.setdefault(shard, ([], []))
                hashes.append(h)
                weights.append(weight)
        for shard, (hashes, weights) in elsewhere.items():
            self._entries_of(shard).append(entry, hashes, weights, None)

    def build(self, learned: Mapping[int, bytes] | None = None) -> dict[int, bytes]:
        """Return shard -> frame for the shards that got entries or have a learned part, and start anew."""
        shards, self._shards = self._shards, {}
        parts = learned or {}
        for shard in parts:
            shards.setdefault(shard, _ShardEntries())
        return {shard: entries.encode(self._n_shards, parts.get(shard, b"")) for shard, entries in shards.items()}

    def _entries_of(self, shard: int) -> _ShardEntries:
        entries = self._shards.get(shard)
        if entries is None:
            entries = self._shards[shard] = _ShardEntries()
        return entries


class _ShardEntries:
    """The growing columns of one shard's frame."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}  # item hash -> index into the hash column
        self._entries: list[tuple[int, int, float, int, int, int, int, int]] = []
        self._pairs: list[int] = []
        self._pair_weights: list[float] = []
        self._ids: dict[int, bytes] = {}  # by index into the hash column

    def append(self, entry: CountEntry, hashes: Sequence[int], weights: Sequence[float], item_id: str | None) -> None:
        slots, pairs = self._slots, self._pairs
        item = slots.setdefault(entry.item_hash, len(slots))
        if item_id is not None and item not in self._ids:
            self._ids[item] = item_id.encode()
        for h in hashes:
            pairs.append(slots.setdefault(h, len(slots)))
        self._pair_weights.extend(weights)
        self._entries.append(
            (
                entry.offset,
                entry.timestamp_ms,
                entry.weight,
                item,
                entry.partition,
                len(hashes),
                entry.line,
                entry.topic,
            )
        )

    def encode(self, n_shards: int, learned: bytes) -> bytes:
        columns = zip(*self._entries, strict=True) if self._entries else ((),) * 8
        offsets, timestamps, weights, items, partitions, counts, lines, topics = columns
        n, p, h, m = len(offsets), len(self._pairs), len(self._slots), len(self._ids)
        ids = b"".join(self._ids.values())
        body = struct.pack(
            f"<{h}Q{2 * n}q{n + p}d{n}I{n}i{p + m}I{2 * n + m}H{n}B",
            *self._slots,
            *offsets,
            *timestamps,
            *weights,
            *self._pair_weights,
            *items,
            *partitions,
            *self._pairs,
            *self._ids,
            *counts,
            *lines,
            *map(len, self._ids.values()),
            *topics,
        )
        frame = _HEADER.pack(VERSION, RECORD, n_shards, n, p, h, m, len(ids), len(learned)) + body + ids + learned
        return frame + _CRC.pack(crc32(frame))


def decode(frame: bytes) -> Frame:
    """Return a frame's columns, views of its bytes, checked so far that kernels may index by them.

    Raises
    ------
    CorruptStateError
        Not a whole frame of this version.

    Notes
    -----
    About 10 µs a frame plus 0.2 µs an item id.
    """
    header = _HEADER_1 if frame[:1] == b"\1" else _HEADER
    if len(frame) < header.size + _CRC.size:
        raise _corrupt(f"at least {header.size + _CRC.size} bytes", f"{len(frame)}")
    version, record, n_shards, n, p, h, m, id_bytes, *more = header.unpack_from(frame)
    if version not in (1, VERSION) or record != RECORD:
        raise _corrupt(f"version {VERSION} of record {RECORD:#x}", f"version {version} of record {record:#x}")
    learned_bytes = sum(more)
    body_bytes = 8 * (h + 3 * n + p) + 4 * (2 * n + p + m) + 2 * (2 * n + m) + n
    ids_at = header.size + body_bytes
    end = ids_at + id_bytes + learned_bytes
    if len(frame) != end + _CRC.size:
        raise _corrupt(f"{end + _CRC.size} bytes by its header", f"{len(frame)}")
    if crc32(memoryview(frame)[: -_CRC.size]) != _CRC.unpack_from(frame, len(frame) - _CRC.size)[0]:
        raise _corrupt("its CRC-32", "another")
    data = np.frombuffer(frame, np.uint8, body_bytes, header.size)
    sizes = FrameSizes(n, p, h, m)
    last_partition, newest_ms = _check(data, sizes)
    if last_partition == _OUTSIDE:
        raise _corrupt("indices within its columns", "one outside")
    hashes = np.frombuffer(frame, np.uint64, h, header.size)
    id_items = np.frombuffer(frame, np.uint32, m, ids_at - 2 * (2 * n + m) - n - 4 * m)
    lengths = struct.unpack_from(f"<{m}H", frame, ids_at - n - 2 * m)
    item_ids = _item_ids(frame, ids_at, ids_at + id_bytes, lengths)
    learned = frame[end - learned_bytes : end]
    return Frame(n_shards, data, sizes, hashes, id_items, item_ids, last_partition, newest_ms, learned)


@entry()
def columns_of(data: UInt8Array, sizes: FrameSizes) -> CountColumns:
    """Return the columns of a frame without copying; in a kernel this costs nothing."""
    n, p, h, m = sizes
    a = 8 * h
    b = a + 8 * (3 * n + p)
    c = b + 4 * (2 * n + p + m)
    d = c + 2 * (2 * n + m)
    signed, floats = data[a : a + 16 * n].view(np.int64), data[a + 16 * n : b].view(np.float64)
    words, shorts = data[b:c].view(np.uint32), data[c:d].view(np.uint16)
    return CountColumns(
        data[:a].view(np.uint64),
        signed[:n],
        signed[n:],
        floats[:n],
        floats[n:],
        words[:n],
        words[n : 2 * n].view(np.int32),
        words[2 * n : 2 * n + p],
        words[2 * n + p :],
        shorts[:n],
        shorts[n : 2 * n],
        shorts[2 * n :],
        data[d : d + n],
    )


def _item_ids(frame: bytes, at: int, end: int, lengths: Iterable[int]) -> list[str]:
    ids = []
    try:
        for length in lengths:
            ids.append(frame[at : at + length].decode())
            at += length
    except UnicodeDecodeError as error:
        raise _corrupt("item ids in UTF-8", repr(frame[at : at + length])) from error
    if at != end:
        raise _corrupt("item ids as long as their lengths say", f"{end - at} bytes more")
    return ids


@entry()
def _check(data: UInt8Array, sizes: FrameSizes) -> tuple[int, int]:
    """Return the highest partition (-1 without entries) and the newest time; `_OUTSIDE` if an index is wrong."""
    c = columns_of(data, sizes)
    n_hashes, n_pairs = len(c.hashes), 0
    last_partition, newest_ms = -1, -(2**63)
    for e in range(len(c.offsets)):
        n_pairs += c.pair_counts[e]
        if c.items[e] >= n_hashes or c.topics[e] >= SOURCE_TOPICS or c.partitions[e] < 0:
            return _OUTSIDE, newest_ms
        last_partition = max(last_partition, int(c.partitions[e]))
        newest_ms = max(newest_ms, int(c.timestamps_ms[e]))
    if n_pairs != len(c.pairs):
        return _OUTSIDE, newest_ms
    for q in range(n_pairs):
        if c.pairs[q] >= n_hashes:
            return _OUTSIDE, newest_ms
    for i in range(len(c.id_items)):
        if c.id_items[i] >= n_hashes:
            return _OUTSIDE, newest_ms
    return last_partition, newest_ms


def _corrupt(expected: str, actual: str) -> CorruptStateError:
    return CorruptStateError(
        f"item-delta frame: need {expected}; got {actual}. "
        "Use the release that wrote it, or name new item-deltas and item-rows topics."
    )
