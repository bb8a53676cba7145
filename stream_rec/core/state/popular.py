"""The list of the most popular items, kept in order while popularity changes one item at a time."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, UInt8Array

POPULAR_SIZE = 200
"""Items in the list: enough for a source's candidates after leaving out what the user may not see."""


@entry()
def popular_raise(rows: Int32Array, size: Int64Array, popularity: Float64Array, row: int) -> None:
    """Put a listable row whose popularity has just grown at its place; ties go to the lower row.

    Parameters
    ----------
    rows
        int32[POPULAR_SIZE], best first; mutated.
    size
        int64[1], places in use; mutated.
    popularity
        float64[capacity].
    row
        The row that grew, in the list or not.

    Notes
    -----
    One comparison when the row stays outside, else at most one pass over the list.
    """
    n, p = size[0], popularity[row]
    if n == len(rows):
        last = rows[n - 1]
        if p < popularity[last] or (p == popularity[last] and row > last):
            return
    place = 0
    while place < n and rows[place] != row:
        place += 1
    if place == n:
        if n < len(rows):
            size[0] = n + 1
        else:
            place = n - 1
    while place > 0:
        above = rows[place - 1]
        if popularity[above] > p or (popularity[above] == p and above < row):
            break
        rows[place] = above
        place -= 1
    rows[place] = row


def popular_rebuild(rows: Int32Array, size: Int64Array, popularity: Float64Array, listable: UInt8Array) -> None:
    """Fill the list from nothing; the slow twin of `popular_raise`, for the rare changes that take an item down.

    Parameters
    ----------
    rows, size
        As for `popular_raise`; mutated.
    popularity, listable
        float64[n], uint8[n]: only the rows in use.

    Notes
    -----
    O(n log n).
    """
    candidates = np.flatnonzero(listable)
    best = candidates[np.argsort(-popularity[candidates], kind="stable")[: len(rows)]]
    rows[: len(best)] = best
    size[0] = len(best)
