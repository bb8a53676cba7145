"""An encoder over topics in memory: no half version is ever declared whole, whoever interferes and whenever."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, cast

import msgspec
import numpy as np
import pytest

from stream_rec import config
from stream_rec.adapters.model_announcements import announcement_of, vectors_name
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.adapters.topic_reader import TopicReader
from stream_rec.adapters.vector_writer import VectorWriter
from stream_rec.core.content_vectors import no_content
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.types import BoolArray, Float32Array
from stream_rec.core.vector_records import decode_end, encode_end, parse_vector_key
from stream_rec.errors import ConfigError
from stream_rec.neural import extra
from stream_rec.roles import encoder as encoder_module
from stream_rec.roles.encoded_version import EncodedVersion
from stream_rec.roles.encoder import Encoder
from tests.twins.small_model import WIDTH, small_weights

PARTITIONS, BATCH = 2, 3
ITEMS = [f"item-{number}" for number in range(10)]


class Record(NamedTuple):
    topic: str
    partition: int
    key: bytes
    value: bytes | None


class MemoryTopics:
    """All topics in one log; every reader reads it in order, what is written comes back."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def rows(self, name: str) -> set[str]:
        """Items of which a row of the version lies there."""
        newest = {one.key: one.value for one in self.records if one.topic == "item-vectors"}
        keys = [parse_vector_key(key) for key, value in newest.items() if value is not None]
        return {item_id for version, item_id in keys if version == name and item_id is not None}

    def ends(self, name: str) -> list[int]:
        """What the version's end markers say, one per partition; empty without them all."""
        key = encode_end(name, 0)[0]
        newest = {one.partition: one.value for one in self.records if one.key == key}
        return [decode_end(key, value) for value in newest.values() if value is not None]


class MemoryReader:
    def __init__(self, topics: MemoryTopics) -> None:
        self._topics, self._read = topics, 0

    def partitions(self, topic: str) -> int:
        return PARTITIONS

    def read_to_the_end(self) -> Iterator[Record]:
        yield from self.poll(0)

    def poll(self, timeout_ms: int) -> list[Record]:
        new, self._read = self._topics.records[self._read :], len(self._topics.records)
        return new

    def close(self) -> None:
        pass


class MemoryWriter:
    """Writes that fail from the one on that `fails_at` names, as after a kill."""

    def __init__(self, topics: MemoryTopics) -> None:
        self._topics, self.writes, self.fails_at = topics, 0, 1 << 30

    def write(self, records: Iterable[tuple[int, bytes, bytes | None]]) -> None:
        self.writes += 1
        if self.writes > self.fails_at:
            raise KeyboardInterrupt
        self._topics.records += [Record("item-vectors", *one) for one in records]

    def close(self) -> None:
        pass


class Desk:
    """A registry, topics, and the encoders that work on them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(encoder_module, "RETIRE_AFTER_S", 0.0)
        self.registry, self.topics = ModelRegistry(folder), MemoryTopics()
        self.settings = config.load(encoder={"models": folder, "batch_items": BATCH})

    def publish(self, seed: int, item_ids: list[str] = ITEMS) -> str:
        rows = np.random.default_rng(seed).normal(0.0, 0.3, (len(item_ids), row_width(WIDTH))).astype(np.float32)
        files = {TABLES_FILE: tables_bytes(ModelTables(item_ids, rows, small_weights(seed)))}
        return self.registry.publish(files, code="test", data={}, settings={}, metrics={}).version

    def announce(self, version: str) -> str:
        self.registry.promote(version, {}, "test")
        value = msgspec.json.encode(announcement_of(self.registry, 0))
        self.topics.records.append(Record("models", 0, b"sequence", value))
        return vectors_name(self.registry, version)

    def encoder(self) -> tuple[Encoder, MemoryWriter]:
        writer = MemoryWriter(self.topics)
        reader = cast(TopicReader, MemoryReader(self.topics))
        return Encoder(self.settings, reader, cast(VectorWriter, writer)), writer

    def run(self, encoder: Encoder, steps: int) -> None:
        left = iter(range(steps + 1))
        encoder.run(lambda: next(left) == steps)

    def describe(self, item_id: str, title: str) -> None:
        item = {"item_id": item_id, "title": title}
        self.topics.records.append(Record("items", 0, item_id.encode(), json.dumps(item).encode()))

    def damage(self, version: str, file: str = TABLES_FILE) -> None:
        path = self.registry.folder / version / file
        path.write_bytes(path.read_bytes()[:-1])

    def whole(self, name: str, items: int = len(ITEMS)) -> bool:
        ends = self.topics.ends(name)
        return len(ends) == PARTITIONS and sum(ends) == len(self.topics.rows(name)) == items


class MadeRows(NamedTuple):
    rows: Float32Array
    known: BoolArray
    content: Float32Array


class Student:
    """Stands for a student and torch: knows every item that has a text, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def rows(self, items: Sequence[tuple[str, str]]) -> MadeRows:
        self.asked += [item_id for item_id, _ in items]
        known = np.array([bool(text.strip()) for _, text in items])
        return MadeRows(np.ones((len(items), row_width(WIDTH)), np.float32), known, no_content(len(items)))


@pytest.fixture
def student(monkeypatch: pytest.MonkeyPatch) -> Student:
    student = Student()
    monkeypatch.setattr(EncodedVersion, "_item_encoder", lambda self: student)
    return student


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path / "models", monkeypatch)


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


@pytest.mark.parametrize("reason", [ConfigError("damaged"), ImportError("no torch"), OSError("no weights")])
def test_where_no_row_can_be_made_from_a_text_the_version_is_whole_without_until_it_is_announced_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reason: Exception
) -> None:
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


def test_new_items_are_written_and_counted(desk: Desk) -> None:
    name = desk.announce(desk.publish(1))
    encoder, _ = desk.encoder()
    desk.run(encoder, 20)
    item = {"item_id": ITEMS[0]}  # known, without a text: nothing to write
    desk.topics.records.append(Record("items", 0, ITEMS[0].encode(), json.dumps(item).encode()))
    before = len(desk.topics.records)
    desk.run(encoder, 5)
    assert len(desk.topics.records) == before and desk.whole(name)
