"""The worker's feed of models: follows `models`, and reads `item-vectors` from its beginning whenever asked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

Records = list[tuple[int, bytes, bytes | None]]
"""Offset, key and value of some records of one partition."""


class Fetched(NamedTuple):
    """What a poll brought: values of `models`, and records of `item-vectors` by partition."""

    announcements: list[bytes]
    vectors: dict[int, Records]


class ModelTail:
    """Reads all partitions of both topics; `item-vectors` only from the first `rewind` on.

    Parameters
    ----------
    bootstrap_servers
        `host:port[,host:port…]`.
    models_topic, vectors_topic
        Names of `models` and `item-vectors`.
    """

    def __init__(self, bootstrap_servers: str, *, models_topic: str, vectors_topic: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._models_topic, self._vectors_topic = models_topic, vectors_topic
        self._consumer: Any = None
        self._models: list[TopicPartition] = []
        self._vectors: list[TopicPartition] = []
        self.topics = (models_topic, vectors_topic)

    @property
    def partitions(self) -> int:
        """Partitions of `item-vectors`."""
        return len(self._vectors)

    async def start(self, partitions: Mapping[str, int]) -> None:
        """Connect to both topics, of so many partitions each."""
        self._consumer = AIOKafkaConsumer(  # must be made inside the event loop
            bootstrap_servers=self._bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1 << 20,
        )
        await self._consumer.start()
        self._models = [TopicPartition(self._models_topic, p) for p in range(partitions[self._models_topic])]
        self._vectors = [TopicPartition(self._vectors_topic, p) for p in range(partitions[self._vectors_topic])]
        self._consumer.assign([*self._models, *self._vectors])
        self._consumer.pause(*self._vectors)

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def rewind(self) -> None:
        """Read `item-vectors` from its beginning, now and on."""
        await self._consumer.seek_to_beginning(*self._vectors)
        self._consumer.resume(*self._vectors)

    async def ends(self) -> dict[TopicPartition, int]:
        """Return the present end of every partition that is read."""
        paused = self._consumer.paused()
        places = [place for place in (*self._models, *self._vectors) if place not in paused]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(places)
        return ends

    async def reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Return whether everything before these ends was handed out."""
        for place, end in ends.items():
            if await self._consumer.position(place) < end:
                return False
        return True

    async def poll(self, timeout_ms: int, max_records: int) -> Fetched:
        """Return what came next, after at most `timeout_ms`; tombstones of `models` say nothing."""
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        found = Fetched([], {})
        for place, records in fetched.items():
            if place.topic == self._models_topic:
                found.announcements.extend(record.value for record in records if record.value is not None)
            else:
                found.vectors[place.partition] = [
                    (record.offset, record.key or b"", record.value) for record in records
                ]
        return found
