"""What an encoder does with items that a version has no row for in its tables."""

from __future__ import annotations

from typing import NoReturn

import pytest

from stream_rec.errors import ConfigError
from stream_rec.neural import extra
from stream_rec.roles import version_writer
from stream_rec.roles.encoded_version import EncodedVersion
from tests.unit.roles.encoder_desk import BATCH, ITEMS, Desk, Student


@pytest.mark.parametrize("reason", [ConfigError("damaged"), ImportError("no torch"), OSError()])
def test_where_no_row_can_be_made_from_a_text_the_version_is_whole_without_until_it_is_announced_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reason: Exception
) -> None:
    monkeypatch.setattr(version_writer, "MOST_LEFT_OUT", 0.9)
    asked = []

    def fails(version: EncodedVersion) -> NoReturn:
        asked.append(version)
        raise reason

    monkeypatch.setattr(EncodedVersion, "_item_encoder", fails)
    for number in range(2 * BATCH):
        desk.describe(f"new-{number}", "red mug")
    name = desk.announce(version := desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    desk.describe("late", "blue mug")
    desk.run(encoder, 20)
    assert desk.whole(name) and len(asked) == 1
    said = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert len(said) == 1 and "6 items are left out" in said[0] and str(reason) in said[0]

    student = Student()
    monkeypatch.setattr(EncodedVersion, "_item_encoder", lambda self: student)
    desk.announce(version)
    desk.run(encoder, 20)
    assert desk.whole(name, len(ITEMS) + 2 * BATCH + 1)


def test_a_version_that_would_lack_much_is_not_completed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers would take it for the better one, and know a part of the catalogue."""

    def fails(version: EncodedVersion) -> NoReturn:
        raise ConfigError("damaged")

    for number in range(len(ITEMS)):
        desk.describe(f"new-{number}", "red mug")
    name = desk.announce(version := desk.publish(1))
    with monkeypatch.context() as broken:
        broken.setattr(EncodedVersion, "_item_encoder", fails)
        encoder, _ = desk.encoder()
        desk.run(encoder, 20)
    assert len(desk.topics.rows(name)) == len(ITEMS) and desk.topics.ends(name) == []
    student = Student()
    monkeypatch.setattr(EncodedVersion, "_item_encoder", lambda self: student)
    desk.announce(version)
    desk.run(encoder, 20)
    assert desk.whole(name, 2 * len(ITEMS))


def test_an_encoder_without_the_extra_says_what_to_install(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    desk.describe("new", "red mug")
    name = desk.announce(desk.publish(1))
    desk.run(desk.encoder()[0], 20)
    assert desk.whole(name)
    assert f"rows of {name} from texts: need the packages of the extra `neural`" in caplog.text
    assert "Install stream-rec[neural]" in caplog.text


def test_a_missing_student_leaves_out_the_items_it_is_needed_for(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.describe("new", "red mug")
    name = desk.announce(desk.publish(1))
    desk.run(desk.encoder()[0], 20)
    assert desk.whole(name) and "student.safetensors" in caplog.text


def test_a_version_without_texts_has_the_rows_of_its_tables_whatever_the_catalogue_says(
    desk: Desk, student: Student
) -> None:
    for item_id in (*ITEMS[:5], "new"):
        desk.describe(item_id, "red mug")
    name = desk.announce(desk.publish(1, texts=[""] * len(ITEMS)))
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    desk.describe(ITEMS[6], "blue mug")
    desk.run(encoder, 20)
    assert desk.topics.rows(name) == set(ITEMS) and desk.whole(name)
    assert student.asked == []


def test_changed_texts_and_new_items_get_a_row_from_their_text_and_others_that_of_the_tables(
    desk: Desk, student: Student
) -> None:
    for item_id, title in ((ITEMS[0], "red mug"), (ITEMS[1], "blue mug"), ("new", "red mug"), ("nothing", " ")):
        desk.describe(item_id, title)
    name = desk.announce(desk.publish(1, texts=["red mug"] * len(ITEMS)))
    desk.run(desk.encoder()[0], 20)
    assert sorted(student.asked) == [ITEMS[1], "new"]
    assert desk.topics.rows(name) == {*ITEMS, "new"} and desk.whole(name, len(ITEMS) + 1)


def test_an_item_of_which_nothing_is_known_is_asked_for_again_when_its_text_changes(
    desk: Desk, student: Student
) -> None:
    student.knows_texts = False
    name = desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    for title in ("red mug", "red mug", "blue mug", "blue mug"):
        desk.describe("new", title)
        desk.run(encoder, 10)
    assert student.asked == ["new", "new"] and desk.whole(name)


@pytest.mark.parametrize("texts", [None, [""] * len(ITEMS), ["red mug", *[""] * (len(ITEMS) - 1)]])
def test_an_item_of_the_tables_that_nothing_is_known_of_is_left_out(desk: Desk, texts: list[str] | None) -> None:
    name = desk.announce(desk.publish(1, texts, known=[True] * (len(ITEMS) - 1) + [False]))
    desk.run(desk.encoder()[0], 20)
    assert desk.topics.rows(name) == set(ITEMS[:-1]) and desk.whole(name, len(ITEMS) - 1)


def test_it_gets_a_row_once_it_has_a_text(desk: Desk, student: Student) -> None:
    name = desk.announce(desk.publish(1, known=[True] * (len(ITEMS) - 1) + [False]))
    desk.describe(ITEMS[-1], "red mug")
    desk.run(desk.encoder()[0], 20)
    assert student.asked == [ITEMS[-1]] and desk.whole(name)
