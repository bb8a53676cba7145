"""Popularity: what everybody is after lately; the only source that needs no history."""

from __future__ import annotations

import numpy as np
from numba import njit

from stream_rec.core.presets import CANDIDATES_PER_SOURCE
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, Proposal, UInt8Array, UserView


@njit(cache=True)
def popular_propose(
    popular_rows: Int32Array, popular_size: Int64Array, popularity: Float64Array, listable: UInt8Array,
    excluded: UInt8Array,
) -> tuple[Int32Array, Float64Array]:  # fmt: skip
    """Return the first `CANDIDATES_PER_SOURCE` of `popular_rows` that may be shown, with their popularity."""
    out_rows = np.empty(CANDIDATES_PER_SOURCE, np.int32)
    out_scores = np.empty(CANDIDATES_PER_SOURCE, np.float64)
    n = 0
    for place in range(popular_size[0]):
        row = popular_rows[place]
        if listable[row] == 0 or excluded[row] != 0:
            continue
        out_rows[n], out_scores[n] = row, popularity[row]
        n += 1
        if n == CANDIDATES_PER_SOURCE:
            break
    return out_rows[:n], out_scores[:n]


class Popularity:
    """The popularity source: event counts with exponential decay, S[i] = sum over events of exp(-age / tau).

    Notes
    -----
    O(candidates): `ItemTable.popular_rows` is kept in order as events arrive. It holds 200 rows, so a user to whom
    more than 100 of them are excluded gets fewer candidates. Scores are in forward-decayed units.
    """

    name = "popularity"

    def propose(self, items: ItemTable, user: UserView, scratch: Scratch) -> Proposal:
        """Return up to `CANDIDATES_PER_SOURCE` of the most popular rows, best first, whoever the user is."""
        rows, scores = popular_propose(
            items.popular_rows, items.popular_size, items.popularity, items.listable, scratch.excluded
        )
        return Proposal(rows, scores)
