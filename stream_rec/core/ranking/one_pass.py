"""The shipped sources, their fusion and the reasons in one compiled call.

Calling the five kernels one by one costs more in crossing from Python to compiled code and back than in ranking. This
is the same kernels in the same order; `tests/properties/test_one_pass.py` holds it to the sources called one by one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stream_rec.core.presets import Preset
from stream_rec.core.ranking.fusion import fuse
from stream_rec.core.ranking.reasons import RECENT_ITEMS, strongest_votes
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import cooc_propose, vote_table
from stream_rec.core.sources.own import gain_tables, own_propose
from stream_rec.core.sources.popularity import popular_propose
from stream_rec.core.state.items import CoocArrays, ItemTable
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, Ranked, UInt8Array, UserView


@njit(cache=True)
def _rank(
    item: CoocArrays, listable: UInt8Array, popular_rows: Int32Array, popular_size: Int64Array,
    popularity: Float64Array, rows: Int32Array, sessions: Int32Array, session: int, votes: Float64Array,
    beta: float, ahead: Float64Array, behind: Float64Array, base: float, own_beta: float, weights: Float64Array,
    rank_offset: float, recent_votes: Float64Array, k: int, score: Float64Array, touched: Int32Array,
    in_session: UInt8Array, excluded: UInt8Array, slot: Int32Array,
) -> tuple[Int32Array, Float64Array, UInt8Array, Int32Array]:  # fmt: skip
    cooc, _ = cooc_propose(item, listable, rows, sessions, session, votes, beta, score, touched, in_session, excluded)
    own, _ = own_propose(
        ahead, behind, base, own_beta, rows, sessions, session, listable, excluded, in_session, slot, score
    )
    popular, _ = popular_propose(popular_rows, popular_size, popularity, listable, excluded)
    union = np.concatenate((cooc, own, popular))
    ends = np.array([len(cooc), len(cooc) + len(own), len(union)], np.int32)
    ranked, fused, by = fuse(union, ends, weights, rank_offset, k, slot)
    because = strongest_votes(item, rows, sessions, session, recent_votes, ranked, slot)
    return ranked, fused, by, because


class OnePass:
    """Ranks with the shipped sources and reciprocal-rank fusion; the parameters are prepared once.

    Notes
    -----
    About a third of the time of the sources called one by one for a user with a short history.
    """

    def __init__(self, preset: Preset) -> None:
        cooc, own, fusion = preset.cooc, preset.own, preset.fusion
        self._votes = vote_table(cooc, cooc.history)
        self._recent_votes = vote_table(cooc, min(RECENT_ITEMS, cooc.history))
        self._beta = float(cooc.in_session)
        self._ahead, self._behind = gain_tables(own)
        self._base, self._own_beta = float(own.base), float(own.in_session)
        self._weights, self._rank_offset = np.array(fusion.weights, np.float64), float(fusion.rank_offset)

    def rank(self, items: ItemTable, user: UserView, scratch: Scratch, k: int) -> tuple[Ranked, Int32Array]:
        """Return the order and, for each row in it, the history row that spoke most for it (-1 for none)."""
        ranked, scores, sources, because = _rank(
            items.cooc_arrays(), items.listable, items.popular_rows, items.popular_size, items.popularity,
            user.rows, user.sessions, user.session, self._votes, self._beta, self._ahead, self._behind, self._base,
            self._own_beta, self._weights, self._rank_offset, self._recent_votes, k, scratch.score, scratch.touched,
            scratch.in_session, scratch.excluded, scratch.slot,
        )  # fmt: skip
        return Ranked(ranked, scores, sources), because
