"""Bad messages of every kind through a live worker: it lives, and in = applied + duplicates + dead.

`--fuzz-messages 100000` is the full size.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream_rec.adapters.dead_letter_box import read_letters
from stream_rec.adapters.embedded_kafka import free_port
from stream_rec.adapters.topics import VALUE_BYTES
from stream_rec.config import Settings
from stream_rec.core.dead_letters import KEPT_BYTES, KEPT_KEY_BYTES, StoredDeadLetter
from stream_rec.core.events import decode_event
from stream_rec.errors import ContractError
from tests.fuzz.mutations import CLICKS, PURCHASES, mutations
from tests.integration.ledger import stored_values, users_in
from tests.integration.live_log import Progress, metrics_of, with_worker
from tests.integration.worker_process import running, wait_until

pytestmark = pytest.mark.kafka

SEED = 20_261_122
LIMIT_S = 600.0
QUEUE_KIB = 65_536

Place = tuple[str, int, int]


class Bad(NamedTuple):
    """A message that has to be refused, and why; `value` is its start."""

    reason: str
    key: bytes | None
    value: bytes | None
    value_bytes: int | None


class Sender:
    """Sends messages as they are, unpacked, and keeps where each bad one landed."""

    def __init__(self, settings: Settings) -> None:
        from confluent_kafka import Producer  # kafka-python takes minutes for the checksums of a gigabyte

        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka.bootstrap,
                "partitioner": "murmur2_random",
                "message.max.bytes": VALUE_BYTES,
                "queue.buffering.max.kbytes": QUEUE_KIB,
            }
        )
        self._now_ms = int(time.time() * 1000)
        self.bad: dict[Place, Bad] = {}
        self.delivered = 0

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Send one message, waiting while too much is on its way."""
        bad = self._judge(key, value)

        def landed(error: object, message: Any) -> None:
            assert error is None, error
            self.delivered += 1
            if bad:
                self.bad[message.topic(), message.partition(), message.offset()] = bad

        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=landed)
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)

    def finish(self) -> None:
        """Wait until everything is acknowledged."""
        assert self._producer.flush(LIMIT_S) == 0

    def _judge(self, key: bytes | None, value: bytes | None) -> Bad | None:
        try:
            decode_event(value, key, self._now_ms)
        except ContractError as error:
            start, size = (None, None) if value is None else (value[:KEPT_BYTES], len(value))
            return Bad(error.reason, None if key is None else key[:KEPT_KEY_BYTES], start, size)
        return None


def as_bad(stored: StoredDeadLetter) -> Bad:
    """What a dead letter says of its record; its words for a person are there."""
    letter = stored.letter
    assert "need" in letter.detail
    return Bad(letter.reason, letter.key, letter.value, stored.value_bytes)


def test_a_worker_outlives_every_bad_message(
    live_settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    n = request.config.getoption("--fuzz-messages")
    settings = with_worker(live_settings, metrics_port=free_port())
    topic_of = {CLICKS: settings.topics.clicks, PURCHASES: settings.topics.purchases}
    sender = Sender(settings)
    with running(settings, tmp_path / "worker.log") as worker, Progress(settings) as progress:
        for topic, key, value in mutations(SEED, n):
            sender.send(topic_of[topic], key, value)
        sender.finish()
        wait_until(progress.drained, "every message read", LIMIT_S)
        counted = metrics_of(settings)
        assert worker.process.poll() is None, "it is alive"
        assert worker.stop()[0] == 0
    applied, duplicates, dead = (int(counted[f"events_total:{name}"]) for name in ("applied", "duplicate", "dead"))
    assert applied + duplicates + dead == sender.delivered == n
    assert min(applied, duplicates, dead) > 0

    letters = read_letters(settings.kafka.bootstrap, settings.topics.dead_letter)
    assert len(letters) == dead, "one for each, none twice"
    places = [(one.letter.topic, one.letter.partition, one.letter.offset) for one in letters]
    assert dict(zip(places, map(as_bad, letters), strict=True)) == sender.bad
    by_reason = Counter(bad.reason for bad in sender.bad.values())
    assert {f"dead_letters_total:{reason}": float(k) for reason, k in by_reason.items()}.items() <= counted.items()
    assert sum(user.events_applied for user in users_in(settings, stored_values(settings)).values()) == applied
    print(f"{n:,} messages: {applied:,} applied, {duplicates:,} duplicates, {dead:,} dead: {dict(by_reason)}")
