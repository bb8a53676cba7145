"""What a list says of cold items beside their order: new ones on a shelf of their own, and texts as reasons."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.orders import NEW_ITEMS, NOTHING, Listing
from stream_rec.core.ranking.workspace import CONTENT
from stream_rec.core.types import BoolArray, Cold, Float64Array, Int32Array, Int64Array, Ranked, UInt8Array


def new_items(cold: Cold, listed: Int32Array, excluded: UInt8Array) -> Listing:
    """Return the best items nobody had yet that are not among `listed` rows and not `excluded` uint8[capacity]."""
    at = _free_places(cold.rows, cold.unsold, listed, excluded)
    if not len(at):
        return NOTHING
    return Listing(Ranked(cold.rows[at], cold.scores[at], np.full(len(at), CONTENT, np.int32)), cold.because[at])


@entry()
def _free_places(rows: Int32Array, unsold: BoolArray, listed: Int32Array, excluded: UInt8Array) -> Int64Array:
    places, n = np.empty(NEW_ITEMS, np.int64), 0
    for at in range(len(rows)):
        if n < NEW_ITEMS and unsold[at] and excluded[rows[at]] == 0 and not (listed == rows[at]).any():
            places[n] = at
            n += 1
    return places[:n]


@entry()
def reason_by_text(
    cold_rows: Int32Array, cold_because: Int32Array, rows: Int32Array, sources: Int32Array, because: Int32Array
) -> None:
    """Replace the reasons `because` of a list where the text added most: by the item whose text is nearest."""
    for place in range(len(rows)):
        if sources[place] == CONTENT:
            for at in range(len(cold_rows)):
                if cold_rows[at] == rows[place]:
                    because[place] = cold_because[at]


@entry()
def shown_of(unsold: BoolArray, event_count: Int64Array, rows: Int32Array, brought: int) -> tuple[int, int]:
    """Return how many of the listed `rows` nobody had yet, and `brought`; -1 where none could have been.

    `unsold` bool[n] of all that was proposed.
    """
    listed = 0
    for row in rows:
        listed += event_count[row] == 0
    n_unsold = unsold.sum()
    return listed if n_unsold else -1, brought if n_unsold < len(unsold) else -1


@entry()
def hand_over(cold: Cold, excluded: UInt8Array, exposing: bool, rows: Int32Array, scores: Float64Array) -> int:
    """Write what may be a candidate of the cold items, best first, and return how many that is."""
    n = 0
    for at in range(len(cold.rows)):
        if excluded[cold.rows[at]] == 0 and (exposing or not cold.unsold[at]):
            rows[n], scores[n] = cold.rows[at], cold.scores[at]
            n += 1
    return n
