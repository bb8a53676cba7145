"""Popularity: what everybody is after lately; the only source that needs no history."""

from __future__ import annotations

from stream_rec.core.compiled import entry
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, UInt8Array


@entry()
def popular_propose(
    popular_rows: Int32Array, popular_size: Int64Array, popularity: Float64Array, listable: UInt8Array,
    excluded: UInt8Array, out_rows: Int32Array, out_scores: Float64Array,
) -> int:  # fmt: skip
    """Write the first of `popular_rows` that may be shown, with their popularity; return how many."""
    n = 0
    for place in range(popular_size[0]):
        row = popular_rows[place]
        if listable[row] == 0 or excluded[row] != 0:
            continue
        out_rows[n], out_scores[n] = row, popularity[row]
        n += 1
        if n == len(out_rows):
            break
    return n
