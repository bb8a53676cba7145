"""A running worker follows the registry: every list names one version, none is missed, a rollback takes seconds."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.config import Settings
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.wire import RecommendationList, decode_list
from tests.integration.live_log import sending, shop_log
from tests.integration.worker_process import read_all, running, wait_until
from tests.twins.small_model import WIDTH, small_weights

pytestmark = pytest.mark.kafka

N_EVENTS, RATE = 900, 60.0
ROLLBACK_LIMIT_S = 10.0


def publish(registry: ModelRegistry, item_ids: list[str], seed: int) -> str:
    rows = np.random.default_rng(seed).normal(0.0, 0.3, (len(item_ids), row_width(WIDTH))).astype(np.float32)
    files = {TABLES_FILE: tables_bytes(ModelTables(item_ids, rows, small_weights(seed)))}
    return registry.publish(files, code="test", data={}, settings={}, metrics={}).version


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


def test_promotion_and_rollback_under_load(live_settings: Settings, tmp_path: Path) -> None:
    registry, log = ModelRegistry(tmp_path / "models"), shop_log(live_settings, N_EVENTS)
    item_ids = sorted({line["item_id"] for record in log for line in lines_of(record.value)})
    first, second = publish(registry, item_ids, 1), publish(registry, item_ids, 2)
    registry.promote(first, {}, "test")
    ranking = live_settings.ranking.model_copy(update={"models": str(registry.folder)})
    settings = live_settings.model_copy(update={"ranking": ranking})
    with running(settings, tmp_path / "worker.log") as worker, sending(settings, log, RATE):
        wait_until(lambda: first in versions(settings), "lists of the first version")
        registry.promote(second, {}, "test")
        wait_until(lambda: versions(settings)[-1] == second, "lists of the second version")
        registry.rollback("test")
        rolled_back = time.monotonic()
        wait_until(lambda: versions(settings)[-1] == first, "lists of the first version again", ROLLBACK_LIMIT_S)
        assert time.monotonic() - rolled_back < ROLLBACK_LIMIT_S
    named = versions(settings)
    assert set(named) == {first, second}  # also before the first promotion was followed: it is live from the start
    changes = sum(a != b for a, b in pairwise(named))
    assert changes == 2
    assert {one.user_id for one in lists_of(settings)} >= {record.key.decode() for record in log}
    assert worker.process.poll() is not None
