"""The store of one partition's users: what every implementation promises, and the one in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from typing import Protocol

from stream_rec.core.rounds import Put, UserStoreReader
from stream_rec.core.state.user_codec import deadline_key, head_key, parse_deadline_key

POSITION_KEY = b"\0position"
CLUSTER_KEY = b"\0cluster"


class UserStore(UserStoreReader, Protocol):
    """One partition's users, durable together with the changelog position they include.

    A store has one owner and is not thread-safe. Keys that start with a zero byte are the store's own.
    """

    @property
    def position(self) -> int:
        """Next changelog offset to apply; 0 in a new store."""
        ...

    @property
    def cluster_id(self) -> str:
        """The Kafka cluster whose offsets the store holds."""
        ...

    def write(self, puts: Sequence[Put], position: int) -> None:
        """Apply all puts, in order, and the position, or nothing of them: also through a crash."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of every key with this prefix, in key order; the store's own keys only if asked.

        Writing while scanning is allowed; whether such writes are seen is open.
        """
        ...

    def wipe(self) -> None:
        """Forget everything but the cluster: an empty store at position 0."""
        ...

    def close(self) -> None:
        """Release everything the store holds; closing twice is allowed, any other use afterwards is not."""
        ...


class MemoryUserStore:
    """A `UserStore` in a dict: backtests, tests, and workers that restore from the changelog alone."""

    def __init__(self, cluster_id: str = "") -> None:
        self._values: dict[bytes, bytes] = {}
        self._deadlines: list[bytes] = []  # sorted index keys
        self._position = 0
        self._cluster_id = cluster_id

    @property
    def position(self) -> int:
        """Next changelog offset to apply; 0 in a new store."""
        return self._position

    @property
    def cluster_id(self) -> str:
        """The Kafka cluster whose offsets the store holds."""
        return self._cluster_id

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, `None` where absent, in the order asked."""
        return [self._values.get(key) for key in keys]

    def due_sessions(self, before_ms: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` (deadline_ms, user_id) with deadline_ms <= before_ms, earliest first."""
        if before_ms < 0:
            return []
        end = bisect_left(self._deadlines, deadline_key(before_ms + 1, b""))
        return [parse_deadline_key(key) for key in self._deadlines[: min(end, limit)]]

    def users_after(self, user_id: bytes, limit: int) -> list[bytes]:
        """Return up to `limit` user ids behind `user_id`, in the order of their bytes."""
        start = head_key(user_id)
        keys = sorted(key for key in self._values if key[:1] == start[:1] and key > start)
        return [key[1:] for key in keys[:limit]]

    def write(self, puts: Sequence[Put], position: int) -> None:
        """Apply all puts, in order, and the position."""
        for key, value, _ in puts:
            if key.startswith(b"d"):
                self._index(key, value)
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        self._position = position

    def _index(self, key: bytes, value: bytes | None) -> None:
        if value is None and key in self._values:
            del self._deadlines[bisect_right(self._deadlines, key) - 1]
        elif value is not None and key not in self._values:
            insort(self._deadlines, key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of every key with this prefix, in key order."""
        found = [(key, value) for key, value in self._values.items() if key.startswith(prefix)]
        return iter(sorted(found))

    def wipe(self) -> None:
        """Forget everything but the cluster."""
        self._values.clear()
        self._deadlines.clear()
        self._position = 0

    def close(self) -> None:
        """Nothing to release."""
