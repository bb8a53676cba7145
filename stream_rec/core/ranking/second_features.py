"""What the second stage looks at: 33 figures of each of the linear ranker's best candidates.

They say what a sum cannot use alone: how old the item is, when and how regularly this user came back to it, whether it
followed the last item before, what the last items' neighbours say one by one. Names and meanings: `SECOND_FEATURES`.
"""

from __future__ import annotations

import math

import numpy as np

from stream_rec.core.compiled import inner
from stream_rec.core.decay import HALVINGS_PER_EPOCH
from stream_rec.core.features import FEATURES, SECOND_FEATURES
from stream_rec.core.presets import DAY_MS, HOUR_MS
from stream_rec.core.ranking.workspace import COOC, FACTORS, N_SOURCES, OWN, ItemSide, Workspace
from stream_rec.core.sources.cooc import MOST_PENDING, PairRates, weight_of
from stream_rec.core.state.pair_counts import forward_weight
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, UserView

_F = len(SECOND_FEATURES)
_AT = {name: at for at, name in enumerate(SECOND_FEATURES)}
_ITEM, _HAD, _FOLLOWED, _PAIR = _AT["item.7d"], _AT["had.share"], _AT["followed.ago"], _AT["pair.last"]
_SESSION = _AT["session.lines"]
_COOC_LOG, _FACTORS_LOG = FEATURES.index("cooc.log"), FEATURES.index("factors.log")
_TEXT, _TEXTS = FEATURES.index("text.last"), FEATURES.index("text.recent")
_NO_RANK, _NO_LOG, _NO_LAG, _NO_SESSION = 101.0, -9.0, 9999.0, 999.0
_FOLLOWING, _RECENT = 8, 10
_F32 = np.float32


@inner()
def _source_figures(
    item: ItemSide, user: UserView, w: Workspace, best: Int32Array, linear: Float64Array, out: Float32Array
) -> None:
    pair = item.pair
    landmark = pair.landmark * HALVINGS_PER_EPOCH * math.log(2.0) * pair.decay_ms
    growth = (1.0 - pair.mass_power - pair.candidate_power) * (user.now_ms - landmark) / pair.decay_ms
    cooc_top = math.log(w.list_scores[COOC, 0]) - growth if w.list_sizes[COOC] > 0 else 0.0
    own_top = math.log(w.list_scores[OWN, 0]) if w.list_sizes[OWN] > 0 else 0.0
    for r in range(len(best)):
        c, x = best[r], out[r]
        cooc, own, factors = w.ranks[COOC, c], w.ranks[OWN, c], w.ranks[FACTORS, c]
        x[0] = (w.features[_COOC_LOG, c] - 1.0) * 4.0 if cooc >= 0 else _NO_LOG
        x[1] = cooc if cooc >= 0 else _NO_RANK
        x[2], x[3] = cooc_top, own_top
        x[4] = (w.features[_FACTORS_LOG, c] - 1.0) * 4.0 if factors >= 0 else _NO_LOG
        x[5] = factors if factors >= 0 else _NO_RANK
        x[6] = item.facts[w.rows[c]].factor_bias
        fused, least = 0.0, _NO_RANK
        for s in range(N_SOURCES):
            if w.ranks[s, c] >= 0:
                fused += 1.0 / (6 + w.ranks[s, c])
                least = min(least, float(w.ranks[s, c]))
        x[7], x[8] = fused, least
        x[9], x[10] = linear[r] - linear[0], r
        x[11] = own if own >= 0 else _NO_RANK


@inner()
def _item_figures(item: ItemSide, w: Workspace, best: Int32Array, now_ms: int, out: Float32Array) -> None:
    landmark = item.popularity_landmark * HALVINGS_PER_EPOCH * math.log(2.0)
    growth = now_ms / item.popularity_decay_ms - landmark
    for r in range(len(best)):
        row, x = w.rows[best[r]], out[r]
        facts = item.facts[row]
        since_ms = _F32(max(0, now_ms - facts.last_seen_ms))
        month = facts.fade_30d * math.exp(since_ms * _F32(-1.0 / 30 / DAY_MS))
        half_year = facts.fade_180d * math.exp(since_ms * _F32(-1.0 / 180 / DAY_MS))
        x[_ITEM] = math.log(_F32(1e-3 + item.popularity[row] * math.exp(-growth)))
        x[_ITEM + 1] = math.log(_F32(1e-3) + half_year)
        x[_ITEM + 2] = math.log((month + _F32(1.0)) / (half_year / _F32(6.0) + _F32(1.0)))
        x[_ITEM + 3] = math.log(_F32(1.0) + _F32(max(0, now_ms - facts.first_seen_ms)) / _F32(HOUR_MS))
        x[_ITEM + 4] = math.log(_F32(1.0) + since_ms / _F32(60_000.0))


