"""The order in which a round becomes visible and durable; "applied" implies "published".

1. Lists, item deltas and dead letters are sent and acknowledged.
2. The user states are sent to `user-state` and acknowledged, contiguously.
3. One write per partition into its store, with the changelog position.
4. The source batches are acknowledged to Faust, which commits them.

A crash between any two steps repeats the round: readers absorb repeated lists and deltas by their offsets, and states
that were written skip the events. Step 1 of a round overlaps steps 2 to 4 of the one before; steps 2 to 4 never do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_rec.adapters.batch_producer import Outgoing
from stream_rec.core.dead_letters import encode
from stream_rec.core.rounds import RoundResult
from stream_rec.roles.parts import Parts

ROUNDS_IN_FLIGHT = 2
"""The user cache must hold every user of the rounds in flight: it is checked at start."""

SMALL_ROUND = 64
"""A round below this many events is waited for until it is visible: the next one then is larger, and cheaper."""


@dataclass(slots=True)
class Round:
    """One computed round: what to write, the record times behind its lists, and the Faust events it finishes."""

    result: RoundResult
    record_ms: list[int] = field(default_factory=list)
    finished: list[Any] = field(default_factory=list)


class Effects:
    """Writes rounds in order, at most `ROUNDS_IN_FLIGHT` at a time.

    Parameters
    ----------
    parts
        The worker.
    failed
        Called with the error of a round that could not be written; it must stop the process.
    """

    def __init__(self, parts: Parts, failed: Callable[[BaseException], None]) -> None:
        self._parts = parts
        self._failed = failed
        self._slots = asyncio.Semaphore(ROUNDS_IN_FLIGHT)
        self._last: asyncio.Task[None] | None = None

    async def submit(self, one: Round) -> None:
        """Begin to write a round; waits while too many are in flight, and for a small one until it is visible."""
        await self._slots.acquire()
        visible = asyncio.Event()
        self._last = asyncio.create_task(self._write(one, self._last, visible))
        self._last.add_done_callback(self._done)
        if len(one.record_ms) < SMALL_ROUND:
            await visible.wait()

    async def settle(self) -> None:
        """Wait until every round submitted is durable."""
        if self._last is not None:
            await asyncio.wait([self._last])

    def _done(self, task: asyncio.Task[None]) -> None:
        self._slots.release()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    async def _write(self, one: Round, previous: asyncio.Task[None] | None, visible: asyncio.Event) -> None:
        parts, result = self._parts, one.result
        started = time.monotonic()
        parts.lease.check()
        await parts.outputs.send(self._visible(result))
        sent = time.monotonic()
        visible.set()
        if one.record_ms:
            parts.metrics.list_ages(time.time() - np.array(one.record_ms, np.float64) / 1000)
        if previous is not None:
            await asyncio.wait([previous])
            previous.result()
        await self._store(result)
        for event in one.finished:
            event.ack()
        stages = result.stats.stage_seconds
        stages["outputs"], stages["changelog"] = sent - started, time.monotonic() - sent
        parts.metrics.round_done(result.stats)
        parts.drift.round_done(result.stats)
        parts.progress += 1

    async def _store(self, result: RoundResult) -> None:
        parts, topic = self._parts, self._parts.settings.topics.user_state
        parts.lease.check()
        parts.contiguity.check(await parts.changelog.send(self._states(result)))
        for partition, puts in result.puts.items():
            parts.stores[partition].write(puts, parts.contiguity.next_offset(topic, partition))

    def _states(self, result: RoundResult) -> Iterator[Outgoing]:
        topic = self._parts.settings.topics.user_state
        for partition, puts in result.puts.items():
            for key, value, replicated in puts:
                if replicated:
                    yield Outgoing(topic, partition, key, value)

    def _visible(self, result: RoundResult) -> Iterable[Outgoing]:
        topics = self._parts.settings.topics
        for partition, user_id, value in result.lists:
            yield Outgoing(topics.recommendations, partition, user_id, value)
        for shard, frame in result.frames.items():
            yield Outgoing(topics.item_deltas, shard, None, frame)
        for letter in result.dead_letters:
            yield Outgoing(topics.dead_letter, letter.partition % self._parts.dead_letter_partitions, *encode(letter))
