"""Co-occurrence: what was seen near the user's last items, by anyone, lately.

Score of item i, over the last H history items j_k (k = 1 is the newest)::

    S[i] = ( sum over k <= H of  k^-hp * xs_k * C[j_k, i] * P[j_k]^-al ) * P[i]^-be * beta_i

with xs_k = `other_session` where j_k is of another session than the one being continued, and `other_power` times hp
there, else 1; beta_i = `in_session` where i already is in that session, else 1. C is `neighbour_weights`, the powers of
P are `mass_vote` and `mass_candidate`. All are stored in forward-decayed units, so the order needs no clock.

What was near the items the user hid falls. Over the last n of those, l_k the k-th of them (k = 1 is the newest)::

    S[i] -= λ * sum over k <= n of  k^-hp * xs_k * C[l_k, i] * P[l_k]^-al        before P[i]^-be * beta_i

and what is left with 0 or less is not proposed.

The item table counts an event only after its frame has been acknowledged. So that a list reflects the click it is
published for, the pairs of the user's own last lines that are still pending are added here, as they will be counted.

References
----------
Linden, Smith, York (2003), "Amazon.com recommendations: item-to-item collaborative filtering", IEEE Internet Computing.
https://doi.org/10.1109/MIC.2003.1167344
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from stream_rec.core.compiled import inner
from stream_rec.core.prefetch import AHEAD, prefetch
from stream_rec.core.presets import CoocParams, SignalParams
from stream_rec.core.ranking.select import ABOVE_ZERO, best_of, floor_of_best
from stream_rec.core.signals import kind_weights
from stream_rec.core.sources.fading import power_table
from stream_rec.core.state.item_layout import CoocArrays
from stream_rec.core.state.pair_counts import forward_weight
from stream_rec.core.types import KIND_MASK, Float64Array, Int32Array, UInt8Array, UserView


def vote_table(params: CoocParams, history: int) -> Float64Array:
    """Return float64[2, history + 1]: what the k-th last item's vote weighs, k^-hp, or xs * k^-(op * hp).

    Row 0 is for items of the session being continued, row 1 for items of others. Column 0 is unused.

    Examples
    --------
    >>> vote_table(CoocParams(history_power=2.0, other_session=0.5, other_power=0.5), 2).tolist()
    [[0.0, 1.0, 0.25], [0.0, 0.5, 0.25]]
    """
    return power_table(params.history_power, params.other_power, params.other_session, history)


_PER_LINE = 16  # neighbours in a cache line
_UNSIGNED = np.uint64  # an index that cannot count from the end saves asking whether it does

MOST_PENDING = 8
"""Pending lines that are added; more come together only when a backlog is worked off."""


class PairRates(NamedTuple):
    """How a pair is counted (`state/pair_counts.py`), to count pending ones.

    `weights` float64[2, W + 1] as votes; `kinds` float64[16], what an event of each kind weighs.
    """

    weights: Float64Array
    landmark: int
    decay_ms: float
    backward: float
    mass_power: float
    candidate_power: float
    kinds: Float64Array


def pair_rates(params: CoocParams, signals: SignalParams, landmark: int) -> PairRates:
    """Return the rates of a preset under the table's present landmark."""
    weights = power_table(params.distance_power, params.other_power, params.other_session, params.window)
    powers = params.mass_power, params.candidate_power
    return PairRates(weights, landmark, params.decay_ms, params.backward_weight, *powers, kind_weights(signals))


@inner()
def weight_of(pair: PairRates, user: UserView, at: int) -> float:
    """Return what the kind of the line at `at` weighs."""
    return float(pair.kinds[user.tags[at] & KIND_MASK])


