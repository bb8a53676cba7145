"""VMIS-kNN, learned event by event: what sessions like this one went on to."""

from __future__ import annotations

import numpy as np

from stream_rec.backtest.baselines.protocol import Moment, Sizes
from stream_rec.backtest.baselines.selection import best_rows
from stream_rec.backtest.baselines.session_index import add_event, empty_index, knn_scores
from stream_rec.core.types import Int32Array


class VmisKnn:
    """The k sessions nearest to the one being continued vote for their items.

    The session's last L items have positions 1 (newest) to L. Looked at are the m most recent sessions of each item,
    and of all those the m most recent. With s the items shared with such a session::

        similarity = sum over s of (L + 1 - position)          of the k most similar ones:
        score[i]   = idf_i · sum over neighbours with i of similarity · (1 - 0.1 · position of the newest shared item)

    idf_i = ln(entries / sessions with i). The newest item itself is never listed.

    Parameters
    ----------
    m, k, last
        As above; `last` is L.

    Notes
    -----
    The paper builds its index offline and drops old sessions of an item; here an event appends to linked lists, and
    the newest m are read from their end, which gives the same sessions. The session being continued is in the index
    too, and is passed over. Where a session has no event yet, the user's last items of the session before stand in.
    O(L m + k · items of a session + items) per list, O(items of the session) per event. Deterministic.

    References
    ----------
    Kersbergen, Sprangers, Schelter: Serenade - low-latency session-based recommendation in e-commerce at scale (2022),
    https://doi.org/10.1145/3514221.3517901
    """

    name = "vmis-knn"
    source = "Kersbergen, Sprangers, Schelter 2022, Serenade"

    def __init__(self, sizes: Sizes, m: int = 500, k: int = 100, last: int = 9) -> None:
        self._m, self._k, self._last = m, k, last
        self._index = empty_index(sizes.events, sizes.items)
        self._entries = self._clock = self._sessions = 0
        self._slot_of_user: dict[int, tuple[int, int]] = {}

    def rank(self, moment: Moment, excluded: Int32Array, k: int) -> Int32Array:
        """Return the rows the nearest sessions vote for most."""
        scores = np.zeros(moment.known)
        if not len(moment.rows):
            return best_rows(scores, excluded, k, floor=0.0)
        first = int(np.searchsorted(moment.sessions, moment.sessions[-1]))
        evolving = moment.rows[max(first, len(moment.rows) - self._last) :]
        session, slot = self._slot_of_user.get(moment.user, (0, -1))
        own = slot if session == moment.sessions[-1] else -1
        knn_scores(self._index, self._entries, evolving, own, self._m, self._k, scores)
        scores[evolving[-1]] = 0.0
        return best_rows(scores, excluded, k, floor=0.0)

    def learn(self, moment: Moment, row: int, *, shared: bool = True) -> None:
        """Append the event to the user's session."""
        if not shared:
            return
        session, slot = self._slot_of_user.get(moment.user, (0, -1))
        if slot < 0 or session != moment.session:
            slot = self._sessions
            self._slot_of_user[moment.user] = moment.session, slot
            self._sessions += 1
        self._clock += 1
        self._entries = add_event(self._index, self._entries, slot, row, self._clock)
