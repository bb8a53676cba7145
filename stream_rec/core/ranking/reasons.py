"""Reasons: which of the user's recent items speaks most for each item of a list."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.state.item_layout import CoocArrays
from stream_rec.core.types import Float64Array, Int32Array

RECENT_ITEMS = 10
"""History items that can be a reason: an older one would puzzle the reader more than it explains."""


@inner()
def _merge_repeats(recent: Int32Array, votes: Float64Array, n: int) -> int:
    """Add the votes of an item that occurs several times at its newest place; return how many are left."""
    kept = 0
    for k in range(n):
        at = 0
        while at < kept and recent[at] != recent[k]:
            at += 1
        if at < kept:
            votes[at] += votes[k]
        else:
            recent[kept], votes[kept] = recent[k], votes[k]
            kept += 1
    return kept


@entry()
def strongest_votes(
    item: CoocArrays, rows: Int32Array, sessions: Int32Array, session: int, votes: Float64Array,
    chosen: Int32Array, slot: Int32Array,
) -> Int32Array:  # fmt: skip
    """Return int32[n]: the recent row whose co-occurrence vote for each chosen row is largest, -1 if none votes.

    One pass over the neighbours of the recent items; `slot` is left at -1.
    """
    h = len(rows)
    n = min(h, votes.shape[1] - 1)
    recent, weights = np.empty(n, np.int32), np.empty(n)
    for k in range(1, n + 1):
        recent[k - 1] = rows[h - k]
        weights[k - 1] = votes[0 if sessions[h - k] == session else 1, k] * item.mass_vote[rows[h - k]]
    n = _merge_repeats(recent, weights, n)
    strongest, because = np.zeros(len(chosen)), np.full(len(chosen), -1, np.int32)
    for c in range(len(chosen)):
        slot[chosen[c]] = c
    hits = np.empty(item.neighbour_rows.shape[1] + 1, np.int32)
    for k in range(n):
        j, weight, n_hits = recent[k], weights[k], np.uint64(0)
        neighbours, pair_weights = item.neighbour_rows[j], item.neighbour_weights[j]
        for q in range(item.neighbour_count[j]):  # no branch: one in ten is chosen, and no processor knows which
            hits[n_hits] = q
            n_hits += np.uint64(slot[np.uint32(neighbours[q])] >= 0)
        for hit in range(n_hits):
            at = np.uint32(hits[hit])
            c, vote = slot[np.uint32(neighbours[at])], weight * pair_weights[at]
            if vote > strongest[c] and chosen[c] != j:
                strongest[c], because[c] = vote, j
    for c in range(len(chosen)):
        slot[chosen[c]] = -1
    return because
