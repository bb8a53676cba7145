"""One assignment of partitions: restore, then run both lanes until it is revoked. The object itself is the epoch."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from stream_rec.adapters.user_restore import UserRestore
from stream_rec.core.state.user_store import UserStore
from stream_rec.roles.item_lane import ItemLane
from stream_rec.roles.parts import Parts
from stream_rec.roles.user_lane import UserLane

log = logging.getLogger(__name__)


class Assignment:
    """The partitions of one generation of the group.

    Parameters
    ----------
    parts, partitions
        The worker and what it was assigned.
    open_store
        Opens the store of a partition.
    restore
        Brings stores to the end of the changelog.
    failed
        Called with an error nothing can go on after; it must stop the process.
    """

    def __init__(
        self,
        parts: Parts,
        partitions: list[int],
        open_store: Callable[[int], UserStore],
        restore: UserRestore,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._parts = parts
        self._open_store = open_store
        self._restore = restore
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self.partitions = partitions
        self.closed = False
        self.running = False
        self.users = UserLane(parts, partitions, failed)
        self.deltas = ItemLane(parts, partitions)

    def begin(self, before: Assignment | None) -> None:
        """Start, once everything in flight of the assignment `before` is durable."""
        self._task = asyncio.create_task(self._run(before))
        self._task.add_done_callback(self._done)

    def close(self) -> None:
        """Drop what is queued and wind up: rounds in flight finish, rows are flushed."""
        self.closed = True
        self.users.close()
        self.deltas.close()

    async def finished(self) -> None:
        """Wait until nothing of this assignment is in flight."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    async def _run(self, before: Assignment | None) -> None:
        if before is not None:
            await before.finished()
        if self.closed:
            return
        started = time.monotonic()
        if not await self._take_over():
            return
        self._parts.metrics.put("restore_seconds", time.monotonic() - started)
        self._parts.metrics.put("partitions", len(self.partitions))
        self.running = True
        log.info("partitions %s ready after %.2f s", self.partitions, time.monotonic() - started)
        await asyncio.gather(self.users.run(), self.deltas.run())
        self.running = False
        for shard in self.partitions:
            self._parts.item_plane.revoke(shard)
        self._parts.tail.owned.clear()

    async def _take_over(self) -> bool:
        """Open and restore the stores, take the item shards over at their last watermark; `False`: closed meanwhile."""
        parts = self._parts
        for partition in set(parts.stores) - set(self.partitions):
            parts.stores.pop(partition).close()
            parts.users.forget(partition)
        for partition in self.partitions:
            if partition not in parts.stores:
                parts.stores[partition] = self._open_store(partition)
        for partition in await self._restore.restore(parts.stores, lambda: not self.closed):
            parts.users.forget(partition)
        rows = parts.settings.topics.item_rows
        taken_over = await parts.tail.caught_up(self.partitions)
        if self.closed:
            return False  # revoked meanwhile: an owner's marks left behind would keep the next owner's rows out
        for shard, (end, watermark) in taken_over.items():
            parts.item_plane.assign(shard, watermark)
            parts.contiguity.start(rows, shard, end)
            parts.tail.owned.add(shard)
        return True
