"""The features of the candidates of one list, column by column; `core/features.py` says what each means.

Numbers that stand in item rows are collected first, and the logarithms taken of whole columns: so those vectorise.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import inner
from stream_rec.core.features import COUNTED_SOURCES, CURVES, FEATURES, SCORED_SOURCES
from stream_rec.core.float_kernels import fill_exp, fill_log
from stream_rec.core.presets import CANDIDATES_PER_SOURCE, DAY_MS, HOUR_MS, SOURCE_NAMES
from stream_rec.core.ranking.workspace import ABSENT, FACTORS, POPULARITY, SEQUENCE, Workspace
from stream_rec.core.state.item_layout import Facts
from stream_rec.core.state.item_text import TextArrays, clear_text, scatter_text, text_cosines
from stream_rec.core.types import Float32Array, Int32Array, Int64Array

_SCORED = tuple(SOURCE_NAMES.index(name) for name in SCORED_SOURCES)
_PER_SOURCE = len(CURVES)
_POPULAR, _HAD = FEATURES.index("popularity.r10"), FEATURES.index("had")
_TEXT, _AGREEMENT = FEATURES.index("text.last"), FEATURES.index("agreement")
RECENT_TEXTS = 5
_SMALLEST_LOG = np.float32(-6.0)
_SMALLEST_SHARE = np.float32(1e-30)
_NEVER = np.float32(1e-3)
_F32 = np.float32
_RANKS = np.arange(CANDIDATES_PER_SOURCE)
_R10: Float32Array = (10.0 / (10.0 + _RANKS)).astype(np.float32)
_R6: Float32Array = (6.0 / (6.0 + _RANKS)).astype(np.float32)
_R1: Float32Array = (1.0 / (1.0 + _RANKS)).astype(np.float32)


@inner()
def note_history(w: Workspace, rows: Int32Array, n: int) -> None:
    """Fill `times` and `lag` of the candidates in one walk over the history; `slot` is clean again afterwards."""
    h, slot, times, lag = len(rows), w.slot, w.times, w.lag
    for c in range(n):
        times[c] = 0
    for k in range(1, h + 1):
        c = slot[rows[h - k]]
        if c >= 0:
            if times[c] == 0:
                lag[c] = k
            times[c] += 1
    for c in range(n):
        slot[w.rows[c]] = ABSENT


@inner(allocates=True)
def curves(w: Workspace, n: int) -> None:
    """Fill the features of the scored sources from their lists: each list is worked out, then spread over the union."""
    x = w.features
    share, log = np.empty(CANDIDATES_PER_SOURCE, np.float32), np.empty(CANDIDATES_PER_SOURCE, np.float32)
    for at in range(len(SCORED_SOURCES)):
        source, first = _SCORED[at], at * _PER_SOURCE
        for f in range(first, first + _PER_SOURCE):
            row = x[f]
            for c in range(n):
                row[c] = _F32(0.0)
        scores, places, m = w.list_scores[source], w.places[source], w.list_sizes[source]
        if source in (FACTORS, SEQUENCE):  # logits
            for r in range(m):
                share[r] = log[r] = _F32(scores[r] - scores[0])
            fill_exp(share, m)
        else:
            for r in range(m):
                share[r] = _F32(scores[r] / scores[0])
                log[r] = max(share[r], _SMALLEST_SHARE)
            fill_log(log, m)
        for r in range(m):
            c = places[r]
            x[first, c], x[first + 1, c] = _F32(1.0), share[r]
            x[first + 2, c] = _F32(1.0) + max(log[r], _SMALLEST_LOG) * _F32(0.25)
            x[first + 3, c], x[first + 4, c], x[first + 5, c] = _R10[r], _R6[r], _R1[r]


@inner()
def item_features(w: Workspace, facts: Facts, n: int, now_ms: int) -> None:
    """Fill popularity's rank, what was bought lately, age."""
    x = w.features
    popular, day, month, age = x[_POPULAR], x[_POPULAR + 1], x[_POPULAR + 2], x[_POPULAR + 3]
    for c in range(n):
        item, r = facts[w.rows[c]], w.ranks[POPULARITY, c]
        since_ms = _F32(max(0, now_ms - item.last_seen_ms))
        popular[c] = _R10[r] if r != ABSENT else _F32(0.0)
        day[c], month[c] = since_ms * _F32(-1.0 / DAY_MS), since_ms * _F32(-1.0 / 30 / DAY_MS)
        age[c] = _F32(1.0) + _F32(max(0, now_ms - item.first_seen_ms)) * _F32(1.0 / HOUR_MS)
    fill_exp(day, n)
    fill_exp(month, n)
    for c in range(n):
        item = facts[w.rows[c]]
        day[c], month[c] = _NEVER + item.fade_1d * day[c], _NEVER + item.fade_30d * month[c]
    fill_log(day, n)
    fill_log(month, n)
    fill_log(age, n)
    for c in range(n):
        day[c], month[c], age[c] = _F32(0.2) * day[c], _F32(0.2) * month[c], _F32(0.1) * age[c]


