"""Where the time of a list goes: the stages of `gather_evidence` and what follows, with a clock between them.

The clock is the C library's, called from the kernel, 25 ns a time: Python's would cost more than most stages.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import njit

from stream_rec.core.ranking.blocks import ItemBlock, ListBlock, list_items_at, list_tables_at, list_workspace_at
from stream_rec.core.ranking.candidate_features import (
    agreement,
    curves,
    item_features,
    note_history,
    text_features,
    user_features,
)
from stream_rec.core.ranking.evidence import (
    join,
    propose_cooc,
    propose_others,
    propose_own,
    rank_by_factors,
    rank_by_sequence,
)
from stream_rec.core.ranking.linear import linear_scores
from stream_rec.core.ranking.list_kernels import context_of, explain_places
from stream_rec.core.ranking.select import Scratch, best_of
from stream_rec.core.ranking.workspace import new_workspace, tables_of
from stream_rec.core.sources.cooc import flag_session
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt16Array, UserView

STAGES = (
    "co-occurrence", "own continuation", "popularity", "union", "history", "factors", "curves", "item features",
    "user features", "text features", "linear scores", "selection", "reasons and shares",
)  # fmt: skip

_clock: Any = ctypes.CDLL(None).clock_gettime
_clock.argtypes, _clock.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_int
_MONOTONIC = 1


@njit
def _now_ns(time: Int64Array) -> int:
    _clock(_MONOTONIC, time.ctypes)
    return time[0] * 1_000_000_000 + time[1]


@njit
def _staged(
    b: Int64Array, rows: Int32Array, sessions: Int32Array, times_ms: Int64Array, session: int, now_ms: int,
    pending: int, tags: UInt16Array, hidden: Int32Array, vector: Float32Array, near: Int32Array,
    theta: Float32Array, k: int, at: Int64Array,
) -> Int32Array:  # fmt: skip
    """Rank as `_rank` of `core/recommend.py` does; write the time after each stage."""
    time = np.zeros(2, np.int64)
    user = UserView(rows, sessions, times_ms, session, now_ms, pending, tags, hidden, vector, near)
    at[0] = _now_ns(time)
    t, w = list_tables_at(b), list_workspace_at(b)
    item = list_items_at(b, t)
    flag_session(w.in_session, rows, sessions, session, 1)
    propose_cooc(item, user, t, w)
    at[1] = _now_ns(time)
    propose_own(item, user, t, w)
    at[2] = _now_ns(time)
    propose_others(item, user, t, w)
    at[3] = _now_ns(time)
    n = join(w)
    at[4] = _now_ns(time)
    note_history(w, rows, n)
    at[5] = _now_ns(time)
    rank_by_factors(item.factors, user, t, w, n)
    rank_by_sequence(item.sequence, user, w, n)
    at[6] = _now_ns(time)
    curves(w, n)
    at[7] = _now_ns(time)
    item_features(w, item.facts, n, now_ms)
    at[8] = _now_ns(time)
    user_features(w, sessions, times_ms, session, n, now_ms)
    at[9] = _now_ns(time)
    text_features(w, item.texts, rows, n)
    agreement(w, n)
    at[10] = _now_ns(time)
    scores = linear_scores(w.features, n, theta)
    at[11] = _now_ns(time)
    listed, best_scores, every = np.empty((4, k), np.int32), np.empty(k), np.empty(n, np.int32)
    for c in range(n):
        every[c] = c
    m = best_of(every, scores, n, listed[0], best_scores)
    at[12] = _now_ns(time)
    explain_places(item, user, t, w, listed, m, True, theta)
    flag_session(w.in_session, rows, sessions, session, 0)
    at[13] = _now_ns(time)
    return listed[1, :m]


class Stages:
    """Ranks with a clock; `rows_of` gives the same rows as `Recommender.recommend`."""

    def __init__(self, items: ItemTable, k: int) -> None:
        self._items, self._k = items, k
        workspace = new_workspace(Scratch(items.capacity), items.preset.factors.dimensions)
        self._block = ListBlock(ItemBlock(items), tables_of(items.preset), workspace)
        self._at = np.zeros(len(STAGES) + 1, np.int64)

    def rows_of(self, user: UserView) -> Int32Array:
        """Rank; the times of the stages are in `spent_us` until the next call."""
        theta = self._items.ranker.serving[context_of(user)]
        listed: Int32Array = _staged(self._block.current(), *user, theta, self._k, self._at)
        return listed

    def spent_us(self) -> Float64Array:
        """Return float64[stages]: what the last list took."""
        return np.diff(self._at) / 1e3


def stage_us(items: ItemTable, users: list[UserView], k: int, passes: int = 30) -> dict[str, float]:
    """Return stage → µs: each user's least over the passes, averaged over the users."""
    stages, least = Stages(items, k), np.full((len(users), len(STAGES)), np.inf)
    for _ in range(passes):
        for u, user in enumerate(users):
            stages.rows_of(user)
            least[u] = np.minimum(least[u], stages.spent_us())
    return dict(zip(STAGES, least.mean(axis=0).tolist(), strict=True))
