"""Text neighbours: items with few events whose texts are like those of the user's last items.

    score(i) = Σ_{k ≤ n} k^-1 · (xs if of another session) · max(cos(i, j_k), 0)³, over the last items j_k ≠ i

The cube leaves the nearest texts to speak. Products of bytes are summed as integers, so a score is the same in whatever
company it is worked out. What an item says of the pool does not depend on the user, so it is kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.ranking.select import best_of
from stream_rec.core.types import (
    BoolArray,
    Float32Array,
    Float64Array,
    Int8Array,
    Int16Array,
    Int32Array,
    Int64Array,
    UInt8Array,
)


class Pool(NamedTuple):
    """The items to choose from, in the order of their rows.

    `rows` int32[p], `numbers` int16[p, w] and `scale` float32[p]: their content vectors; `groups` uint8[p]: 0 and 1 are
    proposed, apart; others are passed over.
    """

    rows: Int32Array
    numbers: Int16Array
    scale: Float32Array
    groups: UInt8Array


class KeptCubes(NamedTuple):
    """Cubes of cosines of some items with the pool, an item at the place row mod slots.

    `rows` int32[slots]: whose they are, -1 for nobody's; `cubes` float32[slots, p].
    """

    rows: Int32Array
    cubes: Float32Array


class Lines(NamedTuple):
    """Histories of some users, one behind the other.

    `rows`, `sessions` int32[n], `ends` int64[users]: where each user's end; `session` int32[users]: which one goes on.
    """

    rows: Int32Array
    sessions: Int32Array
    ends: Int64Array
    session: Int32Array


class Nearest(NamedTuple):
    """What is proposed to each user, best first.

    `rows`, `because` int32[users, m]: items, and the user's item that speaks most for each; `scores` float64, `first`
    bool of the same shape: whether an item is of group 0; `counts` int64[users].
    """

    rows: Int32Array
    because: Int32Array
    scores: Float64Array
    first: BoolArray
    counts: Int64Array


@inner(allocates=True)
def _fill_cubes(numbers: Int8Array, scale: Float32Array, row: int, pool: Pool, cubes: Float32Array) -> None:
    """Write what an item says of each of the pool: the more alike the more, and nothing of itself."""
    width = numbers.shape[1]
    mine = np.empty(width, np.int16)
    mine[:] = numbers[row]
    for c in range(len(pool.rows)):
        other, total = pool.numbers[c], np.int32(0)
        for q in range(width):
            total = np.int32(total + np.int32(np.int32(mine[q]) * np.int32(other[q])))
        cosine = np.float32(max(int(total), 0)) * (scale[row] * pool.scale[c])
        cubes[c] = np.float32(0.0) if pool.rows[c] == row else cosine * cosine * cosine


@inner(allocates=True)
def _best_of_both(pool: Pool, because: Int32Array, score: Float32Array, most: Int64Array, out: Nearest, u: int) -> None:
    """Write the best of each group in one order; ties to group 0, then to the lower row."""
    members, values = np.empty(len(score), np.int32), np.empty(len(score))
    best, best_values = np.empty((2, most.max()), np.int32), np.empty((2, most.max()))
    found = np.zeros(2, np.int64)
    for group in range(2):
        n = 0
        for c in range(len(score)):
            members[n], values[n] = c, score[c]
            n += pool.groups[c] == group and score[c] > 0.0
        found[group] = best_of(members, values, n, best[group, : most[group]], best_values[group, : most[group]])
    a, b = 0, 0
    while a < found[0] or b < found[1]:
        first = b == found[1] or (a < found[0] and best_values[0, a] >= best_values[1, b])
        c = best[0, a] if first else best[1, b]
        at = a + b
        out.rows[u, at], out.because[u, at], out.scores[u, at] = pool.rows[c], because[c], score[c]
        out.first[u, at] = first
        a, b = a + first, b + (not first)
    out.counts[u] = a + b


@entry()
def content_nearest(
    numbers: Int8Array, scale: Float32Array, pool: Pool, kept: KeptCubes, lines: Lines, history: int,
    other_session: float, most: Int64Array, out: Nearest,
) -> None:  # fmt: skip
    """Write the nearest items of both groups, for each user.

    Parameters
    ----------
    numbers, scale
        int8[capacity, w], float32[capacity]: the content vectors of all items.
    kept
        Filled on the way; to be emptied when a vector or the pool changes.
    history, other_session
        n and xs of the equation.
    most
        int64[2]: items wanted of each group.
    out
        Written.

    Notes
    -----
    About 0.4 ns a user, line and item of the pool where the line's item is kept, 10 ns where not.
    """
    because, score = np.empty(len(pool.rows), np.int32), np.empty(len(pool.rows), np.float32)
    strongest = np.empty(len(pool.rows), np.float32)
    begins = 0
    for u in range(len(lines.ends)):
        score[:] = 0.0
        strongest[:] = 0.0
        for k in range(1, min(history, lines.ends[u] - begins) + 1):
            at = lines.ends[u] - k
            row, slot = lines.rows[at], lines.rows[at] % len(kept.rows)
            if kept.rows[slot] != row:
                _fill_cubes(numbers, scale, row, pool, kept.cubes[slot])
                kept.rows[slot] = row
            weight, cubes = np.float32(1.0 / k), kept.cubes[slot]
            if lines.sessions[at] != lines.session[u]:
                weight *= np.float32(other_session)
            for c in range(len(score)):
                vote = weight * cubes[c]
                score[c] += vote
                because[c] = row if vote > strongest[c] else because[c]
                strongest[c] = max(strongest[c], vote)
        begins = lines.ends[u]
        _best_of_both(pool, because, score, most, out, u)