@inner()
def user_features(
    w: Workspace, sessions: Int32Array, times_ms: Int64Array, session: int, n: int, now_ms: int
) -> None:  # fmt: skip
    """Fill what the user did with each candidate before; `times` and `lag` are filled."""
    x, h, first = w.features, len(times_ms), _HAD
    count, hours = x[first + 1], x[first + 5]
    for c in range(n):
        times, k = w.times[c], w.lag[c]
        had = times > 0
        x[first, c] = _F32(1.0) if had else _F32(0.0)
        count[c] = _F32(1 + times)
        x[first + 2, c] = _F32(10.0) / _F32(10 + k) if had else _F32(0.0)
        here = had and sessions[h - k] == session
        x[first + 3, c] = _F32(1.0) if here else _F32(0.0)
        x[first + 4, c] = _F32(1.0) / _F32(k) if here else _F32(0.0)
        away = had and not here
        since_ms = max(0, now_ms - times_ms[h - k]) if away else 0
        hours[c] = _F32(1.0) + _F32(since_ms) * _F32(1.0 / HOUR_MS)
        x[first + 6, c] = _F32(1.0) if away and h > 50 else _F32(0.0)
    fill_log(count, n)
    fill_log(hours, n)
    for c in range(n):
        count[c], hours[c] = _F32(0.5) * count[c], _F32(0.1) * hours[c]


@inner()
def text_features(w: Workspace, t: TextArrays, rows: Int32Array, n: int) -> None:
    """Fill how much a candidate's text is like those of the user's last items."""
    last, square, recent, h = w.features[_TEXT], w.features[_TEXT + 1], w.features[_TEXT + 2], len(rows)
    if h == 0 or t.documents[0] == 0:
        for c in range(n):
            last[c] = square[c] = recent[c] = _F32(0.0)
        return
    total, newest = _F32(1.0), rows[h - 1]
    scatter_text(t, newest, t.scale[newest], t.scale[newest], w.terms)
    for k in range(2, min(h, RECENT_TEXTS) + 1):
        total += _F32(1.0 / k)
        scatter_text(t, rows[h - k], _F32(0.0), t.scale[rows[h - k]] / _F32(k), w.terms)
    text_cosines(t, w.rows, n, w.terms, _F32(1.0) / total, last, recent)
    for c in range(n):
        square[c] = last[c] * last[c]
    for k in range(1, min(h, RECENT_TEXTS) + 1):
        clear_text(t, rows[h - k], w.terms)


@inner()
def agreement(w: Workspace, n: int) -> None:
    """Fill the share of the counted sources that propose a candidate; curves are filled."""
    x = w.features
    for c in range(n):
        share = _F32(0.0)
        for s in range(len(COUNTED_SOURCES)):
            share += x[s * _PER_SOURCE, c]
        share /= _F32(len(COUNTED_SOURCES))
        x[_AGREEMENT, c], x[_AGREEMENT + 1, c] = share, share * share
