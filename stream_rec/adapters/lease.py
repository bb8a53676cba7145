"""The lease: a worker that was frozen longer than most of its session must not write any more."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from stream_rec.errors import FencedError

TICK_S = 0.2
SESSION_SHARE = 0.6
EXIT_FENCED = 70

log = logging.getLogger(__name__)


def stop_at_once(reason: str) -> None:
    """End the process without another write: a restart replays from the last durable offset."""
    log.critical("stopping at once: %s", reason)
    os._exit(EXIT_FENCED)


class Lease:
    """A ticker that notices that the process stood still (SIGSTOP, a paused machine, a blocked event loop).

    Parameters
    ----------
    session_s
        The consumer group's session timeout; another worker may own our partitions after it.
    stop
        Called with the reason when the ticker finds the process stalled; it must not return to normal work.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        session_s: float,
        *,
        stop: Callable[[str], None] = stop_at_once,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s = SESSION_SHARE * session_s
        self._stop = stop
        self._clock = clock
        self._last = clock()

    async def run(self) -> None:
        """Tick until cancelled."""
        self._last = self._clock()
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Renew the lease, or stop if the last tick is too long ago."""
        stalled_s = self._stalled_s()
        if stalled_s > self._limit_s:
            self._stop(f"stalled for {stalled_s:.1f} s, the lease is {self._limit_s:.1f} s")
        self._last = self._clock()

    def check(self) -> None:
        """Allow a write.

        Raises
        ------
        FencedError
            The lease ran out; the ticker had no chance yet to say so.
        """
        stalled_s = self._stalled_s()
        if stalled_s > self._limit_s:
            raise FencedError(
                f"lease: need a tick in the last {self._limit_s:.1f} s; got none for {stalled_s:.1f} s. "
                "The process was frozen: restart it."
            )

    def _stalled_s(self) -> float:
        return self._clock() - self._last
