from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
import pytest

from stream_rec.core.state.item_codec import (
    Watermark,
    decode_row,
    decode_watermark,
    encode_row,
    encode_watermark,
)
from stream_rec.core.state.item_layout import FactorRow, ItemRow
from stream_rec.core.types import item_hash
from stream_rec.errors import CorruptStateError

ROW = ItemRow(
    item_id="85123A ☕",
    delta_offset=2**40,
    pair_landmark=6,
    popularity_landmark=88,
    pair_mass=1e12 / 3,
    popularity=0.1,
    event_count=12,
    first_seen_ms=1_700_000_000_000,
    last_seen_ms=1_700_000_000_001,
    neighbour_hashes=np.array([item_hash(str(i)) for i in range(100)], np.uint64),
    neighbour_weights=np.linspace(0, 33, 100, dtype=np.float32),
    fades=np.array([0.0, 0.5, 1 / 3, 7.0], np.float32),
    factors=FactorRow(
        np.linspace(-1, 1, 64, dtype=np.float32),
        np.linspace(3, 4, 64, dtype=np.float32),
        np.array([-0.25, 1e-6, 2.0, 3.0], np.float32),
    ),
)
SIZE = 60 + 12 * 100 + 36 + 8 * 64 + 4
KEY = ROW.item_id.encode()
WATERMARK = Watermark(17, 8, 7.776e9, 6.048e8, {(0, 0): 5, (0, 31): 2**40, (1, 3): 0})


def test_a_row_comes_back_as_it_went() -> None:
    record = encode_row(ROW)
    row = decode_row(KEY, record)
    assert row[:9] == ROW[:9]
    assert row.factors is not None
    assert ROW.factors is not None
    for got, sent in zip((*row[9:12], *row.factors), (*ROW[9:12], *ROW.factors), strict=True):
        np.testing.assert_array_equal(got, sent)
    assert len(record) == SIZE == 1812


def test_a_row_without_neighbours_comes_back() -> None:
    bare = ROW._replace(neighbour_hashes=ROW.neighbour_hashes[:0], neighbour_weights=ROW.neighbour_weights[:0])
    assert len(decode_row(KEY, encode_row(bare)).neighbour_hashes) == 0


def test_a_row_without_factors_keeps_its_counts() -> None:
    none = np.empty(0, np.float32)
    row = decode_row(KEY, encode_row(ROW._replace(factors=FactorRow(none, none, np.ones(4, np.float32)))))
    assert row.factors is not None
    assert (len(row.factors.out), len(row.factors.into)) == (0, 0)
    assert row.fades is not None
    assert row.fades.tolist() == [0.0, 0.5, np.float32(1 / 3), 7.0]


def version_1(row: ItemRow) -> bytes:
    """What releases before the factors wrote: a row that ends with its neighbours."""
    head = struct.pack("<BBHiiqddqqq", 1, ord("i"), len(row.neighbour_hashes), 6, 88, 2**40, *row[4:9])
    body = head + row.neighbour_hashes.tobytes() + row.neighbour_weights.tobytes()
    return body + struct.pack("<I", crc32(body, crc32(KEY)))


def test_a_row_of_version_1_is_read_and_has_neither_fading_counts_nor_factors() -> None:
    row = decode_row(KEY, version_1(ROW))
    assert row[:9] == ROW[:9]
    np.testing.assert_array_equal(row.neighbour_hashes, ROW.neighbour_hashes)
    np.testing.assert_array_equal(row.neighbour_weights, ROW.neighbour_weights)
    assert (row.fades, row.factors) == (None, None)


def test_a_row_of_version_1_is_refused_when_its_bytes_are_not_its_own() -> None:
    record = bytearray(version_1(ROW))
    record[200] ^= 1
    with pytest.raises(CorruptStateError, match="need its CRC-32"):
        decode_row(KEY, bytes(record))
    with pytest.raises(CorruptStateError):
        decode_row(KEY, version_1(ROW)[:-5])


def test_a_version_1_row_whose_version_says_2_is_refused() -> None:
    """Its neighbours would be read for what it has learned."""
    body = b"\x02" + version_1(ROW)[1:-4]
    with pytest.raises(CorruptStateError, match="item row: need at least"):
        decode_row(KEY, body + struct.pack("<I", crc32(body, crc32(KEY))))


@pytest.mark.parametrize("watermark", [WATERMARK, WATERMARK._replace(applied={})])
def test_a_watermark_comes_back_as_it_went(watermark: Watermark) -> None:
    assert decode_watermark(encode_watermark(watermark)) == watermark


@pytest.mark.parametrize("at", range(0, SIZE, 79))
def test_a_row_with_one_wrong_byte_is_refused(at: int) -> None:
    record = bytearray(encode_row(ROW))
    record[at] ^= 0x10
    with pytest.raises(CorruptStateError, match=r"item row: need .*; got"):
        decode_row(KEY, bytes(record))


def test_a_row_under_another_items_key_is_refused() -> None:
    with pytest.raises(CorruptStateError, match="need its CRC-32"):
        decode_row(b"another", encode_row(ROW))


@pytest.mark.parametrize("length", [0, 3, 40, 1263, SIZE - 1])
def test_a_row_cut_short_is_refused(length: int) -> None:
    with pytest.raises(CorruptStateError):
        decode_row(KEY, encode_row(ROW)[:length])


@pytest.mark.parametrize("at", range(0, 70, 3))
def test_a_watermark_with_one_wrong_byte_is_refused(at: int) -> None:
    record = bytearray(encode_watermark(WATERMARK))
    record[at] ^= 0x10
    with pytest.raises(CorruptStateError, match="item watermark: need"):
        decode_watermark(bytes(record))


def test_a_record_of_another_version_names_what_to_do() -> None:
    with pytest.raises(CorruptStateError, match=r"need version 2 of record 0x69; got version 3.*name new item-deltas"):
        decode_row(KEY, b"\x03" + encode_row(ROW)[1:])
