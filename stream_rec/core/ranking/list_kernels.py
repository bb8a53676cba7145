"""The kernels behind a list: gather and order, figures for the second stage, reasons. Python makes what they fill."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry, inner
from stream_rec.core.exposure import lift_of
from stream_rec.core.features import CONTEXTS
from stream_rec.core.ranking.blocks import list_block_at, list_items_at, list_tables_at, list_workspace_at
from stream_rec.core.ranking.evidence import gather_evidence
from stream_rec.core.ranking.fusion import fusion_scores, fusion_shares
from stream_rec.core.ranking.linear import contributions, linear_scores
from stream_rec.core.ranking.reasons import strongest_votes
from stream_rec.core.ranking.second_features import second_features
from stream_rec.core.ranking.select import best_of
from stream_rec.core.ranking.workspace import ABSENT, CONTENT, N_SOURCES, ItemSide, Tables, Workspace
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt16Array, UserView

_CONTINUE, _VISIT = CONTEXTS.index("continue"), CONTEXTS.index("visit")
PLACE, ROW, BECAUSE, SOURCE = range(4)  # rows of `listed`: one array is handed over faster than four
SCORE, LIFT = range(2)  # rows of `scores`


@entry()
def rank_candidates(
    address: int, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, session: int, now_ms: int,
    pending: int, tags: UInt16Array, hidden: Int32Array, vector: Float32Array, near: Int32Array, linear: bool,
    theta: Float32Array, boost: float, few: float, explained: bool, listed: Int32Array, scores: Float64Array,
) -> tuple[int, int, int]:  # fmt: skip
    """Gather and order; write `listed` int32[4, k] and `scores` float64[2, k]; return how many candidates and how long.

    The third number: how many items with some events are in the list only for their lift. `theta` float32[contexts, F]:
    the row of the user's context counts. What content proposes is lifted by `boost` or `few` (`core/exposure.py`).
    Without `explained` only the places in the union are filled in, and nothing is counted: what a second stage reorders
    is no list yet. What a lift has brought in then stands where it would without, its score is without, and its lift is
    in the second row.
    """
    b = list_block_at(address)
    t, w = list_tables_at(b), list_workspace_at(b)
    item = list_items_at(b, t)
    user = UserView(rows, sessions, times_ms, session, now_ms, pending, tags, hidden, vector, near)
    weights = theta[_context_of(sessions, session)]
    n = gather_evidence(item, user, t, w)
    every_score = linear_scores(w.features, n, weights) if linear else fusion_scores(w.ranks, n, t.fusion)
    every = np.empty(n, np.int32)
    for c in range(n):
        every[c] = c
    brought = 0
    if boost == 0.0 and few == 0.0:
        m = best_of(every, every_score, n, listed[PLACE], scores[SCORE])
        scores[LIFT, :m] = 0.0
    else:
        lifts = np.zeros(n)
        for c in range(n):
            if w.ranks[CONTENT, c] != ABSENT:
                lifts[c] = lift_of(item.event_count[w.rows[c]], boost, few)
        m = best_of(every, every_score + lifts, n, listed[PLACE], scores[SCORE])
        if explained:
            brought = brought_in(item.event_count, w.rows, every_score, lifts, n, listed[PLACE, :m])
        else:
            chosen = listed[PLACE, :m].copy()
            best_of(chosen, every_score[chosen], m, listed[PLACE], scores[SCORE])
        for c in range(m):
            scores[LIFT, c] = lifts[listed[PLACE, c]]
    if explained:
        explain_places(item, user, t, w, listed, m, linear, weights)
    return n, m, brought


@inner()
def brought_in(
    event_count: Int64Array, rows: Int32Array, scores: npt.NDArray[np.floating[Any]], lifts: Float64Array, n: int,
    chosen: npt.NDArray[np.signedinteger[Any]],
) -> int:  # fmt: skip
    """Return how many of the `chosen` places, items with some events, would not be among the best without their lift.

    `scores` and `lifts` of the first n `rows` are apart. About 0.1 µs for each that is lifted.
    """
    brought = 0
    for place in chosen:
        if lifts[place] > 0.0 and event_count[rows[place]] > 0:
            better = 0
            for c in range(n):
                better += scores[c] > scores[place]
            brought += better >= len(chosen)
    return brought


@entry()
def brought_by_second(
    address: int, best: Int32Array, scores: Float32Array, lifts: Float64Array, chosen: Int64Array
) -> int:  # fmt: skip
    """Return `brought_in` of a list whose `best` places in the union have been scored anew."""
    b = list_block_at(address)
    w, item = list_workspace_at(b), list_items_at(b, list_tables_at(b))
    return brought_in(item.event_count, w.rows[best], scores, lifts, len(scores), chosen)


@entry()
def explain_list(
    address: int, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, session: int, now_ms: int,
    pending: int, tags: UInt16Array, hidden: Int32Array, vector: Float32Array, near: Int32Array, linear: bool,
    theta: Float32Array, listed: Int32Array,
) -> None:  # fmt: skip
    """Fill in the list of the places in `listed` int32[4, m], whose evidence the workspace still holds."""
    b = list_block_at(address)
    t, w = list_tables_at(b), list_workspace_at(b)
    user = UserView(rows, sessions, times_ms, session, now_ms, pending, tags, hidden, vector, near)
    weights = theta[_context_of(sessions, session)]
    explain_places(list_items_at(b, t), user, t, w, listed, listed.shape[1], linear, weights)


@inner(allocates=True)
def explain_places(
    item: ItemSide, user: UserView, t: Tables, w: Workspace, listed: Int32Array, m: int, linear: bool,
    theta: Float32Array,
) -> None:  # fmt: skip
    """Fill in `listed` beside the first m places: their rows, the reason of each, and the source that added most."""
    best, rows = listed[PLACE, :m], listed[ROW, :m]
    if linear:
        parts = contributions(w.features, theta, best, N_SOURCES)
    else:
        ranks = np.empty((N_SOURCES, m), np.int32)
        for s in range(N_SOURCES):
            for c in range(m):
                ranks[s, c] = w.ranks[s, best[c]]
        parts = fusion_shares(ranks, m, t.fusion)
    for c in range(m):
        rows[c], listed[SOURCE, c] = w.rows[best[c]], 0
        largest = np.float32(-np.inf)
        for s in range(N_SOURCES):
            if w.ranks[s, best[c]] >= 0 and parts[s, c] > largest:
                largest, listed[SOURCE, c] = parts[s, c], s
    because = strongest_votes(item.cooc, user.rows, user.sessions, user.session, t.recent_votes, rows, w.slot)
    for c in range(m):
        listed[BECAUSE, c] = because[c]


@entry()
def second_figures(
    address: int, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, session: int, now_ms: int,
    pending: int, tags: UInt16Array, hidden: Int32Array, vector: Float32Array, near: Int32Array, best: Int32Array,
    linear: Float64Array,
) -> Float32Array:  # fmt: skip
    b = list_block_at(address)
    t, w = list_tables_at(b), list_workspace_at(b)
    user = UserView(rows, sessions, times_ms, session, now_ms, pending, tags, hidden, vector, near)
    return second_features(list_items_at(b, t), user, w, best, linear)


def context_of(user: UserView) -> int:
    """Return which row of weights orders a list: for going on with a session, or for a new visit."""
    return int(_context_of(user.sessions, user.session))


@entry()
def _context_of(sessions: Int32Array, session: int) -> int:
    return _CONTINUE if len(sessions) > 0 and sessions[len(sessions) - 1] == session else _VISIT


@entry()
def best_places(scores: Float64Array, k: int) -> Int32Array:
    best, best_scores = np.empty(k, np.int32), np.empty(k)
    m = best_of(np.arange(len(scores)).astype(np.int32), scores, len(scores), best, best_scores)
    return best[:m]


@entry()
def in_order(scores: Float64Array, m: int) -> tuple[Int64Array, Float64Array]:
    """Return an order and its scores: the first m best first, ties as they stood, then the others as they were."""
    order = np.arange(len(scores))
    for place in range(1, m):
        at, moved = place, scores[place]
        while at > 0 and scores[order[at - 1]] < moved:
            order[at] = order[at - 1]
            at -= 1
        order[at] = place
    return order, scores[order]