@inner(allocates=True)
def _history_votes(
    item: CoocArrays, pair: PairRates, user: UserView, pending: int, votes: Float64Array
) -> Float64Array:
    """Return float64[min(h, H)]: what the k-th last item's neighbours are multiplied by, at k - 1."""
    rows, sessions, session, h = user.rows, user.sessions, user.session, len(user.rows)
    weights = np.empty(min(h, votes.shape[1] - 1))
    for k in range(1, len(weights) + 1):
        j = rows[h - k]
        weights[k - 1] = votes[0 if sessions[h - k] == session else 1, k] * item.mass_vote[j]
    for p in range(1, pending + 1):
        mass, x = item.pair_mass[rows[h - p]], rows[h - p]
        for q in range(1, pending + 1):
            if rows[h - q] == x:
                decayed = forward_weight(user.times_ms[h - q], pair.landmark, pair.decay_ms)
                mass += weight_of(pair, user, h - q) * decayed
        vote = mass**-pair.mass_power
        for k in range(1, len(weights) + 1):
            if rows[h - k] == x:
                weights[k - 1] = votes[0 if sessions[h - k] == session else 1, k] * vote
    return weights


@inner()
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


@inner()
def _pending_votes(
    pair: PairRates, user: UserView, pending: int, weights: Float64Array, score: Float64Array, touched: Int32Array,
    n_touched: int,
) -> int:  # fmt: skip
    """Add what the pairs of the last `pending` lines contribute."""
    rows, sessions, h = user.rows, user.sessions, len(user.rows)
    for p in range(1, pending + 1):
        at = h - p
        weight = weight_of(pair, user, at)
        g = weight * forward_weight(user.times_ms[at], pair.landmark, pair.decay_ms)
        for k in range(1, min(at, pair.weights.shape[1] - 1) + 1):
            j, x = rows[at - k], rows[at]
            near = pair.weights[0 if sessions[at - k] == sessions[at] else 1, k]
            if j == x:  # as the lighter of the two, see `core/signals.py`
                near *= min(1.0, weight_of(pair, user, at - k) / weight)
            w = g * near
            n_touched = _vote_pair(rows, weights, j, x, w, score, touched, n_touched)
            if j != x:
                n_touched = _vote_pair(rows, weights, x, j, w * pair.backward, score, touched, n_touched)
    return n_touched


@inner()
def cooc_score(
    item: CoocArrays, pair: PairRates, user: UserView, pending: int, votes: Float64Array, score: Float64Array,
    touched: Int32Array,
) -> int:  # fmt: skip
    """Add up the votes of the last H items into `score`; return how many rows were touched.

    The sums run from the newest item on and through each row's neighbours in their stored order: a float sum
    depends on its order, and equal inputs are to give equal lists.
    """
    n_touched, rows, h = _UNSIGNED(0), user.rows, len(user.rows)
    weights = _history_votes(item, pair, user, pending, votes)
    for k in range(1, len(weights) + 1):
        j, vote, after = rows[h - k], weights[k - 1], rows[h - min(k + 1, len(weights))]
        for line in range(0, item.neighbour_rows.shape[1], _PER_LINE):
            prefetch(item.neighbour_rows[after], line)
            prefetch(item.neighbour_weights[after], line)
        neighbours, pair_weights = item.neighbour_rows[j], item.neighbour_weights[j]
        for q in range(item.neighbour_count[j]):
            amount = vote * pair_weights[q]
            if amount > 0.0:  # else it underflowed, and "score is zero" would not mean "not touched" any more
                i = _UNSIGNED(neighbours[q])
                before = score[i]
                touched[n_touched] = i  # no branch: whether a row is new is a coin flip to the processor
                n_touched += _UNSIGNED(before == 0.0)
                score[i] = before + amount
    n_before: Any = np.int64(n_touched)  # signed again
    return _pending_votes(pair, user, pending, weights, score, touched, n_before)


