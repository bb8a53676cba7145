"""A user's positive item lines in memory: columns that grow, oldest first."""

from __future__ import annotations

import numpy as np

from stream_rec.core.types import KIND_BITS, KIND_MASK, Int32Array, Int64Array, UInt8Array, UInt16Array, UInt64Array

CHUNK_LINES = 32
"""Lines of one write-once chunk, and of the tail every head repeats. Stored: never change within a version."""

SESSION_MASK = 0xFFF
"""A stored line keeps 12 bits of its session number; see `History.from_lines`."""

TIME_LIMIT_MS = 1 << 48
"""Times are stored in 6 bytes: the year 10889."""


class History:
    """Columns of the newest lines, oldest first; appending costs amortised O(1).

    Only the newest `keep` lines are visible. Some older ones stay in the buffers until room is made, and lines
    whose chunk is not yet written always stay. Views are slices: any `append` may make them stale.

    Attributes
    ----------
    n_total
        Lines ever appended; line numbers count from 0 over the user's whole life.
    chunked
        Lines below this number are in chunks that were handed out for writing (a multiple of `CHUNK_LINES`).
    """

    __slots__ = ("_end", "_hashes", "_rows", "_sessions", "_start", "_tags", "_times_ms", "chunked", "keep", "n_total")

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.n_total = 0
        self.chunked = 0
        self._start = 0
        self._end = 0
        self._allocate(CHUNK_LINES)

    @classmethod
    def from_lines(
        cls, keep: int, n_total: int, hashes: UInt64Array, times_ms: Int64Array, tags: UInt16Array, session: int
    ) -> History:
        """Build a history from stored columns that end with line `n_total - 1`; the columns are copied.

        Session numbers are restored as the latest ones not above `session` that agree in 12 bits: exact while
        the user has had fewer than 4,096 sessions since the oldest line kept. Rows stay 0 until `set_rows`.
        """
        n = len(hashes)
        history = cls.__new__(cls)
        history.keep, history.n_total, history._start, history._end = keep, n_total, 0, n
        history.chunked = n_total - n_total % CHUNK_LINES
        history._allocate(n + CHUNK_LINES)
        history._hashes[:n] = hashes
        history._times_ms[:n] = times_ms
        history._tags[:n] = tags
        np.right_shift(tags, KIND_BITS, out=history._sessions[:n])
        if session > SESSION_MASK:
            history._sessions[:n] = session - ((session - history._sessions[:n]) & SESSION_MASK)
        return history

    def _allocate(self, capacity: int) -> None:
        self._hashes = np.empty(capacity, np.uint64)
        self._times_ms = np.empty(capacity, np.int64)
        self._tags = np.empty(capacity, np.uint16)
        self._sessions = np.empty(capacity, np.int32)
        self._rows = np.zeros(capacity, np.int32)

    def append(self, item_hash: int, item_row: int, time_ms: int, session: int, kind: int) -> None:
        """Add one line. `kind` is an `EventKind` (stored in 4 bits); `time_ms` must be in [0, 2^48).

        Raises
        ------
        ValueError
            The time or kind cannot be stored.
        """
        if not (0 <= time_ms < TIME_LIMIT_MS and 0 < kind < 1 << KIND_BITS):
            raise ValueError(f"history line: need 0 <= time_ms < 2^48 and 0 < kind < 16; got {time_ms}, {kind}.")
        end = self._end
        if end == len(self._hashes):
            self._make_room()
            end = self._end
        self._hashes[end] = item_hash
        self._rows[end] = item_row
        self._times_ms[end] = time_ms
        self._sessions[end] = session
        self._tags[end] = (session & SESSION_MASK) << KIND_BITS | kind
        self._end = end + 1
        self.n_total += 1

    def _make_room(self) -> None:
        """Move what is still needed to the front, of larger buffers if it fills more than half of these."""
        needed = min(self.n_held, max(self.keep, CHUNK_LINES, self.n_total - self.chunked))
        source = slice(self._end - needed, self._end)
        columns = self._hashes, self._times_ms, self._tags, self._sessions, self._rows
        capacity = len(self._hashes)
        if 2 * needed > capacity:
            self._allocate(2 * capacity)
        moved = self._hashes, self._times_ms, self._tags, self._sessions, self._rows
        for old, new in zip(columns, moved, strict=True):
            new[:needed] = old[source]  # type: ignore[index]  # columns of five dtypes
        self._start, self._end = 0, needed

    @property
    def n_held(self) -> int:
        """Lines in the buffers; at least the visible ones."""
        return self._end - self._start

    @property
    def first_held(self) -> int:
        """Line number of the oldest line in the buffers."""
        return self.n_total - self.n_held

    def _visible(self) -> slice:
        return slice(max(self._start, self._end - self.keep), self._end)

    def rows_view(self) -> Int32Array:
        """int32[h] item rows of the visible lines in this process's item table."""
        return self._rows[self._visible()]

    def sessions_view(self) -> Int32Array:
        """int32[h] session number of each visible line."""
        return self._sessions[self._visible()]

    def rows_and_sessions(self) -> tuple[Int32Array, Int32Array]:
        """Both views at once, for half of what two calls cost."""
        visible = self._visible()
        return self._rows[visible], self._sessions[visible]

    def hashes_view(self) -> UInt64Array:
        """uint64[h] item hashes of the visible lines."""
        return self._hashes[self._visible()]

    def times_view(self) -> Int64Array:
        """int64[h] event time of each visible line, ms."""
        return self._times_ms[self._visible()]

    def tags_view(self) -> UInt16Array:
        """uint16[h] of each visible line: 12 bits of its session over the 4 of its kind."""
        return self._tags[self._visible()]

    def kinds(self) -> UInt8Array:
        """uint8[h] `EventKind` of each visible line (a copy)."""
        return (self._tags[self._visible()] & KIND_MASK).astype(np.uint8)

    def set_rows(self, rows: Int32Array) -> None:
        """Fill the rows of the visible lines, after a load: one per hash of `hashes_view`."""
        self._rows[self._visible()] = rows

    def stored_columns(self, first: int, last: int) -> tuple[UInt64Array, Int64Array, UInt16Array]:
        """Views (hashes, times_ms, tags) of the lines numbered first..last-1; all must be held."""
        end = self._end - self.n_total
        lines = slice(first + end, last + end)
        return self._hashes[lines], self._times_ms[lines], self._tags[lines]
