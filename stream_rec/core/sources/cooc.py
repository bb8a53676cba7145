"""Co-occurrence: what was seen near the user's last items, by anyone, lately.

Score of item i, over the last H history items j_k (k = 1 is the newest)::

    S[i] = ( sum over k <= H of  k^-hp * xs_k * C[j_k, i] * P[j_k]^-al ) * P[i]^-be * beta_i

with xs_k = `other_session` where j_k is of another session than the one being continued, and `other_power` times hp
there, else 1; beta_i = `in_session` where i already is in that session, else 1. C is `neighbour_weights`, the powers of
P are `mass_vote` and `mass_candidate`. All are stored in forward-decayed units, so the order needs no clock.

The item table counts an event only after its frame has been acknowledged. So that a list reflects the click it is
published for, the pairs of the user's own last lines that are still pending are added here, as they will be counted.

References
----------
Linden, Smith, York (2003), "Amazon.com recommendations: item-to-item collaborative filtering", IEEE Internet Computing.
https://doi.org/10.1109/MIC.2003.1167344
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from stream_rec.core.presets import CANDIDATES_PER_SOURCE, CoocParams
from stream_rec.core.ranking.select import best_of
from stream_rec.core.sources.fading import power_table
from stream_rec.core.state.items import CoocArrays
from stream_rec.core.state.pair_counts import forward_weight
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, UInt8Array


def vote_table(params: CoocParams, history: int) -> Float64Array:
    """Return float64[2, history + 1]: what the k-th last item's vote weighs, k^-hp, or xs * k^-(op * hp).

    Row 0 is for items of the session being continued, row 1 for items of others. Column 0 is unused.

    Examples
    --------
    >>> vote_table(CoocParams(history_power=2.0, other_session=0.5, other_power=0.5), 2).tolist()
    [[0.0, 1.0, 0.25], [0.0, 0.5, 0.25]]
    """
    return power_table(params.history_power, params.other_power, params.other_session, history)


MOST_PENDING = 8
"""Pending lines that are added; more come together only when a backlog is worked off."""


class PairRates(NamedTuple):
    """How a pair is counted (`state/pair_counts.py`), to count pending ones: `weights` float64[2, W + 1] as votes."""

    weights: Float64Array
    landmark: int
    decay_ms: float
    backward: float
    mass_power: float
    candidate_power: float


def pair_rates(params: CoocParams, landmark: int) -> PairRates:
    """Return the rates of a preset under the table's present landmark."""
    weights = power_table(params.distance_power, params.other_power, params.other_session, params.window)
    powers = params.mass_power, params.candidate_power
    return PairRates(weights, landmark, params.decay_ms, params.backward_weight, *powers)


@njit(cache=True)
def _history_votes(
    item: CoocArrays, pair: PairRates, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, session: int,
    pending: int, votes: Float64Array,
) -> Float64Array:  # fmt: skip
    """Return float64[min(h, H)]: what the k-th last item's neighbours are multiplied by, at k - 1."""
    h = len(rows)
    weights = np.empty(min(h, votes.shape[1] - 1))
    for k in range(1, len(weights) + 1):
        j = rows[h - k]
        weights[k - 1] = votes[0 if sessions[h - k] == session else 1, k] * item.mass_vote[j]
    for p in range(1, pending + 1):
        mass, x = item.pair_mass[rows[h - p]], rows[h - p]
        for q in range(1, pending + 1):
            if rows[h - q] == x:
                mass += forward_weight(times_ms[h - q], pair.landmark, pair.decay_ms)
        vote = mass**-pair.mass_power
        for k in range(1, len(weights) + 1):
            if rows[h - k] == x:
                weights[k - 1] = votes[0 if sessions[h - k] == session else 1, k] * vote
    return weights


@njit(cache=True)
def _vote_pair(
    rows: Int32Array, weights: Float64Array, j: int, i: int, w: float, score: Float64Array, touched: Int32Array,
    n_touched: int,
) -> int:  # fmt: skip
    """Let every occurrence of j in the history vote for i as if C[j, i] were larger by w."""
    vote = 0.0
    for k in range(1, len(weights) + 1):
        if rows[len(rows) - k] == j:
            vote += weights[k - 1]
    if vote * w > 0.0:
        touched[n_touched] = i
        n_touched += score[i] == 0.0
        score[i] += vote * w
    return n_touched


@njit(cache=True)
def _pending_votes(
    pair: PairRates, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, pending: int,
    weights: Float64Array, score: Float64Array, touched: Int32Array, n_touched: int,
) -> int:  # fmt: skip
    """Add what the pairs of the last `pending` lines contribute."""
    h = len(rows)
    for p in range(1, pending + 1):
        at = h - p
        g = forward_weight(times_ms[at], pair.landmark, pair.decay_ms)
        for k in range(1, min(at, pair.weights.shape[1] - 1) + 1):
            j, x = rows[at - k], rows[at]
            w = g * pair.weights[0 if sessions[at - k] == sessions[at] else 1, k]
            n_touched = _vote_pair(rows, weights, j, x, w, score, touched, n_touched)
            if j != x:
                n_touched = _vote_pair(rows, weights, x, j, w * pair.backward, score, touched, n_touched)
    return n_touched


@njit(cache=True)
def cooc_score(
    item: CoocArrays, pair: PairRates, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, session: int,
    pending: int, votes: Float64Array, score: Float64Array, touched: Int32Array,
) -> int:  # fmt: skip
    """Add up the votes of the last H items into `score`; return how many rows were touched.

    The sums run from the newest item on and through each row's neighbours in their stored order: a float sum
    depends on its order, and equal inputs are to give equal lists.
    """
    n_touched = 0
    weights = _history_votes(item, pair, rows, sessions, times_ms, session, pending, votes)
    for k in range(1, len(weights) + 1):
        j, vote = rows[len(rows) - k], weights[k - 1]
        neighbours, pair_weights = item.neighbour_rows[j], item.neighbour_weights[j]
        for q in range(item.neighbour_count[j]):
            amount = vote * pair_weights[q]
            if amount > 0.0:  # else it underflowed, and "score is zero" would not mean "not touched" any more
                i = neighbours[q]
                before = score[i]
                touched[n_touched] = i  # no branch: whether a row is new is a coin flip to the processor
                n_touched += before == 0.0
                score[i] = before + amount
    return _pending_votes(pair, rows, sessions, times_ms, pending, weights, score, touched, n_touched)


@njit(cache=True)
def _flag_session(flags: UInt8Array, rows: Int32Array, sessions: Int32Array, session: int, value: int) -> None:
    """Set the flag of every history row of `session`, which is the last one if it has any event yet."""
    at = len(rows) - 1
    while at >= 0 and sessions[at] == session:
        flags[rows[at]] = value
        at -= 1


@njit(cache=True)
def cooc_propose(
    item: CoocArrays, pair: PairRates, listable: UInt8Array, rows: Int32Array, sessions: Int32Array,
    times_ms: Int64Array, session: int, pending: int, votes: Float64Array, beta: float, score: Float64Array,
    touched: Int32Array, in_session: UInt8Array, excluded: UInt8Array,
) -> tuple[Int32Array, Float64Array]:  # fmt: skip
    """Score, weigh candidates, select: up to `CANDIDATES_PER_SOURCE` rows, best first, ties to the lower row.

    `score` and `in_session` are clean again afterwards. O(H K) additions and one selection over the touched rows,
    whatever the size of the catalogue. Deterministic. Nothing without a history.
    """
    few = min(pending, len(rows), MOST_PENDING)
    n_touched = cooc_score(item, pair, rows, sessions, times_ms, session, few, votes, score, touched)
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
