"""Items few have met yet: the pool content proposes from, and what each user is proposed of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_rec.core.content_table import ContentTable
from stream_rec.core.presets import ContentParams
from stream_rec.core.sources.content import KeptCubes, Lines, Nearest, Pool, content_nearest
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Cold, Int32Array, UInt8Array, UserView

COLD_EVENTS = 20
"""An item with fewer events is cold."""

UNSOLD, FEW, NEITHER = range(3)
"""Groups of the pool: no event yet, some, and what has left since the pool was made."""

KEPT_ITEMS = 8192
"""Items whose likeness to the pool is kept, at most 2 KB each: what users had last is what others had last, too."""

_CALLS = 1024


class ColdItems:
    """The pool, and the nearest of it for users.

    New items enter it at once, others every 1,024 calls. With more than `most_cold` cold items a quarter of the places
    is for those with some events and the rest for those without, who have nothing but their texts; what one group
    leaves the other takes. Those with the fewest events are in it, and of equal ones those the table heard of last: the
    newest, but after a start in the order of the topics. Who has sold or gone out of stock since is passed over.

    Parameters
    ----------
    items, content, params
        The table, its texts, and how many of what are proposed.
    kept
        Items whose likeness to the pool is kept.

    Attributes
    ----------
    rows : int32[p]
        Rows of the pool.
    """

    rows: Int32Array

    def __init__(
        self, items: ItemTable, content: ContentTable, params: ContentParams, kept: int = KEPT_ITEMS
    ) -> None:  # fmt: skip
        self._items, self._content, self._params, self._most_kept = items, content, params, kept
        self._most = np.array([params.unsold, params.few], np.int64)
        self._calls = 0
        self._choose(np.arange(items.n, dtype=np.int32))

    def propose(self, users: Sequence[UserView]) -> list[Cold]:
        """Return the cold items nearest to what each user had last.

        Notes
        -----
        About 4 ns a user and item of the pool, 2 µs a user at the default `most_cold`, and 5 µs for a history item that
        is not kept.
        """
        if not users:
            return []
        self._calls += 1
        changed = self._content.take_changed()
        if self._calls % _CALLS == 0:
            changed = np.arange(self._items.n, dtype=np.int32)
        if len(changed):
            self._choose(np.union1d(self.rows, changed))
        pool, content, params = self._pool._replace(groups=self._groups()), self._content, self._params
        n, m = len(users), int(self._most.sum())
        out = Nearest(
            np.empty((n, m), np.int32), np.empty((n, m), np.int32), np.empty((n, m)), np.empty((n, m), np.bool_),
            np.empty(n, np.int64),
        )  # fmt: skip
        content_nearest(
            content.numbers, content.scale, pool, self._kept, _lines_of(users, params.history), params.history,
            params.other_session, self._most, out,
        )  # fmt: skip
        rows, because, scores, unsold, counts = out
        return [Cold(rows[u, :n], because[u, :n], scores[u, :n], unsold[u, :n]) for u, n in enumerate(counts.tolist())]

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
        self._pool = Pool(rows, content.numbers[rows].astype(np.int16), content.scale[rows], np.empty(0, np.uint8))
        kept = np.full(self._most_kept, -1, np.int32)
        self._kept = KeptCubes(kept, np.empty((len(kept), len(rows)), np.float32))

    def _groups(self) -> UInt8Array:
        items = self._items
        counts = items.event_count[self.rows]
        groups = np.where(counts == 0, UNSOLD, np.where(counts < COLD_EVENTS, FEW, NEITHER))
        groups[items.unavailable[self.rows] == 1] = NEITHER
        return groups.astype(np.uint8)


def _lines_of(users: Sequence[UserView], history: int) -> Lines:
    """Return the last lines of each user; a longer history is not copied."""
    rows = [user.rows[-history:] for user in users]
    return Lines(
        np.concatenate(rows),
        np.concatenate([user.sessions[-history:] for user in users]),
        np.cumsum([len(last) for last in rows]),
        np.array([user.session for user in users], np.int32),
    )
