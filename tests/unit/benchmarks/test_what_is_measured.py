"""What the benchmark counts: when an event is processed, which list answers it."""

from __future__ import annotations

from benchmarks.latency import match
from benchmarks.lists_seen import SeenList, processed_ms
from benchmarks.loads import distinct_users
from benchmarks.open_loop import Sent
from benchmarks.watcher import Visible

MS = 1_000_000


def test_an_event_is_processed_with_the_first_list_at_it_or_behind_it() -> None:
    lists = [SeenList("clicks", 0, 1, 1000, 9), SeenList("clicks", 0, 4, 1200, 9), SeenList("clicks", 0, 3, 1100, 9)]

    processed = processed_ms(lists)

    assert processed["clicks", 0].tolist() == [1000, 1000, 1100, 1100, 1200]


def test_an_event_without_a_list_of_its_own_is_answered_by_its_users_next() -> None:
    sent = [Sent("clicks", 0, i, i * MS, 0, user) for i, user in enumerate("xxabab")]
    seen = [Visible("clicks", 0, 3, 5 * MS, 9), Visible("clicks", 0, 4, 10 * MS, 9)]  # of b and a; the last b has none

    latency = match(sent, seen, rate=1000)

    assert (latency.n, latency.missing) == (3, 1)  # a at 2 and 4, b at 3; the first fifth is warm-up
    assert latency.p50_ms == 6.0  # 8, 2 and 6


def test_every_measured_user_is_seen_once() -> None:
    load = distinct_users(n=50, warm=20, partitions=4, now_ms=1_800_000_000_000)

    users = [message.key for message in load.messages[load.warm :]]

    assert len(users) == len(set(users)) == 50
    assert not set(users) & {message.key for message in load.messages[: load.warm]}
