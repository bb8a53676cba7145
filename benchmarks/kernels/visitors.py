"""Users with about 90 events in several sessions, each session about two kinds of goods, with much bought before."""

from __future__ import annotations

import numpy as np

from benchmarks.kernels.big_table import NOW_MS, BigTable
from stream_rec.core.presets import DAY_MS
from stream_rec.core.state.user import UserState
from stream_rec.core.types import EventKind, UserView

EVENTS = 90
SESSIONS = 6
MINUTE_MS = 60_000


def visitors(table: BigTable, n: int, seed: int = 2) -> list[UserView]:
    """Return `n` users who go on with their last session; its last event is not counted in the table yet."""
    rng = np.random.default_rng(seed)
    return [_visitor(table, rng) for _ in range(n)]


def state_of(user: UserView, table: BigTable) -> UserState:
    """Return the state a worker would hold of a user."""
    state = UserState("visitor", len(user.rows))
    hashes = table.items.hashes[user.rows].tolist()
    columns = zip(hashes, user.rows.tolist(), user.times_ms.tolist(), user.sessions.tolist(), strict=True)
    for h, row, time_ms, session in columns:
        state.append(h, row, time_ms, session, int(EventKind.VIEW_ITEM))
    state.session = user.session
    return state


def _visitor(table: BigTable, rng: np.random.Generator) -> UserView:
    n_clusters, size = table.members.shape
    sessions = np.sort(rng.integers(1, SESSIONS + 1, EVENTS)).astype(np.int32)
    liked = rng.integers(0, n_clusters, (SESSIONS + 1, 2))
    liked[:, 0] = liked[0, 0]  # one kind they come back for
    rows: list[int] = []
    for session in sessions.tolist():
        cluster = liked[session, rng.integers(2)]
        if rows and rng.random() < 0.3:  # had before, and what came after it then comes after it now
            at = rows.index(rows[-1]) if rows[-1] in rows[:-1] else int(rng.integers(len(rows)))
            rows.append(rows[min(at + 1, len(rows) - 1)])
        else:
            rows.append(int(table.members[cluster, int(size * rng.random() ** 2)]))
    visit_ms = np.sort(rng.integers(NOW_MS - 90 * DAY_MS, NOW_MS - DAY_MS, SESSIONS + 1))
    visit_ms[-1] = NOW_MS - EVENTS * MINUTE_MS
    times_ms = np.sort(visit_ms[sessions] + rng.integers(0, 60, EVENTS) * MINUTE_MS)
    times_ms[-1] = NOW_MS
    tags = np.full(EVENTS, EventKind.PURCHASE, np.uint16)
    return UserView(np.array(rows, np.int32), sessions, times_ms, int(sessions[-1]), NOW_MS, 1, tags)
