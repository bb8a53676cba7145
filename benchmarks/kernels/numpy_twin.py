"""`Recommender.recommend` in plain vectorised numpy, as one would write it without a compiler: what compiling buys.

Same sources, features, weights, reasons and shares, so the same lists. Loops over sources, distances and the ten items
that can be a reason are Python's; everything per neighbour, position or candidate is numpy's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.decay import weight
from stream_rec.core.features import COUNTED_SOURCES, FEATURES, SCORED_SOURCES
from stream_rec.core.presets import CANDIDATES_PER_SOURCE, DAY_MS, HOUR_MS, SOURCE_NAMES
from stream_rec.core.ranking.candidate_features import RECENT_TEXTS
from stream_rec.core.ranking.linear import SOURCE_OF_FEATURE
from stream_rec.core.ranking.list_kernels import context_of
from stream_rec.core.ranking.reasons import RECENT_ITEMS
from stream_rec.core.ranking.workspace import FACTORS, OWN_CANDIDATES, POPULAR_CANDIDATES, POPULARITY
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UserView

Array = npt.NDArray[Any]


class TwinList(NamedTuple):
    """Rows best first, their scores, reasons (row or -1), and the source that added most to each."""

    rows: Int32Array
    scores: Float64Array
    because: Int32Array
    sources: Int64Array


class NumpyTwin:
    """Ranks for one user at a time with numpy only; presets without the second hop."""

    def __init__(self, items: ItemTable, k: int = 20) -> None:
        self._items, self._k = items, k
        self._preset = items.preset

    def recommend(self, user: UserView) -> TwinList:
        """Return the list of the linear ranker."""
        lists = [self._cooc(user), self._own(user), None, None, None, None, self._popular()]
        rows = _union([one[0] for one in lists if one is not None])
        logits = self._logits(user, rows)
        lists[FACTORS] = _best(rows, logits, CANDIDATES_PER_SOURCE, ties=np.arange(len(rows)))
        ranks = np.full((len(SOURCE_NAMES), self._items.n), -1)
        features = np.zeros((len(FEATURES), len(rows)), np.float32)
        for source, one in enumerate(lists):
            if one is not None:
                ranks[source, one[0]] = np.arange(len(one[0]))
                _curves(features, source, one, ranks[source, rows])
        self._facts(features, rows, user, ranks[POPULARITY, rows])
        self._had(features, rows, user)
        self._texts(features, rows, user)
        share = features[[FEATURES.index(f"{name}.present") for name in COUNTED_SOURCES]].mean(axis=0)
        features[-2:] = share, share * share
        theta = self._items.ranker.serving[context_of(user)]
        best = np.lexsort((np.arange(len(rows)), -(theta @ features)))[: self._k]
        parts = np.zeros((len(SOURCE_NAMES), len(best)), np.float32)
        known = SOURCE_OF_FEATURE >= 0
        np.add.at(parts, SOURCE_OF_FEATURE[known], (theta[:, None] * features[:, best])[known])
        listed, scores = rows[best], (theta @ features)[best].astype(np.float64)
        sources = np.where(ranks[:, listed] >= 0, parts, -np.inf).argmax(axis=0)
        return TwinList(listed, scores, self._because(user, listed), sources)

    def _votes(self, user: UserView, most: int) -> tuple[Int32Array, Float64Array]:
        """The last items, newest first, and k^-hp · xs of each."""
        cooc = self._preset.cooc
        rows, sessions = user.rows[::-1][:most], user.sessions[::-1][:most]
        k = np.arange(1, len(rows) + 1, dtype=np.float64)
        return rows, k**-cooc.history_power * np.where(sessions == user.session, 1.0, cooc.other_session)

    def _cooc(self, user: UserView) -> tuple[Array, Array]:
        items, cooc, score = self._items, self._preset.cooc, np.zeros(self._items.n)
        rows, votes = self._votes(user, cooc.history)
        mass = items.pair_mass[rows]
        pending = range(len(user.rows) - user.pending, len(user.rows))
        gains = [weight(int(user.times_ms[at]), items.pair_landmark, cooc.decay_ms) for at in pending]
        for at, gain in zip(pending, gains, strict=True):
            mass = mass + gain * (rows == user.rows[at])
        votes = votes * mass**-cooc.mass_power
        np.add.at(score, items.neighbour_rows[rows].ravel(), (votes[:, None] * items.neighbour_weights[rows]).ravel())
        for at, gain in zip(pending, gains, strict=True):
            for k in range(1, min(at, cooc.window) + 1):
                j, x = user.rows[at - k], user.rows[at]
                w = gain * k**-cooc.distance_power
                w *= 1.0 if user.sessions[at - k] == user.sessions[at] else cooc.other_session
                score[x] += votes[rows == j].sum() * w
                score[j] += votes[rows == x].sum() * w * cooc.backward_weight * (j != x)
        score *= items.mass_candidate[: items.n]
        score[np.unique(user.rows[user.sessions == user.session])] *= cooc.in_session
        return self._take(score, CANDIDATES_PER_SOURCE)

    def _own(self, user: UserView) -> tuple[Array, Array]:
        own, score = self._preset.own, np.zeros(self._items.n)
        now = user.sessions == user.session
        earlier, sessions = user.rows[~now], user.sessions[~now]
        np.add.at(score, earlier, own.base)
        recent = user.rows[now][::-1][: own.recent]
        for k, j in enumerate(recent.tolist(), 1):
            at = np.flatnonzero(earlier == j) if j not in recent[: k - 1] else np.empty(0, np.int64)
            for f, gain in [(f, 1.0 / k / f) for f in range(1, own.ahead + 1)] + [
                (-f, own.behind_weight / k / f) for f in range(1, own.behind + 1)
            ]:
                to, inside = at + f, (at + f >= 0) & (at + f < len(earlier))
                to, source = to[inside], at[inside]
                to = to[sessions[to] == sessions[source]]
                np.add.at(score, earlier[to], gain)
        score[np.unique(user.rows[now])] *= own.in_session
        return self._take(score, OWN_CANDIDATES)

    def _popular(self) -> tuple[Array, Array]:
        rows = self._items.popular_rows[: self._items.popular_count]
        rows = rows[self._items.listable[rows] != 0][:POPULAR_CANDIDATES]
        return rows, self._items.popularity[rows]

    def _take(self, score: Float64Array, most: int) -> tuple[Array, Array]:
        rows = np.flatnonzero((score > 0.0) & (self._items.listable[: self._items.n] != 0))
        return _best(rows, score[rows], most, ties=rows)

    def _logits(self, user: UserView, rows: Array) -> Array:
        items, params = self._items, self._preset.factors
        recent, sessions = user.rows[::-1][: params.history], user.sessions[::-1][: params.history]
        w = np.arange(1, len(recent) + 1) ** -params.history_power
        w *= np.where(sessions == user.session, 1.0, params.other_session)
        z = (w / np.sqrt((w * w).sum())).astype(np.float32) @ items.factor_in[recent]
        in_session = np.isin(rows, user.rows[user.sessions == user.session])
        return items.factor_out[rows] @ z + items.facts["factor_bias"][rows] - params.session_cost * in_session

    def _facts(self, x: Float32Array, rows: Array, user: UserView, rank: Array) -> None:
        facts, at = self._items.facts[rows], FEATURES.index("popularity.r10")
        since = np.maximum(0, user.now_ms - facts["last_seen_ms"]).astype(np.float32)
        x[at] = np.where(rank >= 0, 10.0 / (10 + rank), 0.0)
        x[at + 1] = 0.2 * np.log(1e-3 + facts["fade_1d"] * np.exp(-since / DAY_MS))
        x[at + 2] = 0.2 * np.log(1e-3 + facts["fade_30d"] * np.exp(-since / (30 * DAY_MS)))
        x[at + 3] = 0.1 * np.log1p(np.maximum(0, user.now_ms - facts["first_seen_ms"]) / HOUR_MS)

    def _had(self, x: Float32Array, rows: Array, user: UserView) -> None:
        h, at = len(user.rows), FEATURES.index("had")
        same = rows[:, None] == user.rows[None, :]
        times, had = same.sum(axis=1), same.any(axis=1)
        lag = np.argmax(same[:, ::-1], axis=1) + 1
        here = had & (user.sessions[h - lag] == user.session)
        hours = np.maximum(0, user.now_ms - user.times_ms[h - lag]) / HOUR_MS
        x[at], x[at + 1], x[at + 2] = had, 0.5 * np.log1p(times), had * 10.0 / (10 + lag)
        x[at + 3], x[at + 4] = here, here / lag
        x[at + 5], x[at + 6] = (had & ~here) * 0.1 * np.log1p(hours), (had & ~here) * (h > 50)

    def _texts(self, x: Float32Array, rows: Array, user: UserView) -> None:
        t, at = self._items.texts.arrays(), FEATURES.index("text.last")
        recent = user.rows[::-1][:RECENT_TEXTS]
        dense = np.zeros((len(recent), len(t.document_count)), np.float32)
        np.add.at(dense, (np.arange(len(recent))[:, None], t.terms[recent]), t.weights[recent] * t.scale[recent, None])
        dots = (dense[:, t.terms[rows]] * t.weights[rows]).sum(axis=2) * t.scale[rows]
        shares = 1.0 / np.arange(1, len(recent) + 1)
        x[at] = np.minimum(1.0, dots[0])
        x[at + 1], x[at + 2] = x[at] * x[at], np.minimum(1.0, shares @ dots / shares.sum())

    def _because(self, user: UserView, chosen: Array) -> Int32Array:
        """The recent item whose vote is largest; votes of an item that comes twice are added at its newest place."""
        rows, votes = self._votes(user, RECENT_ITEMS)
        votes = votes * self._items.mass_vote[rows]
        first, strongest = list(dict.fromkeys(rows.tolist())), np.zeros(len(chosen))
        because, place = np.full(len(chosen), -1, np.int32), np.full(self._items.n, -1)
        place[chosen] = np.arange(len(chosen))
        for j in first:
            at = place[self._items.neighbour_rows[j]]
            speaks = (at >= 0) & (self._items.neighbour_rows[j] != j)
            vote = np.zeros(len(chosen))
            vote[at[speaks]] = votes[rows == j].sum() * self._items.neighbour_weights[j][speaks]
            because[vote > strongest] = j
            strongest = np.maximum(strongest, vote)
        return because


def _union(lists: list[Array]) -> Int32Array:
    """Every row once, in the order in which the lists name them."""
    joined = np.concatenate(lists).astype(np.int32)
    _, first = np.unique(joined, return_index=True)
    return joined[np.sort(first)]


def _best(rows: Array, scores: Array, most: int, ties: Array) -> tuple[Array, Array]:
    order = np.lexsort((ties, -scores))[:most]
    return rows[order], scores[order]


def _curves(x: Float32Array, source: int, listed: tuple[Array, Array], rank: Array) -> None:
    name = SOURCE_NAMES[source]
    if name not in SCORED_SOURCES or not len(listed[0]):
        return
    at, here = FEATURES.index(f"{name}.present"), rank >= 0
    scores, r = listed[1][rank[here]], rank[here]
    log = scores - listed[1][0] if source == FACTORS else np.log(scores / listed[1][0])
    x[at : at + 6, here] = (
        np.ones(len(r)), np.exp(log), 1.0 + np.maximum(log, -6.0) / 4.0, 10.0 / (10 + r), 6.0 / (6 + r), 1.0 / (1 + r)
    )  # fmt: skip
