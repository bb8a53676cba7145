"""Own continuation: what this user did next the last time they were here.

Where the newest items of the session being continued stand in the user's earlier sessions, the positions around them
gain. Let the session's last items be j_1 (newest) .. j_recent; then for every earlier position p whose item is j_k::

    S[item at p + f] += (1/k) / f                   f = 1 .. ahead,  same session as p
    S[item at p - f] += behind_weight * (1/k) / f   f = 1 .. behind, same session as p

Every earlier position also gives its own item `base`, so that a known item beats none. Items already in the session
are multiplied by `in_session`.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import inner
from stream_rec.core.presets import OwnParams
from stream_rec.core.ranking.select import select_top
from stream_rec.core.types import Float64Array, Int32Array, UInt8Array


def gain_tables(params: OwnParams) -> tuple[Float64Array, Float64Array]:
    """Return what a position gains at distance f from the k-th last item: `ahead[k, f]` and `behind[k, f]`.

    Shapes float64[recent + 1, ahead + 1] and float64[recent + 1, behind + 1]; row and column 0 are unused.

    Examples
    --------
    >>> ahead, behind = gain_tables(OwnParams(recent=2, ahead=2, behind=1, behind_weight=0.5))
    >>> ahead.tolist(), behind.tolist()
    ([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.5, 0.25]], [[0.0, 0.0], [0.0, 0.5], [0.0, 0.25]])
    """
    ahead = np.zeros((params.recent + 1, params.ahead + 1))
    behind = np.zeros((params.recent + 1, params.behind + 1))
    for k in range(1, params.recent + 1):
        weight = 1.0 / k
        ahead[k, 1:] = [weight / f for f in range(1, params.ahead + 1)]
        behind[k, 1:] = [params.behind_weight * weight / f for f in range(1, params.behind + 1)]
    return ahead, behind


@inner()
def _look_up(rows: Int32Array, sessions: Int32Array, session: int, limit: int, slot: Int32Array) -> int:
    """Set `slot` of the session's last items to their k (the smallest one of an item that repeats)."""
    h, k = len(rows), 0
    while k < min(h, limit) and sessions[h - 1 - k] == session:
        k += 1
        j = rows[h - k]
        if slot[j] < 0:
            slot[j] = k
    return k


@inner()
def own_score(
    ahead: Float64Array, behind: Float64Array, base: float, rows: Int32Array, sessions: Int32Array, session: int,
    slot: Int32Array, score: Float64Array,
) -> int:  # fmt: skip
    """Add up the gains of all positions in `score`; `slot` is left at -1.

    Returns
    -------
    int
        How many positions belong to earlier sessions: no rows but theirs have a score.
    """
    h, earlier = len(rows), 0
    recent = _look_up(rows, sessions, session, len(ahead) - 1, slot)
    while earlier < h and sessions[earlier] != session:
        at, s = earlier, sessions[earlier]
        earlier += 1
        score[rows[at]] += base
        k = slot[rows[at]]
        if k < 0:
            continue
        for f in range(1, ahead.shape[1]):
            if at + f >= h or sessions[at + f] != s:
                break
            score[rows[at + f]] += ahead[k, f]
        for f in range(1, behind.shape[1]):
            if at - f < 0 or sessions[at - f] != s:
                break
            score[rows[at - f]] += behind[k, f]
    for k in range(1, recent + 1):
        slot[rows[h - k]] = -1
    return earlier


@inner()
def own_propose(
    ahead: Float64Array, behind: Float64Array, base: float, beta: float, rows: Int32Array, sessions: Int32Array,
    session: int, listable: UInt8Array, excluded: UInt8Array, in_session: UInt8Array, slot: Int32Array,
    score: Float64Array, out_rows: Int32Array, out_scores: Float64Array,
) -> int:  # fmt: skip
    """Score, weigh items of the session, write as many as there is room for, best first; return how many.

    `in_session` is flagged; `slot` and `score` are clean again afterwards.
    """
    earlier = own_score(ahead, behind, base, rows, sessions, session, slot, score)
    for k in range(earlier, len(rows)):
        if in_session[rows[k]] == 1:  # once for an item that comes several times
            in_session[rows[k]] = 2
            score[rows[k]] *= beta
    for k in range(earlier, len(rows)):
        in_session[rows[k]] = 1
    return select_top(score, rows, earlier, excluded, listable, 0.0, out_rows, out_scores)
