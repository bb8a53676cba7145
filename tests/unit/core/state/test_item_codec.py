from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.state.item_codec import (
    Watermark,
    decode_row,
    decode_watermark,
    encode_row,
    encode_watermark,
)
from stream_rec.core.state.items import ItemRow
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
)
KEY = ROW.item_id.encode()
WATERMARK = Watermark(17, 8, 7.776e9, 6.048e8, {(0, 0): 5, (0, 31): 2**40, (1, 3): 0})


def test_a_row_comes_back_as_it_went() -> None:
    record = encode_row(ROW)
    row = decode_row(KEY, record)
    assert row[:-2] == ROW[:-2]
    np.testing.assert_array_equal(row.neighbour_hashes, ROW.neighbour_hashes)
    np.testing.assert_array_equal(row.neighbour_weights, ROW.neighbour_weights)
    assert len(record) == 1264


def test_a_row_without_neighbours_comes_back() -> None:
    bare = ROW._replace(neighbour_hashes=ROW.neighbour_hashes[:0], neighbour_weights=ROW.neighbour_weights[:0])
    assert len(decode_row(KEY, encode_row(bare)).neighbour_hashes) == 0


@pytest.mark.parametrize("watermark", [WATERMARK, WATERMARK._replace(applied={})])
def test_a_watermark_comes_back_as_it_went(watermark: Watermark) -> None:
    assert decode_watermark(encode_watermark(watermark)) == watermark


@pytest.mark.parametrize("at", range(0, 1264, 79))
def test_a_row_with_one_wrong_byte_is_refused(at: int) -> None:
    record = bytearray(encode_row(ROW))
    record[at] ^= 0x10
    with pytest.raises(CorruptStateError, match=r"item row: need .*; got"):
        decode_row(KEY, bytes(record))


def test_a_row_under_another_items_key_is_refused() -> None:
    with pytest.raises(CorruptStateError, match="need its CRC-32"):
        decode_row(b"another", encode_row(ROW))


@pytest.mark.parametrize("length", [0, 3, 40, 1263])
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
    with pytest.raises(CorruptStateError, match=r"need version 1 of record 0x69; got version 2.*name new item-deltas"):
        decode_row(KEY, b"\x02" + encode_row(ROW)[1:])
