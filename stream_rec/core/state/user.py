"""What is remembered of one user: a mutable object that lives in the worker between loads and writes."""

from __future__ import annotations

import numpy as np

from stream_rec.core.state.history import History
from stream_rec.core.state.marks import Marks
from stream_rec.core.types import LIST_SIZE, SOURCE_TOPICS, Int32Array, UInt64Array

EVENT_IDS = 32
"""Event-id hashes remembered, to skip repeats."""

_NO_LIST: UInt64Array = np.empty(0, np.uint64)


class UserState:
    """One user's state; see `user_codec` for how it is stored.

    Attributes
    ----------
    generation
        Consumer-group generation of the last writer; decides forks at restore.
    offsets
        Last applied offset per source topic [clicks, purchases]; -1 none.
    events_applied
        Every applied event, non-positive kinds included.
    history
        Positive item lines, oldest first.
    session, session_key, session_deadline_ms
        Number of the current session, 64-bit hash of its `session_id` (0 none), time it ends (0 none).
    last_event_ms, as_of_ms, first_seen_ms
        Highest time of an own event, highest event time the state includes, lowest time of an own event (0 none).
    last_list, list_published_ms
        uint64[<= 20] item hashes of the list published last, best first, and when it was generated (0 none).
    marks, marks_stored
        Items the user turned down; how many of them the stored head counts.
    pending_lines
        Lines of this round, which the item table cannot have counted yet; not stored.
    stored_deadline_ms
        The deadline under which the store's session index lists this user (0 none).
    """

    __slots__ = (
        "as_of_ms",
        "event_ids",
        "events_applied",
        "first_seen_ms",
        "generation",
        "history",
        "key",
        "last_event_ms",
        "last_list",
        "list_published_ms",
        "marks",
        "marks_stored",
        "offsets",
        "pending_lines",
        "session",
        "session_deadline_ms",
        "session_key",
        "stored_deadline_ms",
        "user_id",
    )

    def __init__(self, user_id: str, history_events: int) -> None:
        self.user_id = user_id
        self.key = user_id.encode()
        self.generation = 0
        self.offsets = [-1] * SOURCE_TOPICS
        self.events_applied = 0
        self.event_ids: dict[int, None] = {}
        self.history = History(history_events)
        self.session = 0
        self.session_key = 0
        self.session_deadline_ms = 0
        self.last_event_ms = 0
        self.as_of_ms = 0
        self.first_seen_ms = 0
        self.last_list = _NO_LIST
        self.list_published_ms = 0
        self.marks = Marks()
        self.marks_stored = 0
        self.pending_lines = 0
        self.stored_deadline_ms = 0

    @property
    def n_total(self) -> int:
        """History lines ever."""
        return self.history.n_total

    def append(self, item_hash: int, item_row: int, time_ms: int, session: int, kind: int) -> None:
        """Add one positive line to the history."""
        self.history.append(item_hash, item_row, time_ms, session, kind)
        self.pending_lines += 1

    def rows_view(self) -> Int32Array:
        """int32[h] item rows of the history, oldest first; stale after the next append."""
        return self.history.rows_view()

    def sessions_view(self) -> Int32Array:
        """int32[h] session number of each line; stale after the next append."""
        return self.history.sessions_view()

    def has_event(self, event_hash: int) -> bool:
        """Whether this event id is among the last ones applied."""
        return event_hash in self.event_ids

    def remember_event(self, event_hash: int) -> None:
        """Remember one applied event id; the oldest beyond `EVENT_IDS` is forgotten."""
        ids = self.event_ids
        if event_hash in ids:
            return
        ids[event_hash] = None
        if len(ids) > EVENT_IDS:
            del ids[next(iter(ids))]

    def publish(self, item_hashes: UInt64Array, generated_at_ms: int) -> None:
        """Remember the list that is about to be published: uint64[n], best first; kept, not copied."""
        self.last_list = item_hashes[:LIST_SIZE]
        self.list_published_ms = generated_at_ms

    def list_rank(self, item_hash: int) -> int:
        """Rank (0 = best) of an item in the list published last, -1 if it was not in it."""
        hashes: list[int] = self.last_list.tolist()
        return hashes.index(item_hash) if item_hash in hashes else -1
