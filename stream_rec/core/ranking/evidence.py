"""Evidence: everything the sources say about a user's candidates, gathered in one compiled call.

The candidates are the union of what co-occurrence, own continuation, popularity and, where there are such, the second
hop, the sequence model and content propose; the factors score those and propose nothing themselves, so that no list
costs a scan of the catalogue for them.
Features are the columns named in `core/features.py`, one row of memory each, so that the loops over candidates
vectorise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import inner
from stream_rec.core.ranking.candidate_features import (
    agreement,
    curves,
    item_features,
    note_history,
    text_features,
    user_features,
)
from stream_rec.core.ranking.select import best_logits
from stream_rec.core.ranking.workspace import (
    ABSENT,
    COOC,
    FACTORS,
    HOP,
    HOP_CANDIDATES,
    N_SOURCES,
    OWN,
    OWN_CANDIDATES,
    POPULAR_CANDIDATES,
    POPULARITY,
    SEQUENCE,
    SEQUENCE_CANDIDATES,
    ItemSide,
    Tables,
    Workspace,
)
from stream_rec.core.sources.cooc import cooc_propose, flag_session
from stream_rec.core.sources.factors import factor_scores, history_context
from stream_rec.core.sources.hop import hop_propose
from stream_rec.core.sources.own import own_propose
from stream_rec.core.sources.popularity import popular_propose
from stream_rec.core.sources.sequence import OutputArrays, sequence_scores
from stream_rec.core.state.item_layout import FactorArrays
from stream_rec.core.types import Float32Array, Int32Array, UserView


class Evidence(NamedTuple):
    """What is known of each candidate.

    `rows` int32[n], in the order of the union; `ranks` int32[sources, n]: place in each source's list from 0, -1
    where it does not propose the item; `features` float32[F, n].
    """

    rows: Int32Array
    ranks: Int32Array
    features: Float32Array

    def list_of(self, source: int, k: int) -> Int32Array:
        """Return the best `k` rows of a source, best first; of own continuation and popularity the first few only."""
        ranks = self.ranks[source]
        proposed = np.flatnonzero(ranks != ABSENT)
        return self.rows[proposed[np.argsort(ranks[proposed])]][:k]


@inner()
def gather_evidence(item: ItemSide, user: UserView, t: Tables, w: Workspace) -> int:
    """Fill `rows`, `ranks`, `features` and the lists of the workspace; return how many candidates there are.

    Every buffer indexed by item row is clean again afterwards, but `excluded`, which is only read.
    """
    flag_session(w.in_session, user.rows, user.sessions, user.session, 1)
    propose_cooc(item, user, t, w)
    propose_own(item, user, t, w)
    propose_others(item, user, t, w)
    n = join(w)
    note_history(w, user.rows, n)
    rank_by_factors(item.factors, user, t, w, n)
    rank_by_sequence(item.sequence, user, w, n)
    curves(w, n)
    item_features(w, item.facts, n, user.now_ms)
    user_features(w, user.sessions, user.times_ms, user.session, n, user.now_ms)
    text_features(w, item.texts, user.rows, n)
    agreement(w, n)
    flag_session(w.in_session, user.rows, user.sessions, user.session, 0)
    return n


@inner()
def propose_cooc(item: ItemSide, user: UserView, t: Tables, w: Workspace) -> None:
    """Fill co-occurrence's list."""
    w.list_sizes[COOC] = cooc_propose(
        item.cooc, item.pair, user, t.votes, t.scalars[0], t.scalars[5], w.score, w.touched, w.excluded, w.lists[COOC],
        w.list_scores[COOC],
    )  # fmt: skip


@inner()
def propose_own(item: ItemSide, user: UserView, t: Tables, w: Workspace) -> None:
    """Fill own continuation's list; `in_session` is flagged."""
    w.list_sizes[OWN] = own_propose(
        t.ahead, t.behind, t.scalars[1], t.scalars[2], user.rows, user.sessions, user.session, item.listable,
        w.excluded, w.in_session, w.slot, w.score, w.lists[OWN][:OWN_CANDIDATES],
        w.list_scores[OWN][:OWN_CANDIDATES],
    )  # fmt: skip


