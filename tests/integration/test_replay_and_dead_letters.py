"""Logs and dead letters through a real broker."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from stream_rec.adapters.dead_letter_box import RetryReport, read_letters, send_again
from stream_rec.adapters.log_replay import LogReplay, Pace, ReplayRecord, check_topics, open_producer
from stream_rec.config import Settings
from stream_rec.core.dead_letters import encode
from stream_rec.core.partitioning import partition_of
from stream_rec.core.rounds import DeadLetter
from stream_rec.errors import ConfigError

pytestmark = pytest.mark.kafka


@pytest.fixture
def producer(live_settings: Settings) -> Any:
    opened = open_producer(live_settings.kafka.bootstrap, "test")
    yield opened
    opened.close()


def consumed(settings: Settings, topic: str, n: int) -> list[Any]:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
        enable_auto_commit=False,
    )
    records = []
    for record in consumer:
        records.append(record)
        if len(records) == n:
            break
    consumer.close()
    return records


def test_every_record_arrives_once_in_its_user_s_partition_and_order(live_settings: Settings, producer: Any) -> None:
    clicks = live_settings.topics.clicks
    sent = [ReplayRecord(clicks, b"user-%d" % (n % 7), b"%d" % n, n) for n in range(500)]
    shown: list[int] = []
    report = LogReplay(producer, Pace()).run(sent, shown.append)
    assert (report.sent, report.delivered, report.failed, report.first_error) == (500, 500, 0, None)
    assert report.by_topic == Counter({clicks: 500})
    assert shown == list(range(1, 501))
    arrived = consumed(live_settings, clicks, 500)
    assert {record.partition == partition_of(record.key, live_settings.kafka.partitions) for record in arrived} == {
        True
    }
    for user in {record.key for record in sent}:
        ours = [record.value for record in sent if record.key == user]
        assert [record.value for record in arrived if record.key == user] == ours


def test_a_rate_is_kept(live_settings: Settings, producer: Any) -> None:
    sent = [ReplayRecord(live_settings.topics.clicks, b"u", b"x", 0)] * 51
    assert 1.0 <= LogReplay(producer, Pace(rate=50)).run(sent, lambda _: None).seconds < 3.0


def test_a_missing_topic_is_named_before_anything_is_sent(producer: Any) -> None:
    with pytest.raises(ConfigError, match=r"topic never-made: need it to exist"):
        check_topics(producer, ["never-made"])


def test_dead_letters_are_read_back_and_sent_again_as_they_were(live_settings: Settings, producer: Any) -> None:
    clicks, box = live_settings.topics.clicks, live_settings.topics.dead_letter
    letters = [
        DeadLetter(clicks, 0, 1, 1000, b"anna", b"{", "not-json", "value: …"),
        DeadLetter(clicks, 0, 2, 2000, None, b"\xff", "null-key", "key: …"),
        DeadLetter(clicks, 0, 3, 3000, b"anna", None, "null-value", "value: …"),
        DeadLetter(clicks, 0, 4, 4000, b"anna", b"x" * 2_000_000, "oversized-value", "value: …"),
        DeadLetter(clicks, 0, 5, 5000, None, None, "null-value", "value: …"),
    ]
    for letter in letters:
        key, value, headers = encode(letter)
        producer.send(box, key=key, value=value, headers=headers).get(timeout=10)
    stored = read_letters(live_settings.kafka.bootstrap, box)
    assert [one.letter._replace(value=None) for one in stored] == [letter._replace(value=None) for letter in letters]
    assert read_letters(live_settings.kafka.bootstrap, box, newest=2) == stored[-2:]
    assert send_again(producer, stored) == RetryReport(read=5, sent=3, truncated=1, unsendable=1)
    again = consumed(live_settings, clicks, 3)
    assert {(one.key, one.value) for one in again} == {(letter.key, letter.value) for letter in letters[:3]}


def test_an_empty_box_is_an_empty_list(live_settings: Settings) -> None:
    assert read_letters(live_settings.kafka.bootstrap, live_settings.topics.dead_letter) == []
