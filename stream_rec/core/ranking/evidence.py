"""Evidence: everything the sources say about a user's candidates, gathered in one compiled call.

The candidates are the union of what co-occurrence, own continuation and popularity propose; the factors score those
and propose nothing themselves, so that no list costs a scan of the catalogue. Features are the columns named in
`core/features.py`, one row of memory each, so that the loops over candidates vectorise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from stream_rec.core.features import CURVES, FEATURES, SCORED_SOURCES
from stream_rec.core.presets import CANDIDATES_PER_SOURCE, DAY_MS, HOUR_MS, SOURCE_NAMES, Preset
from stream_rec.core.ranking.select import Scratch, best_of
from stream_rec.core.sources.cooc import PairRates, cooc_propose, pair_rates, vote_table
from stream_rec.core.sources.factors import context_table, factor_scores, history_context
from stream_rec.core.sources.hop import hop_propose
from stream_rec.core.sources.own import gain_tables, own_propose
from stream_rec.core.sources.popularity import popular_propose
from stream_rec.core.state.item_text import TextArrays, clear_text, mean_cosines, scatter_text, text_cosine
from stream_rec.core.state.items import CoocArrays, FactorArrays, Facts, ItemTable
from stream_rec.core.state.text_terms import TERM_IDS
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array, UserView

OWN_CANDIDATES, HOP_CANDIDATES, POPULAR_CANDIDATES = 64, 50, 32
MOST_CANDIDATES = CANDIDATES_PER_SOURCE + OWN_CANDIDATES + HOP_CANDIDATES + POPULAR_CANDIDATES
N_SOURCES = len(SOURCE_NAMES)
COOC, OWN, FACTORS, HOP, POPULARITY = range(N_SOURCES)
_SCORED = tuple(SOURCE_NAMES.index(name) for name in SCORED_SOURCES)
ABSENT = -1
_PER_SOURCE = len(CURVES)
_OTHERS = len(SCORED_SOURCES) * _PER_SOURCE
RECENT_TEXTS = 5
_SMALLEST_LOG = -6.0
_NEVER = np.float32(1e-3)
_F32 = np.float32


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


class Tables(NamedTuple):
    """A preset as kernels take it."""

    votes: Float64Array
    ahead: Float64Array
    behind: Float64Array
    context: Float64Array
    scalars: Float64Array  # cooc in-session, own base and in-session, factors' session cost, items of the first hop, λ
    pairs: Float64Array  # of `PairRates`, with the other rates beside
    rates: Float64Array  # those, the decay of popularity, and from place 5 on the weights of event kinds


class Workspace(NamedTuple):
    """Buffers of one thread; see `Scratch` for those indexed by item row. `features` float32[F, MOST_CANDIDATES].

    `lists` int32[sources, CANDIDATES_PER_SOURCE], their scores, and how many of each count: what each source said.
    """

    score: Float64Array
    touched: Int32Array
    in_session: UInt8Array
    excluded: UInt8Array
    slot: Int32Array
    lag: Int32Array
    times_had: Int32Array
    rows: Int32Array
    ranks: Int32Array
    features: Float32Array
    z: Float32Array
    lists: Int32Array
    list_scores: Float64Array
    list_sizes: Int32Array
    terms: Float32Array  # [TERM_IDS], zeros between calls


class ItemSide(NamedTuple):
    """The item table as kernels take it."""

    cooc: CoocArrays
    factors: FactorArrays
    facts: Facts
    listable: UInt8Array
    popular_rows: Int32Array
    popular_size: Int64Array
    popularity: Float64Array
    pair: PairRates
    texts: TextArrays
    popularity_landmark: int
    popularity_decay_ms: float


def tables_of(preset: Preset) -> Tables:
    """Prepare a preset's parameters once."""
    cooc, own = preset.cooc, preset.own
    ahead, behind = gain_tables(own)
    pair = pair_rates(cooc, preset.signals, 0)
    scalars = (
        cooc.in_session, own.base, own.in_session, preset.factors.session_cost, float(preset.hop.items),
        preset.signals.near_hidden,
    )  # fmt: skip
    powers = (pair.decay_ms, pair.backward, pair.mass_power, pair.candidate_power)
    rates = (*powers, preset.popularity.decay_ms, *pair.kinds.tolist())
    votes, context = vote_table(cooc, cooc.history), context_table(preset.factors)
    return Tables(votes, ahead, behind, context, np.array(scalars), pair.weights, np.array(rates))


