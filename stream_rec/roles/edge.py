"""Between Faust and the lanes: takes batches in, follows assignments, starts and stops everything around them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from stream_rec.adapters.faust_app import App
from stream_rec.adapters.lease import stop_at_once
from stream_rec.adapters.user_restore import UserRestore
from stream_rec.core.state.user_store import UserStore
from stream_rec.roles.assignment import Assignment
from stream_rec.roles.parts import Parts
from stream_rec.roles.refits import Refits
from stream_rec.roles.served_model import ServedModel
from stream_rec.roles.watchdog import Watchdog

log = logging.getLogger(__name__)


class FaustSource:
    """The lanes' view of Faust's consumer; `app` is set once the app exists."""

    app: App

    def __init__(self) -> None:
        self._waiting_since: float | None = None

    def lags(self, topic: str, partition: int, last_offset: int) -> object | None:
        """Return `None` if nothing beyond `last_offset` is in the log, else a value that changes as it is read."""
        consumer: Any = self.app.consumer
        position, end = consumer.edge(topic, partition)
        drained = consumer.drained.get((topic, partition), -1)
        if position is not None and end is not None and position >= end and drained <= last_offset:
            return None
        return position, end, drained

    def backlog(self, topic: str, partition: int) -> int:
        """Return how many records of the partition Faust was not handed yet, as far as the last fetch told."""
        consumer: Any = self.app.consumer
        position, end = consumer.edge(topic, partition)
        return max(0, end - position) if position is not None and end is not None else 0

    def drop(self, event: Any) -> None:
        """Let go of an event that will be delivered again; Faust would wait for it before a rebalance."""
        consumer: Any = self.app.consumer
        consumer._unacked_messages.discard(event.message)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on reading from `offset`."""
        consumer: Any = self.app.consumer
        place = next(tp for tp in consumer.assignment() if tp.topic == topic and tp.partition == partition)
        await consumer.seek(place, offset)

    def generation(self) -> int:
        """Return the consumer group's generation."""
        generation: int = self.app.consumer_generation_id
        return generation

    def commit_age_s(self) -> float | None:
        """Return how long acknowledged offsets have been waiting for a commit; `None` if none are.

        They wait since the first look that found some, or since the last commit: after a quiet hour the next event's
        offset has waited for a moment, not for an hour.
        """
        consumer: Any = self.app.consumer
        if not any(consumer._acked.values()):
            self._waiting_since = None
            return None
        now = asyncio.get_running_loop().time()
        since = self._waiting_since = self._waiting_since or now
        return now - max(since, consumer.last_commit or 0.0)


class WorkerEdge:
    """The edge of a worker (`adapters/faust_app.Edge`).

    Parameters
    ----------
    parts, source
        The worker; `source` is the same object as `parts.source`.
    restore, open_store
        For newly assigned partitions.
    """

    def __init__(
        self, parts: Parts, source: FaustSource, restore: UserRestore, open_store: Callable[[int], UserStore]
    ) -> None:
        self._parts = parts
        self._source = source
        self._restore = restore
        self._open_store = open_store
        self._served = ServedModel(parts, parts.model_tail)
        self._current: Assignment | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect the producers, read all item rows and the live model, start the lease and the watchdog."""
        parts = self._parts
        await asyncio.gather(parts.outputs.start(), parts.changelog.start(), parts.rows.start())
        parts.dead_letter_partitions = await parts.outputs.partitions(parts.settings.topics.dead_letter)
        await parts.tail.start({topic: await parts.outputs.partitions(topic) for topic in parts.tail.topics})
        watchdog = Watchdog(parts, self._source, lambda: self._current)
        background = [parts.lease.run(), parts.tail.run(), watchdog.run()]
        if parts.cascade is not None:
            preset, folder = parts.items.preset, parts.settings.worker.data_dir
            refits = Refits(parts, parts.cascade, preset.fit, folder)
            refits.load()
            background.append(refits.run())
        await self._served.start({topic: await parts.outputs.partitions(topic) for topic in parts.model_tail.topics})
        background.append(self._served.run())
        for work in background:
            task = asyncio.create_task(work)
            task.add_done_callback(self._task_done)
            self._tasks.append(task)

    async def accept_events(self, event: Any) -> None:
        """Take one batch of clicks or purchases."""
        await self._accept(event, deltas=False)

    async def accept_deltas(self, event: Any) -> None:
        """Take one batch of `item-deltas`."""
        await self._accept(event, deltas=True)

    async def _accept(self, event: Any, *, deltas: bool) -> None:
        """Queue a batch, unless it belongs to an assignment that is gone."""
        message, current = event.message, self._current
        taken = False
        if (
            current is not None
            and message.generation_id == self._source.generation()
            and message.partition in current.partitions
        ):
            taken = await (current.deltas if deltas else current.users).accept(event)
        if not taken:
            self._source.drop(event)

    def assigned(self, partitions: list[int]) -> None:
        """Begin to restore these partitions."""
        before = self._current
        if before is not None:
            before.close()
        self._parts.users.generation = self._source.generation()
        self._parts.metrics.clear("consumer_lag")
        self._current = Assignment(self._parts, partitions, self._open_store, self._restore, self._fail)
        self._current.begin(before)

    def quiesce(self) -> None:
        """Drop what is queued, finish what is in flight, flush."""
        if self._current is not None and not self._current.closed:
            self._parts.metrics.put("partitions", 0)
            self._current.close()

    async def stop(self) -> None:
        """Close everything; nothing is in flight any more."""
        self.quiesce()
        if self._current is not None:
            await self._current.finished()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        parts = self._parts
        await asyncio.gather(parts.outputs.stop(), parts.changelog.stop(), parts.rows.stop())
        await asyncio.gather(parts.tail.stop(), self._served.stop())
        for store in parts.stores.values():
            store.close()
        parts.stores.clear()

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Fail-stop: a restart replays from the last durable offset."""
        log.error("cannot go on", exc_info=error)
        stop_at_once(f"{type(error).__name__}: {error}")
