"""Looks once a second whether the worker moves, and measures what has to be looked at rather than counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from stream_rec.adapters.lease import stop_at_once
from stream_rec.roles.assignment import Assignment
from stream_rec.roles.parts import Parts

INTERVAL_S = 1.0
STALLED_S = 60.0

log = logging.getLogger(__name__)


class Group(Protocol):
    """What the watchdog asks of the consumer."""

    def backlog(self, topic: str, partition: int) -> int:
        """Return how many records of the partition were not handed over yet."""
        ...

    def commit_age_s(self) -> float | None:
        """Return how long acknowledged offsets have been waiting for a commit; `None` if none are."""
        ...


class Watchdog:
    """Stops the process when records wait and nothing happens, or when offsets are not committed any more.

    After some rebalances Faust does not fetch again (its issues 175, 523, 532, 629, 640): only a restart helps.

    Parameters
    ----------
    parts, group
        What is watched.
    current
        Returns the present assignment.
    stop
        Ends the process.
    """

    def __init__(
        self,
        parts: Parts,
        group: Group,
        current: Callable[[], Assignment | None],
        stop: Callable[[str], None] = stop_at_once,
    ) -> None:
        self._parts = parts
        self._group = group
        self._current = current
        self._stop = stop
        self._moved_s = time.monotonic()
        self._progress = -1

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """Measure, and stop if nothing has moved for a minute though there was something to do."""
        current = self._current()
        backlog = self._measure(current)
        running = current is not None and current.running
        if not running or not backlog or self._parts.progress != self._progress:
            self._moved_s, self._progress = now_s, self._parts.progress
        elif now_s - self._moved_s > STALLED_S:
            self._stop(f"{backlog} records wait and none was processed for {STALLED_S:.0f} s")
        age_s = self._group.commit_age_s() if running else None
        self._parts.metrics.put("commit_age_seconds", age_s or 0.0)
        if age_s is not None and age_s > STALLED_S:
            self._stop(f"offsets were not committed for {age_s:.0f} s")

    def _measure(self, current: Assignment | None) -> int:
        parts, topics = self._parts, self._parts.settings.topics
        total = 0
        for partition in current.partitions if current is not None else ():
            for topic in (topics.clicks, topics.purchases, topics.item_deltas):
                backlog = self._group.backlog(topic, partition)
                total += backlog
                parts.metrics.put("consumer_lag", backlog, topic=topic, partition=str(partition))
        parts.metrics.put("replica_lag", parts.tail.lag())
        parts.metrics.put("cached_users", len(parts.users.cache))
        parts.metrics.put("item_rows", parts.items.n)
        return total
