"""Text neighbours: items with few events whose texts are like those of the user's last items.

    score(i) = Σ_{k ≤ n} k^-1 · (xs if of another session) · max(cos(i, j_k), 0)³

The cube leaves the nearest texts to speak. Products of bytes are summed as integers, so a score is the same in whatever
company it is worked out.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.ranking.select import best_of
from stream_rec.core.types import Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, UInt8Array


@entry()
def content_nearest(
    numbers: Int8Array, scale: Float32Array, pool_rows: Int32Array, pool: Int16Array, pool_scale: Float32Array,
    groups: UInt8Array, rows: Int32Array, weights: Float32Array, ends: Int64Array, most: Int64Array,
    out: Int32Array, out_scores: Float64Array,
) -> None:  # fmt: skip
    """Write the nearest items of each group, for each user: best first within a group, ties to the lower row.

    Parameters
    ----------
    numbers, scale
        int8[capacity, w], float32[capacity]: the content vectors of all items.
    pool_rows, pool, pool_scale
        int32[p], int16[p, w], float32[p]: the items to choose from, in the order of their rows, and their vectors.
    groups
        uint8[p]: the group of each; one of a number there is no `most` of is passed over.
    rows, weights, ends
        int32[n], float32[n], int64[users]: the last items of all users, newest first, what each weighs, and where each
        user's end.
    most
        int64[groups]: items wanted of each group.
    out, out_scores
        int32[users, 2, Σ most]: row, and the user's item that speaks most for it; float64[users, Σ most]. Written where
        there is something to say, group behind group.

    Notes
    -----
    About 9 ns a pair of items.
    """
    n_pool, width, widest = len(pool), pool.shape[1], most.max()
    mine, dots, because = np.empty(width, np.int16), np.empty(n_pool, np.int32), np.empty(n_pool, np.int32)
    score, strongest = np.empty(n_pool, np.float32), np.empty(n_pool, np.float32)
    members, values = np.empty(n_pool, np.int32), np.empty(n_pool)
    best, best_values = np.empty(widest, np.int32), np.empty(widest)
    begins = 0
    for u in range(len(ends)):
        score[:] = 0.0
        strongest[:] = 0.0
        for at in range(begins, ends[u]):
            row = rows[at]
            mine[:] = numbers[row]
            for c in range(n_pool):
                other, total = pool[c], np.int32(0)
                for q in range(width):
                    total = np.int32(total + np.int32(np.int32(mine[q]) * np.int32(other[q])))
                dots[c] = total
            for c in range(n_pool):
                cosine = np.float32(max(dots[c], 0)) * (scale[row] * pool_scale[c])
                vote = weights[at] * cosine * cosine * cosine
                score[c] += vote
                because[c] = row if vote > strongest[c] else because[c]
                strongest[c] = max(strongest[c], vote)
        begins, first = ends[u], 0
        for group in range(len(most)):
            n = 0
            for c in range(n_pool):
                members[n], values[n] = c, score[c]
                n += groups[c] == group and score[c] > 0.0
            for r in range(best_of(members, values, n, best[: most[group]], best_values[: most[group]])):
                c = best[r]
                out[u, 0, first + r], out[u, 1, first + r], out_scores[u, first + r] = (
                    pool_rows[c],
                    because[c],
                    score[c],
                )
            first += most[group]
