"""How the item plane's state travels on `item-rows`: one record per item, and a watermark per shard.

Little-endian::

    row (key: the item id)
        version u8 | record u8 ('i') | n neighbours u16 | pair landmark i32 | popularity landmark i32
        delta offset i64 | pair mass f64 | popularity f64 | event count i64 | first, last seen i64 ms     60 bytes
        neighbour hashes u64[n] | neighbour weights f32[n]
        d factors u32 | event counts over 6 h, 1, 30, 180 days f32[4] | bias, squares of Q, P, bias f32[4]   36 bytes
        factors Q f32[d] | factors P f32[d]
        CRC-32 of the key and of all before u32

    watermark (key: `WATERMARK_KEY`)
        version u8 | record u8 ('w') | n_shards u16 | n sources u32
        next item-delta offset i64 | pair decay f64 ms | popularity decay f64 ms                          32 bytes
        applied offset i64[n] | partition i32[n] | topic u8[n]
        CRC-32 of all before u32

Landmarks are epochs (see `decay`). 100 neighbours and 64 factors make 1,812 bytes. Version 1 of a row ended with its
neighbours; it is still read, and the item's factors then start anew.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

import numpy as np

from stream_rec.core.state.item_layout import FactorRow, ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_KEY
from stream_rec.core.types import Float32Array
from stream_rec.errors import CorruptStateError

WATERMARK_KEY = b"\0watermark"
"""Reserved: keys of `item-rows` that start with NUL are not items."""

VERSION = 2
READABLE = (1, 2)
ROW_RECORD, WATERMARK_RECORD = 0x69, 0x77  # "i", "w"
_ROW = struct.Struct("<BBHiiqddqqq")
_WATERMARK = struct.Struct("<BBHIqdd")
_CRC = struct.Struct("<I")
_LEARNED = struct.Struct("<I8f")
_NEIGHBOUR_BYTES = 12
_SOURCE_BYTES = 13


class Watermark(NamedTuple):
    """How far a shard is applied.

    `next_offset`: the item-delta offset to go on from. `applied`: (topic, partition) -> last applied source offset.
    The decay times and the number of shards are what the rows were written with; other ones cannot read them.
    """

    next_offset: int
    n_shards: int
    pair_decay_ms: float
    popularity_decay_ms: float
    applied: dict[tuple[int, int], int]


def encode_row(row: ItemRow) -> bytes:
    """Return the record of a row; its key is the item id in UTF-8. About 3 µs."""
    body = (
        _ROW.pack(
            VERSION,
            ROW_RECORD,
            len(row.neighbour_hashes),
            row.pair_landmark,
            row.popularity_landmark,
            row.delta_offset,
            row.pair_mass,
            row.popularity,
            row.event_count,
            row.first_seen_ms,
            row.last_seen_ms,
        )
        + row.neighbour_hashes.astype("<u8", copy=False).tobytes()
        + row.neighbour_weights.astype("<f4", copy=False).tobytes()
        + _encode_learned(row)
    )
    return body + _CRC.pack(crc32(body, crc32(row.item_id.encode())))


def decode_row(key: bytes, value: bytes) -> ItemRow:
    """Return the row of a record of `item-rows`; its arrays are read-only views of `value`.

    Raises
    ------
    CorruptStateError
        Not a whole record of this version, or another item's.
    """
    _check("item row", ROW_RECORD, _ROW.size, value, crc32(key))
    _, _, n, pair_landmark, popularity_landmark, delta_offset, *counted = _ROW.unpack_from(value)
    learned_at = _ROW.size + _NEIGHBOUR_BYTES * n
    fades, factors, size = _decode_learned(value, learned_at)
    _check_size("item row", size, value)
    try:
        item_id = key.decode()
    except UnicodeDecodeError as error:
        raise _corrupt("item row", "a key in UTF-8", repr(key)) from error
    hashes = np.frombuffer(value, "<u8", n, _ROW.size)
    weights = np.frombuffer(value, "<f4", n, _ROW.size + 8 * n)
    mass, popularity, events, first_ms, last_ms = counted
    landmarks = (pair_landmark, popularity_landmark)
    counts = (mass, popularity, events, first_ms, last_ms)
    return ItemRow(item_id, delta_offset, *landmarks, *counts, hashes, weights, fades, factors)


def _encode_learned(row: ItemRow) -> bytes:
    assert row.fades is not None and row.factors is not None, "rows are exported whole"
    out, into, scalars = row.factors
    fixed = _LEARNED.pack(len(out), *row.fades.tolist(), *scalars.tolist())
    return fixed + out.astype("<f4", copy=False).tobytes() + into.astype("<f4", copy=False).tobytes()


def _decode_learned(value: bytes, at: int) -> tuple[Float32Array | None, FactorRow | None, int]:
    """Return the counts that fade, the factors, and where they end: nothing and `at` in a row of version 1."""
    if value[0] == 1:
        return None, None, at
    if len(value) < at + _LEARNED.size:
        raise _corrupt("item row", f"at least {at + _LEARNED.size} bytes", f"{len(value)}")
    (d,) = struct.unpack_from("<I", value, at)
    end = at + _LEARNED.size + 8 * d
    if len(value) < end:
        raise _corrupt("item row", f"{end + _CRC.size} bytes by its header", f"{len(value)}")
    fixed = np.frombuffer(value, "<f4", 8, at + 4)
    both = np.frombuffer(value, "<f4", 2 * d, at + _LEARNED.size)
    return fixed[:4], FactorRow(both[:d], both[d:], fixed[4:]), end


def absorb_record(items: ItemTable, key: bytes, value: bytes) -> None:
    """Take over what a record of `item-rows` says, if it is newer than what is known; watermarks are passed over.

    Raises
    ------
    CorruptStateError
        Not a whole record.
    """
    if key == RANKER_KEY:
        items.ranker.absorb(value)
    elif key[:1] != b"\0":
        items.absorb(decode_row(key, value))


def encode_watermark(watermark: Watermark) -> bytes:
    """Return the record of a shard's watermark; its key is `WATERMARK_KEY`."""
    applied = watermark.applied
    n = len(applied)
    head = _WATERMARK.pack(VERSION, WATERMARK_RECORD, watermark.n_shards, n, watermark.next_offset, *watermark[2:4])
    partitions, topics = [partition for _, partition in applied], [topic for topic, _ in applied]
    body = head + struct.pack(f"<{n}q{n}i{n}B", *applied.values(), *partitions, *topics)
    return body + _CRC.pack(crc32(body))


