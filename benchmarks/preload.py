"""Fills the source topics before a worker starts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from benchmarks.loads import Message

BATCH_RECORDS = 2_000
BATCH_BYTES = 1 << 20


async def preload(bootstrap_servers: str, topics: Sequence[str], messages: Sequence[Message]) -> None:
    """Produce `messages` in order, one record timestamp a millisecond apart, the last one now.

    The worker merges clicks and purchases by record timestamp, so the log's order is the order of learning.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=8 * BATCH_BYTES,
        compression_type="lz4",
    )
    await producer.start()
    try:
        await _produce(producer, topics, messages)
    finally:
        await producer.stop()


async def _produce(producer: AIOKafkaProducer, topics: Sequence[str], messages: Sequence[Message]) -> None:
    first_ms = int(time.time() * 1000) - len(messages)
    pending: list[Any] = []
    filling: dict[tuple[int, int], Any] = {}
    for i, (topic, partition, key, value) in enumerate(messages):
        place = (topic, partition)
        batch = filling.get(place)
        if batch is None or batch.record_count() == BATCH_RECORDS:
            if batch is not None:
                pending.append(await _send(producer, topics[topic], partition, batch))
            batch = filling[place] = producer.create_batch()
        if batch.append(key=key, value=value, timestamp=first_ms + i) is None:
            pending.append(await _send(producer, topics[topic], partition, batch))
            batch = filling[place] = producer.create_batch()
            batch.append(key=key, value=value, timestamp=first_ms + i)
    for (topic, partition), batch in filling.items():
        pending.append(await _send(producer, topics[topic], partition, batch))
    await asyncio.gather(*pending)


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, batch: Any) -> Any:
    batch.close()
    return await producer.send_batch(batch, topic, partition=partition)
