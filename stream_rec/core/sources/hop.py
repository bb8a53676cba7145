"""Two hops: what was seen near what was seen near the user's last items.

    s[m] = Σ_{k ≤ n} k^-1 · C[j_k, m] / P[j_k]          the neighbours of the last n items
    S[i] = ( Σ_m s[m] · C[m, i] / P[m] ) · P[i]^-½      and theirs

Where an item has few neighbours, as in clicks, co-occurrence proposes few candidates; the second hop brings the rest of
the session's neighbourhood. Where rows are full it adds nothing and costs K times as much: so it is left out for a
user whose last items have more than `most_near` neighbours together.

References
----------
Cooper, Lee, Radzik, Siantos (2014), "Random walks in recommender systems: exact computation and simulations", WWW
(few steps of a walk on the item graph). https://doi.org/10.1145/2567948.2579244
"""

from __future__ import annotations

import math

import numpy as np

from stream_rec.core.compiled import inner
from stream_rec.core.ranking.select import select_top
from stream_rec.core.state.item_layout import CoocArrays
from stream_rec.core.types import Float64Array, Int32Array, UInt8Array


@inner()
def _spread(
    item: CoocArrays, j: int, weight: float, score: Float64Array, touched: Int32Array, n_touched: int
) -> int:  # fmt: skip
    """Add weight · C[j, ·] to `score`; return how many rows are touched now."""
    neighbours, weights = item.neighbour_rows[j], item.neighbour_weights[j]
    for q in range(item.neighbour_count[j]):
        amount = weight * weights[q]
        if amount > 0.0:
            before = score[neighbours[q]]
            touched[n_touched] = neighbours[q]
            n_touched += before == 0.0
            score[neighbours[q]] = before + amount
    return n_touched


@inner(allocates=True)
def hop_propose(
    item: CoocArrays, listable: UInt8Array, rows: Int32Array, n_items: int, most_near: int, score: Float64Array,
    touched: Int32Array, excluded: UInt8Array, out_rows: Int32Array, out_scores: Float64Array,
) -> int:  # fmt: skip
    """Write the best rows two hops from the last `n_items` items, best first, ties to the lower row; return how many.

    `score` is zero again afterwards. O(`most_near` K) at worst.
    """
    h, n_near, n_listed = len(rows), 0, 0
    for k in range(1, min(h, n_items) + 1):
        n_listed += item.neighbour_count[rows[h - k]]
    if n_listed > most_near:
        return 0
    for k in range(1, min(h, n_items) + 1):
        j = rows[h - k]
        if item.pair_mass[j] > 0.0:
            n_near = _spread(item, j, 1.0 / (k * item.pair_mass[j]), score, touched, n_near)
    near, weights = touched[:n_near].copy(), np.empty(n_near)
    for m in range(n_near):
        weights[m] = score[near[m]]
        score[near[m]] = 0.0
    n_touched = 0
    for m in range(n_near):
        if item.pair_mass[near[m]] > 0.0:
            n_touched = _spread(item, near[m], weights[m] / item.pair_mass[near[m]], score, touched, n_touched)
    for t in range(n_touched):
        mass = item.pair_mass[touched[t]]
        score[touched[t]] *= 1.0 / math.sqrt(mass) if mass > 0.0 else 0.0
    return select_top(score, touched, n_touched, excluded, listable, 0.0, out_rows, out_scores)