def item_side(items: ItemTable) -> ItemSide:
    """Return the arrays of the table; valid until it grows."""
    pair = pair_rates(items.preset.cooc, items.preset.signals, items.pair_landmark)
    return ItemSide(
        items.cooc_arrays(), items.factor_arrays(), items.facts, items.listable, items.popular_rows,
        items.popular_size, items.popularity, pair, items.texts.arrays(), items.popularity_landmark,
        items.preset.popularity.decay_ms,
    )  # fmt: skip


def new_workspace(scratch: Scratch, dimensions: int) -> Workspace:
    """Return the buffers around a scratch; make a new one when the scratch has grown."""
    shape = (N_SOURCES, CANDIDATES_PER_SOURCE)
    return Workspace(
        scratch.score, scratch.touched, scratch.in_session, scratch.excluded, scratch.slot, scratch.lag,
        scratch.times_had, np.empty(MOST_CANDIDATES, np.int32), np.empty((N_SOURCES, MOST_CANDIDATES), np.int32),
        np.zeros((len(FEATURES), MOST_CANDIDATES), np.float32), np.empty(dimensions, np.float32),
        np.zeros(shape, np.int32), np.zeros(shape), np.zeros(N_SOURCES, np.int32), np.zeros(TERM_IDS, np.float32),
    )  # fmt: skip


@njit(cache=True)
def _join(w: Workspace) -> int:
    """Make the union of the lists, source by source, each best first; return its size."""
    n = 0
    for source in range(N_SOURCES):
        for r in range(w.list_sizes[source]):
            row = w.lists[source, r]
            c = w.slot[row]
            if c < 0:
                c = n
                w.slot[row] = c
                w.rows[c] = row
                for s in range(N_SOURCES):
                    w.ranks[s, c] = ABSENT
                n += 1
            w.ranks[source, c] = r
    for c in range(n):
        w.slot[w.rows[c]] = ABSENT
    return n


@njit(cache=True)
def _curves(w: Workspace, n: int) -> None:
    """Fill the features of the scored sources from their scores and ranks."""
    x = w.features
    for at in range(len(SCORED_SOURCES)):
        source, first = _SCORED[at], at * _PER_SOURCE
        for f in range(first, first + _PER_SOURCE):
            x[f, :n] = _F32(0.0)
        scores, logits = w.list_scores[source], source == FACTORS
        for c in range(n):
            r = w.ranks[source, c]
            if r == ABSENT:
                continue
            log = _F32(scores[r] - scores[0]) if logits else math.log(_F32(scores[r] / scores[0]))
            x[first, c] = _F32(1.0)
            x[first + 1, c] = math.exp(log)
            x[first + 2, c] = _F32(1.0) + max(log, _F32(_SMALLEST_LOG)) * _F32(0.25)
            x[first + 3, c] = _F32(10.0) / _F32(10 + r)
            x[first + 4, c] = _F32(6.0) / _F32(6 + r)
            x[first + 5, c] = _F32(1.0) / _F32(1 + r)


