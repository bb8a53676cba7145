"""History factorisation: the recent items' factors, added up, against each candidate's.

    z = Σ_k w_k · P[j_k] / √Σ w²,   w_k = k^-hp, or xs · k^-(op · hp) if j_k is of another session,   k ≤ H
    logit(i) = z · Q[i] + b[i] − (session cost if i is in the session)

P says what an item means as a part of a history, Q as what comes next. Both are learned from every event with a
sampled softmax: the event's item x against n negatives y drawn uniformly, log(items/n) added to their logits. With
p the softmax and g = p − 1[x] the loss's gradient, the rows move along

    Q[c]: g_c · z        b[c]: g_c        P[j_k]: w_k/√Σw² · dz,   dz = Σ_c g_c · Q[c]

and every row scales its step by its own past (row-wise AdaGrad, in the item plane: `state/factor_steps.py`).

References
----------
Jean, Cho, Memisevic, Bengio (2015), "On using very large target vocabulary for neural machine translation", ACL
(sampled softmax). https://doi.org/10.3115/v1/P15-1001
Kabbur, Ning, Karypis (2013), "FISM: factored item similarity models for top-n recommender systems", KDD (a user as the
sum of their items). https://doi.org/10.1145/2487575.2487589
"""

from __future__ import annotations

import math

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.gradients import Members
from stream_rec.core.prefetch import prefetch
from stream_rec.core.presets import FactorParams
from stream_rec.core.sources.fading import power_table
from stream_rec.core.state.first_factors import mix
from stream_rec.core.state.item_layout import FactorArrays
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, UInt8Array

_PER_LINE, _AHEAD = 16, 4  # floats in a cache line; candidates of several lines each
SUMS = {"reassoc", "contract", "nsz"}
"""Sums may be vectorised; NaN, infinity and division stay as they are."""


def context_table(params: FactorParams) -> Float64Array:
    """Return float64[2, H + 1]: w_k for items of the session being continued (row 0) and of others (row 1)."""
    return power_table(params.history_power, params.other_power, params.other_session, params.history)


@entry(fastmath=SUMS)
def dot(a: Float32Array, b: Float32Array) -> np.float32:
    """Return a · b."""
    total = np.float32(0.0)
    for f in range(len(a)):
        total += a[f] * b[f]
    return total


@inner(fastmath=SUMS)
def add_scaled(y: Float32Array, scale: np.float32, x: Float32Array) -> None:
    """y += scale · x."""
    for f in range(len(y)):
        y[f] += scale * x[f]


@inner(fastmath=SUMS)
def history_context(
    f: FactorArrays, rows: Int32Array, sessions: Int32Array, session: int, table: Float64Array, z: Float32Array,
    weights: Float32Array,
) -> int:  # fmt: skip
    """Write z and the normalised w_k; return how many history items took part."""
    h = len(rows)
    n, squares = int(min(h, table.shape[1] - 1)), 0.0
    for k in range(1, n + 1):
        w = table[0 if sessions[h - k] == session else 1, k]
        weights[k - 1] = w
        squares += w * w
    z[:] = np.float32(0.0)
    norm = np.float32(1.0 / math.sqrt(squares)) if squares > 0.0 else np.float32(0.0)
    for k in range(1, n + 1):
        weights[k - 1] *= norm
        add_scaled(z, weights[k - 1], f.into[rows[h - k]])
    return n


@inner(fastmath=SUMS)
def factor_scores(
    f: FactorArrays, z: Float32Array, candidates: Int32Array, n: int, in_session: UInt8Array, cost: float,
    scores: Float64Array,
) -> None:  # fmt: skip
    """Write the logit of each of `candidates[:n]`. About 12 ns a candidate at d = 64."""
    for c in range(n):
        ahead = candidates[min(c + _AHEAD, n - 1)]
        prefetch(f.facts, ahead)
        for line in range(0, len(z), _PER_LINE):
            prefetch(f.out[ahead], line)
        i, total = np.uint32(candidates[c]), np.float32(0.0)  # no view of a row: making one costs what using it does
        for q in range(len(z)):
            total += f.out[i, q] * z[q]
        scores[c] = total + f.facts[i].factor_bias - (cost if in_session[i] else 0.0)


@entry(fastmath=SUMS)
def factor_gradient(
    f: FactorArrays, rows: Int32Array, sessions: Int32Array, session: int, table: Float64Array, x: int, n_rows: int,
    seed: np.uint64, negatives: int, negligible: float, context: Float32Array, back: Float32Array, members: Members,
    entry: int,
) -> None:  # fmt: skip
    """Write the gradient of one event as entry number `entry`; the table is read, never changed.

    Parameters
    ----------
    x
        The event's item.
    n_rows
        Rows of the table; negatives are drawn among them, those not listable are passed over.
    seed
        Decides the negatives.
    negligible
        A negative with g below it is left alone.
    context, back, members
        float32[entries, d] each, and `Members`; row `entry` is written.
    """
    z, dz = context[entry], back[entry]
    weights = np.empty(table.shape[1], np.float32)
    n_history = history_context(f, rows, sessions, session, table, z, weights)
    chosen, g = np.empty(negatives + 1, np.int32), np.empty(negatives + 1)
    chosen[0], g[0], n = x, dot(f.out[x], z) + f.facts[x].factor_bias, 1
    correction, largest = math.log(max(1.0, n_rows / max(1, negatives))), g[0]
    for _ in range(negatives):
        seed += np.uint64(0x9E3779B97F4A7C15)
        y = np.int64(mix(seed) % np.uint64(n_rows))
        if y == x or f.facts[y].listable == 0:
            continue
        chosen[n], g[n] = y, dot(f.out[y], z) + f.facts[y].factor_bias + correction
        largest = max(largest, g[n])
        n += 1
    total = 0.0
    for c in range(n):
        g[c] = math.exp(g[c] - largest)
        total += g[c]
    dz[:] = np.float32(0.0)
    at = members.start[entry]
    for c in range(n):
        p = g[c] / total - (1.0 if c == 0 else 0.0)
        if c > 0 and p < negligible:
            continue
        members.row[at], members.value[at] = chosen[c], p
        at += 1
        add_scaled(dz, np.float32(p), f.out[chosen[c]])
    members.n_targets[entry] = at - members.start[entry]
    for k in range(n_history):
        members.row[at], members.value[at] = rows[len(rows) - 1 - k], weights[k]
        at += 1
    members.start[entry + 1] = at
