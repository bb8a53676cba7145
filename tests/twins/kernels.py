"""The proposing sources' kernels under one signature, with the parameters of the table's preset."""

from __future__ import annotations

import numpy as np

from stream_rec.core.presets import CANDIDATES_PER_SOURCE
from stream_rec.core.ranking.evidence import tables_of
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import cooc_propose, pair_rates
from stream_rec.core.sources.hop import hop_propose
from stream_rec.core.sources.own import own_propose
from stream_rec.core.sources.popularity import popular_propose
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, Int32Array, UserView

PROPOSING = ("cooc", "own", "hop", "popularity")
"""Sources that name candidates; the factors only score those."""


def propose(name: str, items: ItemTable, user: UserView, scratch: Scratch) -> tuple[Int32Array, Float64Array]:
    """Rows and scores, best first."""
    w, t, (cooc, own) = scratch, tables_of(items.preset), (items.preset.cooc, items.preset.own)
    if name == "cooc":
        return cooc_propose(
            items.cooc_arrays(), pair_rates(cooc, items.preset.signals, items.pair_landmark), items.listable, user,
            t.votes, cooc.in_session, items.preset.signals.near_hidden, w.score, w.touched, w.in_session, w.excluded,
        )  # fmt: skip
    if name == "own":
        return own_propose(
            t.ahead, t.behind, own.base, own.in_session, user.rows, user.sessions, user.session, items.listable,
            w.excluded, w.in_session, w.slot, w.score,
        )  # fmt: skip
    if name == "hop":
        rows, scores = np.empty(CANDIDATES_PER_SOURCE, np.int32), np.empty(CANDIDATES_PER_SOURCE)
        n = hop_propose(
            items.cooc_arrays(), items.listable, user.rows, items.preset.hop.items, w.score, w.touched, w.excluded,
            rows, scores,
        )  # fmt: skip
        return rows[:n], scores[:n]
    return popular_propose(items.popular_rows, items.popular_size, items.popularity, items.listable, w.excluded)
