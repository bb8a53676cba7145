"""The Faust app: group membership, fetching, commits and supervision; the work itself is the edge's.

Faust 0.15.3 with the settings measured in `docs/decisions/`. Two agents, one over the user topics and one over
`item-deltas`, so that a backlog of clicks does not hold up the deltas. Neither does more than hand a batch to the edge.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import faust
import faust.tables.manager

from stream_rec.adapters.faust_batching import BatchSchema, batch_scheduler
from stream_rec.adapters.faust_consumer import Transport

BUFFERED_BATCHES = 32
EXIT_CRASHED = 70

log = logging.getLogger(__name__)


class Edge(Protocol):
    """What the app calls. An event's `message.value` is a sequence of raw records of one partition."""

    async def start(self) -> None:
        """Start what needs the event loop; called once, before the group is joined."""
        ...

    async def accept_events(self, event: Any) -> None:
        """Take one batch of a user topic, waiting while too much is queued."""
        ...

    async def accept_deltas(self, event: Any) -> None:
        """Take one batch of `item-deltas`, waiting while too much is queued."""
        ...

    def assigned(self, partitions: list[int]) -> None:
        """Begin to restore these partitions; returns at once."""
        ...

    def quiesce(self) -> None:
        """Drop what is queued, finish what is in flight, flush; returns at once."""
        ...

    async def stop(self) -> None:
        """Close everything; nothing is in flight any more."""
        ...


@dataclass(frozen=True, slots=True)
class FaustSettings:
    """What the app needs to know of the settings."""

    group: str
    bootstrap_servers: str
    datadir: str
    user_topics: tuple[str, ...]
    deltas_topic: str
    client_id: str = "stream-rec"
    batch_records: int = 1000
    session_s: float = 10.0
    commit_interval_s: float = 1.0
    request_timeout_s: float = 30.0
    instance_id: str | None = None


class TableManager(faust.tables.manager.TableManager):
    """Faust's, without the second it waits for tables that are declared late: there are none."""

    async def sleep(self, n: Any, **kwargs: Any) -> None:
        """Sleep, unless it is that second."""
        await super().sleep(0 if n == 1.0 else n, **kwargs)


class QuietMonitor(faust.Monitor):
    """Faust's monitor without its bookkeeping per message, which nobody reads: `adapters/metrics.py` counts."""

    def on_message_in(self, *_: Any) -> None:
        """Count nothing."""

    def on_stream_event_in(self, *_: Any) -> None:
        """Count nothing."""

    def on_stream_event_out(self, *_: Any) -> None:
        """Count nothing."""

    def on_message_out(self, *_: Any) -> None:
        """Count nothing."""


class App(faust.App):
    """A Faust app that knows its edge."""

    edge: Edge

    async def on_first_start(self) -> None:
        """Start the edge once the event loop runs, before the group is joined; Faust's own folders are not needed."""
        await self.edge.start()


class Worker(faust.Worker):
    """Faust's worker: our logging, and no sleeps once everything has stopped."""

    def _setup_logging(self) -> None:
        """Keep the logging that was set up before; Faust's would set the root logger to DEBUG."""
        self.spinner = None

    def _shutdown_loop(self) -> None:
        """Leave at once: everything durable is durable, the stock code sleeps for two seconds here."""
        self.loop.run_until_complete(self._gather_futures())
        crash = self.crash_reason or self._start_error()
        if crash is not None:
            log.critical("crashed: %r", crash)
        logging.shutdown()
        sys.stdout.flush()
        os._exit(EXIT_CRASHED if crash is not None else 0)

    def _start_error(self) -> BaseException | None:
        starting = self._starting_fut
        if starting is None or not starting.done() or starting.cancelled():
            return None
        return starting.exception()


def build_app(settings: FaustSettings, edge: Edge) -> App:
    """Return the app; running it (`run_worker`) joins the group."""
    app = App(
        settings.group,
        broker=["kafka://" + server for server in settings.bootstrap_servers.split(",")],
        datadir=settings.datadir,
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        ConsumerScheduler=batch_scheduler(settings.batch_records),
        broker_client_id=settings.client_id,
        TableManager=TableManager,
        Worker=Worker,
        Monitor=QuietMonitor,
        agent_supervisor="mode.CrashingSupervisor",
        stream_wait_empty=True,
        stream_buffer_maxsize=BUFFERED_BATCHES,
        broker_commit_interval=settings.commit_interval_s,
        table_standby_replicas=1,  # 0 makes aiokafka's RoundRobin the assignor, which breaks co-partitioning
        consumer_max_fetch_size=1 << 20,
        broker_max_poll_records=None,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.session_s / 4,
        broker_request_timeout=max(15.0, settings.session_s),  # below the session timeout Faust refuses to start
        producer_request_timeout=settings.request_timeout_s,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id,
        worker_redirect_stdouts=False,
    )
    app.transport = Transport(app.conf.broker, app, loop=None)
    app.edge = edge
    _attach(app, settings, edge)
    return app


def _attach(app: App, settings: FaustSettings, edge: Edge) -> None:
    async def feed_events(stream: Any) -> None:
        async for event in stream.noack().events():
            await edge.accept_events(event)

    async def feed_deltas(stream: Any) -> None:
        async for event in stream.noack().events():
            await edge.accept_deltas(event)

    async def on_assigned(app: Any, /, *args: Any, **_: Any) -> None:
        assigned: Iterable[Any] = args[0]
        edge.assigned(sorted({tp.partition for tp in assigned if tp.topic == settings.deltas_topic}))

    async def on_stopping(app: Any, /, *_: Any, **__: Any) -> None:
        await edge.stop()

    app.agent(app.topic(*settings.user_topics, schema=BatchSchema()))(feed_events)
    app.agent(app.topic(settings.deltas_topic, schema=BatchSchema()))(feed_deltas)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_stopping, weak=False)


def run_worker(app: App, loop: asyncio.AbstractEventLoop) -> None:
    """Run on `loop` until SIGTERM, SIGINT or a crash; the process ends here (exit code 0 or 70)."""
    app.finalize()
    Worker(app, loop=loop, loglevel="warn", redirect_stdouts=False).execute_from_commandline()
