"""However the topics are cut into fetches, the merge gives one and the same order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from stream_rec.core.partition_merge import PartitionMerge


class Record(NamedTuple):
    topic: int
    offset: int
    timestamp: int
    partition: int = 0
    key: bytes | None = None
    value: bytes | None = None


def plain_merge(topics: list[list[Record]]) -> list[Record]:
    """The slow twin: always the head with the lowest (timestamp, topic)."""
    heads = [0] * len(topics)
    merged = []
    while any(heads[t] < len(topics[t]) for t in range(len(topics))):
        best = min((topics[t][heads[t]].timestamp, t) for t in range(len(topics)) if heads[t] < len(topics[t]))[1]
        merged.append(topics[best][heads[best]])
        heads[best] += 1
    return merged


topic_times = st.lists(st.integers(0, 30), max_size=25)
fetch_sizes = st.lists(st.integers(1, 6), min_size=1, max_size=8)


@given(st.tuples(topic_times, topic_times), fetch_sizes, st.integers(1, 7))
def test_the_order_does_not_depend_on_the_fetches(
    times: tuple[list[int], list[int]], sizes: list[int], limit: int
) -> None:
    topics = [[Record(t, i, ts) for i, ts in enumerate(times[t])] for t in range(2)]
    merge = PartitionMerge[tuple[int, int]](2)
    given_up_to = [0, 0]
    merged: list[Record] = []
    finished: list[tuple[int, int]] = []
    pushed: list[tuple[int, int]] = []
    step = 0
    while len(merged) < len(topics[0]) + len(topics[1]):
        topic = step % 2
        size, start = sizes[step % len(sizes)], given_up_to[topic]
        step += 1
        if batch := topics[topic][start : start + size]:
            given_up_to[topic] = start + len(batch)
            merge.push(topic, batch, (topic, start))
            pushed.append((topic, start))
        taken = merge.take([given_up_to[t] < len(topics[t]) for t in range(2)], limit)
        assert len(taken.records) <= limit
        merged += taken.records
        finished += taken.finished
    assert merged == plain_merge(topics)
    assert sorted(finished) == sorted(pushed)
    assert merge.held == 0