@inner(allocates=True)
def _user_figures(user: UserView, w: Workspace, m: int, out: Float32Array) -> None:
    """Walk the history once; `slot` holds the place of each of the m candidates."""
    rows, sessions, times_ms, h = user.rows, user.sessions, user.times_ms, len(user.rows)
    times, lag, n_sessions = np.zeros(m, np.int32), np.zeros(m, np.int32), np.zeros(m, np.int32)
    last_session, followed = np.zeros(m, np.int32), np.zeros(m, np.int32)
    next_times, nearest = np.zeros(m, np.int32), np.zeros(m, np.int32)
    first_ms, last_ms = np.zeros(m, np.int64), np.zeros(m, np.int64)
    last_item, ordinal = rows[h - 1] if h > 0 else -1, 0
    for k in range(h):
        ordinal += k == 0 or sessions[k] != sessions[k - 1]
        p = w.slot[rows[k]]
        if p >= 0:
            if times[p] == 0:
                first_ms[p] = times_ms[k]
            n_sessions[p] += last_session[p] != ordinal
            last_session[p], last_ms[p], lag[p] = ordinal, times_ms[k], h - k
            times[p] += 1
        if rows[k] == last_item:
            for f in range(k + 1, min(h, k + 1 + _FOLLOWING)):
                if sessions[f] != sessions[k]:
                    break
                p = w.slot[rows[f]]
                if p >= 0:
                    followed[p] = ordinal
                    next_times[p] += f == k + 1
                    nearest[p] = min(nearest[p], f - k) if nearest[p] > 0 else f - k
    if h > 0 and sessions[h - 1] != user.session:
        ordinal += 1
    for p in range(m):
        x = out[p]
        x[_HAD], x[_HAD + 1], x[_HAD + 2] = 0.0, _NO_LAG, -1.0
        x[_HAD + 3], x[_HAD + 4], x[_HAD + 5] = 0.0, _NO_SESSION, -1.0
        if times[p] > 0:
            away_ms = max(0, user.now_ms - last_ms[p])
            x[_HAD], x[_HAD + 1] = times[p] / h, lag[p]
            x[_HAD + 2] = math.log(_F32(1.0) + _F32(away_ms) / _F32(HOUR_MS))
            x[_HAD + 3], x[_HAD + 4] = n_sessions[p], ordinal - last_session[p]
            if n_sessions[p] > 1:
                x[_HAD + 5] = away_ms / ((last_ms[p] - first_ms[p]) / (n_sessions[p] - 1) + HOUR_MS)
        x[_FOLLOWED] = ordinal - followed[p] if followed[p] > 0 else _NO_SESSION
        x[_FOLLOWED + 1], x[_FOLLOWED + 2] = next_times[p], nearest[p]


@inner()
def _pending_shares(
    pair: PairRates, user: UserView, w: Workspace, a: int, mass: float, shares: Float64Array
) -> float:  # fmt: skip
    """Add the pairs of item a in the pending lines to `shares`, not divided yet; return its mass with them."""
    rows, sessions, h = user.rows, user.sessions, len(user.rows)
    for p in range(1, min(user.pending, h, MOST_PENDING) + 1):
        at = h - p
        own = weight_of(pair, user, at)
        g = own * forward_weight(user.times_ms[at], pair.landmark, pair.decay_ms)
        mass += g if rows[at] == a else 0.0
        for k in range(1, min(at, pair.weights.shape[1] - 1) + 1):
            weight = g * pair.weights[0 if sessions[at - k] == sessions[at] else 1, k]
            if rows[at - k] == rows[at]:  # as the lighter of the two, see `core/signals.py`
                weight *= min(1.0, weight_of(pair, user, at - k) / own)
            target = w.slot[rows[at]] if rows[at - k] == a else -1
            if target >= 0:
                shares[target] += weight
            back = w.slot[rows[at - k]] if rows[at] == a and rows[at - k] != a else -1
            if back >= 0:
                shares[back] += weight * pair.backward
    return mass


@inner(allocates=True)
def _pair_figures(item: ItemSide, user: UserView, w: Workspace, m: int, out: Float32Array) -> int:
    """Fill what the last items' neighbours say, pending lines included; return how many lines the session has."""
    rows, sessions, h = user.rows, user.sessions, len(user.rows)
    cooc, lines, shares = item.cooc, 0, np.empty(m)
    for p in range(m):
        out[p, _PAIR], out[p, _PAIR + 1], out[p, _PAIR + 2] = 0.0, 0.0, 0.0
    while lines < h and sessions[h - 1 - lines] == user.session:
        lines += 1
    for k in range(1, min(h, max(2, min(lines, _RECENT))) + 1):
        j = rows[h - k]
        shares[:] = 0.0
        for q in range(cooc.neighbour_count[j]):
            p = w.slot[cooc.neighbour_rows[j, q]]
            if p >= 0:
                shares[p] = cooc.neighbour_weights[j, q]
        mass = _pending_shares(item.pair, user, w, j, cooc.pair_mass[j], shares)
        if mass <= 0.0:
            continue
        for p in range(m):
            share = _F32(shares[p] / mass)
            if k <= 2:
                out[p, _PAIR + k - 1] = share
            if k <= lines:
                out[p, _PAIR + 2] = max(out[p, _PAIR + 2], share)
    return lines


@inner(allocates=True)
def second_features(
    item: ItemSide, user: UserView, w: Workspace, best: Int32Array, linear: Float64Array
) -> Float32Array:
    """Return float32[m, len(SECOND_FEATURES)] of the candidates at the places `best` of the workspace.

    Parameters
    ----------
    best, linear
        int32[m], float64[m]: the linear ranker's best places and their scores, best first.

    Notes
    -----
    One walk over the history and one over the neighbours of ten items. `slot` is left at -1.
    """
    m, h = len(best), len(user.rows)
    out = np.empty((m, _F), np.float32)
    for r in range(m):
        w.slot[w.rows[best[r]]] = r
    _source_figures(item, user, w, best, linear, out)
    _item_figures(item, w, best, user.now_ms, out)
    _user_figures(user, w, m, out)
    lines = _pair_figures(item, user, w, m, out)
    gap = math.log(1.0 + max(0, user.now_ms - user.times_ms[h - 1]) / 1000.0) if h > 0 else -1.0
    for r in range(m):
        out[r, _SESSION], out[r, _SESSION + 1] = lines, gap
        out[r, _SESSION + 2], out[r, _SESSION + 3] = w.features[_TEXT, best[r]], w.features[_TEXTS, best[r]]
        w.slot[w.rows[best[r]]] = -1
    return out
