"""What an encoder knows of the topic is the same, whether it wrote the records itself or read them after a restart."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.content_vectors import no_content
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.vector_book import VectorBook
from stream_rec.core.vector_records import VectorRows, encode_end, encode_vectors, end_key, vector_key

V1, V2, PARTITIONS = "v0001-aa", "v0002-bb", 4
ITEMS = [f"item {number}" for number in range(20)]


def records(name: str, item_ids: list[str]) -> list[tuple[bytes, bytes]]:
    rows = np.zeros((len(item_ids), row_width(2)), np.float32)
    some = VectorRows(item_ids, list(range(1, len(item_ids) + 1)), rows, no_content(len(item_ids)))
    return list(encode_vectors(name, some, "fp16"))


@pytest.fixture
def book() -> VectorBook:
    return VectorBook(PARTITIONS)


def test_reading_is_as_good_as_having_written(book: VectorBook) -> None:
    again = VectorBook(PARTITIONS)
    for number, item_id in enumerate(ITEMS, start=1):
        book.wrote(V1, item_id, number)
    for item_id, (key, value) in zip(ITEMS, records(V1, ITEMS), strict=True):
        again.read(again.partition(item_id), key, value)
    assert again.text_hashes(V1) == book.text_hashes(V1)
    assert again.open_ends(V1) == book.open_ends(V1)
    assert sum(rows for _, rows in book.open_ends(V1)) == len(ITEMS)


def test_every_partition_needs_a_marker_also_an_empty_one(book: VectorBook) -> None:
    assert book.open_ends(V1) == [(partition, 0) for partition in range(PARTITIONS)]


def test_a_marker_is_open_again_when_rows_come(book: VectorBook) -> None:
    for partition, rows in book.open_ends(V1):
        book.read(partition, *encode_end(V1, rows))
    assert book.open_ends(V1) == []
    book.wrote(V1, "mug", 1)
    assert book.open_ends(V1) == [(book.partition("mug"), 1)]


def test_a_row_written_again_is_one_row(book: VectorBook) -> None:
    book.wrote(V1, "mug", 1)
    book.wrote(V1, "mug", 2)
    assert (book.partition("mug"), 1) in book.open_ends(V1)
    assert book.text_hashes(V1) == {"mug": 2}


def test_tombstones_of_all_keys_leave_nothing_of_a_version(book: VectorBook) -> None:
    for name in (V1, V2):
        for item_id in ITEMS:
            book.wrote(name, item_id, 1)
        book.ended(name, 0, 1)
    for partition, key in list(book.keys(V1)):
        book.read(partition, key, None)
    assert book.names() == [V2]
    assert len(list(book.keys(V2))) == len(ITEMS) + 1


def test_damaged_records_and_tombstones_of_the_unknown_say_nothing(book: VectorBook) -> None:
    book.read(0, vector_key(V1, "mug"), b"junk")
    book.read(0, b"no key", b"")
    book.read(0, end_key(V2), None)
    assert book.names() == []


def test_a_version_has_all_its_markers_once_every_partition_has_one(book: VectorBook) -> None:
    for partition in range(PARTITIONS):
        assert not book.has_all_ends(V1)
        book.ended(V1, partition, 0)
    assert book.has_all_ends(V1) and not book.has_all_ends(V2)
    book.wrote(V1, ITEMS[0], 1)  # a new item's row does not undo it
    assert book.has_all_ends(V1)
