"""Reads the rest of `user-state` into a partition's store, after an assignment and before its first round.

The log may hold records of a worker that had lost the partition. `user_merge` finds each key's winner; where the last
record in the log is not the winner, the winner is published again, because compaction keeps the last one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_rec.adapters.batch_producer import BatchProducer, Outgoing
from stream_rec.adapters.changelog import Contiguity
from stream_rec.core.rounds import Put
from stream_rec.core.state.user_codec import head_deadline_ms, head_key, index_puts
from stream_rec.core.state.user_merge import merge
from stream_rec.core.state.user_store import UserStore
from stream_rec.errors import StateError

PROGRESS_S = 2.0
POLL_MS = 200
POLL_RECORDS = 500

HEAD_PREFIX = head_key(b"")

log = logging.getLogger(__name__)


class ChangelogRecord(NamedTuple):
    """One record of the changelog: key and value (`None`: deleted)."""

    key: bytes
    value: bytes | None


class Replay:
    """Merges a changelog, in order, into one store.

    Attributes
    ----------
    records : int
        Records merged.
    """

    def __init__(self, store: UserStore) -> None:
        self._store = store
        self._began = store.position
        self._losing: dict[bytes, bytes] = {}
        self.records = 0

    def apply(self, records: Iterable[ChangelogRecord], next_offset: int) -> None:
        """Merge consecutive records and store the winners with `next_offset` as the new position."""
        keys = list(dict.fromkeys(record.key for record in records))
        before = dict(zip(keys, self._store.get_many(keys), strict=True))
        winners = dict(before)
        for key, value in records:
            winners[key], repair = merge(winners[key], value, key)
            if repair and (winner := winners[key]) is not None:
                self._losing[key] = winner
            else:
                self._losing.pop(key, None)
            self.records += 1
        puts: list[Put] = []
        for key, winner in winners.items():
            if winner != before[key]:
                puts.append(Put(key, winner, True))
                puts += _session_index(key, before[key], winner)
        self._store.write(puts, next_offset)

    def give_up(self) -> None:
        """Go back to the position before: what has to be repaired is found again by whoever restores next."""
        if self._losing:
            self._store.write([], self._began)

    def repairs(self) -> list[ChangelogRecord]:
        """Return the winners that are not the last record of their key in the log."""
        return [ChangelogRecord(key, value) for key, value in self._losing.items()]


def _session_index(key: bytes, before: bytes | None, after: bytes | None) -> list[Put]:
    """Return the local writes that keep the session index in step with a head."""
    if not key.startswith(HEAD_PREFIX):
        return []
    old_ms, new_ms = (0 if head is None else head_deadline_ms(head) for head in (before, after))
    return index_puts(key[len(HEAD_PREFIX) :], old_ms, new_ms)


class UserRestore:
    """Restores the stores of newly assigned partitions with one consumer.

    Parameters
    ----------
    bootstrap_servers, topic
        Where `user-state` is.
    producer, contiguity
        Repairs are sent through the changelog's own producer; its expected offsets start at the end of what was read.
    """

    def __init__(self, bootstrap_servers: str, topic: str, producer: BatchProducer, contiguity: Contiguity) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._producer = producer
        self._contiguity = contiguity

    async def restore(self, stores: Mapping[int, UserStore], wanted: Callable[[], bool]) -> set[int]:
        """Bring every store to the end of its changelog; gives up between two polls once `wanted` says no.

        Returns
        -------
        set of int
            The partitions whose log held records that the store did not have.

        Raises
        ------
        StateError
            A store is ahead of its log: the topic was deleted and made anew.
        FencedError
            Another worker wrote the changelog during a repair.
        """
        started = time.monotonic()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers, enable_auto_commit=False, fetch_max_wait_ms=50
        )
        await consumer.start()
        try:
            ends = await self._seek(consumer, stores)
            replays = {partition: Replay(store) for partition, store in stores.items()}
            await self._read(consumer, replays, ends, stores, wanted)
        finally:
            await consumer.stop()
        for partition, store in stores.items():
            if wanted():
                await self._finish(partition, store, ends[partition], replays[partition].repairs())
            else:
                replays[partition].give_up()
        read = sum(replay.records for replay in replays.values())
        log.info("%d partitions restored in %.2f s, %d records read", len(stores), time.monotonic() - started, read)
        return {partition for partition, replay in replays.items() if replay.records}

    async def _seek(self, consumer: AIOKafkaConsumer, stores: Mapping[int, UserStore]) -> dict[int, int]:
        places = {partition: TopicPartition(self._topic, partition) for partition in stores}
        consumer.assign(list(places.values()))
        begins = await consumer.beginning_offsets(list(places.values()))
        ends = await consumer.end_offsets(list(places.values()))
        for partition, place in places.items():
            position = stores[partition].position
            if position > ends[place]:
                raise StateError(
                    f"user store of partition {partition}: need a position up to {ends[place]}, the end of "
                    f"{self._topic}-{partition}; got {position}. Was the topic made anew? Run `stream-rec reset`."
                )
            consumer.seek(place, max(position, begins[place]))
        return {partition: ends[place] for partition, place in places.items()}

    async def _read(
        self,
        consumer: AIOKafkaConsumer,
        replays: Mapping[int, Replay],
        ends: Mapping[int, int],
        stores: Mapping[int, UserStore],
        wanted: Callable[[], bool],
    ) -> None:
        said = time.monotonic()
        left = {p for p in replays if stores[p].position < ends[p]}
        while left and wanted():
            for place, fetched in (await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)).items():
                records = [ChangelogRecord(record.key, record.value) for record in fetched]
                replays[place.partition].apply(records, fetched[-1].offset + 1)
            await asyncio.sleep(0)  # a poll that finds records returns at once: without this the lease could not tick
            for partition in list(left):
                if await consumer.position(TopicPartition(self._topic, partition)) >= ends[partition]:
                    left.discard(partition)
            if time.monotonic() - said > PROGRESS_S:
                said = time.monotonic()
                log.info("restoring users: %d records read", sum(replay.records for replay in replays.values()))

    async def _finish(self, partition: int, store: UserStore, end: int, repairs: list[ChangelogRecord]) -> None:
        """Own the changelog from its end on, publish repairs, and note the position."""
        self._contiguity.start(self._topic, partition, end)
        if repairs:
            log.warning("partition %d: %d keys were overwritten by a worker that had lost it", partition, len(repairs))
            written = await self._producer.send(Outgoing(self._topic, partition, *repair) for repair in repairs)
            self._contiguity.check(written)
        store.write([], self._contiguity.next_offset(self._topic, partition))
