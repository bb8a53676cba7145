"""A model trained from what lies on the topics is the one its log as a file gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from stream_rec.adapters.log_replay import LogReplay, Pace, ReplayRecord, open_producer
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.topic_log import read_topics
from stream_rec.backtest.log_rows import LogEvent, to_event_json
from stream_rec.config import Settings
from stream_rec.roles.trainer import TrainRequest, train
from tests.unit.neural.small_shop import TEXTS, TINY, Line, chain_log

pytestmark = pytest.mark.kafka


def test_the_topics_train_the_same_model_as_the_log(live_settings: Settings, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    lines = [line._replace(event="purchase" if n % 3 == 0 else "view_item") for n, line in enumerate(chain_log(1_000))]
    send(live_settings, lines)
    shown: Counter[str] = Counter()
    log = read_topics(live_settings.kafka.bootstrap, live_settings.topics, lambda stage, *_: shown.update([stage]))
    names = live_settings.topics
    assert {names.items, names.clicks, names.purchases} <= set(shown)
    assert log.passed_over == {"not-json": 1, "duplicate": 1}
    assert log.texts == TEXTS
    assert [event[:4] for event in log.events] == [tuple(line)[:4] for line in lines]
    folders = tmp_path / "topics", tmp_path / "file"
    for folder, events, texts in zip(folders, (log.events, lines), (log.texts, TEXTS), strict=True):
        request = TrainRequest(folder, "chains", TINY, train=0.8, test=0.15, test_events=200)
        train(events, texts, request, lambda stage, done, of, note: None)
    tables = [ModelRegistry(folder).manifest("v0001").files["tables.safetensors"] for folder in folders]
    assert tables[0] == tables[1]


def send(settings: Settings, lines: list[Line]) -> None:
    """Send the catalogue, the events, one of them again, and something that is no event."""
    names = settings.topics
    records = [
        ReplayRecord(names.items, item_id.encode(), f'{{"item_id":"{item_id}","title":"{text}"}}'.encode(), 0)
        for item_id, text in TEXTS.items()
    ]
    for index, line in enumerate(lines):
        event = LogEvent(index, line.timestamp_ms, line.user_id, line.item_id, line.event)
        topic = names.purchases if line.event == "purchase" else names.clicks
        records.append(ReplayRecord(topic, line.user_id.encode(), to_event_json(event), 0))
    records += [records[-1], ReplayRecord(names.clicks, b"user-0", b"no json", 0)]
    producer = open_producer(settings.kafka.bootstrap, "test")
    try:
        report = LogReplay(producer, Pace()).run(records, lambda sent: None)
    finally:
        producer.close()
    assert report.failed == 0
