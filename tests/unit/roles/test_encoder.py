"""An encoder over topics in memory: no half version is ever declared whole, whoever interferes and whenever."""

from __future__ import annotations

import json

import msgspec
import pytest

from stream_rec.adapters.model_announcements import announcement_of
from stream_rec.roles import encoder as encoder_module
from tests.unit.roles.encoder_desk import ITEMS, Desk, Record, Student


def test_a_version_is_whole_in_the_end_and_has_no_marker_before(desk: Desk) -> None:
    name = desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 2)
    assert desk.topics.rows(name) != set() and desk.topics.ends(name) == []
    desk.run(encoder, 5)
    assert desk.whole(name)


@pytest.mark.parametrize("fails_at", range(5))
def test_killed_at_any_write_and_started_again_it_completes_the_version(desk: Desk, fails_at: int) -> None:
    name = desk.announce(desk.publish(1))
    encoder, writer = desk.encoder()
    writer.fails_at = fails_at
    with pytest.raises(KeyboardInterrupt):
        desk.run(encoder, 20)
    assert not desk.whole(name)
    again, writer = desk.encoder()
    desk.run(again, 20)
    assert desk.whole(name)
    assert writer.writes <= 5 - fails_at  # what was written is not written again


@pytest.mark.parametrize("between", range(5))
def test_an_announcement_of_what_is_not_there_in_between_leaves_no_half_version(desk: Desk, between: int) -> None:
    first, lost = desk.publish(1), desk.publish(2)
    name = desk.announce(first)
    encoder, _ = desk.encoder()
    desk.run(encoder, between)
    desk.announce(lost)
    desk.damage(lost)
    desk.run(encoder, 2)
    assert desk.announce(first) == name
    desk.run(encoder, 20)
    assert desk.whole(name)


@pytest.mark.parametrize("between", range(6))
def test_a_promotion_amid_another_completes_the_newer_one(desk: Desk, between: int) -> None:
    desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, between)
    name = desk.announce(desk.publish(2))
    desk.run(encoder, 20)
    assert desk.whole(name)


@pytest.mark.parametrize("between", range(5))
def test_a_version_amid_which_one_comes_that_cannot_be_read_is_completed(desk: Desk, between: int) -> None:
    first, lost = desk.publish(1), desk.publish(2)
    name = desk.announce(first)
    encoder, _ = desk.encoder()
    desk.run(encoder, max(1, between))
    desk.announce(lost)
    desk.damage(lost)
    desk.run(encoder, 20)
    assert desk.whole(name)


@pytest.mark.parametrize("restarted", [False, True])
def test_while_the_announced_version_cannot_be_read_what_serves_gets_the_rows_of_new_items(
    desk: Desk, student: Student, restarted: bool
) -> None:
    first, lost = desk.publish(1), desk.publish(2)
    name = desk.announce(first)
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    other = desk.announce(lost)
    desk.damage(lost)
    desk.run(encoder, 5)
    desk.describe("new", "red mug")
    desk.run(desk.encoder()[0] if restarted else encoder, 20)
    assert "new" in desk.topics.rows(name) and desk.whole(name, len(ITEMS) + 1)
    assert desk.topics.rows(other) == set()


def test_what_serves_gets_rows_of_new_items_while_another_version_comes_and_none_after(
    desk: Desk, student: Student
) -> None:
    name = desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    other = desk.announce(desk.publish(2))
    desk.run(encoder, 2)
    desk.describe("amid", "red mug")
    desk.run(encoder, 1)
    assert desk.whole(name, len(ITEMS) + 1) and not desk.topics.ends(other)
    desk.run(encoder, 5)
    assert desk.whole(other, len(ITEMS) + 1)
    desk.describe("after", "blue mug")
    desk.run(encoder, 5)
    assert "after" not in desk.topics.rows(name) and "after" in desk.topics.rows(other)


def test_half_a_version_gives_way_to_one_that_cannot_be_read_while_another_serves(desk: Desk, student: Student) -> None:
    names = [desk.announce(desk.publish(1))]
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    names.append(desk.announce(desk.publish(2)))
    desk.run(encoder, 2)
    names.append(desk.announce(lost := desk.publish(3)))
    desk.damage(lost)
    desk.describe("new", "red mug")
    desk.run(encoder, 20)
    assert desk.whole(names[0], len(ITEMS) + 1)  # workers serve it still
    assert desk.topics.ends(names[1]) == [] == desk.topics.ends(names[2])


def test_rows_another_encoder_deleted_are_written_again(desk: Desk) -> None:
    name = desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 10)
    row = next(one for one in desk.topics.records if one.topic == "item-vectors" and one.value is not None)
    desk.topics.records.append(row._replace(value=None))
    assert not desk.whole(name)
    desk.run(encoder, 5)
    assert desk.whole(name)


def test_a_damaged_row_is_written_again_after_a_start(desk: Desk) -> None:
    name = desk.announce(desk.publish(1))
    desk.run(desk.encoder()[0], 10)
    at = next(n for n, one in enumerate(desk.topics.records) if one.topic == "item-vectors")
    desk.topics.records.append(desk.topics.records[at]._replace(value=b"junk"))
    desk.run(desk.encoder()[0], 10)
    newest = {one.key: one.value for one in desk.topics.records}
    assert newest[desk.topics.records[at].key] == desk.topics.records[at].value
    assert desk.whole(name)


def test_what_serves_and_what_served_before_stays_and_older_versions_go(desk: Desk) -> None:
    names = []
    encoder, _ = desk.encoder()
    for seed in range(1, 5):
        names.append(desk.announce(desk.publish(seed)))
        desk.run(encoder, 20)
    assert [len(desk.topics.rows(name)) for name in names] == [0, 0, len(ITEMS), len(ITEMS)]
    desk.registry.rollback("worse")
    value = msgspec.json.encode(announcement_of(desk.registry, 0))
    desk.topics.records.append(Record("models", 0, b"sequence", value))
    desk.run(encoder, 20)
    assert desk.whole(names[2]) and desk.whole(names[3])  # forward again takes no time either


def test_a_version_whose_announcement_is_not_read_yet_is_left_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "RETIRE_AFTER_S", 1e9)
    desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    other = desk.announce(desk.publish(2))
    announcement = desk.topics.records.pop()  # another encoder has read it, and has written the rows
    second = Desk.encoder(desk)[0]
    desk.topics.records.append(announcement)
    desk.run(second, 20)
    desk.topics.records.remove(announcement)
    desk.run(encoder, 20)
    assert desk.whole(other)


def test_new_items_are_written_and_counted(desk: Desk) -> None:
    name = desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    item = {"item_id": ITEMS[0]}  # known, without a text: nothing to write
    desk.topics.records.append(Record("items", 0, ITEMS[0].encode(), json.dumps(item).encode()))
    before = len(desk.topics.records)
    desk.run(encoder, 5)
    assert len(desk.topics.records) == before and desk.whole(name)
