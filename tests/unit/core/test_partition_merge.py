"""The merge of one partition's clicks (0) and purchases (1), example by example."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from stream_rec.core.partition_merge import PartitionMerge


class Record(NamedTuple):
    topic: str
    offset: int
    timestamp: int
    partition: int = 0
    key: bytes | None = b"u"
    value: bytes | None = b"{}"


def clicks(*timestamps: int, first_offset: int = 0) -> list[Record]:
    return [Record("clicks", first_offset + i, t) for i, t in enumerate(timestamps)]


def purchases(*timestamps: int, first_offset: int = 0) -> list[Record]:
    return [Record("purchases", first_offset + i, t) for i, t in enumerate(timestamps)]


def times(records: list[Record]) -> list[int]:
    return [record.timestamp for record in records]


CAUGHT_UP = (False, False)


def test_two_topics_come_out_in_timestamp_order() -> None:
    merge = PartitionMerge[str](2)
    merge.push(0, clicks(10, 30, 50), "c0")
    merge.push(1, purchases(20, 40), "p0")
    taken = merge.take(CAUGHT_UP, 100)
    assert times(taken.records) == [10, 20, 30, 40, 50]
    assert sorted(taken.finished) == ["c0", "p0"]
    assert merge.held == 0


def test_clicks_go_first_at_the_same_timestamp() -> None:
    merge = PartitionMerge[str](2)
    merge.push(1, purchases(10, 10), "p0")
    merge.push(0, clicks(10, 10), "c0")
    assert [r.topic for r in merge.take(CAUGHT_UP, 100).records] == ["clicks", "clicks", "purchases", "purchases"]


def test_records_later_than_a_lagging_topics_last_known_one_are_held_back() -> None:
    merge = PartitionMerge[str](2)
    merge.push(0, clicks(10, 20, 30), "c0")
    merge.push(1, purchases(15), "p0")
    taken = merge.take((False, True), 100)
    assert times(taken.records) == [10, 15]
    assert taken.finished == ["p0"]
    assert taken.starved
    assert merge.held == 2
    merge.push(1, purchases(25, first_offset=1), "p1")
    taken = merge.take(CAUGHT_UP, 100)
    assert times(taken.records) == [20, 25, 30]
    assert sorted(taken.finished) == ["c0", "p1"]


def test_a_topic_given_up_waiting_for_holds_nothing_back() -> None:
    merge = PartitionMerge[str](2)
    merge.push(0, clicks(10, 20), "c0")
    assert merge.take((False, True), 100) == ([], [], True)
    assert times(merge.take(CAUGHT_UP, 100).records) == [10, 20]


def test_a_topics_own_order_survives_timestamps_that_jump_back() -> None:
    merge = PartitionMerge[str](2)
    merge.push(0, clicks(50, 10, 60), "c0")
    merge.push(1, purchases(30, 55), "p0")
    records = merge.take(CAUGHT_UP, 100).records
    assert [(r.topic[0], r.timestamp) for r in records] == [("p", 30), ("c", 50), ("c", 10), ("p", 55), ("c", 60)]


def test_the_limit_cuts_a_batch_and_its_token_comes_with_its_last_record() -> None:
    merge = PartitionMerge[str](2)
    merge.push(0, clicks(1, 2, 3), "c0")
    first = merge.take(CAUGHT_UP, 2)
    assert (times(first.records), first.finished) == ([1, 2], [])
    rest = merge.take(CAUGHT_UP, 2)
    assert (times(rest.records), rest.finished) == ([3], ["c0"])


def test_dropping_returns_every_token_not_yet_finished() -> None:
    merge = PartitionMerge[str](2)
    merge.push(0, clicks(1, 2), "c0")
    merge.push(1, purchases(9), "p0")
    merge.take(CAUGHT_UP, 1)
    assert sorted(merge.drop()) == ["c0", "p0"]
    assert merge.take(CAUGHT_UP, 10) == ([], [], False)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="empty batch"):
        PartitionMerge[str](2).push(0, [], "c0")
