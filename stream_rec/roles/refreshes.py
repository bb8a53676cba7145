"""When lists are made anew because the model has changed: slowly, between rounds, and on after a restart.

Every partition's store keeps, under `\\0refresh`, a mark of the model its users' lists were made with last, and how far
the walk over them is. The mark is the version, how many items it knows in steps of 5 %, and the share of the users who
are to have it: a catalogue that grows is a reason, too, and so is another share. A partition that moves to a worker
without its store is walked over once more.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from stream_rec.core.rounds import Put
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.roles.effects import Effects, Round
from stream_rec.roles.parts import Parts

REFRESH_KEY = b"\0refresh"
GROWTH = 0.05
PIECE_USERS = 16
"""Users between two rounds: about 5 ms."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Walk:
    """How far a partition is: `after` the last user done, `None` when all are; `since_ms` when the walk began."""

    mark: bytes
    after: bytes | None
    since_ms: int


class Refreshes:
    """Runs `UserPlane.refresh` for one assignment, in pieces between rounds.

    Parameters
    ----------
    parts, partitions
        The worker, and the partitions it was assigned; their stores are restored.
    effects
        Writes what it gives, in order with the rounds.
    stream_ms
        The event time of a partition; 0 while it had no event.
    """

    def __init__(
        self, parts: Parts, partitions: list[int], effects: Effects, stream_ms: Callable[[int], int]
    ) -> None:  # fmt: skip
        self._parts = parts
        self._partitions = partitions
        self._effects = effects
        self._stream_ms = stream_ms
        self._every_s = PIECE_USERS / parts.settings.worker.refresh_users_per_s
        self._walks: dict[int, _Walk] = {}
        self._due_s = 0.0

    def begin(self) -> None:
        """Read how far each partition was; the stores are restored."""
        for partition in self._partitions:
            (stored,) = self._parts.stores[partition].get_many([REFRESH_KEY])
            mark, done, after = (stored or b"").partition(b"\0")
            self._walks[partition] = _Walk(mark, after if done else None, int(time.time() * 1000))

    def pause_s(self) -> float:
        """Return how long there is nothing to do."""
        left = self._parts.users.sequence is not None and any(walk.after is not None for walk in self._walks.values())
        return max(0.0, self._due_s - time.monotonic()) if left else math.inf

    async def run_if_due(self) -> None:
        """Make one piece of one partition's lists anew, if it is time."""
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + self._every_s
        if self._parts.users.sequence is None:
            return
        self._look(self._parts.users.sequence)
        left = [partition for partition, walk in self._walks.items() if walk.after is not None]
        self._parts.metrics.put("refresh_partitions_left", len(left))
        if left:
            await self._piece(left[0], self._walks[left[0]])

    def _look(self, model: SequenceModel) -> None:
        """Begin anew where the model has changed; one that only knows more items waits until a walk has ended."""
        served = f"{model.identity} for {self._parts.users.model_share:g}"
        mark = f"{served}+{int(math.log1p(model.known_items()) / math.log1p(GROWTH))}".encode()
        for partition, walk in self._walks.items():
            walks = walk.after is not None and walk.mark.rpartition(b"+")[0] == served.encode()
            if walk.mark != mark and not walks:
                self._walks[partition] = _Walk(mark, b"", int(time.time() * 1000))

    async def _piece(self, partition: int, walk: _Walk) -> None:
        parts, stream_ms = self._parts, self._stream_ms(partition)
        await self._effects.settle()  # else users whose writes are under way would be read as they were
        parts.lease.check()
        store, now_ms = parts.stores[partition], int(time.time() * 1000)
        done = parts.users.refresh(partition, store, walk.after or b"", PIECE_USERS, stream_ms, now_ms, walk.since_ms)
        walk.after = done.last_user
        stored = walk.mark if walk.after is None else walk.mark + b"\0" + walk.after
        if done.result.puts:
            done.result.puts[partition].append(Put(REFRESH_KEY, stored, False))
            await self._effects.submit(Round(done.result))
        else:
            store.write([Put(REFRESH_KEY, stored, False)], store.position)
        if walk.after is None:
            log.info("partition %d: all lists are made with %s", partition, walk.mark.decode())
