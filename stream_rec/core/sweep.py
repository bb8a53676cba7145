"""The sweep: when a session has ended its user gets the list for the next visit, and a new one now and then.

Items change while a user is away; so the list is made anew every `refresh_ms` until they come back or expire.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.core.partitioning import partition_of
from stream_rec.core.publishing import Asked, Publisher
from stream_rec.core.rounds import PublishedList, Put, RoundResult, UserStoreReader
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import deadline_key, erase_puts, puts_of
from stream_rec.core.user_cache import UserCache

VISITOR_KEY = b"*"
"""Key of the list for a visitor nobody knows yet."""


class Pauses(NamedTuple):
    """How long until a visit list is made anew (0 = never), and until a silent user is forgotten."""

    refresh_ms: int
    idle_user_ms: int

    def next_deadline_ms(self, last_event_ms: int, now_ms: int) -> int:
        """Return when to look at a user again who has just got a visit list.

        `now_ms` is the stream's time or the clock's, whichever is later: while an old log is replayed in minutes,
        nobody is refreshed for each of its weeks.

        Examples
        --------
        >>> pauses = Pauses(refresh_ms=7, idle_user_ms=20)
        >>> [pauses.next_deadline_ms(100, now) for now in (101, 108, 115)]
        [108, 115, 120]
        >>> Pauses(0, 20).next_deadline_ms(100, 101)
        120
        """
        expires_ms = last_event_ms + self.idle_user_ms
        return min(expires_ms, now_ms + self.refresh_ms) if self.refresh_ms else expires_ms


class Sweeper:
    """Acts on the deadline index (deadline, user) of a partition's store.

    A user's deadline is the end of the session first, and then, once the visit list is out, the next refresh or the
    day they expire.
    """

    def __init__(self, cache: UserCache, publisher: Publisher, pauses: Pauses, partitions: int) -> None:
        self._cache = cache
        self._publisher = publisher
        self._pauses = pauses
        self._visitor_partition = partition_of(VISITOR_KEY, partitions)
        self._visitor_rows: list[int] = []

    def sweep(
        self, partition: int, store: UserStoreReader, stream_ms: int, now_ms: int | None, limit: int, generation: int
    ) -> RoundResult:
        """Return the lists and writes of at most `limit` users whose deadline passed by `stream_ms`."""
        result = RoundResult()
        puts: list[Put] = []
        due = store.due_sessions(stream_ms, limit)
        users = self._cache.load(partition, (key for _, key in due), store) if due else {}
        for deadline_ms, key in due:
            state = users[key].state
            if state.session_deadline_ms != deadline_ms:
                puts.append(Put(deadline_key(deadline_ms, key), None, False))
            elif stream_ms >= state.last_event_ms + self._pauses.idle_user_ms:
                puts.extend(erase_puts(state))
                self._cache.drop(partition, key)
                result.lists.append(PublishedList(partition, key, None))
            else:
                clicks, purchases = state.offsets  # of the user's last events: no two users share both
                list_id = f"sweep-{partition}-{deadline_ms}-{clicks}-{purchases}"
                state.generation = generation
                session = state.session + 1
                (ranked,) = self._publisher.rank([Asked(state, session, deadline_ms)])
                result.lists.append(self._publisher.publish(partition, state, ranked, None, list_id, now_ms))
                latest_ms = max(stream_ms, now_ms or 0)
                state.session_deadline_ms = self._pauses.next_deadline_ms(state.last_event_ms, latest_ms)
                puts.extend(puts_of(state))
        if puts:
            result.puts[partition] = puts
        if partition == self._visitor_partition:
            self._publish_for_visitors(stream_ms, now_ms, result)
        result.stats.lists = len(result.lists)
        self._publisher.end_round(result.stats)
        return result

    def forget(self, partition: int) -> None:
        """Forget what was published for visitors, if `partition` is theirs: another worker may publish it now."""
        if partition == self._visitor_partition:
            self._visitor_rows = []

    def _publish_for_visitors(self, stream_ms: int, now_ms: int | None, result: RoundResult) -> None:
        """Publish the list of key `*` when popularity's order has changed since the last one."""
        visitor = UserState(VISITOR_KEY.decode(), 1)
        rows = self._publisher.popular(visitor).tolist()
        if rows and rows != self._visitor_rows:
            self._visitor_rows = rows
            visitor.as_of_ms = stream_ms
            list_id = f"visitor-{stream_ms}"
            partition = self._visitor_partition
            (ranked,) = self._publisher.rank([Asked(visitor, 1, stream_ms)])
            result.lists.append(self._publisher.publish(partition, visitor, ranked, None, list_id, now_ms))
