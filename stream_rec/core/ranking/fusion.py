"""Reciprocal-rank fusion: one order from several, without comparing scores that have nothing in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from stream_rec.core.presets import FusionParams
from stream_rec.core.ranking.select import Scratch, best_of
from stream_rec.core.types import Float64Array, Int32Array, Proposal, Ranked, UInt8Array
from stream_rec.errors import ConfigError


@njit(cache=True)
def fuse(
    rows: Int32Array, ends: Int32Array, weights: Float64Array, rank_offset: float, k: int, slot: Int32Array
) -> tuple[Int32Array, Float64Array, UInt8Array]:
    """Fuse proposals laid end to end; `slot` is left at -1.

    Parameters
    ----------
    rows
        int32[n], the proposals of source 0, then of source 1, ...
    ends
        int32[sources], where each source's part ends.
    weights
        float64[sources]; a source of weight 0 is left out.

    Returns
    -------
    rows, scores, sources
        int32[m], float64[m], uint8[m] with m = min(k, size of the union), best first; ties go to the candidate
        that comes first in the union (source by source, each best first).
    """
    n = 0  # candidates in the union
    union, place = np.empty(len(rows), np.int32), np.arange(len(rows), dtype=np.int32)
    fused, largest, by = np.empty(len(rows)), np.empty(len(rows)), np.empty(len(rows), np.uint8)
    start = 0
    for s in range(len(ends)):
        for at in range(start, ends[s] if weights[s] > 0.0 else start):
            share = weights[s] / (rank_offset + (at - start + 1))
            c = slot[rows[at]]
            if c < 0:
                c, n = n, n + 1
                slot[rows[at]] = c
                union[c], fused[c], largest[c], by[c] = rows[at], 0.0, 0.0, s
            fused[c] += share
            if share > largest[c]:
                largest[c], by[c] = share, s
        start = ends[s]
    for c in range(n):
        slot[union[c]] = -1
    best, scores = np.empty(k, np.int32), np.empty(k)
    m = best_of(place, fused, n, best, scores)
    return union[best[:m]], scores[:m], by[best[:m]]


class ReciprocalRankFusion:
    """Fused score of i = sum over sources s that propose i of weight_s / (rank_offset + rank_s(i)), ranks from 1.

    Raises
    ------
    ConfigError
        A weight is negative or not finite, or the rank offset is negative.

    Notes
    -----
    O(candidates). Deterministic; learns nothing. Holds a buffer: one instance serves one thread.

    References
    ----------
    Cormack, Clarke, Büttcher: Reciprocal rank fusion outperforms Condorcet and individual rank learning methods,
    SIGIR 2009, https://doi.org/10.1145/1571941.1572114

    Examples
    --------
    >>> from stream_rec.core.presets import FusionParams
    >>> a = Proposal(np.array([7, 3], np.int32), np.array([9.0, 8.0]))
    >>> b = Proposal(np.array([3], np.int32), np.array([0.1]))
    >>> ranked = ReciprocalRankFusion(FusionParams(rank_offset=1.0, weights=(1.0, 1.0))).rank([a, b], Scratch(8), 20)
    >>> ranked.rows.tolist(), ranked.sources.tolist()
    ([3, 7], [1, 0])
    """

    def __init__(self, params: FusionParams) -> None:
        self._weights = np.array(params.weights, np.float64)
        self._rank_offset = float(params.rank_offset)
        self._ends = np.zeros(len(self._weights), np.int32)  # filled anew by every call
        if not (np.isfinite(self._weights).all() and (self._weights >= 0.0).all() and self._rank_offset >= 0.0):
            raise ConfigError(
                "fusion: need finite weights >= 0 and a rank offset >= 0; "
                f"got weights {params.weights} and rank offset {params.rank_offset}. Correct the preset."
            )

    def rank(self, proposals: Sequence[Proposal], scratch: Scratch, k: int) -> Ranked:
        """Return the best `k` of the union, best first; `sources` names the largest share, the first one if tied.

        Raises
        ------
        ConfigError
            There is not one weight per proposal.
        """
        if len(proposals) != len(self._weights):
            raise ConfigError(
                f"fusion: need one weight per source; got {len(self._weights)} weights for {len(proposals)} sources. "
                "Correct the preset."
            )
        end = 0
        for s, proposal in enumerate(proposals):
            end += len(proposal.rows)
            self._ends[s] = end
        rows = np.concatenate([proposal.rows for proposal in proposals])
        return Ranked(*fuse(rows, self._ends, self._weights, self._rank_offset, k, scratch.slot))
