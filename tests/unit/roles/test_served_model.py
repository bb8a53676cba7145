"""What is announced serves once all its rows are there, between two rounds; until then the one before serves on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import msgspec
import numpy as np
import pytest

from stream_rec.adapters.metrics import Metrics
from stream_rec.adapters.model_tables import weights_bytes
from stream_rec.adapters.model_tail import Fetched, ModelTail
from stream_rec.core.content_vectors import no_content
from stream_rec.core.presets import DAY_MS
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.vector_records import VectorRows, encode_end, encode_vectors
from stream_rec.core.wire import AnnouncedVersion, ModelAnnouncement, decode_list
from stream_rec.roles import served_model
from stream_rec.roles.parts import Parts
from stream_rec.roles.served_model import ServedModel
from tests.twins.plane_shop import PlaneShop
from tests.twins.small_model import WIDTH, small_weights

ITEMS = "ABC"


def announced(version: str) -> AnnouncedVersion:
    return AnnouncedVersion(version, f"{version}-aa", weights_bytes(small_weights(1)))


class MemoryTail:
    """Both topics in memory, of one partition each."""

    partitions = 1

    def __init__(self) -> None:
        self.models: list[bytes] = []
        self.vectors: list[tuple[bytes, bytes | None]] = []
        self._models_read = self._vectors_read = 0
        self._reading = False

    async def start(self, partitions: Mapping[str, int]) -> None:
        pass

    async def rewind(self) -> None:
        self._reading, self._vectors_read = True, 0

    async def ends(self) -> int:
        return 0

    async def reached(self, ends: int) -> bool:
        rest = self._reading and self._vectors_read < len(self.vectors)
        return self._models_read == len(self.models) and not rest

    async def poll(self, timeout_ms: int, max_records: int) -> Fetched:
        announcements, self._models_read = self.models[self._models_read :], len(self.models)
        if not self._reading:
            return Fetched(announcements, {})
        first = self._vectors_read
        self._vectors_read = min(len(self.vectors), first + max_records)
        some = enumerate(self.vectors[first : self._vectors_read], start=first)
        return Fetched(announcements, {0: [(offset, key, value) for offset, (key, value) in some]})


class Worker:
    def __init__(self) -> None:
        self.tail, self.shop, self.metrics, self.times = MemoryTail(), PlaneShop(), Metrics(), 0
        parts = SimpleNamespace(users=self.shop.users, items=self.shop.items, metrics=self.metrics)
        self.served = ServedModel(cast(Parts, parts), cast(ModelTail, self.tail))

    def announce(self, version: str, **changes: object) -> None:
        said = ModelAnnouncement("sequence", 0, "test", announced(version))
        self.tail.models.append(msgspec.json.encode(msgspec.structs.replace(said, **changes)))

    def write(self, version: str, items: str = ITEMS, end: int | None = len(ITEMS)) -> None:
        rows = np.ones((len(items), row_width(WIDTH)), np.float32)
        some = VectorRows(list(items), [0] * len(items), rows, no_content(len(items)))
        self.tail.vectors += encode_vectors(f"{version}-aa", some, "int8")
        self.tail.vectors += [] if end is None else [encode_end(f"{version}-aa", end)]

    def named(self) -> str | None:
        """The version the next list names, after all there is was read."""

        async def follow() -> None:
            while not await self.tail.reached(await self.tail.ends()):
                await self.served.step(0, 2)

        asyncio.run(follow())
        self.times += 1
        value = self.shop.view("ann", ITEMS, self.times * DAY_MS).lists[-1].value
        assert value is not None
        return decode_list(value).model.get("sequence")

    def measured(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"stream_rec_{name}", labels)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(served_model, "MEASURE_EVERY_S", 0.0)
    return Worker()


def test_without_an_announcement_lists_name_none(worker: Worker) -> None:
    worker.write("v0001")
    assert worker.named() is None


def test_a_version_serves_once_its_rows_are_complete(worker: Worker) -> None:
    worker.announce("v0001")
    worker.write("v0001", "A", end=None)
    assert worker.named() is None
    worker.write("v0001", "BC")
    assert worker.named() == "v0001"


def test_rows_that_were_there_before_the_announcement_count(worker: Worker) -> None:
    worker.write("v0001")
    worker.write("v0002")
    worker.announce("v0001")
    assert worker.named() == "v0001"
    worker.announce("v0002")
    assert worker.named() == "v0002"
    worker.announce("v0001")
    assert worker.named() == "v0001"


def test_a_rollback_reads_nothing_again(worker: Worker) -> None:
    """However much lies on the topic: the version before is in memory, and has learned of new items since."""
    for version in ("v0001", "v0002"):
        worker.write(version)
        worker.announce(version)
        assert worker.named() == version
    worker.shop.items.intern("D")
    worker.write("v0001", "D", end=4)
    assert worker.named() == "v0002"
    worker.announce("v0001")
    asyncio.run(worker.served.step(0, 0))
    assert worker.named() == "v0001"
    model = worker.shop.users.sequence
    assert model is not None and model.known_items() == 4
    worker.announce("v0002")
    asyncio.run(worker.served.step(0, 0))
    assert worker.named() == "v0002"


def test_a_version_that_was_retired_is_not_there(worker: Worker) -> None:
    """Kafka keeps its records until it compacts; what follows them takes them back."""
    worker.write("v0001")
    worker.tail.vectors += [(key, None) for key, _ in worker.tail.vectors]
    worker.announce("v0001")
    asyncio.run(worker.served.start({}))
    assert worker.named() is None
    worker.write("v0001", "A", end=None)
    assert worker.named() is None
    assert worker.measured("sequence_arriving_items") == 1.0
    worker.write("v0001")
    assert worker.named() == "v0001"


def test_a_start_reads_all_there_is_before_the_first_list(worker: Worker) -> None:
    worker.write("v0001")
    worker.announce("v0001")
    asyncio.run(worker.served.start({}))
    assert worker.served.version == "v0001"


def test_a_start_amid_a_promotion_serves_the_version_before_until_the_new_one_is_complete(worker: Worker) -> None:
    worker.write("v0001")
    worker.write("v0002", "AB", end=None)
    worker.announce("v0002", before=announced("v0001"))
    asyncio.run(worker.served.start({}))
    assert worker.named() == "v0001"
    worker.write("v0002", "C")
    assert worker.named() == "v0002"


def test_a_start_with_both_complete_serves_the_live_one_at_once(worker: Worker) -> None:
    worker.write("v0001")
    worker.write("v0002")
    worker.announce("v0002", before=announced("v0001"))
    asyncio.run(worker.served.start({}))
    assert worker.served.version == "v0002"


def test_the_version_before_serves_on_while_the_next_one_is_incomplete(worker: Worker) -> None:
    worker.write("v0001")
    worker.announce("v0001")
    assert worker.named() == "v0001"
    worker.announce("v0002")
    worker.write("v0002", "AB")
    assert worker.named() == "v0001"
    assert worker.measured("sequence_arriving_items") == 2.0
    worker.write("v0001", "D", end=4)  # and learns of new items meanwhile
    worker.shop.items.intern("D")
    worker.announce("v0001")
    assert worker.named() == "v0001"
    assert worker.measured("sequence_arriving_items") == 0.0
    model = worker.shop.users.sequence
    assert model is not None and model.known_items() == 4


def test_what_is_no_announcement_is_said_and_changes_nothing(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.write("v0001")
    worker.announce("v0001")
    with caplog.at_level(logging.WARNING):
        worker.tail.models.append(b"{")
        worker.announce("v0002", live=AnnouncedVersion("v0002", "v0002-aa", b"junk"))
        worker.announce("v0003", name="another")
        assert worker.named() == "v0001"
    assert len([record for record in caplog.records if "passed over" in record.message]) == 2


def test_damaged_rows_are_counted_and_the_version_waits_for_whole_ones(worker: Worker) -> None:
    worker.announce("v0001")
    worker.write("v0001")
    key, value = worker.tail.vectors[1]
    worker.tail.vectors[1] = key, (value or b"")[:-1]
    assert worker.named() is None
    assert worker.measured("item_vectors_refused_total") == 1.0
    worker.tail.vectors.append((key, value))
    assert worker.named() == "v0001"


def test_what_serves_is_measured(worker: Worker) -> None:
    worker.named()
    assert worker.measured("sequence_model", version="none") == 0.0
    worker.write("v0001")
    worker.announce("v0001")
    worker.named()
    worker.named()
    assert worker.measured("sequence_model", version="none") is None
    assert worker.measured("sequence_model", version="v0001") == 1.0
    assert worker.measured("sequence_coverage") == 1.0