@njit(cache=True)
def _item_features(w: Workspace, facts: Facts, n: int, now_ms: int, first: int) -> None:
    """Fill popularity's rank, what was bought lately, age."""
    x = w.features
    for c in range(n):
        item = facts[w.rows[c]]
        since_ms = _F32(max(0, now_ms - item.last_seen_ms))
        r = w.ranks[POPULARITY, c]
        x[first, c] = _F32(10.0) / _F32(10 + r) if r != ABSENT else _F32(0.0)
        x[first + 1, c] = _F32(0.2) * math.log(_NEVER + item.fade_1d * math.exp(since_ms * _F32(-1.0 / DAY_MS)))
        x[first + 2, c] = _F32(0.2) * math.log(_NEVER + item.fade_30d * math.exp(since_ms * _F32(-1.0 / 30 / DAY_MS)))
        x[first + 3, c] = _F32(0.1) * math.log(_F32(1.0) + _F32(max(0, now_ms - item.first_seen_ms)) / _F32(HOUR_MS))


@njit(cache=True)
def _user_features(
    w: Workspace, sessions: Int32Array, times_ms: Int64Array, session: int, n: int, now_ms: int, first: int
) -> None:
    """Fill what the user did with each candidate before; `lag` and `times_had` are filled."""
    x, h = w.features, len(times_ms)
    for f in range(first, first + 7):
        x[f, :n] = _F32(0.0)
    for c in range(n):
        i = w.rows[c]
        if w.times_had[i] == 0:
            continue
        k = w.lag[i]
        x[first, c] = _F32(1.0)
        x[first + 1, c] = _F32(0.5) * math.log(_F32(1 + w.times_had[i]))
        x[first + 2, c] = _F32(10.0) / _F32(10 + k)
        if sessions[h - k] == session:
            x[first + 3, c] = _F32(1.0)
            x[first + 4, c] = _F32(1.0) / _F32(k)
        else:
            hours = _F32(max(0, now_ms - times_ms[h - k])) / _F32(HOUR_MS)
            x[first + 5, c] = _F32(0.1) * math.log(_F32(1.0) + hours)
            x[first + 6, c] = _F32(1.0) if h > 50 else _F32(0.0)


@njit(cache=True)
def _text_features(w: Workspace, t: TextArrays, rows: Int32Array, n: int, first: int) -> None:
    """Fill how much a candidate's text is like those of the user's last items."""
    x, h = w.features, len(rows)
    for f in range(first, first + 3):
        x[f, :n] = _F32(0.0)
    if h == 0 or t.documents[0] == 0:
        return
    text_cosine(t, rows[h - 1], w.rows[:n], w.terms, x[first])
    for c in range(n):
        x[first + 1, c] = x[first, c] * x[first, c]
    total = _F32(0.0)
    for k in range(1, min(h, RECENT_TEXTS) + 1):
        total += _F32(1.0 / k)
        scatter_text(t, rows[h - k], t.scale[rows[h - k]] / _F32(k), w.terms)
    mean_cosines(t, w.rows[:n], w.terms, _F32(1.0) / total, x[first + 2])
    for k in range(1, min(h, RECENT_TEXTS) + 1):
        clear_text(t, rows[h - k], w.terms)


@njit(cache=True)
def _agreement(w: Workspace, n: int, first: int) -> None:
    x = w.features
    for c in range(n):
        share = _F32(0.0)
        for s in range(len(SCORED_SOURCES)):
            share += x[s * _PER_SOURCE, c]
        share /= _F32(len(SCORED_SOURCES))
        x[first, c], x[first + 1, c] = share, share * share


@njit(cache=True)
def _mark_history(w: Workspace, rows: Int32Array, sessions: Int32Array, session: int) -> None:
    h = len(rows)
    for k in range(1, h + 1):
        i = rows[h - k]
        if w.times_had[i] == 0:
            w.lag[i] = k
        w.times_had[i] += 1
        if sessions[h - k] == session:
            w.in_session[i] = 1


@njit(cache=True)
def _unmark_history(w: Workspace, rows: Int32Array) -> None:
    for row in rows:
        w.times_had[row] = 0
        w.in_session[row] = 0


