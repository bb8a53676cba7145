"""What the second stage looks at, one candidate and one name at a time: the oracle for the kernel."""

from __future__ import annotations

from math import exp, log

from stream_rec.core import decay
from stream_rec.core.presets import DAY_MS, HOUR_MS, Preset
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import UserView
from tests.twins import evidence, sources
from tests.twins.evidence import Proposals, Ranks

ABSENT_RANK, ABSENT_LOG, ABSENT_LAG, ABSENT_SESSION = 101.0, -9.0, 9999.0, 999.0
SMALLEST_LOG = -6.0
"""The features of the first stage, which these logs are read from, say no less."""
SOON, RECENT = 8, 10
"""Lines after another that count as following it; items of the session whose neighbours are asked."""


def second_features(
    items: ItemTable,
    user: UserView,
    preset: Preset,
    proposed: Proposals,
    ranks: Ranks,
    rows: list[int],
    linear: list[float],
) -> dict[str, list[float]]:
    """Name -> value per candidate in `rows`, the best first; `ranks` of every source, `linear` the scores."""
    per_row = [
        {
            **_of_sources(items, user, preset, proposed, ranks, row),
            "linear.gap": linear[place] - linear[0],
            "linear.rank": float(place),
            **_of_item(items, preset, user.now_ms, row),
            **_of_history(user, row),
            **_following(user, row),
            **_of_pairs(items, user, preset, row),
            "session.lines": float(len(session_lines(user))),
            "session.gap": _gap(user),
            **{name: evidence._of_texts(items, user, row)[name] for name in ("text.last", "text.recent")},
        }
        for place, row in enumerate(rows)
    ]
    return {name: [one[name] for one in per_row] for name in per_row[0]}


def _of_sources(
    items: ItemTable, user: UserView, preset: Preset, proposed: Proposals, ranks: Ranks, row: int
) -> dict[str, float]:
    logits = sources.logits(items, user, preset.factors, [row, *ranks["factors"]])
    shares = {other: score / proposed.cooc[0][1] for other, score in proposed.cooc}
    places = [of[row] for of in ranks.values() if row in of]
    return {
        "cooc.log": max(log(shares[row]), SMALLEST_LOG) if row in ranks["cooc"] else ABSENT_LOG,
        "cooc.rank": ranks["cooc"].get(row, ABSENT_RANK),
        "cooc.top": _in_units_of_now(items, preset, user.now_ms, proposed.cooc[0][1]) if proposed.cooc else 0.0,
        "own.top": log(proposed.own[0][1]) if proposed.own else 0.0,
        "factors.log": (
            max(logits[row] - max(logits[other] for other in ranks["factors"]), SMALLEST_LOG)
            if row in ranks["factors"]
            else ABSENT_LOG
        ),
        "factors.rank": ranks["factors"].get(row, ABSENT_RANK),
        "factors.bias": float(items.facts["factor_bias"][row]),
        "rank.fused": sum(1.0 / (6 + place) for place in places),
        "rank.least": float(min(places)),
        "own.rank": ranks["own"].get(row, ABSENT_RANK),
    }


def _in_units_of_now(items: ItemTable, preset: Preset, now_ms: int, score: float) -> float:
    """log of a score of stored weights C P^-al P^-be, had all of them been counted with g(now) = 1."""
    cooc = preset.cooc
    since_landmark_ms = now_ms - decay.landmark_ms(items.pair_landmark, cooc.decay_ms)
    return log(score) - (1.0 - cooc.mass_power - cooc.candidate_power) * since_landmark_ms / cooc.decay_ms


def _of_item(items: ItemTable, preset: Preset, now_ms: int, row: int) -> dict[str, float]:
    fact = items.facts[row]
    since_ms = max(0, now_ms - int(fact["last_seen_ms"]))
    month = float(fact["fade_30d"]) * exp(-since_ms / (30 * DAY_MS))
    half_year = float(fact["fade_180d"]) * exp(-since_ms / (180 * DAY_MS))
    week = float(items.popularity[row]) / decay.weight(now_ms, items.popularity_landmark, preset.popularity.decay_ms)
    return {
        "item.7d": log(1e-3 + week),
        "item.180d": log(1e-3 + half_year),
        "item.trend": log((month + 1.0) / (half_year / 6.0 + 1.0)),
        "item.age": log(1.0 + max(0, now_ms - int(fact["first_seen_ms"])) / HOUR_MS),
        "item.since": log(1.0 + since_ms / 60_000),
    }


