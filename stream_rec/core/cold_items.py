"""Items few have met yet: the pool content proposes from, and what each user is proposed of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_rec.core.content_table import ContentTable
from stream_rec.core.presets import ContentParams
from stream_rec.core.sources.content import content_nearest
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Cold, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, UserView

COLD_EVENTS = 20
"""An item with fewer events is cold."""

UNSOLD, FEW, NEITHER = range(3)
"""Groups of the pool: no event yet, some, and what has left since the pool was made."""

_CALLS = 1024


class ColdItems:
    """The pool, and the nearest of it for users.

    New items enter it at once, others every 1,024 calls. With more than `most_cold` cold items a quarter of the places
    is for those with some events and the rest for those without, who have nothing but their texts; what one group
    leaves the other takes. Those with the fewest events are in it, and of equal ones the newest. Who has sold or gone
    out of stock since is passed over at once.

    Attributes
    ----------
    rows : int32[p]
        Rows of the pool.
    """

    rows: Int32Array

    def __init__(self, items: ItemTable, content: ContentTable, params: ContentParams) -> None:
        self._items, self._content, self._params = items, content, params
        self._most = np.array([params.unsold, params.few], np.int64)
        self._calls = 0
        self._choose(np.arange(items.n, dtype=np.int32))

    def propose(self, users: Sequence[UserView]) -> list[Cold]:
        """Return the cold items nearest to what each user had last.

        Notes
        -----
        About 90 ns a user and item of the pool, so at most 45 µs a user at the default `most_cold`.
        """
        if not users:
            return []
        self._calls += 1
        changed = self._content.take_changed()
        if self._calls % _CALLS == 0:
            changed = np.arange(self._items.n, dtype=np.int32)
        if len(changed):
            self._choose(np.union1d(self.rows, changed))
        groups = self._groups()
        rows, weights, ends = self._recent(users)
        out = np.zeros((len(users), 2, int(self._most.sum())), np.int32)
        scores = np.zeros((len(users), out.shape[2]))
        content = self._content
        content_nearest(
            content.numbers, content.scale, self.rows, self._pool, self._pool_scale, groups, rows, weights, ends,
            self._most, out, scores,
        )  # fmt: skip
        orders, counts = np.argsort(-scores, axis=1, kind="stable"), np.count_nonzero(scores, axis=1).tolist()
        return [
            _best(found, score, order[:n], self._params.unsold)
            for found, score, order, n in zip(out, scores, orders, counts, strict=True)
        ]

    def _choose(self, rows: Int32Array) -> None:
        """Make the pool from some rows."""
        items, content, most = self._items, self._content, self._params.most_cold
        counts = items.event_count[rows]
        cold = (counts < COLD_EVENTS) & (items.named[rows] == 1) & (content.scale[rows] > 0)
        cold &= items.unavailable[rows] == 0
        rows, counts = rows[cold], counts[cold]
        if len(rows) > most:
            rows, unsold = rows[np.lexsort((-rows, counts))], int(np.count_nonzero(counts == 0))
            few = min(len(rows) - unsold, max(most // 4, most - unsold))
            rows = np.sort(np.concatenate((rows[: most - few], rows[unsold : unsold + few])))
        self.rows = rows
        self._pool: Int16Array = content.numbers[rows].astype(np.int16)
        self._pool_scale: Float32Array = content.scale[rows]

    def _groups(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        items = self._items
        counts = items.event_count[self.rows]
        groups = np.where(counts == 0, UNSOLD, np.where(counts < COLD_EVENTS, FEW, NEITHER))
        groups[items.unavailable[self.rows] == 1] = NEITHER
        return groups.astype(np.uint8)

    def _recent(self, users: Sequence[UserView]) -> tuple[Int32Array, Float32Array, Int64Array]:
        """Return the last items of all users, newest first, what each weighs, and where each user's end."""
        params = self._params
        newest = slice(None, -params.history - 1, -1)
        rows = [user.rows[newest] for user in users]
        by_age = (1.0 / np.arange(1, params.history + 1)).astype(np.float32)
        here, elsewhere = by_age, by_age * np.float32(params.other_session)
        weights = [
            np.where(user.sessions[newest] == user.session, here[: len(last)], elsewhere[: len(last)])
            for user, last in zip(users, rows, strict=True)
        ]
        return np.concatenate(rows), np.concatenate(weights), np.cumsum([len(last) for last in rows])


def _best(found: Int32Array, scores: Float64Array, order: Int64Array, unsold: int) -> Cold:
    """Return what was found in an order over both groups; the first `unsold` places are those of the first one."""
    rows, because = found[:, order]
    return Cold(rows, because, scores[order], order < unsold)
