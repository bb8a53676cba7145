"""Sources, selection, fusion and reasons as the equations say, one item at a time: oracles for the kernels."""

from __future__ import annotations

from collections import defaultdict

from stream_rec.core.presets import CANDIDATES_PER_SOURCE, CoocParams, FusionParams, OwnParams
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Int32Array, Proposal, UserView

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


def vote(items: ItemTable, user: UserView, params: CoocParams, k: int) -> tuple[int, float]:
    """The k-th last item j and k^-hp * xs * P[j]^-al."""
    j = int(user.rows[-k])
    same = user.sessions[-k] == user.session
    return j, float(k) ** -params.history_power * (1.0 if same else params.other_session) * float(items.mass_vote[j])


def cooc(items: ItemTable, user: UserView, params: CoocParams) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    for k in range(1, min(len(user.rows), params.history) + 1):
        j, weight = vote(items, user, params, k)
        for i, c in pairs(items, j):
            scores[i] += weight * c
    now = session_rows(user)
    return {
        i: score * (float(items.mass_candidate[i]) * (params.in_session if i in now else 1.0))
        for i, score in scores.items()
    }


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


def popularity(items: ItemTable) -> dict[int, float]:
    return {row: float(items.popularity[row]) for row in range(items.n)}


def fuse(proposals: list[Proposal], params: FusionParams, k: int) -> list[tuple[int, float, int]]:
    """(row, score, source of the largest share), best first, ties in the order of the union."""
    shares: dict[int, list[tuple[float, int]]] = {}
    for s, proposal in enumerate(proposals):
        for rank, row in enumerate(proposal.rows.tolist(), start=1):
            if params.weights[s] > 0:
                shares.setdefault(row, []).append((params.weights[s] / (params.rank_offset + rank), s))
    fused = [
        (row, sum(share for share, _ in parts), max(parts, key=lambda part: part[0])[1])
        for row, parts in shares.items()
    ]
    return sorted(fused, key=lambda entry: -entry[1])[:k]


def because(items: ItemTable, user: UserView, params: CoocParams, chosen: Int32Array, recent: int) -> list[int]:
    votes: dict[int, float] = {}  # by item, newest first
    for k in range(1, min(len(user.rows), params.history, recent) + 1):
        j, weight = vote(items, user, params, k)
        votes[j] = votes.get(j, 0.0) + weight
    reasons = []
    for i in chosen.tolist():
        strengths = {j: weight * dict(pairs(items, j)).get(i, 0.0) for j, weight in votes.items() if j != i}
        best = max(strengths, key=lambda j: strengths[j], default=-1)
        reasons.append(best if strengths.get(best, 0.0) > 0.0 else -1)
    return reasons