def sessions_so_far(user: UserView) -> list[int]:
    """The user's sessions, oldest first, the one being continued or begun last."""
    return list(dict.fromkeys([*user.sessions.tolist(), user.session]))


def session_lines(user: UserView) -> list[int]:
    """Rows of the session being continued."""
    return [row for row, session in zip(user.rows.tolist(), user.sessions, strict=True) if session == user.session]


def sessions_ago(user: UserView, session: int) -> float:
    """0 for the session being continued."""
    return float(len(sessions_so_far(user)) - 1 - sessions_so_far(user).index(session))


def _of_history(user: UserView, row: int) -> dict[str, float]:
    places = [place for place, had in enumerate(user.rows.tolist()) if had == row]
    if not places:
        return {
            "had.share": 0.0,
            "had.lag": ABSENT_LAG,
            "had.hours": -1.0,
            "had.sessions": 0.0,
            "had.sessions_ago": ABSENT_SESSION,
            "had.rhythm": -1.0,
        }
    visits = {int(user.sessions[place]) for place in places}
    first_ms, last_ms = int(user.times_ms[places[0]]), int(user.times_ms[places[-1]])
    away_ms = max(0, user.now_ms - last_ms)
    rhythm_ms = (last_ms - first_ms) / (len(visits) - 1) + HOUR_MS if len(visits) > 1 else 0.0
    return {
        "had.share": len(places) / len(user.rows),
        "had.lag": float(len(user.rows) - places[-1]),
        "had.hours": log(1.0 + away_ms / HOUR_MS),
        "had.sessions": float(len(visits)),
        "had.sessions_ago": sessions_ago(user, int(user.sessions[places[-1]])),
        "had.rhythm": away_ms / rhythm_ms if rhythm_ms else -1.0,
    }


def _following(user: UserView, row: int) -> dict[str, float]:
    rows, sessions = user.rows.tolist(), user.sessions.tolist()
    pairs = [
        (after - before, sessions[after])
        for before in range(len(rows))
        for after in range(before + 1, min(len(rows), before + SOON + 1))
        if (rows[before], rows[after], sessions[before]) == (rows[-1], row, sessions[after])
    ]
    ago = sessions_ago(user, max(session for _, session in pairs)) if pairs else ABSENT_SESSION
    return {
        "followed.ago": ago,
        "followed.times": float(sum(distance == 1 for distance, _ in pairs)),
        "followed.nearest": float(min((distance for distance, _ in pairs), default=0)),
    }


def share_of_pair(items: ItemTable, user: UserView, preset: Preset, j: int, y: int) -> float:
    """C[j, y] / P[j], both as they will be once the pending lines are counted."""
    cooc = preset.cooc
    mass, together = float(items.pair_mass[j]), dict(sources.pairs(items, j)).get(y, 0.0)
    for p in range(1, sources.counted_later(user) + 1):
        if int(user.rows[-p]) == j:
            g = decay.weight(int(user.times_ms[-p]), items.pair_landmark, cooc.decay_ms)
            mass += sources.weighs(user, -p, preset.signals) * g
    together += sum(w for a, b, w in sources.pending_pairs(items, user, cooc) if (a, b) == (j, y))
    return together / mass if mass else 0.0


def _of_pairs(items: ItemTable, user: UserView, preset: Preset, row: int) -> dict[str, float]:
    newest_first = user.rows.tolist()[::-1]
    last = [share_of_pair(items, user, preset, j, row) for j in newest_first[:2]] + [0.0, 0.0]
    recent = session_lines(user)[::-1][:RECENT]
    most = max((share_of_pair(items, user, preset, j, row) for j in recent), default=0.0)
    return {"pair.last": last[0], "pair.second": last[1], "pair.most": most}


def _gap(user: UserView) -> float:
    """log of the seconds since the user's last event; -1 for nobody."""
    return log(1.0 + max(0, user.now_ms - int(user.times_ms[-1])) / 1000) if len(user.rows) else -1.0
