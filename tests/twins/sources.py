"""Sources, selection, fusion and reasons as the equations say, one item at a time: oracles for the kernels."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt

from stream_rec.core import decay
from stream_rec.core.presets import (
    CANDIDATES_PER_SOURCE,
    CoocParams,
    FactorParams,
    FusionParams,
    HopParams,
    OwnParams,
    SignalParams,
)
from stream_rec.core.sources.cooc import MOST_PENDING
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import EventKind, Int32Array, UserView

Listed = list[tuple[int, float]]
"""(row, score), best first."""


def top(scores: dict[int, float], k: int, floor: float) -> Listed:
    """A full sort: higher scores first, equal ones by row."""
    kept = [(row, score) for row, score in scores.items() if score > floor]
    return sorted(kept, key=lambda entry: (-entry[1], entry[0]))[:k]


def propose(scores: dict[int, float], items: ItemTable, excluded: set[int]) -> Listed:
    shown = {i: s for i, s in scores.items() if items.listable[i] and i not in excluded}
    return top(shown, CANDIDATES_PER_SOURCE, 0.0)


def pairs(items: ItemTable, j: int) -> list[tuple[int, float]]:
    """C[j, .] in stored order."""
    n = items.neighbour_count[j]
    return list(zip(items.neighbour_rows[j, :n].tolist(), items.neighbour_weights[j, :n].tolist(), strict=True))


def session_rows(user: UserView) -> set[int]:
    return {int(row) for row, s in zip(user.rows, user.sessions, strict=True) if s == user.session}


def counted_later(user: UserView) -> int:
    """How many of the last lines are counted by the source, as the table has not counted them yet."""
    return min(user.pending, len(user.rows), MOST_PENDING)


def weighs(user: UserView, at: int, params: SignalParams) -> float:
    """What the kind of a line weighs beside the usual one."""
    kind = EventKind(int(user.tags[at]) % 16)
    return float(getattr(params, kind.name.lower()))


def vote(items: ItemTable, user: UserView, params: CoocParams, k: int, pending: bool = True) -> tuple[int, float]:
    """The k-th last item j and k^-hp * xs * P[j]^-al; P with the pending lines of j, if there are any."""
    j = int(user.rows[-k])
    same = user.sessions[-k] == user.session
    later = [q for q in range(1, counted_later(user) + 1) if pending and int(user.rows[-q]) == j]
    power = float(items.mass_vote[j])
    if later:
        mass = float(items.pair_mass[j])
        for q in later:
            g = decay.weight(int(user.times_ms[-q]), items.pair_landmark, params.decay_ms)
            mass += weighs(user, -q, items.preset.signals) * g
        power = mass**-params.mass_power
    return j, faded(k, params.history_power, params, same) * power


def faded(k: int, power: float, params: CoocParams | FactorParams, same: bool) -> float:
    """k^-power within the session, xs * k^-(op * power) from another one."""
    return float(k) ** -power if same else float(k) ** -(params.other_power * power) * params.other_session


def pending_pairs(items: ItemTable, user: UserView, params: CoocParams) -> list[tuple[int, int, float]]:
    """(j, x, w): by how much C[j, x] will grow once the pending lines are counted, newest line first."""
    rows, sessions = user.rows.tolist(), user.sessions.tolist()
    grown = []
    for at in range(len(rows) - 1, len(rows) - 1 - counted_later(user), -1):
        own = weighs(user, at, items.preset.signals)
        g = own * decay.weight(int(user.times_ms[at]), items.pair_landmark, params.decay_ms)
        for k in range(1, min(at, params.window) + 1):
            j, x = rows[at - k], rows[at]
            near = faded(k, params.distance_power, params, sessions[at - k] == sessions[at])
            lighter = min(own, weighs(user, at - k, items.preset.signals)) / own
            w = g * (near * lighter if j == x else near)
            grown.append((j, x, w))
            if j != x:
                grown.append((x, j, w * params.backward_weight))
    return grown


def cooc(items: ItemTable, user: UserView, params: CoocParams) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    voters = [vote(items, user, params, k) for k in range(1, min(len(user.rows), params.history) + 1)]
    for j, weight in voters:
        for i, c in pairs(items, j):
            scores[i] += weight * c
    for j, i, c in pending_pairs(items, user, params):
        together = sum(weight for voter, weight in voters if voter == j)
        if together * c > 0.0:
            scores[i] += together * c
    against(items, user, params, scores)
    now = session_rows(user)
    return {
        i: score * (float(items.mass_candidate[i]) * (params.in_session if i in now else 1.0))
        for i, score in scores.items()
    }


def against(items: ItemTable, user: UserView, params: CoocParams, scores: dict[int, float]) -> None:
    """Take off what is near the hidden items, newest first and never below 0."""
    newest_first = user.hidden[:, ::-1].T.tolist()
    for k, (j, session) in enumerate(newest_first[: params.history], 1):
        weight = faded(k, params.history_power, params, session == user.session)
        for i, c in pairs(items, j) if j >= 0 else []:
            less = items.preset.signals.near_hidden * (weight * float(items.mass_vote[j])) * c
            scores[i] = max(0.0, scores.get(i, 0.0) - less)


def own(items: ItemTable, user: UserView, params: OwnParams) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    rows, sessions = user.rows.tolist(), user.sessions.tolist()
    earlier = [at for at, s in enumerate(sessions) if s != user.session]
    current = [row for row, s in zip(rows, sessions, strict=True) if s == user.session]
    newest_first = current[::-1][: params.recent]
    for at in earlier:
        scores[rows[at]] += params.base
        if rows[at] not in newest_first:
            continue
        weight = 1.0 / (newest_first.index(rows[at]) + 1)
        for f in range(1, params.ahead + 1):
            if at + f < len(rows) and sessions[at + f] == sessions[at]:
                scores[rows[at + f]] += weight / f
        for f in range(1, params.behind + 1):
            if at - f >= 0 and sessions[at - f] == sessions[at]:
                scores[rows[at - f]] += params.behind_weight * weight / f
    return {i: score * (params.in_session if i in current else 1.0) for i, score in scores.items()}


def hop(items: ItemTable, user: UserView, params: HopParams) -> dict[int, float]:
    """The neighbours of the last items, the k-th weighing 1/k, and theirs; the order of operations is the kernel's."""
    mass = [float(p) for p in items.pair_mass[: items.n]]
    near: dict[int, float] = defaultdict(float)
    last = [int(user.rows[-k]) for k in range(1, min(len(user.rows), params.items) + 1)]
    if sum(len(pairs(items, j)) for j in last) > params.most_near:
        return {}
    for k, j in enumerate(last, start=1):
        for m, c in pairs(items, j) if mass[j] else ():
            near[m] += 1.0 / (k * mass[j]) * c
    scores: dict[int, float] = defaultdict(float)
    for m, weight in near.items():
        for i, c in pairs(items, m) if mass[m] else ():
            scores[i] += weight / mass[m] * c
    return {i: score * (1.0 / sqrt(mass[i])) if mass[i] else 0.0 for i, score in scores.items()}


