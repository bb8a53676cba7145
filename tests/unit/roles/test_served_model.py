"""Following a registry: promotions and rollbacks take over between rounds, what cannot be read changes nothing."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from stream_rec.adapters.metrics import Metrics
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.core.presets import DAY_MS
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.wire import decode_list
from stream_rec.roles.parts import Parts
from stream_rec.roles.served_model import ServedModel
from tests.twins.plane_shop import PlaneShop
from tests.twins.small_model import WIDTH, small_weights

ITEMS = "ABC"


class Worker:
    def __init__(self, folder: Path) -> None:
        self.registry, self.shop, self.metrics, self.times = ModelRegistry(folder), PlaneShop(), Metrics(), 0
        parts = SimpleNamespace(users=self.shop.users, items=self.shop.items, metrics=self.metrics)
        self.served = ServedModel(cast(Parts, parts), self.registry)

    def publish(self) -> str:
        rows = np.ones((len(ITEMS), row_width(WIDTH)), np.float32)
        files = {TABLES_FILE: tables_bytes(ModelTables(ITEMS, rows, small_weights(1)))}
        return self.registry.publish(files, code="test", data={}, settings={}, metrics={}).version

    def promote(self, version: str) -> None:
        self.registry.promote(version, {}, "test")

    def named(self) -> str | None:
        """The version the next list names, after a look at the registry."""
        asyncio.run(self.served.look())
        self.times += 1
        value = self.shop.view("ann", ITEMS, self.times * DAY_MS).lists[-1].value
        assert value is not None
        return decode_list(value).model.get("sequence")

    def measured(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"stream_rec_{name}", labels)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path / "models")


def test_without_a_live_version_lists_name_none(worker: Worker) -> None:
    assert worker.named() is None
    worker.publish()
    assert worker.named() is None


def test_promotions_and_rollbacks_are_followed(worker: Worker) -> None:
    first, second = worker.publish(), worker.publish()
    worker.promote(first)
    assert worker.named() == first
    worker.promote(second)
    assert worker.named() == second
    assert worker.named() == second
    worker.registry.rollback("worse")
    assert worker.named() == first


def test_a_damaged_version_leaves_the_one_before_in_place_and_is_said_once(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = worker.publish(), worker.publish()
    worker.promote(first)
    assert worker.named() == first
    worker.promote(second)
    tables = worker.registry.folder / second / TABLES_FILE
    whole = tables.read_bytes()
    tables.write_bytes(whole[:-1])
    with caplog.at_level(logging.WARNING):
        assert [worker.named(), worker.named()] == [first, first]
    assert [record.message.startswith(f"{first} goes on serving") for record in caplog.records] == [True]
    worker.promote(worker.publish())
    assert worker.named() == "v0003"


def test_a_registry_that_cannot_be_read_stops_nothing(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.promote(worker.publish())
    assert worker.named() == "v0001"
    (worker.registry.folder / "registry.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [worker.named(), worker.named()] == ["v0001", "v0001"]
    assert len(caplog.records) == 1


def test_what_serves_is_measured(worker: Worker) -> None:
    first, second = worker.publish(), worker.publish()
    worker.named()
    assert worker.measured("sequence_model", version="none") == 0.0
    worker.promote(first)
    worker.named()
    worker.promote(second)
    worker.named()
    worker.named()
    assert worker.measured("sequence_model", version="none") is None
    assert worker.measured("sequence_model", version=second) == 1.0
    assert worker.measured("sequence_model", version=first) is None
    assert worker.measured("sequence_coverage") == 1.0
