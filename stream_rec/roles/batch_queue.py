"""The bounded queue between Faust and a lane."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Any


class BatchQueue:
    """Faust events wait here, each one batch of records; a full queue holds its producer back.

    Parameters
    ----------
    limit
        Events that may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self.closed = False

    def __len__(self) -> int:
        return len(self._events)

    async def put(self, event: Any) -> bool:
        """Queue an event once there is room; `False` if the queue was closed meanwhile."""
        while len(self._events) >= self._limit and not self.closed:
            self._room.clear()
            await self._room.wait()
        if self.closed:
            return False
        self._events.append(event)
        self._arrived.set()
        return True

    async def wait(self, timeout_s: float) -> None:
        """Return when something is queued, the queue is closed or the time is up."""
        if self._events or self.closed:
            return
        self._arrived.clear()
        alarm = asyncio.get_running_loop().call_later(timeout_s, self._arrived.set)
        try:
            await self._arrived.wait()
        finally:
            alarm.cancel()

    def take(self, limit: int) -> list[Any]:
        """Return up to `limit` events, oldest first."""
        events = list(islice(self._events, limit))
        for _ in events:
            self._events.popleft()
        if events:
            self._room.set()
        return events

    def close(self) -> list[Any]:
        """Refuse everything from now on and return what was waiting."""
        self.closed = True
        events = self.take(len(self._events))
        self._arrived.set()
        self._room.set()
        return events
