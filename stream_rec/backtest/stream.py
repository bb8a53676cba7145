"""A log as columns of numbers: what baselines replay and reports slice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream_rec.backtest.baselines.protocol import Moment, Sizes
from stream_rec.backtest.log_rows import LogEvent
from stream_rec.core.events import KINDS
from stream_rec.core.types import POSITIVE_KINDS, Int32Array, Int64Array


@dataclass(frozen=True, slots=True)
class Stream:
    """The positive events of a log, in its order.

    Attributes
    ----------
    log_index
        int64[n], the event's number in the log.
    users, items
        int32[n], numbered by first appearance: items seen before event e are those below the highest so far.
    sessions
        int32[n], number of the session within the user, from 1.
    times_ms
        int64[n].
    """

    log_index: Int64Array
    users: Int32Array
    items: Int32Array
    sessions: Int32Array
    times_ms: Int64Array

    @classmethod
    def of(cls, events: Iterable[LogEvent], session_gap_ms: int) -> Stream:
        """Number the users, items and sessions of a log; sessions as `core/learning.py` cuts them.

        Examples
        --------
        >>> log = [LogEvent(0, 0, "ann", "cup", "view_item"), LogEvent(1, 9, "ann", "mug", "view_item")]
        >>> Stream.of(log, session_gap_ms=5).sessions.tolist()
        [1, 2]
        """
        users: dict[str, int] = {}
        items: dict[str, int] = {}
        cut = _SessionCut(session_gap_ms)
        columns: list[tuple[int, int, int, int, int]] = []
        for event in events:
            session = cut.session_of(event)
            if KINDS[event.event] not in POSITIVE_KINDS or not event.item_id:
                continue
            user = users.setdefault(event.user_id, len(users))
            item = items.setdefault(event.item_id, len(items))
            columns.append((event.index, user, item, session, event.timestamp_ms))
        table = np.array(columns, np.int64).reshape(-1, 5).T
        log_index, times_ms = np.ascontiguousarray(table[0]), np.ascontiguousarray(table[4])
        numbers = table[1:4].astype(np.int32)
        return cls(log_index, numbers[0], numbers[1], numbers[2], times_ms)

    def __len__(self) -> int:
        return len(self.items)

    def sizes(self) -> Sizes:
        """Return how many users, items and events there are."""
        return Sizes(int(self.users.max(initial=-1)) + 1, int(self.items.max(initial=-1)) + 1, len(self))


class Moments:
    """The moment just before each event, whichever is asked for; histories are views, nothing is copied."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        order = np.argsort(stream.users, kind="stable")
        self._rows, self._sessions = stream.items[order], stream.sessions[order]
        self._first = np.searchsorted(stream.users[order], np.arange(stream.sizes().users))
        place = np.empty(len(stream), np.int64)
        place[order] = np.arange(len(stream))
        self._place = place
        highest = np.maximum.accumulate(stream.items) if len(stream) else stream.items
        self._known = np.concatenate(([0], highest[:-1] + 1)) if len(stream) else highest

    def before(self, event: int) -> Moment:
        """Return what is known just before event number `event` of the stream."""
        stream, user = self._stream, int(self._stream.users[event])
        past = slice(self._first[user], self._place[event])
        session, now_ms = int(stream.sessions[event]), int(stream.times_ms[event])
        return Moment(user, self._rows[past], self._sessions[past], session, now_ms, int(self._known[event]))


class _SessionCut:
    """A new session at another `session_id`, or after a pause where the log has none."""

    def __init__(self, session_gap_ms: int) -> None:
        self._gap_ms = session_gap_ms
        self._users: dict[str, tuple[int, str | None, int]] = {}

    def session_of(self, event: LogEvent) -> int:
        number, key, last_ms = self._users.get(event.user_id, (0, None, event.timestamp_ms))
        if number == 0:
            begins = True
        elif event.session_id:
            begins = event.session_id != key
        else:
            begins = event.timestamp_ms - last_ms > self._gap_ms
        key = event.session_id or (None if begins else key)
        self._users[event.user_id] = number + begins, key, max(last_ms, event.timestamp_ms)
        return number + begins
