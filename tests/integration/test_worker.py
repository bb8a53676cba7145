"""A worker on a real broker: lists appear, counts are exact, it stops, restarts and is killed without loss."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from stream_rec.config import Settings
from stream_rec.core.wire import decode_list
from tests.integration.worker_process import (
    Worker,
    applied_per_user,
    produced_counts,
    read_all,
    running,
    wait_exact,
    wait_until,
)

pytestmark = pytest.mark.kafka

N_EVENTS = 500
KILLS = 3


def produce(settings: Settings, n: int, first: int = 0) -> None:
    """Produce `n` events of 60 users with kafka-python, one purchase in ten."""
    from kafka import KafkaProducer

    draw = random.Random(first)
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, acks="all")
    for i in range(first, first + n):
        user, purchase = f"user-{draw.randrange(60)}", draw.random() < 0.1
        event = {
            "event": "purchase" if purchase else "view_item",
            "event_id": f"event-{i}",
            "user_id": user,
            "item_id": f"item-{int(draw.paretovariate(0.8)) % 200}",
            "timestamp_ms": int(time.time() * 1000),
        }
        topic = settings.topics.purchases if purchase else settings.topics.clicks
        producer.send(topic, json.dumps(event).encode(), user.encode())
    producer.flush()
    producer.close()


def lists(settings: Settings) -> dict[bytes, Any]:
    """Return the newest list per key."""
    return {record.key: record.value for record in read_all(settings, settings.topics.recommendations)}


def test_every_event_is_counted_once_and_every_user_gets_a_list(live_settings: Settings, tmp_path: Path) -> None:
    with running(live_settings, tmp_path / "worker.log") as worker:
        produce(live_settings, N_EVENTS)
        wait_exact(live_settings)
        users, _ = produced_counts(live_settings)
        assert {user.encode() for user in users} <= set(lists(live_settings))
        code, seconds = worker.stop()
        assert code == 0, worker.log.read_text()
        assert seconds < 3, "a clean stop takes under a second on an idle machine"

    with running(live_settings, tmp_path / "again.log"):
        produce(live_settings, 50, first=N_EVENTS)
        wait_exact(live_settings)
        newest = decode_list(read_all(live_settings, live_settings.topics.recommendations)[-1].value)
        assert newest.items, "what the first worker learned is ranked by the second"


def test_a_worker_killed_again_and_again_loses_nothing_and_counts_nothing_twice(
    live_settings: Settings, tmp_path: Path
) -> None:
    for kill in range(KILLS):
        worker = Worker(live_settings, tmp_path / f"{kill}.log")
        produce(live_settings, N_EVENTS, first=kill * N_EVENTS)
        worker.wait_ready()
        enough = (kill + 0.5) * N_EVENTS
        wait_until(lambda least=enough: applied_per_user(live_settings).total() > least, "half of the events")  # type: ignore[misc]
        worker.kill()
    with running(live_settings, tmp_path / "last.log"):
        wait_exact(live_settings)


def test_a_record_that_breaks_the_contract_is_set_aside_and_the_worker_goes_on(
    live_settings: Settings, tmp_path: Path
) -> None:
    from kafka import KafkaProducer

    with running(live_settings, tmp_path / "worker.log"):
        producer = KafkaProducer(bootstrap_servers=live_settings.kafka.bootstrap)
        producer.send(live_settings.topics.clicks, b"{not json", b"anna")
        producer.send(live_settings.topics.purchases, None, b"anna")
        producer.close()
        produce(live_settings, 20)
        dead = live_settings.topics.dead_letter
        wait_until(lambda: len(read_all(live_settings, dead)) == 2, "two dead letters")
        wait_until(lambda: applied_per_user(live_settings).total() == 20, "the good events")


def test_a_missing_topic_is_one_line_and_exit_code_2(live_settings: Settings, tmp_path: Path) -> None:
    settings = live_settings.model_copy(
        update={"topics": live_settings.topics.model_copy(update={"clicks": "no-such-topic"})}
    )
    worker = Worker(settings, tmp_path / "worker.log")
    assert worker.process.wait(60) == 2
    assert worker.log.read_text().count("\n") == 1
    assert "no-such-topic" in worker.log.read_text()


def test_no_broker_is_one_line_and_exit_code_2(live_settings: Settings, tmp_path: Path) -> None:
    kafka = live_settings.kafka.model_copy(update={"bootstrap": "127.0.0.1:1"})
    worker = Worker(live_settings.model_copy(update={"kafka": kafka}), tmp_path / "worker.log")
    assert worker.process.wait(60) == 2
    assert worker.log.read_text().count("\n") == 1
    assert "127.0.0.1:1" in worker.log.read_text()
    assert "stream-rec kafka start" in worker.log.read_text()
