"""Own continuation: what this user did next the last time they were here.

Where the newest items of the session being continued stand in the user's earlier sessions, the positions around them
gain. Let the session's last items be j_1 (newest) .. j_recent; then for every earlier position p whose item is j_k::

    S[item at p + f] += (1/k) / f                   f = 1 .. ahead,  same session as p
    S[item at p - f] += behind_weight * (1/k) / f   f = 1 .. behind, same session as p

Every earlier position also gives its own item `base`, so that a known item beats none. Items already in the session
are multiplied by `in_session`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from stream_rec.core.presets import CANDIDATES_PER_SOURCE, OwnParams
from stream_rec.core.ranking.select import Scratch, add_score, flag_session, select_top
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, Int32Array, Proposal, UInt8Array, UserView


class _Settings(NamedTuple):
    """`OwnParams` in the shape a kernel takes."""

    recent: int
    ahead: int
    behind: int
    behind_weight: float
    base: float
    in_session: float


@njit(cache=True)
def _look_up(p: _Settings, rows: Int32Array, sessions: Int32Array, session: int, slot: Int32Array) -> int:
    """Set `slot` of the session's last items to their k (the smallest one of an item that repeats)."""
    h, k = len(rows), 0
    while k < min(h, p.recent) and sessions[h - 1 - k] == session:
        k += 1
        j = rows[h - k]
        if slot[j] < 0:
            slot[j] = k
    return k


@njit(cache=True)
def own_score(
    p: _Settings, rows: Int32Array, sessions: Int32Array, session: int, slot: Int32Array,
    score: Float64Array, touched: Int32Array,
) -> int:  # fmt: skip
    """Add up the gains of all positions in `score`; return how many rows were touched. `slot` is left at -1."""
    n_touched, h = 0, len(rows)
    recent = _look_up(p, rows, sessions, session, slot)
    for at in range(h):
        s = sessions[at]
        if s == session:
            break  # earlier sessions only
        n_touched = add_score(score, touched, n_touched, rows[at], p.base)
        k = slot[rows[at]]
        if k < 0:
            continue
        weight = 1.0 / k
        for f in range(1, p.ahead + 1):
            if at + f >= h or sessions[at + f] != s:
                break
            n_touched = add_score(score, touched, n_touched, rows[at + f], weight / f)
        for f in range(1, p.behind + 1):
            if at - f < 0 or sessions[at - f] != s:
                break
            n_touched = add_score(score, touched, n_touched, rows[at - f], p.behind_weight * weight / f)
    for k in range(1, recent + 1):
        slot[rows[h - k]] = -1
    return n_touched


@njit(cache=True)
def own_propose(
    p: _Settings, listable: UInt8Array, rows: Int32Array, sessions: Int32Array, session: int, slot: Int32Array,
    score: Float64Array, touched: Int32Array, in_session: UInt8Array, excluded: UInt8Array,
) -> tuple[Int32Array, Float64Array]:  # fmt: skip
    """Score, weigh items of the session, select; all buffers are clean again afterwards."""
    n_touched = own_score(p, rows, sessions, session, slot, score, touched)
    flag_session(in_session, rows, sessions, session, 1)
    for t in range(n_touched):
        if in_session[touched[t]]:
            score[touched[t]] *= p.in_session
    flag_session(in_session, rows, sessions, session, 0)
    out_rows = np.empty(CANDIDATES_PER_SOURCE, np.int32)
    out_scores = np.empty(CANDIDATES_PER_SOURCE, np.float64)
    n = select_top(score, touched, n_touched, excluded, listable, 0.0, out_rows, out_scores)
    return out_rows[:n], out_scores[:n]


class OwnContinuation:
    """The own-continuation source; it knows nothing but the user's history.

    Notes
    -----
    O(h) for a history of h events. Deterministic. Empty for a first session: nothing earlier to continue.
    """

    name = "own"

    def __init__(self, params: OwnParams) -> None:
        self._settings = _Settings(
            params.recent, params.ahead, params.behind, params.behind_weight, params.base, params.in_session
        )

    def propose(self, items: ItemTable, user: UserView, scratch: Scratch) -> Proposal:
        """Return up to `CANDIDATES_PER_SOURCE` rows of the user's earlier sessions, best first."""
        rows, scores = own_propose(
            self._settings, items.listable, user.rows, user.sessions, user.session, scratch.slot,
            scratch.score, scratch.touched, scratch.in_session, scratch.excluded,
        )  # fmt: skip
        return Proposal(rows, scores)
