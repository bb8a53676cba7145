"""Faust's Kafka consumer, changed where batches need it.

Five things differ from `faust.transport.drivers.aiokafka` (0.15.3):

1. A fetch is never cancelled. It runs in the consumer's thread and would go on there, take records after the
   rebalance's seek and throw them away.
2. The offsets between two batches are not gaps, and acks come in order per partition: the offset to commit is the
   highest acknowledged one + 1.
3. Acknowledged offsets are committed before a revocation is handled; the stock code forgets them there.
4. A fetch waits 100 ms at the broker, not 1500.
5. Nothing is said of streams that seem to hang: Faust looks at marks that only its own streams set, and after five
   minutes calls every healthy partition hung. `roles/watchdog.py` looks at what is applied.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver

FETCH_MAX_WAIT_MS = 100
REVOKE_COMMIT_S = 3.0

log = logging.getLogger(__name__)


class Thread(driver.AIOKafkaConsumerThread):
    """The consumer's thread: a short wait at the broker, and what was drained is known at once."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # Faust writes 1500 into the call
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        records = await super()._fetch_records(*args, **kwargs)
        drained: dict[Any, int] = self.consumer.drained  # type: ignore[attr-defined]  # of the subclass below
        for tp, fetched in records.items():
            drained[tp.topic, tp.partition] = fetched[-1].offset
        return records

    def edge(self, topic: str, partition: int) -> tuple[int | None, int | None]:
        """Return the partition's (position after what was drained, end of the log seen by the last fetch)."""
        if self._consumer is None:
            return None, None
        subscription = self._consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        tp = TopicPartition(topic, partition)
        if assignment is None or tp not in assignment.tps:
            return None, None
        state = assignment.state_value(tp)
        return (state._position, state.highwater) if state is not None else (None, None)


class Consumer(driver.Consumer):
    """Delivers batches, commits the highest acknowledged offset + 1, quiesces the edge before losing partitions."""

    app: Any
    _thread: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.drained: dict[tuple[str, int], int] = {}
        self.last_commit: float | None = None
        super().__init__(*args, **kwargs)

    @property
    def _quiesce(self) -> Callable[[], None]:
        quiesce: Callable[[], None] = self.app.edge.quiesce
        return quiesce

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    def edge(self, topic: str, partition: int) -> tuple[int | None, int | None]:
        """Return the partition's (position after what was drained, end of the log seen by the last fetch)."""
        return self._thread.edge(topic, partition)  # type: ignore[no-any-return]  # the thread is Any: Faust's base

    async def perform_seek(self) -> None:
        """Go back to the committed offsets; what had been drained beyond them is not with us any more."""
        self.drained.clear()
        await super().perform_seek()

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Do nothing: the offsets inside a batch are not missing."""

    def _new_offset(self, tp: Any) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return highest + 1

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Do nothing: see the module's docstring."""

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped, fetcher_stopped = self._stopped.is_set, fetcher._stopped.is_set
        try:
            while not (stopped() or fetcher_stopped()):
                fetched = [item async for item in self.getmany(1.0)]  # never cancelled: see the module's docstring
                if fetched and self.flow_active:
                    await self.wait_first(self._deliver(fetched), self.suspend_flow.wait())
                await asyncio.sleep(0)
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def _deliver(self, fetched: Iterable[tuple[Any, Any]]) -> None:
        callback = self.callback
        for tp, message in fetched:
            await callback(message)
            self._read_offset[tp] = message.offset

    async def _commit(self, offsets: Any) -> bool:
        committed: bool = await super()._commit(offsets)
        if committed:
            self.last_commit = asyncio.get_running_loop().time()
        return committed

    async def wait_empty(self) -> None:
        """Wait until nothing that was started is unacknowledged; what is only queued is dropped."""
        self._quiesce()
        await super().wait_empty()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Quiesce the edge and commit what is acknowledged, then let Faust revoke."""
        self._quiesce()
        try:
            await asyncio.wait_for(self.commit(), REVOKE_COMMIT_S)
        except Exception as error:  # a commit that fails only means that events are applied again, and skipped
            log.warning("commit before revoke failed: %r", error)
        await super().on_partitions_revoked(revoked)


class Transport(driver.Transport):
    """Faust's Kafka transport with the consumer above."""

    Consumer = Consumer
