"""Making the lists of all users of a partition anew, a few at a time: another model serves, or knows more items."""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.core.publishing import Asked, Publisher
from stream_rec.core.rounds import RoundResult, UserStoreReader
from stream_rec.core.state.user_codec import puts_of
from stream_rec.core.user_cache import UserCache


class Refreshed(NamedTuple):
    """What to write, and the user to go on behind; `None`: there is nobody left."""

    result: RoundResult
    last_user: bytes | None


class Refresher:
    """Walks the users of a partition's store in the order of their ids."""

    def __init__(self, cache: UserCache, publisher: Publisher, session_gap_ms: int) -> None:
        self._cache = cache
        self._publisher = publisher
        self._session_gap_ms = session_gap_ms

    def refresh(
        self, partition: int, store: UserStoreReader, after: bytes, limit: int, stream_ms: int, now_ms: int,
        since_ms: int, generation: int,
    ) -> Refreshed:  # fmt: skip
        """Return new lists of at most `limit` users behind `after`.

        Parameters
        ----------
        stream_ms, now_ms
            The partition's event time, which tells whether a session has ended, and the clock.
        since_ms
            Users whose list was made at or after it, by the clock, have a new one already. Those without the model
            (`core/arms.py`) get one, too: fresher lists alone would make the model look better than it is. Where
            nobody is to have it all keep theirs.

        Notes
        -----
        About 0.3 ms a user. `partition`'s users must be as the store has them: no writes may be under way.
        """
        result, keys = RoundResult(), store.users_after(after, limit)
        users = self._cache.load(partition, keys, store)
        states = [users[key].state for key in keys]
        stale = [one for one in states if one.list_published_ms < since_ms and self._publisher.model_share]
        asked = []
        for state in stale:
            ended = stream_ms >= state.last_event_ms + self._session_gap_ms
            rank_ms = stream_ms if ended else state.as_of_ms + self._publisher.usual_gap_ms
            asked.append(Asked(state, state.session + 1 if ended else state.session, rank_ms))
        for state, ranked in zip(stale, self._publisher.rank(asked), strict=True):
            clicks, purchases = state.offsets
            list_id = f"refresh-{partition}-{now_ms}-{clicks}-{purchases}"
            state.generation = generation
            result.lists.append(self._publisher.publish(partition, state, ranked, None, list_id, now_ms))
            result.puts.setdefault(partition, []).extend(puts_of(state))
        result.stats.lists = result.stats.refreshed = len(stale)
        self._publisher.end_round(result.stats)
        return Refreshed(result, keys[-1] if len(keys) == limit else None)
