"""Sends a round's records in as few batches as they fit, and says where they landed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from stream_rec.adapters.changelog import Written

MAX_BATCH_BYTES = 1 << 20
MAX_REQUEST_BYTES = 8 << 20

NO_HEADERS: list[tuple[str, bytes]] = []


class Outgoing(NamedTuple):
    """One record for an explicit partition; a `None` value is a tombstone."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = NO_HEADERS


class BatchProducer:
    """An idempotent producer, `acks=all`, that is awaited round by round.

    Parameters
    ----------
    bootstrap_servers
        `host:port[,host:port…]`.
    request_timeout_ms
        A round that is not acknowledged by then fails, and with it the worker.
    compression
        `zstd`, `lz4` or `none`. Through aiokafka zstd costs 6 µs per list, lz4 (level 9) 21 µs at 1.5 times the bytes.
    """

    def __init__(self, bootstrap_servers: str, *, request_timeout_ms: int = 30_000, compression: str = "zstd") -> None:
        self._producer: Any = None
        self._submitting = asyncio.Lock()
        self._settings: dict[str, Any] = dict(
            bootstrap_servers=bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=request_timeout_ms,
            compression_type=None if compression == "none" else compression,
        )

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(**self._settings)  # must be made inside the event loop
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect; everything sent was awaited already."""
        if self._producer is not None:
            await self._producer.stop()

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions of `topic`."""
        return len(await self._producer.partitions_for(topic))

    async def send(self, records: Iterable[Outgoing]) -> list[Written]:
        """Send `records` and wait until all are acknowledged.

        Order is kept per (topic, partition), also between calls that overlap. A batch that is full is sent and a new
        one begun; a record larger than a batch goes alone.

        Returns
        -------
        list of Written
            Where each batch landed.

        Raises
        ------
        aiokafka.errors.KafkaError
            A batch was refused or timed out; others may have been written.
        """
        async with self._submitting:
            pending = await self._submit_all(records)
        metadata = await asyncio.gather(*(future for future, _ in pending))
        return [
            Written(landed.topic, landed.partition, landed.offset, count)
            for landed, (_, count) in zip(metadata, pending, strict=True)
        ]

    async def _submit_all(self, records: Iterable[Outgoing]) -> list[tuple[Any, int]]:
        """Hand all records to the sender; return a future and the number of records per batch."""
        pending: list[tuple[Any, int]] = []
        open_batches: dict[tuple[str, int], Any] = {}
        for topic, partition, key, value, headers in records:
            place = (topic, partition)
            batch = open_batches.get(place)
            if batch is None:
                batch = open_batches[place] = self._producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                pending.append(await self._submit(place, batch))
                batch = open_batches[place] = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)  # the first record always fits
        for place, batch in open_batches.items():
            pending.append(await self._submit(place, batch))
        return pending

    async def _submit(self, place: tuple[str, int], batch: Any) -> tuple[Any, int]:
        batch.close()
        count: int = batch.record_count()
        future = await self._producer.send_batch(batch, place[0], partition=place[1])
        return future, count
