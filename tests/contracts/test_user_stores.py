"""What every user store promises, run on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache
from stream_rec.core.rounds import Put
from stream_rec.core.state.user_codec import deadline_key, index_puts
from stream_rec.core.state.user_store import MemoryUserStore, UserStore


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UserStore]:
    made: UserStore
    if request.param == "memory":
        made = MemoryUserStore("cluster-a")
    else:
        made = RocksUserStore(tmp_path, 3, "cluster-a", new_cache(1 << 20))
    yield made
    made.close()


def put(key: bytes, value: bytes | None) -> Put:
    return Put(key, value, True)


class TestEveryUserStore:
    def test_a_new_store_is_empty_at_position_0_and_knows_its_cluster(self, store: UserStore) -> None:
        assert store.position == 0
        assert store.cluster_id == "cluster-a"
        assert store.get_many([b"hanna"]) == [None]
        assert store.get_many([]) == []

    def test_get_many_answers_in_the_order_asked_with_repeats_and_gaps(self, store: UserStore) -> None:
        store.write([put(b"hanna", b"1"), put(b"hbob", b"2")], 7)
        assert store.get_many([b"hbob", b"hnobody", b"hanna", b"hbob"]) == [b"2", None, b"1", b"2"]
        assert store.position == 7

    def test_the_last_put_of_a_key_in_a_batch_counts(self, store: UserStore) -> None:
        store.write([put(b"ha", b"1"), put(b"ha", None), put(b"hb", None), put(b"hb", b"2")], 1)
        assert store.get_many([b"ha", b"hb"]) == [None, b"2"]

    def test_deleting_what_is_absent_changes_nothing(self, store: UserStore) -> None:
        store.write([put(b"hb", None), put(deadline_key(5, b"b"), None)], 1)
        assert store.get_many([b"hb"]) == [None]
        assert store.due_sessions(10, 10) == []

    def test_reading_creates_nothing(self, store: UserStore) -> None:
        store.get_many([b"hanna"])
        store.due_sessions(1 << 50, 10)
        assert list(store.scan(b"h")) == []

    def test_any_bytes_are_keys_and_values(self, store: UserStore) -> None:
        odd = [b"h\xff\xff", b"h\0", b"h" + "ünï".encode(), b"h" + b"k" * 256]
        store.write([put(key, bytes(range(256))) for key in odd] + [put(b"hempty", b"")], 1)
        assert store.get_many([*odd, b"hempty"]) == [bytes(range(256))] * 4 + [b""]

    def test_due_sessions_come_earliest_first_up_to_the_limit_and_the_time(self, store: UserStore) -> None:
        users = [(300, b"c"), (100, b"b"), (100, b"a"), (256, b""), (70_000, b"late")]
        store.write([Put(deadline_key(at, user), b"", False) for at, user in users], 1)
        assert store.due_sessions(300, 10) == [(100, b"a"), (100, b"b"), (256, b""), (300, b"c")]
        assert store.due_sessions(300, 2) == [(100, b"a"), (100, b"b")]
        assert store.due_sessions(299, 10) == [(100, b"a"), (100, b"b"), (256, b"")]
        assert store.due_sessions(99, 10) == store.due_sessions(-1, 10) == []

    def test_a_moved_session_is_due_once_at_its_new_time(self, store: UserStore) -> None:
        store.write(index_puts(b"anna", 0, 100), 1)
        store.write(index_puts(b"anna", 100, 100), 2)
        store.write(index_puts(b"anna", 100, 200), 3)
        assert store.due_sessions(1000, 10) == [(200, b"anna")]
        store.write(index_puts(b"anna", 200, 0), 4)
        assert store.due_sessions(1000, 10) == []

    def test_users_are_walked_in_the_order_of_their_ids(self, store: UserStore) -> None:
        store.write(
            [put(b"g", b""), put(b"i", b""), *(put(b"h" + user, b"v") for user in (b"b", b"a", b"ab", b"c"))], 1
        )
        assert store.users_after(b"", 3) == [b"a", b"ab", b"b"]
        assert store.users_after(b"b", 3) == [b"c"]
        assert store.users_after(b"c", 3) == []

    def test_scan_yields_a_prefix_in_key_order(self, store: UserStore) -> None:
        store.write([put(b"h%04d" % i, b"v") for i in reversed(range(2500))] + [put(b"g", b""), put(b"i", b"")], 1)
        assert [key for key, _ in store.scan(b"h")] == [b"h%04d" % i for i in range(2500)]
        assert next(iter(store.scan(b"h24"))) == (b"h2400", b"v")

    def test_scan_allows_writes_in_between(self, store: UserStore) -> None:
        store.write([put(b"h%d" % i, b"v") for i in range(5)], 1)
        for key, _ in store.scan(b"h"):
            store.write([put(key, None)], 2)
        assert list(store.scan(b"h")) == []

    def test_wipe_forgets_users_and_position_but_not_the_cluster(self, store: UserStore) -> None:
        store.write([put(b"ha", b"1"), *index_puts(b"a", 0, 5)], 9)
        store.wipe()
        assert (store.position, store.cluster_id) == (0, "cluster-a")
        assert store.get_many([b"ha"]) == [None]
        assert store.due_sessions(100, 10) == []
        store.write([put(b"ha", b"2")], 1)
        assert store.get_many([b"ha"]) == [b"2"]

    def test_closing_twice_is_allowed(self, store: UserStore) -> None:
        store.close()
        store.close()