@inner()
def _vote_against(
    item: CoocArrays, hidden: Int32Array, session: int, votes: Float64Array, near_hidden: float, score: Float64Array
) -> None:
    """Take the votes of the hidden items' neighbours off `score`, down to 0; call it once every vote for is in."""
    n = hidden.shape[1]
    for k in range(1, min(n, votes.shape[1] - 1) + 1):
        j = hidden[0, n - k]
        if j < 0:
            continue
        vote = near_hidden * (votes[0 if hidden[1, n - k] == session else 1, k] * item.mass_vote[j])
        for q in range(item.neighbour_count[j]):
            i = item.neighbour_rows[j, q]
            score[i] = max(0.0, score[i] - vote * item.neighbour_weights[j, q])


@inner()
def flag_session(flags: UInt8Array, rows: Int32Array, sessions: Int32Array, session: int, value: int) -> None:
    """Set the flag of every history row of `session`, which is the last one if it has any event yet."""
    at = len(rows) - 1
    while at >= 0 and sessions[at] == session:
        flags[rows[at]] = value
        at -= 1


@inner()
def _weigh_session(
    item: CoocArrays, user: UserView, beta: float, score: Float64Array, excluded: UInt8Array, rows: Int32Array,
    values: Float64Array,
) -> int:  # fmt: skip
    """Write the candidates of the session being continued, and their values; clear their scores; return how many."""
    n, at = 0, len(user.rows) - 1
    while at >= 0 and user.sessions[at] == user.session:
        i = user.rows[at]
        value = score[i] * (item.mass_candidate[i] * beta)
        score[i] = 0.0
        if value > 0.0 and excluded[i] == 0:
            rows[n], values[n] = i, value
            n += 1
        at -= 1
    return n


@inner()
def _weigh(
    mass_candidate: Float64Array, touched: Int32Array, floor: float, score: Float64Array, excluded: UInt8Array,
    rows: Int32Array, values: Float64Array, n: int,
) -> int:  # fmt: skip
    """Write those of the touched rows whose value reaches `floor`, from place n on; return how many there are then."""
    end = _UNSIGNED(n)
    for t in range(len(touched)):
        prefetch(mass_candidate, touched[min(t + AHEAD, len(touched) - 1)])
        i = _UNSIGNED(touched[t])
        value = score[i] * mass_candidate[i]
        score[i] = 0.0
        rows[end], values[end] = i, value  # no branch: the next one takes its place if it does not count
        end += _UNSIGNED((value >= floor) & (excluded[i] == 0))
    n_kept: Any = np.int64(end)  # signed again
    return n_kept  # type: ignore[no-any-return]


@inner(allocates=True)
def cooc_propose(
    item: CoocArrays, pair: PairRates, user: UserView, votes: Float64Array, beta: float, near_hidden: float,
    score: Float64Array, touched: Int32Array, excluded: UInt8Array, out_rows: Int32Array, out_scores: Float64Array,
) -> int:  # fmt: skip
    """Score, weigh candidates, write as many as there is room for, best first, ties to the lower row; return how many.

    `score` is clean again afterwards. O(H K) additions and one selection over the touched rows, whatever the size of
    the catalogue. Deterministic. Nothing without a history.

    The rows touched first are those near the newest items, and most of the best are among them: what is worse than as
    many of those as are wanted is let go at once.
    """
    few = min(user.pending, len(user.tags), MOST_PENDING)  # without its tag a line cannot be counted
    n_touched, k = cooc_score(item, pair, user, few, votes, score, touched), len(out_rows)
    if n_touched > 0:
        _vote_against(item, user.hidden, user.session, votes, near_hidden, score)
    rows, values, mass = np.empty(n_touched + 1, np.int32), np.empty(n_touched + 1), item.mass_candidate
    first, floor = min(n_touched, 2 * k), ABOVE_ZERO
    n = _weigh_session(item, user, beta, score, excluded, rows, values)
    n = _weigh(mass, touched[:first], floor, score, excluded, rows, values, n)
    if n > k and n_touched > first:
        floor = floor_of_best(values, n, k)
    n = _weigh(mass, touched[first:n_touched], floor, score, excluded, rows, values, n)
    return best_of(rows, values, n, out_rows, out_scores)
