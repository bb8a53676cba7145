from __future__ import annotations

import struct
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.deltas import CountColumns, CountEntry, FrameBuilder, columns_of, decode, shard_of
from stream_rec.errors import CorruptStateError

EARLIER = [5, 9, 2**64 - 1]
ENTRY = CountEntry(
    topic=1,
    partition=3,
    offset=2**40,
    line=0,
    timestamp_ms=1_700_000_000_000,
    item_id="a ☕",
    item_hash=6,
    weight=1.5,
    previous_hashes=EARLIER,
    previous_weights=[1.0, 0.5, 1 / 3],
)


def frames_of(*entries: CountEntry, n_shards: int) -> dict[int, bytes]:
    builder = FrameBuilder(n_shards)
    for entry in entries:
        builder.add(entry)
    return builder.build()


def columns(frame: bytes) -> CountColumns:
    decoded = decode(frame)
    return columns_of(decoded.data, decoded.sizes)


def pairs(frame: bytes) -> list[tuple[int, int, float]]:
    """(item, earlier item, weight), in order."""
    c = columns(frame)
    items = [int(c.hashes[item]) for item, n in zip(c.items, c.pair_counts, strict=True) for _ in range(n)]
    return list(zip(items, c.hashes[c.pairs].tolist(), c.pair_weights.tolist(), strict=True))


def test_an_entry_comes_back_as_it_went() -> None:
    frame = frames_of(ENTRY, n_shards=1)[0]
    c, decoded = columns(frame), decode(frame)
    assert pairs(frame) == [(6, 5, 1.0), (6, 9, 0.5), (6, 2**64 - 1, 1 / 3)]
    assert (c.topics[0], c.partitions[0], c.offsets[0], c.lines[0]) == (1, 3, 2**40, 0)
    assert (c.timestamps_ms[0], c.weights[0]) == (1_700_000_000_000, 1.5)
    assert (decoded.n_shards, decoded.item_ids, decoded.last_partition) == (1, ["a ☕"], 3)
    assert [decoded.hashes[item] for item in decoded.id_items] == [6]


def test_the_items_shard_gets_every_pair_and_others_those_of_their_rows() -> None:
    frames = frames_of(ENTRY, n_shards=4)
    assert {shard: [j for _, j, _ in pairs(frame)] for shard, frame in frames.items()} == {
        2: EARLIER,
        1: [5, 9],
        3: [2**64 - 1],
    }
    assert {shard: decode(frame).item_ids for shard, frame in frames.items()} == {2: ["a ☕"], 1: [], 3: []}
    assert [shard_of(h, 4) for h in (6, *EARLIER)] == [2, 1, 1, 3]


def test_an_item_and_its_id_travel_once_a_frame_however_often_it_is_touched() -> None:
    again = [replace(ENTRY, offset=offset) for offset in range(20)]
    decoded = decode(frames_of(*again, n_shards=1)[0])
    assert (sorted(decoded.hashes), decoded.item_ids) == (sorted([6, *EARLIER]), ["a ☕"])
    assert decoded.sizes.pairs == 60


def test_building_starts_anew() -> None:
    builder = FrameBuilder(1)
    builder.add(ENTRY)
    first = builder.build()
    assert builder.build() == {}
    builder.add(ENTRY)
    assert builder.build() == first


def test_a_first_event_has_no_pairs() -> None:
    frame = frames_of(replace(ENTRY, previous_hashes=[], previous_weights=[]), n_shards=4)
    assert list(frame) == [2]
    assert pairs(frame[2]) == []


@given(data=st.data())
@settings(deadline=None)
def test_a_frame_with_one_wrong_byte_is_refused(data: st.DataObject) -> None:
    frame = bytearray(frames_of(ENTRY, n_shards=1)[0])
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptStateError, match="item-delta frame: need"):
        decode(bytes(frame))


@given(junk=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(CorruptStateError):
        decode(junk)


@pytest.mark.parametrize("wrong", [replace(ENTRY, topic=2), replace(ENTRY, partition=-1)])
def test_a_whole_frame_with_an_impossible_source_is_refused(wrong: CountEntry) -> None:
    with pytest.raises(CorruptStateError, match="indices within its columns"):
        decode(frames_of(wrong, n_shards=1)[0])


def test_the_learned_part_travels_as_it_is_also_to_shards_that_count_nothing() -> None:
    builder = FrameBuilder(4)
    builder.add(replace(ENTRY, previous_hashes=[], previous_weights=[]))
    frames = builder.build({2: b"learned", 3: b"\0"})
    assert {shard: (decode(frame).learned, decode(frame).sizes.entries) for shard, frame in frames.items()} == {
        2: (b"learned", 1),
        3: (b"\0", 0),
    }


def version_1() -> bytes:
    """The frame of ENTRY as releases before the learned part wrote it."""
    item_id = "a ☕".encode()
    body = struct.pack("<BBHIIIII", 1, ord("d"), 1, 1, 3, 4, 1, len(item_id))
    body += struct.pack("<4Q", 6, *EARLIER)
    body += struct.pack("<2qd3d", 2**40, 1_700_000_000_000, 1.5, 1.0, 0.5, 1 / 3)
    body += struct.pack("<IiIIII", 0, 3, 1, 2, 3, 0)
    body += struct.pack("<3HB", 3, 0, len(item_id), 1) + item_id
    return body + struct.pack("<I", crc32(body))


def test_a_frame_of_version_1_is_read() -> None:
    now, then = decode(frames_of(ENTRY, n_shards=1)[0]), decode(version_1())
    assert pairs(version_1()) == pairs(frames_of(ENTRY, n_shards=1)[0])
    assert then.learned == b""
    for old, new in zip(then._replace(data=now.data), now, strict=True):
        assert np.array_equal(old, new)
    assert then.data.tobytes() == now.data.tobytes()


def test_a_frame_of_a_version_to_come_is_refused() -> None:
    frame = b"\x03" + frames_of(ENTRY, n_shards=1)[0][1:]
    with pytest.raises(CorruptStateError, match="need version 2 of record 0x64; got version 3"):
        decode(frame)
