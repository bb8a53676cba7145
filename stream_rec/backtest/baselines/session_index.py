"""The kernels of VMIS-kNN: an index of sessions that grows by one event, and the scores of the nearest ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from stream_rec.core.types import Float64Array, Int32Array, Int64Array

_RECENCY_BITS = 40  # of a neighbour's key; what is above orders by similarity


class SessionIndex(NamedTuple):
    """Entries (session, item), each linked to the one before it in its session and to the one before it of its item.

    `item`, `session`, `before_in_session`, `before_of_item` int32[entries]; `newest_in_session` int32[sessions] and
    `newest_of_item` int32[items]: where the links begin. -1 ends them. `touched` int64[sessions]: number of the
    session's last event. `sessions_of_item` int32[items]. `similarity` int64[sessions] is zero and `position`
    int32[sessions] means nothing between calls.
    """

    item: Int32Array
    session: Int32Array
    before_in_session: Int32Array
    before_of_item: Int32Array
    newest_in_session: Int32Array
    newest_of_item: Int32Array
    touched: Int64Array
    sessions_of_item: Int32Array
    similarity: Int64Array
    position: Int32Array


def empty_index(events: int, items: int) -> SessionIndex:
    """Return an index with room for a log of `events` events, each in a session of its own at worst."""
    return SessionIndex(
        item=np.zeros(events, np.int32),
        session=np.zeros(events, np.int32),
        before_in_session=np.zeros(events, np.int32),
        before_of_item=np.zeros(events, np.int32),
        newest_in_session=np.full(events, -1, np.int32),
        newest_of_item=np.full(items, -1, np.int32),
        touched=np.zeros(events, np.int64),
        sessions_of_item=np.zeros(items, np.int32),
        similarity=np.zeros(events, np.int64),
        position=np.zeros(events, np.int32),
    )


@njit(cache=True)
def add_event(index: SessionIndex, entries: int, session: int, item: int, clock: int) -> int:
    """Note that `session` met `item` as event number `clock`; return the number of entries, one more if it is new.

    O(items of the session): an item is kept once per session.
    """
    index.touched[session] = clock
    entry = index.newest_in_session[session]
    while entry >= 0:
        if index.item[entry] == item:
            return entries
        entry = index.before_in_session[entry]
    index.item[entries], index.session[entries] = item, session
    index.before_in_session[entries] = index.newest_in_session[session]
    index.before_of_item[entries] = index.newest_of_item[item]
    index.newest_in_session[session] = index.newest_of_item[item] = entries
    index.sessions_of_item[item] += 1
    return entries + 1


@njit(cache=True)
def _similar_sessions(index: SessionIndex, evolving: Int32Array, own: int, m: int) -> Int32Array:
    """Return the sessions among the m newest of any item of `evolving`; fills `similarity` and `position` for them."""
    n, found = len(evolving), 0
    sessions = np.empty(n * m, np.int32)
    for back in range(n):
        item = evolving[n - 1 - back]
        if (evolving[n - back :] == item).any():
            continue  # a repeated item counts once, where it was met last
        entry, left = index.newest_of_item[item], m
        while entry >= 0 and left > 0:
            session = index.session[entry]
            if session != own:
                if index.similarity[session] == 0:
                    sessions[found] = session
                    index.position[session] = back + 1
                    found += 1
                index.similarity[session] += n - back
                left -= 1
            entry = index.before_of_item[entry]
    return sessions[:found]


@njit(cache=True)
def knn_scores(
    index: SessionIndex, entries: int, evolving: Int32Array, own: int, m: int, k: int, scores: Float64Array
) -> None:
    """Add to `scores` what the nearest sessions say about every item.

    Parameters
    ----------
    index
        Read; its scratch is used and left clean.
    evolving
        int32[n], the session to continue, oldest item first.
    own
        The session's own number, not a neighbour of itself; -1 when the index does not know it.
    m, k
        Sessions looked at, the newest, and of those the neighbours.
    scores
        float64[>= known] of zeros, changed.

    Notes
    -----
    O(n m + k · items of a session). Ties between neighbours go to the newer session.
    """
    sessions = _similar_sessions(index, evolving, own, m)
    n = len(sessions)
    recency, key = np.empty(n, np.int64), np.empty(n, np.int64)
    for a in range(n):
        recency[a] = index.touched[sessions[a]]
    oldest = np.partition(recency, n - m)[n - m] if n > m else 0
    kept = 0
    for a in range(n):
        if recency[a] >= oldest:
            key[kept] = index.similarity[sessions[a]] << _RECENCY_BITS | recency[a]
            kept += 1
    least = np.partition(key[:kept], kept - k)[kept - k] if kept > k else 0
    for a in range(n):
        session = sessions[a]
        similarity = index.similarity[session]
        index.similarity[session] = 0
        if recency[a] < oldest or (similarity << _RECENCY_BITS | recency[a]) < least:
            continue
        weight = similarity * max(0.0, 1.0 - 0.1 * index.position[session])
        entry = index.newest_in_session[session]
        while entry >= 0:
            scores[index.item[entry]] += weight
            entry = index.before_in_session[entry]
    for item in range(len(scores)):
        if scores[item] > 0.0:
            scores[item] *= np.log(entries / index.sessions_of_item[item])
