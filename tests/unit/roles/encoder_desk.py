"""A registry, topics in memory and encoders that work on them, for tests of the encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

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
from stream_rec.core.vector_records import decode_end, encode_end, parse_vector_key, text_hash
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

    def publish(self, seed: int, texts: Sequence[str] | None = None, known: Sequence[bool] = ()) -> str:
        """Publish a version of `ITEMS` that was trained with their texts; `None`: which those were is not known."""
        hashes = np.array([text_hash(text) for text in texts or ()], np.uint64)
        rows = np.random.default_rng(seed).normal(0.0, 0.3, (len(ITEMS), row_width(WIDTH))).astype(np.float32)
        marks = np.array(known, np.bool_)
        tables = ModelTables(ITEMS, rows, small_weights(seed), text_hashes=hashes, known=marks)
        files = {TABLES_FILE: tables_bytes(tables)}
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
    """Stands for a student and torch: knows what has a text, or nothing; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.knows_texts = True

    def rows(self, items: Sequence[tuple[str, str]]) -> MadeRows:
        self.asked += [item_id for item_id, _ in items]
        known = np.array([self.knows_texts and bool(text.strip()) for _, text in items])
        return MadeRows(np.ones((len(items), row_width(WIDTH)), np.float32), known, no_content(len(items)))


def student_in_place(monkeypatch: pytest.MonkeyPatch) -> Student:
    """Return a student that every version has from now on."""
    student = Student()
    monkeypatch.setattr(EncodedVersion, "_item_encoder", lambda self: student)
    return student
