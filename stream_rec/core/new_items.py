"""What a list says of cold items beside their order: new ones on a shelf of their own, and texts as reasons."""

from __future__ import annotations

import numpy as np

from stream_rec.core.orders import NEW_ITEMS, NOTHING, Listing
from stream_rec.core.ranking.workspace import CONTENT
from stream_rec.core.types import Cold, Int32Array, Ranked, UInt8Array


def new_items(cold: Cold, listed: Int32Array, excluded: UInt8Array) -> Listing:
    """Return the best items nobody had yet that are not among `listed` rows and not `excluded` uint8[capacity]."""
    if not cold.unsold.any():
        return NOTHING
    rows, taken = cold.rows.tolist(), set(listed.tolist())
    free = np.flatnonzero(cold.unsold & (excluded[cold.rows] == 0)).tolist()
    at = [place for place in free if rows[place] not in taken][:NEW_ITEMS]
    return Listing(Ranked(cold.rows[at], cold.scores[at], np.full(len(at), CONTENT, np.int32)), cold.because[at])


def reasons_by_text(ranked: Ranked, because: Int32Array, cold: Cold) -> Int32Array:
    """Return the reasons of a list: where the text added most, the item whose text is nearest."""
    places = np.flatnonzero(ranked.sources == CONTENT).tolist()
    if places:
        speaks = dict(zip(cold.rows.tolist(), cold.because.tolist(), strict=True))
        because = because.copy()
        because[places] = [speaks[row] for row in ranked.rows[places].tolist()]
    return because
