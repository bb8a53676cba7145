"""Publishing one user: rank, encode, and the writes that make the new state durable."""

from __future__ import annotations

import numpy as np

from stream_rec.core.lists import ListEncoder
from stream_rec.core.recommend import NO_ROWS, Recommendation, Recommender
from stream_rec.core.rounds import PublishedList, Put
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import chunks_to_write, deadline_key, encode_head, head_key
from stream_rec.core.types import EventKind, Int32Array, SourceRecord, UserView


class Publisher:
    """Turns a user's state into a list and store writes. `exclude`: "nothing", "bought" or "had"."""

    def __init__(self, items: ItemTable, recommender: Recommender, encoder: ListEncoder, exclude: str) -> None:
        self._items = items
        self._recommender = recommender
        self._encoder = encoder
        self._exclude = exclude

    def recommend(self, state: UserState, user: UserView) -> Recommendation:
        """Rank for `user` under the rules; nothing is changed."""
        return self._recommender.recommend(user, self._excluded(state))

    def popular(self, state: UserState) -> Int32Array:
        """Return popularity's own list under the same rules: what personal lists are compared with."""
        return self._recommender.popular(self._excluded(state))

    def publish(
        self,
        partition: int,
        key: bytes,
        state: UserState,
        session: int,
        trigger: SourceRecord | None,
        list_id: str,
        now_ms: int | None,
    ) -> PublishedList:
        """Rank for `session`, remember the list in `state` and return it encoded."""
        user = UserView(state.rows_view(), state.sessions_view(), session)
        recommendation = self.recommend(state, user)
        state.last_list = self._items.hashes[recommendation.ranked.rows]
        value = self._encoder.encode(state.user_id, recommendation, trigger, list_id, state.as_of_ms, now_ms)
        return PublishedList(partition, key, value)

    def _excluded(self, state: UserState) -> Int32Array:
        if self._exclude == "had":
            rows = state.rows_view()
        elif self._exclude == "bought":
            rows = state.rows_view()[state.kinds_view() == EventKind.PURCHASE]
        else:
            rows = NO_ROWS
        if not state.hidden:
            return rows
        hidden = [self._items.row_of_hash(hashed, create=False) for hashed in state.hidden]
        return np.concatenate([rows, np.array([row for row in hidden if row >= 0], np.int32)])


def state_puts(key: bytes, state: UserState, deadline_ms: int) -> list[Put]:
    """Return the writes that make `state` durable, with the session deadline moved to `deadline_ms` (0 = none).

    `state.session_deadline_ms` is changed. The deadline index is local: a restore rebuilds it from the heads.
    """
    puts = []
    before_ms = state.session_deadline_ms
    if before_ms != deadline_ms:
        if before_ms:
            puts.append(Put(deadline_key(before_ms, key), None, False))
        if deadline_ms:
            puts.append(Put(deadline_key(deadline_ms, key), b"", False))
        state.session_deadline_ms = deadline_ms
    puts.extend(Put(chunk_key, value, True) for chunk_key, value in chunks_to_write(state))
    puts.append(Put(head_key(key), encode_head(state), True))
    return puts
