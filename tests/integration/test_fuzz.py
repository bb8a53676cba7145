"""Bad messages of every kind through a live worker: it lives, and in = applied + duplicates + dead.

`--fuzz-messages 100000` is the full size.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stream_rec.adapters.dead_letter_box import read_letters
from stream_rec.adapters.embedded_kafka import free_port
from stream_rec.adapters.topics import VALUE_BYTES
from stream_rec.config import Settings
from stream_rec.core.dead_letters import KEPT_BYTES, StoredDeadLetter
from stream_rec.core.events import decode_event
from stream_rec.errors import ContractError
from tests.fuzz.mutations import CLICKS, mutations
from tests.integration.ledger import stored_values, users_in
from tests.integration.live_log import Progress, metrics_of, with_worker
from tests.integration.worker_process import read_all, running, wait_until

pytestmark = pytest.mark.kafka

SEED = 20_261_122
LIMIT_S = 600.0

Place = tuple[str, int, int]


def produce(settings: Settings, n: int) -> None:
    """Send the messages as they are: unpacked, so that 10 MB are 10 MB on the wire."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, max_request_size=VALUE_BYTES, acks="all")
    topics, in_flight = settings.topics, []
    for topic, key, value in mutations(SEED, n):
        in_flight.append(producer.send(topics.clicks if topic == CLICKS else topics.purchases, value, key))
        if len(in_flight) == 1_000:
            assert all(future.get(timeout=60) for future in in_flight)
            in_flight.clear()
    assert all(future.get(timeout=60) for future in in_flight)
    producer.close()


def reasons(settings: Settings) -> tuple[dict[Place, str], dict[Place, Any]]:
    """Why each record in the source topics has to be refused, and the refused records."""
    now_ms = int(time.time() * 1000)
    why: dict[Place, str] = {}
    refused: dict[Place, Any] = {}
    for record in read_all(settings, settings.topics.clicks, settings.topics.purchases):
        place = (record.topic, record.partition, record.offset)
        try:
            decode_event(record.value, record.key, now_ms)
        except ContractError as error:
            why[place], refused[place] = error.reason, record
    return why, refused


def assert_whole(stored: StoredDeadLetter, record: Any) -> None:
    """The letter keeps the record's key and the start of its raw value, and says why in words."""
    value = record.value
    assert stored.letter.key == record.key
    assert stored.letter.value == (None if value is None else value[:KEPT_BYTES])
    assert stored.value_bytes == (None if value is None else len(value))
    assert stored.truncated == (value is not None and len(value) > KEPT_BYTES)
    assert "need" in stored.letter.detail


def test_a_worker_outlives_every_bad_message(
    live_settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    n = request.config.getoption("--fuzz-messages")
    settings = with_worker(live_settings, metrics_port=free_port())
    with running(settings, tmp_path / "worker.log") as worker, Progress(settings) as progress:
        produce(settings, n)
        wait_until(progress.drained, "every message read", LIMIT_S)
        wait_until(lambda: metrics_of(settings)["events_total:applied"] > 0, "metrics")
        counted = metrics_of(settings)
        assert worker.process.poll() is None, "it is alive"
        assert worker.stop()[0] == 0
    applied, duplicates, dead = (int(counted[f"events_total:{name}"]) for name in ("applied", "duplicate", "dead"))
    assert applied + duplicates + dead == n
    assert min(applied, duplicates, dead) > 0

    letters = read_letters(settings.kafka.bootstrap, settings.topics.dead_letter)
    why, refused = reasons(settings)
    by_place = {(one.letter.topic, one.letter.partition, one.letter.offset): one for one in letters}
    assert len(letters) == dead == len(by_place), "one letter for each, none twice"
    assert {place: one.letter.reason for place, one in by_place.items()} == why
    for place, one in by_place.items():
        assert_whole(one, refused[place])
    by_reason = Counter(why.values())
    assert {f"dead_letters_total:{reason}": float(k) for reason, k in by_reason.items()}.items() <= counted.items()
    assert sum(user.events_applied for user in users_in(settings, stored_values(settings)).values()) == applied
    print(f"{n:,} messages: {applied:,} applied, {duplicates:,} duplicates, {dead:,} dead: {dict(by_reason)}")