@inner()
def propose_others(item: ItemSide, user: UserView, t: Tables, w: Workspace) -> None:
    """Fill the lists of popularity and, where there are such, of the second hop and the sequence model."""
    w.list_sizes[POPULARITY] = popular_propose(
        item.popular_rows, item.popular_size, item.popularity, item.listable, w.excluded,
        w.lists[POPULARITY][:POPULAR_CANDIDATES], w.list_scores[POPULARITY][:POPULAR_CANDIDATES],
    )  # fmt: skip
    w.list_sizes[FACTORS] = w.list_sizes[HOP] = w.list_sizes[SEQUENCE] = 0
    if t.scalars[4] > 0.0:
        w.list_sizes[HOP] = hop_propose(
            item.cooc, item.listable, user.rows, int(t.scalars[4]), int(t.scalars[6]), w.score, w.touched, w.excluded,
            w.lists[HOP][:HOP_CANDIDATES], w.list_scores[HOP][:HOP_CANDIDATES],
        )  # fmt: skip
    for row in user.near:
        if item.listable[row] and not w.excluded[row] and w.list_sizes[SEQUENCE] < SEQUENCE_CANDIDATES:
            w.lists[SEQUENCE, w.list_sizes[SEQUENCE]] = row
            w.list_sizes[SEQUENCE] += 1


@inner()
def join(w: Workspace) -> int:
    """Make the union of the lists, source by source, each best first; return its size.

    `slot` is left at each candidate's place: `note_history` reads it and cleans up.
    """
    n, ranks, slot = 0, w.ranks, w.slot
    for source in range(N_SOURCES):
        listed, places = w.lists[source], w.places[source]
        for r in range(w.list_sizes[source]):
            row = listed[r]
            c = slot[row]
            if c < 0:
                c = n
                slot[row] = c
                w.rows[c] = row
                for s in range(N_SOURCES):
                    ranks[s, c] = ABSENT
                n += 1
            ranks[source, c] = r
            places[r] = c
    return n


@inner(allocates=True)
def rank_by_factors(f: FactorArrays, user: UserView, t: Tables, w: Workspace, n: int) -> None:
    """Rank the candidates by their logits; nothing without a history."""
    if len(user.rows) == 0 or len(w.z) == 0:
        return
    weights = np.empty(t.context.shape[1], np.float32)
    history_context(f, user.rows, user.sessions, user.session, t.context, w.z, weights)
    logits, every = np.empty(n), np.empty(n, np.int32)
    for c in range(n):
        every[c] = c
    factor_scores(f, w.z, w.rows, n, w.in_session, t.scalars[3], logits)
    best = w.places[FACTORS]
    m = best_logits(every, logits, n, best, w.list_scores[FACTORS])
    for r in range(m):
        w.ranks[FACTORS, best[r]] = r
        w.lists[FACTORS, r] = w.rows[best[r]]
    w.list_sizes[FACTORS] = m


@inner(allocates=True)
def rank_by_sequence(model: OutputArrays, user: UserView, w: Workspace, n: int) -> None:
    """Rank the candidates the sequence model knows by its logits; nothing for a user it has no vector of."""
    w.list_sizes[SEQUENCE] = 0
    if len(user.vector) == 0:
        return
    logits, known = np.empty(n), np.empty(n, np.int32)
    n_known = sequence_scores(model, user.vector, w.rows, n, known, logits)
    best = w.places[SEQUENCE]
    m = best_logits(known, logits, n_known, best, w.list_scores[SEQUENCE])
    for c in range(n):
        w.ranks[SEQUENCE, c] = ABSENT
    for r in range(m):
        w.ranks[SEQUENCE, best[r]] = r
        w.lists[SEQUENCE, r] = w.rows[best[r]]
    w.list_sizes[SEQUENCE] = m


def copy_of(w: Workspace, n: int) -> Evidence:
    """Return the evidence in the workspace as arrays of its own."""
    return Evidence(w.rows[:n].copy(), w.ranks[:, :n].copy(), w.features[:, :n].copy())