@njit(cache=True)
def gather_evidence(item: ItemSide, user: UserView, t: Tables, w: Workspace) -> int:
    """Fill `rows`, `ranks`, `features` and the lists of the workspace; return how many candidates there are.

    Every buffer indexed by item row is clean again afterwards, but `excluded`, which is only read.
    """
    _propose(item, user, t, w)
    n = _join(w)
    _mark_history(w, user.rows, user.sessions, user.session)
    _rank_by_factors(item.factors, user, t, w, n)
    _curves(w, n)
    _item_features(w, item.facts, n, user.now_ms, _OTHERS)
    _user_features(w, user.sessions, user.times_ms, user.session, n, user.now_ms, _OTHERS + 4)
    _text_features(w, item.texts, user.rows, n, _OTHERS + 11)
    _agreement(w, n, _OTHERS + 14)
    _unmark_history(w, user.rows)
    return n


@njit(cache=True)
def _propose(item: ItemSide, user: UserView, t: Tables, w: Workspace) -> None:
    """Fill the lists of the sources that propose."""
    rows, sessions, session, scalars = user.rows, user.sessions, user.session, t.scalars
    cooc, cooc_scores = cooc_propose(
        item.cooc, item.pair, item.listable, user, t.votes, scalars[0], scalars[5], w.score, w.touched, w.in_session,
        w.excluded,
    )  # fmt: skip
    own, own_scores = own_propose(
        t.ahead, t.behind, scalars[1], scalars[2], rows, sessions, session, item.listable, w.excluded, w.in_session,
        w.slot, w.score,
    )  # fmt: skip
    popular, popular_scores = popular_propose(
        item.popular_rows, item.popular_size, item.popularity, item.listable, w.excluded
    )
    _keep(w, COOC, cooc, cooc_scores, CANDIDATES_PER_SOURCE)
    _keep(w, OWN, own, own_scores, OWN_CANDIDATES)
    _keep(w, POPULARITY, popular, popular_scores, POPULAR_CANDIDATES)
    w.list_sizes[FACTORS] = w.list_sizes[HOP] = 0
    if scalars[4] > 0.0:
        w.list_sizes[HOP] = hop_propose(
            item.cooc, item.listable, rows, int(scalars[4]), w.score, w.touched, w.excluded,
            w.lists[HOP, :HOP_CANDIDATES], w.list_scores[HOP, :HOP_CANDIDATES],
        )  # fmt: skip


@njit(cache=True)
def _keep(w: Workspace, source: int, rows: Int32Array, scores: Float64Array, most: int) -> None:
    n = min(len(rows), most)
    w.lists[source, :n], w.list_scores[source, :n], w.list_sizes[source] = rows[:n], scores[:n], n


@njit(cache=True)
def _rank_by_factors(f: FactorArrays, user: UserView, t: Tables, w: Workspace, n: int) -> None:
    """Rank the candidates by their logits; nothing without a history."""
    if len(user.rows) == 0 or len(w.z) == 0:
        return
    weights = np.empty(t.context.shape[1], np.float32)
    history_context(f, user.rows, user.sessions, user.session, t.context, w.z, weights)
    logits, places = np.empty(n), np.arange(n).astype(np.int32)
    factor_scores(f, w.z, w.rows, n, w.in_session, t.scalars[3], logits)
    best = np.empty(CANDIDATES_PER_SOURCE, np.int32)
    m = best_of(places, logits, n, best, w.list_scores[FACTORS])
    for r in range(m):
        w.ranks[FACTORS, best[r]] = r
        w.lists[FACTORS, r] = w.rows[best[r]]
    w.list_sizes[FACTORS] = m


def copy_of(w: Workspace, n: int) -> Evidence:
    """Return the evidence in the workspace as arrays of its own."""
    return Evidence(w.rows[:n].copy(), w.ranks[:, :n].copy(), w.features[:, :n].copy())