def decode_watermark(value: bytes) -> Watermark:
    """Return the watermark of a record.

    Raises
    ------
    CorruptStateError
        Not a whole record of this version.
    """
    _check("item watermark", WATERMARK_RECORD, _WATERMARK.size, value, 0)
    _, _, n_shards, n, next_offset, pair_decay_ms, popularity_decay_ms = _WATERMARK.unpack_from(value)
    _check_size("item watermark", _WATERMARK.size + _SOURCE_BYTES * n, value)
    numbers = struct.unpack_from(f"<{n}q{n}i{n}B", value, _WATERMARK.size)
    sources = zip(numbers[2 * n :], numbers[n : 2 * n], strict=True)
    applied = dict(zip(sources, numbers[:n], strict=True))
    return Watermark(next_offset, n_shards, pair_decay_ms, popularity_decay_ms, applied)


def _check(where: str, record: int, fixed_bytes: int, value: bytes, crc: int) -> None:
    if len(value) < fixed_bytes + _CRC.size:
        raise _corrupt(where, f"at least {fixed_bytes + _CRC.size} bytes", f"{len(value)}")
    if value[0] not in READABLE or value[1] != record:
        raise _corrupt(where, f"version {VERSION} of record {record:#x}", f"version {value[0]} of {value[1]:#x}")
    if crc32(memoryview(value)[: -_CRC.size], crc) != _CRC.unpack_from(value, len(value) - _CRC.size)[0]:
        raise _corrupt(where, "its CRC-32", "another")


def _check_size(where: str, body_bytes: int, value: bytes) -> None:
    if len(value) != body_bytes + _CRC.size:
        raise _corrupt(where, f"{body_bytes + _CRC.size} bytes by its header", f"{len(value)}")


def _corrupt(where: str, expected: str, actual: str) -> CorruptStateError:
    return CorruptStateError(
        f"{where}: need {expected}; got {actual}. "
        "Use the release that wrote it, or name new item-deltas and item-rows topics."
    )
