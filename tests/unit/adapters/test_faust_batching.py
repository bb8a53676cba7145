"""A fetch becomes batches, each one Faust event."""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.adapters.faust_batching import batch_scheduler, batches


class Record(NamedTuple):
    offset: int
    value: bytes | None = b"{}"
    topic: str = "clicks"
    partition: int = 1
    timestamp: int = 1_700_000_000_000
    key: bytes | None = b"anna"


def sizes(records: list[Record], max_records: int, max_bytes: int) -> list[int]:
    return [len(batch.value) for batch in batches(records, max_records, max_bytes)]


def test_a_batch_stands_at_its_last_record() -> None:
    (batch,) = batches([Record(7), Record(8), Record(11)])
    assert (batch.topic, batch.partition, batch.offset, batch.key) == ("clicks", 1, 11, None)
    assert [record.offset for record in batch.value] == [7, 8, 11]


def test_batches_are_bounded_by_records() -> None:
    assert sizes([Record(i) for i in range(25)], 10, 10_000) == [10, 10, 5]


def test_batches_are_bounded_by_bytes_and_a_huge_record_goes_alone() -> None:
    values = [b"x" * 40, b"x" * 40, b"x" * 40, b"x" * 500, b"x", None]
    assert sizes([Record(i, value) for i, value in enumerate(values)], 100, 100) == [2, 1, 1, 2]


def test_nothing_fetched_is_no_batch() -> None:
    assert sizes([], 10, 10) == []


def test_the_scheduler_keeps_every_record_of_every_partition() -> None:
    fetched = {"p0": [Record(i) for i in range(5)], "p1": [Record(i) for i in range(3)]}
    handed = [(tp, [r.offset for r in batch.value]) for tp, batch in batch_scheduler(4)().iterate(fetched)]
    assert handed == [("p0", [0, 1, 2, 3]), ("p0", [4]), ("p1", [0, 1, 2])]
