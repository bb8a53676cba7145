"""Inner kernels as Python calls them: the proposing sources under one signature, and the cosine of texts."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import from_python
from stream_rec.core.presets import CANDIDATES_PER_SOURCE
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.ranking.workspace import tables_of
from stream_rec.core.sources.cooc import cooc_propose, flag_session, pair_rates
from stream_rec.core.sources.hop import hop_propose
from stream_rec.core.sources.own import own_propose
from stream_rec.core.sources.popularity import popular_propose
from stream_rec.core.state.item_text import ItemText, clear_text, scatter_text, text_cosines
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.text_terms import TERM_IDS
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, UserView

PROPOSING = ("cooc", "own", "hop", "popularity")
"""Sources that name candidates; the factors only score those."""

_cooc, _own, _hop = from_python(cooc_propose), from_python(own_propose), from_python(hop_propose)
_flag = from_python(flag_session)
_scatter, _cosines, _clear = from_python(scatter_text), from_python(text_cosines), from_python(clear_text)


def propose(name: str, items: ItemTable, user: UserView, scratch: Scratch) -> tuple[Int32Array, Float64Array]:
    """Rows and scores, best first, with the parameters of the table's preset."""
    w, t, (cooc, own) = scratch, tables_of(items.preset), (items.preset.cooc, items.preset.own)
    rows, scores = np.empty(CANDIDATES_PER_SOURCE, np.int32), np.empty(CANDIDATES_PER_SOURCE)
    _flag(w.in_session, user.rows, user.sessions, user.session, 1)
    if name == "cooc":
        n = _cooc(
            items.cooc_arrays(), pair_rates(cooc, items.preset.signals, items.pair_landmark), user, t.votes,
            cooc.in_session, items.preset.signals.near_hidden, w.score, w.touched, w.excluded, rows, scores,
        )  # fmt: skip
    elif name == "own":
        n = _own(
            t.ahead, t.behind, own.base, own.in_session, user.rows, user.sessions, user.session, items.listable,
            w.excluded, w.in_session, w.slot, w.score, rows, scores,
        )  # fmt: skip
    elif name == "hop":
        n = _hop(
            items.cooc_arrays(), items.listable, user.rows, items.preset.hop.items, items.preset.hop.most_near, w.score,
            w.touched, w.excluded, rows, scores,
        )  # fmt: skip
    else:
        n = popular_propose(
            items.popular_rows, items.popular_size, items.popularity, items.listable, w.excluded, rows, scores
        )
    _flag(w.in_session, user.rows, user.sessions, user.session, 0)
    return rows[:n], scores[:n]


def cosines(texts: ItemText, row: int, candidates: list[int]) -> tuple[Float32Array, Float32Array]:
    """The cosine of an item's text and each candidate's, and half of it by the other factor."""
    t, rows = texts.arrays(), np.array(candidates, np.int32)
    scratch, out = np.zeros((TERM_IDS, 2), np.float32), np.full((2, len(rows)), -1, np.float32)
    _scatter(t, row, t.scale[row], t.scale[row], scratch)
    _cosines(t, rows, len(rows), scratch, np.float32(0.5), out[0], out[1])
    _clear(t, row, scratch)
    assert not scratch.any()
    return out[0], out[1]
