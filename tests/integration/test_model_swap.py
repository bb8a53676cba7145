"""A running worker and a running encoder follow announcements: every list names one version, none is missed."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rec.adapters.log_replay import open_producer
from stream_rec.adapters.model_announcements import announce, vectors_name
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.config import Settings
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.vector_records import parse_vector_key
from stream_rec.core.wire import RecommendationList, decode_list
from tests.integration.live_log import sending, shop_log
from tests.integration.worker_process import Process, read_all, ready, running, wait_until
from tests.twins.small_model import WIDTH, small_weights

pytestmark = pytest.mark.kafka

N_EVENTS, RATE = 900, 60.0
ROLLBACK_LIMIT_S = 10.0
OTHER_ITEMS = 20_000
"""Rows of version two besides the shop's: writing them takes seconds, enough to be killed in."""


def publish(registry: ModelRegistry, item_ids: list[str], seed: int) -> str:
    rows = np.random.default_rng(seed).normal(0.0, 0.3, (len(item_ids), row_width(WIDTH))).astype(np.float32)
    files = {TABLES_FILE: tables_bytes(ModelTables(item_ids, rows, small_weights(seed)))}
    return registry.publish(files, code="test", data={}, settings={}, metrics={}).version


def encoder(settings: Settings, log: Path) -> Process:
    return Process(settings, log, "encoder", "versions on the topic")


def lines_of(value: bytes | None) -> list[dict[str, str]]:
    event = json.loads(value or b"{}")
    lines: list[dict[str, str]] = event.get("items") or [event]
    return lines


def lists_of(settings: Settings) -> list[RecommendationList]:
    return [decode_list(record.value) for record in read_all(settings, settings.topics.recommendations) if record.value]


def versions(settings: Settings) -> list[str | None]:
    """What the lists name, in the order in which they were made."""
    ordered = sorted(lists_of(settings), key=lambda one: one.generated_at_ms)
    return [one.model.get("sequence") for one in ordered]


def rows_on_topic(settings: Settings, name: str) -> int:
    """How many items' rows of a version lie on `item-vectors`, tombstones taken off."""
    newest: dict[bytes, Any] = {record.key: record.value for record in read_all(settings, settings.topics.item_vectors)}
    return sum(value is not None and parse_vector_key(key)[0] == name for key, value in newest.items())


def test_a_model_is_promoted_survives_its_encoder_and_is_rolled_back(live_settings: Settings, tmp_path: Path) -> None:
    registry, log = ModelRegistry(tmp_path / "models"), shop_log(live_settings, N_EVENTS)
    item_ids = sorted({line["item_id"] for record in log for line in lines_of(record.value)})
    first = publish(registry, item_ids, 1)
    second = publish(registry, [*item_ids, *(f"other-{number}" for number in range(OTHER_ITEMS))], 2)
    encoding = live_settings.encoder.model_copy(update={"models": registry.folder, "batch_items": 16})
    settings = live_settings.model_copy(update={"encoder": encoding})
    registry.promote(first, {}, "test")
    announce(settings, registry)
    with running(settings, tmp_path / "worker.log") as worker, sending(settings, log, RATE):
        with ready(encoder(settings, tmp_path / "encoder-1.log")) as dying:
            wait_until(lambda: first in versions(settings), "lists of the first version")
            registry.promote(second, {}, "test")
            announce(settings, registry)
            wait_until(lambda: rows_on_topic(settings, vectors_name(registry, second)) > 100, "rows of the second")
            dying.kill()
        before = rows_on_topic(settings, vectors_name(registry, second))
        assert before < len(item_ids) + OTHER_ITEMS
        time.sleep(2)
        assert set(versions(settings)) <= {None, first}  # half a version serves nobody
        with ready(encoder(settings, tmp_path / "encoder-2.log")):
            wait_until(lambda: versions(settings)[-1] == second, "lists of the second version")
            registry.rollback("test")
            rolled_back = time.monotonic()
            announce(settings, registry)
            wait_until(lambda: versions(settings)[-1] == first, "lists of the first version again", ROLLBACK_LIMIT_S)
            assert time.monotonic() - rolled_back < ROLLBACK_LIMIT_S
            assert rows_on_topic(settings, vectors_name(registry, second)) > 0  # there, should it be wanted after all
        assert worker.process.poll() is None
    named = versions(settings)
    assert [one for one, after in pairwise([*named, "end"]) if one != after] == [None, first, second, first]
    assert {one.user_id for one in lists_of(settings)} >= {record.key.decode() for record in log}


def test_an_item_that_comes_later_gets_its_row_from_its_text(live_settings: Settings, tmp_path: Path) -> None:
    """The row of a new item needs the text encoder: it is the one thing an encoder loads torch for."""
    pytest.importorskip("torch")
    from stream_rec.roles.trainer import TrainRequest, train
    from tests.unit.neural.small_shop import TEXTS, TINY, chain_log

    registry = ModelRegistry(tmp_path / "models")
    request = TrainRequest(registry.folder, "chains", TINY, train=0.8, test=0.15, test_events=200)
    version = train(chain_log(), TEXTS, request, lambda *_: None).manifest.version
    settings = live_settings.model_copy(
        update={"encoder": live_settings.encoder.model_copy(update={"models": registry.folder})}
    )
    announce(settings, registry)
    with ready(encoder(settings, tmp_path / "encoder.log")) as process:
        wait_until(lambda: process.says("is complete"), "all trained items")
        before = rows_on_topic(settings, vectors_name(registry, version))
        producer = open_producer(settings.kafka.bootstrap, "test")
        item = {"item_id": "new", "title": "A red enamel mug"}
        producer.send(settings.topics.items, key=b"new", value=json.dumps(item).encode()).get(10)
        producer.close()
        wait_until(lambda: rows_on_topic(settings, vectors_name(registry, version)) == before + 1, "the new item")
