"""Co-occurrence: what was seen near the user's last items, by anyone, lately.

Score of item i, over the last H history items j_k (k = 1 is the newest)::

    S[i] = ( sum over k <= H of  k^-hp * xs_k * C[j_k, i] * P[j_k]^-al ) * P[i]^-be * beta_i

with xs_k = `other_session` where j_k belongs to another session than the one being continued, else 1, and beta_i =
`in_session` where i already is in that session, else 1. C is `neighbour_weights`, the powers of P are `mass_vote`
and `mass_candidate`. All are stored in forward-decayed units, so the order needs no clock.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stream_rec.core.presets import CANDIDATES_PER_SOURCE, CoocParams
from stream_rec.core.ranking.select import Scratch, best_of
from stream_rec.core.state.items import CoocArrays, ItemTable
from stream_rec.core.types import Float64Array, Int32Array, Proposal, UInt8Array, UserView


def vote_table(params: CoocParams, history: int) -> Float64Array:
    """Return float64[2, history + 1]: what the k-th last item's vote weighs, k^-hp * xs.

    Row 0 is for items of the session being continued, row 1 for items of others. Column 0 is unused.

    Examples
    --------
    >>> vote_table(CoocParams(history_power=1.0, other_session=0.5), 2).tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.5, 0.25]]
    """
    same = [0.0] + [float(k) ** -params.history_power for k in range(1, history + 1)]
    return np.array([same, [vote * params.other_session for vote in same]])


@njit(cache=True)
def cooc_score(
    item: CoocArrays, rows: Int32Array, sessions: Int32Array, session: int, votes: Float64Array,
    score: Float64Array, touched: Int32Array,
) -> int:  # fmt: skip
    """Add up the votes of the last H items into `score`; return how many rows were touched.

    The sums run from the newest item on and through each row's neighbours in their stored order: a float sum
    depends on its order, and equal inputs are to give equal lists.
    """
    n_touched, h = 0, len(rows)
    for k in range(1, min(h, votes.shape[1] - 1) + 1):
        j = rows[h - k]
        vote = votes[0 if sessions[h - k] == session else 1, k] * item.mass_vote[j]
        neighbours, weights = item.neighbour_rows[j], item.neighbour_weights[j]
        for q in range(item.neighbour_count[j]):
            amount = vote * weights[q]
            if amount > 0.0:  # else it underflowed, and "score is zero" would not mean "not touched" any more
                i = neighbours[q]
                before = score[i]
                touched[n_touched] = i  # no branch: whether a row is new is a coin flip to the processor
                n_touched += before == 0.0
                score[i] = before + amount
    return n_touched


@njit(cache=True)
def _flag_session(flags: UInt8Array, rows: Int32Array, sessions: Int32Array, session: int, value: int) -> None:
    """Set the flag of every history row of `session`, which is the last one if it has any event yet."""
    at = len(rows) - 1
    while at >= 0 and sessions[at] == session:
        flags[rows[at]] = value
        at -= 1


@njit(cache=True)
def cooc_propose(
    item: CoocArrays, listable: UInt8Array, rows: Int32Array, sessions: Int32Array, session: int,
    votes: Float64Array, beta: float, score: Float64Array, touched: Int32Array, in_session: UInt8Array,
    excluded: UInt8Array,
) -> tuple[Int32Array, Float64Array]:  # fmt: skip
    """Score, weigh candidates, select; `score` and `in_session` are clean again afterwards."""
    n_touched = cooc_score(item, rows, sessions, session, votes, score, touched)
    _flag_session(in_session, rows, sessions, session, 1)
    candidates, values, n = np.empty(n_touched, np.int32), np.empty(n_touched), 0
    for t in range(n_touched):
        i = touched[t]
        value = score[i] * (item.mass_candidate[i] * (beta if in_session[i] else 1.0))
        score[i] = 0.0
        if value > 0.0 and listable[i] != 0 and excluded[i] == 0:
            candidates[n], values[n] = i, value
            n += 1
    _flag_session(in_session, rows, sessions, session, 0)
    out_rows, out_scores = np.empty(CANDIDATES_PER_SOURCE, np.int32), np.empty(CANDIDATES_PER_SOURCE)
    n = best_of(candidates, values, n, out_rows, out_scores)
    return out_rows[:n], out_scores[:n]


class Cooccurrence:
    """The co-occurrence source.

    Notes
    -----
    O(H K) additions and one selection over the touched rows, whatever the size of the catalogue. Deterministic.

    References
    ----------
    Linden, Smith, York: Amazon.com recommendations: item-to-item collaborative filtering, IEEE Internet Computing
    2003, https://doi.org/10.1109/MIC.2003.1167344
    """

    name = "cooc"

    def __init__(self, params: CoocParams) -> None:
        self._votes = vote_table(params, params.history)
        self._beta = params.in_session

    def propose(self, items: ItemTable, user: UserView, scratch: Scratch) -> Proposal:
        """Return up to `CANDIDATES_PER_SOURCE` rows with a positive score, best first; none without history."""
        rows, scores = cooc_propose(
            items.cooc_arrays(), items.listable, user.rows, user.sessions, user.session, self._votes, self._beta,
            scratch.score, scratch.touched, scratch.in_session, scratch.excluded,
        )  # fmt: skip
        return Proposal(rows, scores)
