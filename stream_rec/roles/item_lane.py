"""The item lane: applies item deltas as they come, and flushes changed rows now and then.

A batch of deltas is acknowledged only when the watermark that covers it is: rows acknowledged, then the watermark
acknowledged, then the batch. What was applied but not flushed is replayed by the next owner.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from stream_rec.adapters.batch_producer import Outgoing
from stream_rec.core.state.item_codec import WATERMARK_KEY, decode_watermark
from stream_rec.roles.batch_queue import BatchQueue
from stream_rec.roles.delta_start import DeltaStart
from stream_rec.roles.parts import Parts

QUEUED_BATCHES = 64
MAX_PIECE_S = 0.003
"""The event loop is given back this often while frames are applied."""

MAX_FLUSH_BYTES = 1 << 20


class ItemLane:
    """Runs the owned shards of one assignment, which the item plane has been assigned already."""

    def __init__(self, parts: Parts, shards: list[int]) -> None:
        plane = parts.settings.item_plane
        self._parts = parts
        self._shards = shards
        self._queue = BatchQueue(QUEUED_BATCHES)
        self._start = DeltaStart(parts, shards)
        self._applied: dict[int, deque[Any]] = {shard: deque() for shard in shards}
        self._marks: dict[int, bytes] = {}
        self._covered: dict[int, int] = {}
        self._min_interval_s = plane.flush_interval_ms / 1000
        self._bytes_per_s = plane.flush_bytes_per_s
        self._due_s = 0.0

    async def accept(self, event: Any) -> bool:
        """Queue one batch, waiting for room; `False` if the lane was closed meanwhile."""
        return await self._queue.put(event)

    def close(self) -> None:
        """Drop what is queued; `run` returns once everything applied is flushed."""
        for event in self._queue.close():
            self._parts.source.drop(event)

    async def run(self) -> None:
        """Apply and flush until closed, then flush what is left."""
        for shard in self._shards:
            self._marks[shard] = self._parts.item_plane.watermark(shard)
            self._covered[shard] = self._parts.item_plane.next_offset(shard)
        while not self._queue.closed:
            await self._queue.wait(self._pause_s())
            for event in self._queue.take(QUEUED_BATCHES):
                if await self._start.accepts(event):
                    await self._apply(event)
            if self._behind() and time.monotonic() >= self._due_s:
                await self._flush()
        while self._behind():
            await self._flush()

    def _pause_s(self) -> float:
        return max(0.0, self._due_s - time.monotonic()) if self._behind() else 1.0

    def _behind(self) -> bool:
        """Tell whether a batch was applied that no written watermark covers."""
        return any(self._applied.values())

    async def _apply(self, event: Any) -> None:
        parts, shard = self._parts, event.message.partition
        started = piece = time.monotonic()
        for record in event.message.value:
            if record.value is not None:
                parts.item_plane.apply(shard, record.value, record.offset)
            if time.monotonic() - piece > MAX_PIECE_S:
                await asyncio.sleep(0)
                piece = time.monotonic()
        self._applied[shard].append(event)
        parts.metrics.add("deltas_applied", len(event.message.value))
        parts.metrics.add("delta_seconds", time.monotonic() - started)

    async def _flush(self) -> None:
        """Send rows of every shard, then the watermarks that moved, then acknowledge what these cover."""
        parts, topic = self._parts, self._parts.settings.topics.item_rows
        limit = max(1, MAX_FLUSH_BYTES // len(self._shards))
        rows = [
            Outgoing(topic, shard, key, value)
            for shard in self._shards
            for key, value in parts.item_plane.flush(shard, limit)
        ]
        await self._send(rows)
        marks = {shard: parts.item_plane.watermark(shard) for shard in self._shards}
        moved = {shard: mark for shard, mark in marks.items() if mark != self._marks[shard]}
        await self._send([Outgoing(topic, shard, WATERMARK_KEY, mark) for shard, mark in moved.items()])
        self._marks = marks
        self._covered.update((shard, decode_watermark(mark).next_offset) for shard, mark in moved.items())
        self._acknowledge()
        flushed_bytes = sum(len(row.value or b"") for row in rows)
        interval_s = max(self._min_interval_s, flushed_bytes / self._bytes_per_s)
        self._due_s = time.monotonic() + interval_s
        parts.metrics.add("flush_bytes", flushed_bytes)
        parts.metrics.put("flush_interval_seconds", interval_s)
        parts.progress += 1

    async def _send(self, records: list[Outgoing]) -> None:
        self._parts.lease.check()
        self._parts.contiguity.check(await self._parts.rows.send(records))

    def _acknowledge(self) -> None:
        """Acknowledge what written watermarks cover, also batches that had been applied before this assignment."""
        for shard, applied in self._applied.items():
            while applied and applied[0].message.offset < self._covered[shard]:
                applied.popleft().ack()
