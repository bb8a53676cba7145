"""Decoded user states kept in memory: the newest used ones, per partition."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from stream_rec.core.partitioning import partition_of
from stream_rec.core.rounds import UserStoreReader
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import attach, decode_head, head_key, keys_to_load


class CachedUser(NamedTuple):
    """One user in memory; `foreign`: their records do not come from the partition their key hashes to."""

    state: UserState
    foreign: bool


class UserCache:
    """Loads users from their partition's store in batches and evicts the least recently used.

    A state changed in a round stays the newest until the round's writes are stored, because eviction happens only
    at the start of the next round's load; so a reader never sees a state older than the store's.
    """

    def __init__(self, items: ItemTable, history_events: int, partitions: int, capacity: int) -> None:
        self._items = items
        self._history_events = history_events
        self._partitions = partitions
        self._capacity = capacity
        self._users: OrderedDict[tuple[int, bytes], CachedUser] = OrderedDict()

    def __len__(self) -> int:
        return len(self._users)

    def load(self, partition: int, keys: Iterable[bytes], store: UserStoreReader) -> dict[bytes, CachedUser]:
        """Return the users of `keys` (unknown ones as fresh states, which nothing stores until they have an event).

        Raises
        ------
        CorruptStateError
            A stored head or chunk does not decode.
        """
        users = self._users
        while len(users) > self._capacity:
            users.popitem(last=False)
        loaded: dict[bytes, CachedUser] = {}
        missing: list[bytes] = []
        for key in dict.fromkeys(keys):
            user = users.get((partition, key))
            if user is None:
                missing.append(key)
            else:
                users.move_to_end((partition, key))
                loaded[key] = user
        if missing:
            for key, state in zip(missing, self._read(missing, store), strict=True):
                user = CachedUser(state, partition_of(key, self._partitions) != partition)
                users[partition, key] = loaded[key] = user
        return loaded

    def forget(self, partition: int) -> None:
        """Drop every user of a revoked partition."""
        for place in [place for place in self._users if place[0] == partition]:
            del self._users[place]

    def drop(self, partition: int, key: bytes) -> None:
        """Drop one user (expired or erased)."""
        self._users.pop((partition, key), None)

    def _read(self, keys: list[bytes], store: UserStoreReader) -> list[UserState]:
        """Decode the users of `keys`; two reads of the store, however many users."""
        states: list[UserState] = []
        wanted: list[list[bytes]] = []
        for key, head in zip(keys, store.get_many([head_key(key) for key in keys]), strict=True):
            user_id = key.decode()
            if head is None:
                states.append(UserState(user_id, self._history_events))
                wanted.append([])
            else:
                states.append(decode_head(user_id, head, self._history_events))
                wanted.append(keys_to_load(states[-1]))
        values = iter(store.get_many([key for some in wanted for key in some]) if any(wanted) else [])
        for state, some in zip(states, wanted, strict=True):
            if some:
                attach(state, [next(values) for _ in some])
            if state.n_total:
                state.history.set_rows(self._items.rows_of_hashes(state.history.hashes_view()))
        return states
