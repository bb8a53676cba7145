"""The user lane: one task turns queued batches of clicks and purchases into rounds, and sweeps between them.

One round covers all partitions (a group commit): a task per partition would wait for as many acknowledgements.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from stream_rec.core.partition_merge import PartitionMerge
from stream_rec.core.types import SourceRecord
from stream_rec.roles.batch_queue import BatchQueue
from stream_rec.roles.effects import Effects, Round
from stream_rec.roles.parts import Parts
from stream_rec.roles.refreshes import Refreshes
from stream_rec.roles.sweeps import Sweeps

log = logging.getLogger(__name__)

QUEUED_BATCHES = 16
HELD_ROUNDS = 2
LOOK_AGAIN_S = 0.005
ROUND_S = 0.1
MIN_ROUND_RECORDS = 64


class UserLane:
    """Runs the rounds of one assignment.

    Parameters
    ----------
    parts, partitions
        The worker, and the partitions it was assigned; their stores are restored.
    failed
        Called with an error nothing can go on after; it must stop the process.
    """

    def __init__(self, parts: Parts, partitions: list[int], failed: Callable[[BaseException], None]) -> None:
        topics = parts.settings.topics
        self._parts = parts
        self._topics = (topics.clicks, topics.purchases)
        self._queue = BatchQueue(QUEUED_BATCHES)
        self._merges = {partition: PartitionMerge[Any](len(self._topics)) for partition in partitions}
        self._pushed: dict[tuple[int, int], int] = {}
        self._waits = {partition: _Wait(parts.settings.worker.merge_wait_ms / 1000) for partition in partitions}
        self._effects = Effects(parts, failed)
        self._sweeps = Sweeps(parts, partitions, self._effects)
        self._refreshes = Refreshes(parts, partitions, self._effects, self._sweeps.stream_ms)
        self._partitions = partitions
        self._turn = 0  # when a round is full, another partition begins the next one
        self._record_s = 0.0
        self._warned = False

    async def accept(self, event: Any) -> bool:
        """Queue one batch, waiting for room; `False` if the lane was closed meanwhile."""
        return await self._queue.put(event)

    def close(self) -> None:
        """Drop what is queued or held back; `run` returns once the rounds in flight are durable."""
        for event in self._queue.close():
            self._parts.source.drop(event)
        for merge in self._merges.values():
            for event in merge.drop():
                self._parts.source.drop(event)

    async def run(self) -> None:
        """Run rounds until closed."""
        self._sweeps.begin()
        self._refreshes.begin()
        while not self._queue.closed:
            starved = any(wait.since is not None for wait in self._waits.values())
            if not any(merge.held for merge in self._merges.values()) or starved:
                pause_s = min(self._sweeps.pause_s(), self._refreshes.pause_s())
                await self._queue.wait(LOOK_AGAIN_S if starved else pause_s)
            self._fill()
            await self._round()
            await self._sweeps.run_if_due()
            await self._refreshes.run_if_due()
            await asyncio.sleep(0)
        await self._effects.settle()

    def _fill(self) -> None:
        """Move queued batches into the merges, up to what the next rounds can use; more if a topic is waited for."""
        enough = HELD_ROUNDS * self._parts.settings.worker.round_records
        while len(self._queue) and (
            sum(merge.held for merge in self._merges.values()) < enough
            or any(wait.since is not None for wait in self._waits.values())
        ):
            (event,) = self._queue.take(1)
            message = event.message
            topic, partition = self._topics.index(message.topic), message.partition
            self._merges[partition].push(topic, message.value, event)
            self._pushed[topic, partition] = message.offset

    async def _round(self) -> None:
        records: dict[int, list[SourceRecord]] = {}
        finished: list[Any] = []
        left = self._limit()
        self._turn += 1
        for i in range(len(self._partitions)):
            partition = self._partitions[(self._turn + i) % len(self._partitions)]
            merge = self._merges[partition]
            if not merge.held or left <= 0:
                continue
            taken = merge.take(self._lagging(partition, merge), left)
            self._waits[partition].note(taken.starved)
            finished += taken.finished
            if taken.records:
                records[partition] = taken.records
                left -= len(taken.records)
        if not records:
            return
        self._parts.lease.check()
        started = time.perf_counter()
        result = self._parts.users.process(records, self._parts.stores, int(time.time() * 1000))
        record_ms = [record.timestamp for batch in records.values() for record in batch]
        self._record_s += 0.2 * ((time.perf_counter() - started) / len(record_ms) - self._record_s)
        self._warn_of_foreigners(result.stats.foreign_partition)
        await self._effects.submit(Round(result, record_ms, finished))

    def _warn_of_foreigners(self, events: int) -> None:
        if events and not self._warned:
            self._warned = True
            log.warning(
                "%d events came on another partition than murmur2(key) names: their users' histories are split. "
                "librdkafka clients need partitioner=murmur2_random; this is said once, "
                "stream_rec_foreign_partition_events_total goes on counting",
                events,
            )

    def _limit(self) -> int:
        """Return how many records a round may take: computing holds up the event loop, and with it the lease."""
        most = self._parts.settings.worker.round_records
        return most if not self._record_s else min(most, max(MIN_ROUND_RECORDS, int(ROUND_S / self._record_s)))

    def _lagging(self, partition: int, merge: PartitionMerge[Any]) -> list[bool]:
        """Tell which topics have run out here but not in the log, and are still worth waiting for."""
        lagging = []
        for topic, name in enumerate(self._topics):
            seen = None
            if merge.empty(topic):
                seen = self._parts.source.lags(name, partition, self._pushed.get((topic, partition), -1))
            lagging.append(self._waits[partition].wants(topic, seen))
        return lagging


class _Wait:
    """How long a partition has been waiting for a topic, and which states of a topic were given up on."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._given_up: dict[int, object] = {}
        self.since: float | None = None

    def wants(self, topic: int, seen: object | None) -> bool:
        """Tell whether to wait for `topic`, whose unread rest looks like `seen` (`None`: there is none)."""
        if seen is None or self._given_up.get(topic) == seen:
            return False
        if self.since is not None and time.monotonic() - self.since >= self._limit_s:
            self._given_up[topic] = seen
            return False
        return True

    def note(self, starved: bool) -> None:
        """Start or stop the clock."""
        if not starved:
            self.since = None
        elif self.since is None:
            self.since = time.monotonic()