def popularity(items: ItemTable) -> dict[int, float]:
    return {row: float(items.popularity[row]) for row in range(items.n)}


def context(user: UserView, params: FactorParams) -> list[tuple[int, float]]:
    """(item, w_k / sqrt(sum w^2)) of the last H items, newest first."""
    weights = []
    for k in range(1, min(len(user.rows), params.history) + 1):
        same = user.sessions[-k] == user.session
        weights.append((int(user.rows[-k]), faded(k, params.history_power, params, same)))
    norm = sqrt(sum(w * w for _, w in weights))
    return [(j, w / norm) for j, w in weights] if norm else []


def logits(items: ItemTable, user: UserView, params: FactorParams, rows: list[int]) -> dict[int, float]:
    """z . Q[i] + b[i], less the session's cost; nothing without a history."""
    z = sum(w * items.factor_in[j].astype(float) for j, w in context(user, params))
    now = session_rows(user)
    return {
        i: float(items.factor_out[i].astype(float) @ z)
        + float(items.facts["factor_bias"][i])
        - (params.session_cost if i in now else 0.0)
        for i in rows
        if len(user.rows)
    }


def fuse(ranks: list[dict[int, int]], params: FusionParams, rows: list[int], k: int) -> Listed:
    """(row, score), best first, ties in the order of the union `rows`; `ranks` of each source from 0."""
    fused = {
        row: sum(
            w / (params.rank_offset + 1.0 + of[row]) for w, of in zip(params.weights, ranks, strict=True) if row in of
        )
        for row in rows
    }
    return sorted(fused.items(), key=lambda entry: -entry[1])[:k]


def because(items: ItemTable, user: UserView, params: CoocParams, chosen: Int32Array, recent: int) -> list[int]:
    votes: dict[int, float] = {}  # by item, newest first
    for k in range(1, min(len(user.rows), params.history, recent) + 1):
        j, weight = vote(items, user, params, k, pending=False)
        votes[j] = votes.get(j, 0.0) + weight
    reasons = []
    for i in chosen.tolist():
        strengths = {j: weight * dict(pairs(items, j)).get(i, 0.0) for j, weight in votes.items() if j != i}
        best = max(strengths, key=lambda j: strengths[j], default=-1)
        reasons.append(best if strengths.get(best, 0.0) > 0.0 else -1)
    return reasons
