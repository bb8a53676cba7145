"""Reads published lists back: when the broker appended each, and which event triggered it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_rec.core.wire import Trigger


class SeenList(NamedTuple):
    """One list of an event: `appended_ms` by the broker's clock (the topic stamps records when it appends them)."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    n_bytes: int


class _Head(msgspec.Struct):
    trigger: Trigger | None


_decode = msgspec.json.Decoder(_Head).decode


def trigger_of(value: bytes) -> Trigger | None:
    """Return what triggered a list; `None` for the sweep's."""
    return _decode(value).trigger


async def read_lists(bootstrap_servers: str, topic: str, partitions: int) -> tuple[list[SeenList], int]:
    """Return every list an event triggered, and how many others (the sweep's, the visitor's) there are."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, first in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, first)  # seek_to_beginning can lose to the default reset, which is to the end
        seen, others = [], 0
        left = {place for place in places if ends[place] > 0}
        while left:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    trigger = trigger_of(record.value) if record.value else None
                    if trigger is None:
                        others += 1
                    else:
                        place = (trigger.topic, trigger.partition, trigger.offset)
                        seen.append(SeenList(*place, record.timestamp, len(record.value)))
            left = {place for place in left if await consumer.position(place) < ends[place]}
        return seen, others
    finally:
        await consumer.stop()


def processed_ms(lists: list[SeenList]) -> dict[tuple[str, int], npt.NDArray[np.int64]]:
    """Return when each event was processed, by source partition: int64[offsets].

    An event counts as processed when a list triggered at it or behind it in its partition was appended: a worker
    takes a partition's events in order, and one list stands for all events of its user in a round.
    """
    by_place: dict[tuple[str, int], list[SeenList]] = {}
    for seen in lists:
        by_place.setdefault((seen.topic, seen.partition), []).append(seen)
    result = {}
    for place, there in by_place.items():
        times = np.full(max(seen.offset for seen in there) + 1, np.iinfo(np.int64).max, np.int64)
        np.minimum.at(times, [seen.offset for seen in there], [seen.appended_ms for seen in there])
        result[place] = np.minimum.accumulate(times[::-1])[::-1]
    return result
