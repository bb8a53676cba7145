"""Everything `gather_evidence` finds out, one candidate and one feature at a time: the oracle for the kernel."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, log, sqrt
from typing import NamedTuple

from stream_rec.core.features import COUNTED_SOURCES, SCORED_SOURCES
from stream_rec.core.presets import DAY_MS, HOUR_MS, Preset
from stream_rec.core.ranking.candidate_features import RECENT_TEXTS
from stream_rec.core.ranking.workspace import HOP_CANDIDATES, OWN_CANDIDATES, POPULAR_CANDIDATES
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import UserView
from tests.twins import sources

Ranks = dict[str, dict[int, int]]
"""Source -> row -> place from 0."""


class Proposals(NamedTuple):
    """What the sources that propose say, best first, each cut to its share of the union."""

    cooc: sources.Listed
    own: sources.Listed
    hop: sources.Listed
    popularity: sources.Listed

    def union(self) -> list[int]:
        return list(dict.fromkeys(row for listed in self for row, _ in listed))

    def ranks(self) -> Ranks:
        return {name: {row: place for place, (row, _) in enumerate(listed)} for name, listed in self._asdict().items()}


def proposals(items: ItemTable, user: UserView, preset: Preset, excluded: set[int]) -> Proposals:
    def cut(scores: dict[int, float], k: int | None) -> sources.Listed:
        return sources.propose(scores, items, excluded)[:k]

    return Proposals(
        cut(sources.cooc(items, user, preset.cooc), None),
        cut(sources.own(items, user, preset.own), OWN_CANDIDATES),
        cut(sources.hop(items, user, preset.hop), HOP_CANDIDATES),
        cut(sources.popularity(items), POPULAR_CANDIDATES),
    )


def features(
    items: ItemTable, user: UserView, preset: Preset, proposed: Proposals, ranks: Ranks
) -> dict[str, list[float]]:
    """Name -> value per candidate of the union. `ranks` are the proposals', and those of the factors."""
    rows = proposed.union()
    logits = sources.logits(items, user, preset.factors, rows)
    best = max((logits[row] for row in ranks["factors"]), default=0.0)
    shares = {
        "cooc": _shares(proposed.cooc),
        "own": _shares(proposed.own),
        "hop": _shares(proposed.hop),
        "factors": {row: exp(logits[row] - best) for row in ranks["factors"]},
    }
    found: dict[str, list[float]] = {}
    for source in SCORED_SOURCES:
        curves = _curves(ranks.get(source, {}), shares.get(source, {}))
        found |= {f"{source}.{name}": [curve(row) for row in rows] for name, curve in curves.items()}
    found["popularity.r10"] = [_curves(ranks["popularity"], {})["r10"](row) for row in rows]
    per_row = [
        {
            **_of_item(items, row, user.now_ms),
            **_of_user(user, row),
            **_of_texts(items, user, row),
            **_agreement(ranks, row),
        }
        for row in rows
    ]
    return found | {name: [one[name] for one in per_row] for name in (per_row[0] if per_row else {})}


def _shares(listed: sources.Listed) -> dict[int, float]:
    return {row: score / listed[0][1] for row, score in listed}


def _curves(rank: dict[int, int], share: dict[int, float]) -> dict[str, Callable[[int], float]]:
    """Every curve is 0 where the source does not propose the item."""

    def where_proposed(value: Callable[[int], float]) -> Callable[[int], float]:
        return lambda row: value(row) if row in rank else 0.0

    return {
        "present": where_proposed(lambda row: 1.0),
        "share": where_proposed(lambda row: share[row]),
        "log": where_proposed(lambda row: 1.0 + max(log(share[row]) if share[row] else -inf, -6.0) / 4.0),
        "r10": where_proposed(lambda row: 10.0 / (10 + rank[row])),
        "r6": where_proposed(lambda row: 6.0 / (6 + rank[row])),
        "r1": where_proposed(lambda row: 1.0 / (1 + rank[row])),
    }


def _of_item(items: ItemTable, row: int, now_ms: int) -> dict[str, float]:
    fact = items.facts[row]
    since_ms = max(0, now_ms - int(fact["last_seen_ms"]))
    age_hours = max(0, now_ms - int(fact["first_seen_ms"])) / HOUR_MS
    return {
        "item.1d": 0.2 * log(1e-3 + float(fact["fade_1d"]) * exp(-since_ms / DAY_MS)),
        "item.30d": 0.2 * log(1e-3 + float(fact["fade_30d"]) * exp(-since_ms / (30 * DAY_MS))),
        "item.age": 0.1 * log(1.0 + age_hours),
    }


def _of_user(user: UserView, row: int) -> dict[str, float]:
    names = ("had", "had.count", "had.lag", "session.had", "session.lag", "had.hours", "had.long")
    none = dict.fromkeys(names, 0.0)
    places = [place for place, had in enumerate(user.rows.tolist()) if had == row]
    if not places:
        return none
    newest, lag = places[-1], len(user.rows) - places[-1]
    had = none | {"had": 1.0, "had.count": 0.5 * log(1 + len(places)), "had.lag": 10.0 / (10 + lag)}
    if user.sessions[newest] == user.session:
        return had | {"session.had": 1.0, "session.lag": 1.0 / lag}
    hours = max(0, user.now_ms - int(user.times_ms[newest])) / HOUR_MS
    return had | {"had.hours": 0.1 * log(1.0 + hours), "had.long": float(len(user.rows) > 50)}


def _of_texts(items: ItemTable, user: UserView, row: int) -> dict[str, float]:
    recent = user.rows[::-1][:RECENT_TEXTS].tolist()
    alike = [_cosine(items, j, row) / k for k, j in enumerate(recent, 1)]
    last = alike[0] if alike else 0.0
    mean = sum(alike) / sum(1 / k for k in range(1, len(recent) + 1)) if alike else 0.0
    return {"text.last": last, "text.square": last * last, "text.recent": mean}


def _cosine(items: ItemTable, a: int, b: int) -> float:
    """Of the stored term weights; `tests/twins/texts.py` says what those are."""
    t = items.texts.arrays()
    q_a, q_b = (
        {term: float(q) for term, q in zip(t.terms[row].tolist(), t.weights[row], strict=True) if q} for row in (a, b)
    )
    dot = sum(q * q_b.get(term, 0.0) for term, q in q_a.items())
    return dot / sqrt(sum(q * q for q in q_a.values()) * sum(q * q for q in q_b.values())) if dot else 0.0


def _agreement(ranks: Ranks, row: int) -> dict[str, float]:
    share = sum(row in ranks[source] for source in COUNTED_SOURCES) / len(COUNTED_SOURCES)
    return {"agreement": share, "agreement.square": share * share}
