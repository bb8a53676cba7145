"""The user plane's promises, over a memory store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import DAY_MS, HOUR_MS, Preset
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from tests.twins.events import Record, event_record

NOW_MS = 1_700_000_000_000


class Shop:
    """One partition, its store, and the planes; `send` is one round."""

    def __init__(self, **settings: Any) -> None:
        preset = Preset()
        self.items = ItemTable(preset)
        self.store = MemoryUserStore()
        self.plane = UserPlane(PlaneSettings(partitions=1, **settings), preset, self.items, 1)
        self.item_plane = ItemPlane(self.items, 1)
        self.item_plane.assign(0, None)
        self.offsets = {"clicks": 0, "purchases": 0}
        self.frames = 0

    def record(self, user: str, item: str, **changes: Any) -> Record:
        fields = {"event_id": f"{user}-{item}-{self.offsets}"} | changes
        topic = "purchases" if fields.get("event") == "purchase" else "clicks"
        offset = self.offsets[topic]
        self.offsets[topic] += 1
        return event_record(offset, user, item, NOW_MS, topic, **fields)

    def send(self, *records: Record) -> RoundResult:
        return self.write(self.plane.process({0: records}, {0: self.store}, NOW_MS + 1))

    def write(self, result: RoundResult) -> RoundResult:
        self.store.write(result.puts.get(0, []), 0)
        for frame in result.frames.values():
            self.item_plane.apply(0, frame, self.frames)
            self.frames += 1
        return result

    def restart(self) -> None:
        """Forget all that is in memory of users."""
        self.plane.forget(0)


def listed(result: RoundResult) -> list[list[str]]:
    return [[item["item_id"] for item in msgspec.json.decode(one.value)["items"]] for one in result.lists if one.value]


def outcome(result: RoundResult) -> tuple[int, int, int]:
    stats = result.stats
    assert stats.read == stats.applied + stats.duplicates + stats.dead
    return stats.applied, stats.duplicates, stats.dead


def test_each_touched_user_gets_one_list_per_round() -> None:
    shop = Shop()
    result = shop.send(shop.record("ann", "A"), shop.record("bob", "B"), shop.record("ann", "C"))
    assert [one.user_id for one in result.lists] == [b"ann", b"bob"]
    assert outcome(result) == (3, 0, 0)


def test_a_list_names_its_trigger_its_age_and_its_model() -> None:
    shop = Shop()
    result = shop.send(shop.record("ann", "A"), shop.record("ann", "B"))
    published = msgspec.json.decode(result.lists[0].value or b"")
    assert published["list_id"] == "clicks-0-1"
    assert published["trigger"] == {"topic": "clicks", "partition": 0, "offset": 1}
    assert (published["as_of_ms"], published["generated_at_ms"], published["lag_ms"]) == (NOW_MS, NOW_MS + 1, 1)
    assert published["model"] == {"preset": "retail"}


def test_what_was_seen_together_is_listed_with_its_reason() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A"), shop.record("ann", "B"))
    result = shop.send(shop.record("bob", "A"))
    items = msgspec.json.decode(result.lists[0].value or b"")["items"]
    assert items[0]["item_id"] == "B"
    assert items[0]["reason"] == {"kind": "co_occurrence", "because": ["A"]}


def test_a_record_delivered_again_is_a_duplicate_also_after_a_restart() -> None:
    shop = Shop()
    records = [shop.record("ann", "A"), shop.record("ann", "B")]
    shop.send(*records)
    shop.restart()
    result = shop.send(*records)
    assert outcome(result) == (0, 2, 0)
    assert (result.lists, result.frames, result.puts) == ([], {}, {})


def test_a_repeated_event_id_is_a_duplicate() -> None:
    shop = Shop()
    result = shop.send(shop.record("ann", "A", event_id="x"), shop.record("ann", "A", event_id="x"))
    assert outcome(result) == (1, 1, 0)
    assert shop.items.event_count[shop.items.intern("A")] == 1


def test_a_bad_record_is_a_dead_letter_and_costs_nothing_else() -> None:
    shop = Shop()
    good, bad = shop.record("ann", "A"), shop.record("ann", "B")._replace(value=b"{")
    result = shop.send(bad, good)
    assert outcome(result) == (1, 0, 1)
    assert result.dead_letters[0].reason == "not-json"
    assert result.dead_letters[0].value == b"{"


def test_each_line_of_a_basket_counts() -> None:
    shop = Shop()
    lines = [{"item_id": item, "quantity": 1} for item in "ABC"]
    shop.send(shop.record("ann", "", event="purchase", item_id=None, items=lines))
    assert [int(shop.items.event_count[shop.items.intern(item)]) for item in "ABC"] == [1, 1, 1]


def test_hits_are_counted_against_the_list_the_user_had() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A"), shop.record("ann", "B"))
    shop.send(shop.record("bob", "A"))
    result = shop.send(shop.record("bob", "B"))
    assert (result.stats.looks, result.stats.hits, result.stats.reciprocal_ranks) == (1, 1, 1.0)


def test_a_sample_of_the_lines_is_described_for_the_drift_detectors() -> None:
    shop = Shop()
    stats = shop.send(*(shop.record("ann", item) for item in "AAAABBBBBA")).stats
    assert (stats.looks + stats.coalesced_looks, stats.lines, stats.repeats) == (9, 2, 1)


def test_events_in_the_same_round_are_looked_up_apart() -> None:
    shop = Shop()
    result = shop.send(shop.record("ann", "A"), shop.record("ann", "B"))
    assert (result.stats.looks, result.stats.coalesced_looks) == (0, 1)


@pytest.mark.parametrize(
    ("exclude", "expected"), [("nothing", {"A", "B"}), ("current", {"B"}), ("bought", {"A"}), ("had", set())]
)
def test_rules_keep_items_out(exclude: str, expected: set[str]) -> None:
    shop = Shop(exclude=exclude)
    shop.send(shop.record("ann", "A"), shop.record("ann", "B", event="purchase"))
    result = shop.send(shop.record("ann", "A", timestamp_ms=NOW_MS + 1))
    assert set(listed(result)[0]) == expected


def test_a_hidden_item_stays_hidden_after_a_restart() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A"), shop.record("ann", "B"))
    assert "B" not in listed(shop.send(shop.record("ann", "B", event="hide")))[0]
    shop.restart()
    assert "B" not in listed(shop.send(shop.record("ann", "A")))[0]


def test_the_sweep_publishes_the_visit_list_once_the_session_has_ended() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A"))
    before = shop.plane.sweep(0, shop.store, NOW_MS + HOUR_MS, NOW_MS, 10)
    assert b"ann" not in [one.user_id for one in before.lists]
    after = shop.write(shop.plane.sweep(0, shop.store, NOW_MS + 3 * HOUR_MS, NOW_MS, 10))
    assert [one.user_id for one in after.lists] == [b"ann"]
    assert msgspec.json.decode(after.lists[0].value or b"")["trigger"] is None
    assert shop.plane.sweep(0, shop.store, NOW_MS + 3 * HOUR_MS, NOW_MS, 10).puts == {}


def test_two_sweeps_of_one_moment_have_names_of_their_own() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A"), shop.record("bob", "A"))
    swept = shop.plane.sweep(0, shop.store, NOW_MS + 3 * HOUR_MS, NOW_MS, 10)
    ids = [msgspec.json.decode(one.value or b"")["list_id"] for one in swept.lists]
    assert len(set(ids)) == len(ids) == 3  # theirs, and the visitors'


def test_who_stays_away_expires_with_all_that_was_stored() -> None:
    shop = Shop(idle_user_ms=30 * DAY_MS)
    shop.send(shop.record("ann", "A"))
    shop.write(shop.plane.sweep(0, shop.store, NOW_MS + DAY_MS, NOW_MS, 10))
    result = shop.write(shop.plane.sweep(0, shop.store, NOW_MS + 31 * DAY_MS, NOW_MS, 10))
    assert (b"ann", None) in [(one.user_id, one.value) for one in result.lists]
    assert list(shop.store.scan(b"")) == []


def test_a_visitor_nobody_knows_gets_the_popular_list_when_it_changes() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A"))
    first = shop.plane.sweep(0, shop.store, NOW_MS, NOW_MS, 10)
    assert [(one.user_id, items) for one, items in zip(first.lists, listed(first), strict=True)] == [(b"*", ["A"])]
    assert shop.plane.sweep(0, shop.store, NOW_MS, NOW_MS, 10).lists == []


def test_records_from_a_partition_their_key_does_not_name_are_counted_or_refused() -> None:
    for refuse in (False, True):
        plane = UserPlane(
            PlaneSettings(partitions=4, foreign_partition_is_dead=refuse), Preset(), ItemTable(Preset()), 4
        )
        shop = Shop()
        records: Sequence[Record] = [shop.record("u0", "A")]  # murmur2("u0") names partition 2 of 4
        result = plane.process({0: records}, {0: MemoryUserStore()}, NOW_MS)
        assert result.stats.foreign_partition == 1
        assert outcome(result) == ((0, 0, 1) if refuse else (1, 0, 0))


def test_a_users_whole_history_survives_a_restart() -> None:
    shop = Shop()
    for number in range(70):
        shop.send(shop.record("ann", f"item-{number}"))
    before = shop.plane.cache.load(0, [b"ann"], shop.store)[b"ann"].state
    shop.restart()
    after = shop.plane.cache.load(0, [b"ann"], shop.store)[b"ann"].state
    assert after.rows_view().tolist() == before.rows_view().tolist()
    assert after.sessions_view().tolist() == before.sessions_view().tolist()
    assert after.events_applied == 70


def test_a_session_is_told_by_the_shop_or_by_a_pause() -> None:
    shop = Shop()
    shop.send(shop.record("ann", "A", session_id="s1"), shop.record("ann", "B", session_id="s2"))
    shop.send(shop.record("bob", "A"), shop.record("bob", "B", timestamp_ms=NOW_MS + 60_000))
    ann, bob = (shop.plane.cache.load(0, [key], shop.store)[key].state for key in (b"ann", b"bob"))
    assert ann.sessions_view().tolist() == [1, 2]
    assert bob.sessions_view().tolist() == [1, 1]
