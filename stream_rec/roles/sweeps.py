"""When the sweep runs, and what time it is on a partition.

A session ends in the time of its own events, so that a replayed log sweeps as it did live. A partition's stream time is
its highest event time; while no events come it advances with the wall clock. It is kept in the store, so a restart
goes on from it.
"""

from __future__ import annotations

import time

from stream_rec.core.rounds import Put
from stream_rec.roles.effects import Effects, Round
from stream_rec.roles.parts import Parts

STREAM_KEY = b"\0stream_ms"
PIECE_USERS = 32
"""Users swept between two rounds: about 5 ms."""


class _StreamTime:
    """One partition's stream time: `ms` at the monotonic second `at_s`; `stored_ms` is what the store has."""

    __slots__ = ("at_s", "ms", "stored_ms")

    def __init__(self, ms: int, at_s: float) -> None:
        self.ms = self.stored_ms = ms
        self.at_s = at_s

    def advance(self, ms: int, at_s: float) -> None:
        """Note that an event of `ms` has been seen by `at_s`."""
        if ms > self.ms:
            self.ms, self.at_s = ms, at_s

    def now_ms(self, at_s: float) -> int:
        """Return the stream time at `at_s`; 0 while nothing was ever seen."""
        return self.ms + int(1000 * (at_s - self.at_s)) if self.ms else 0


class Sweeps:
    """Runs `UserPlane.sweep` for one assignment, in pieces between rounds.

    Parameters
    ----------
    parts, partitions
        The worker, and the partitions it was assigned; their stores are restored.
    effects
        Writes what a sweep gives, in order with the rounds.
    """

    def __init__(self, parts: Parts, partitions: list[int], effects: Effects) -> None:
        worker = parts.settings.worker
        self._parts = parts
        self._effects = effects
        self._interval_s = worker.sweep_interval_ms / 1000
        self._users = worker.sweep_users
        self._partitions = partitions
        self._times: dict[int, _StreamTime] = {}
        self._left: dict[int, int] = {}
        self._due_s = 0.0

    def begin(self) -> None:
        """Read the stream times; the stores are restored."""
        now_s = time.monotonic()
        for partition in self._partitions:
            (stored,) = self._parts.stores[partition].get_many([STREAM_KEY])
            self._times[partition] = _StreamTime(int.from_bytes(stored or b"", "big"), now_s)
        self._due_s = now_s + self._interval_s

    def stream_ms(self, partition: int) -> int:
        """Return the partition's event time as of now; 0 while it had no event."""
        now_s, stream = time.monotonic(), self._times[partition]
        stream.advance(self._parts.users.stream_ms(partition), now_s)
        return stream.now_ms(now_s)

    def pause_s(self) -> float:
        """Return how long nothing has to be swept."""
        return 0.0 if self._left else max(0.0, self._due_s - time.monotonic())

    async def run_if_due(self) -> None:
        """Sweep one piece of one partition, if it is time."""
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._interval_s
            self._left = dict.fromkeys(self._partitions, self._users)
        if self._left:
            await self._piece(next(iter(self._left)))

    async def _piece(self, partition: int) -> None:
        parts, left = self._parts, self._left.pop(partition)
        stream, stream_ms = self._times[partition], self.stream_ms(partition)
        if not stream_ms:
            return
        await self._effects.settle()  # else users whose writes are under way would be found due again
        parts.lease.check()
        limit = min(PIECE_USERS, left)
        store = parts.stores[partition]
        result = parts.users.sweep(partition, store, stream_ms, int(time.time() * 1000), limit)
        if stream.ms != stream.stored_ms:
            stream.stored_ms = stream.ms
            store.write([Put(STREAM_KEY, stream.ms.to_bytes(8, "big"), False)], store.position)
        if result.puts or result.lists:
            await self._effects.submit(Round(result))
        if result.puts and left > limit:
            self._left[partition] = left - limit
