"""A changelog read back into a store: winners, positions, repairs, the session index."""

from __future__ import annotations

from stream_rec.adapters.user_restore import ChangelogRecord, Replay
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import encode_head, head_key
from stream_rec.core.state.user_store import MemoryUserStore

KEY = head_key(b"anna")


def head(clicks: int, purchases: int, generation: int, deadline_ms: int = 5_000) -> bytes:
    state = UserState("anna", 100)
    state.offsets = [clicks, purchases]
    state.generation = generation
    state.session_deadline_ms = deadline_ms
    return encode_head(state)


def replay(store: MemoryUserStore, *values: bytes | None) -> Replay:
    one = Replay(store)
    one.apply([ChangelogRecord(KEY, value) for value in values], len(values))
    return one


def test_the_newest_state_is_stored_with_the_position() -> None:
    store = MemoryUserStore()
    one = replay(store, head(1, -1, 1), head(2, -1, 1))
    assert store.get_many([KEY]) == [head(2, -1, 1)]
    assert (store.position, one.records, one.repairs()) == (2, 2, [])


def test_a_zombies_late_record_loses_and_is_repaired() -> None:
    store = MemoryUserStore()
    owner, zombie = head(9, 3, 2), head(7, 3, 1)
    one = replay(store, owner, zombie)
    assert store.get_many([KEY]) == [owner]
    assert one.repairs() == [ChangelogRecord(KEY, owner)]


def test_the_owners_next_record_makes_the_repair_needless() -> None:
    one = replay(MemoryUserStore(), head(9, 3, 2), head(7, 3, 1), head(10, 3, 2))
    assert one.repairs() == []


def test_reading_a_part_again_changes_nothing() -> None:
    store = MemoryUserStore()
    replay(store, head(1, -1, 1), head(2, -1, 1))
    again = replay(store, head(1, -1, 1), head(2, -1, 1))
    assert store.get_many([KEY]) == [head(2, -1, 1)]
    assert again.repairs() == []


def test_the_session_index_follows_the_winner() -> None:
    store = MemoryUserStore()
    replay(store, head(1, -1, 1, deadline_ms=5_000), head(2, -1, 1, deadline_ms=8_000))
    assert store.due_sessions(10_000, 10) == [(8_000, b"anna")]
    replay(store, None)
    assert store.due_sessions(10_000, 10) == []
    assert store.get_many([KEY]) == [None]
