"""Both systems of the benchmark answer the same events on a real Kafka; `tests/unit/benchmarks` compares the lists."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench_topics import create_topics
from benchmarks.loads import Message, whole_log
from benchmarks.systems import BATCHED, NAIVE, START, Site
from stream_rec.adapters.supervisor import stop
from stream_rec.core.types import LIST_SIZE
from stream_rec.core.wire import decode_list

pytestmark = pytest.mark.kafka

N_EVENTS = 100
PARTITIONS = 4
START_LIMIT_S, LIST_LIMIT_S = 120.0, 60.0
SHORTEST_PAUSE_S = 0.1


def test_every_event_gets_a_full_list_from_both(kafka: str, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    sites = [Site(kafka, f"{name}-{run}", tmp_path / name, PARTITIONS) for name in (BATCHED, NAIVE)]
    for site, name in zip(sites, (BATCHED, NAIVE), strict=True):
        create_topics(site, name)
    processes = [START[name](site) for site, name in zip(sites, (BATCHED, NAIVE), strict=True)]
    try:
        batched, naive = one_by_one(kafka, sites, whole_log(None, N_EVENTS, PARTITIONS).messages)
    finally:
        for process in processes:
            stop(process, 15)

    assert batched.keys() == naive.keys()
    assert len(batched) == N_EVENTS
    last = list(batched)[-1]
    assert len(batched[last]) == len(naive[last]) == LIST_SIZE


def one_by_one(kafka: str, sites: Sequence[Site], messages: Sequence[Message]) -> list[dict[Any, Any]]:
    """Send each message to every site once all have answered the one before; return the items by event, per site."""
    from kafka import KafkaConsumer, KafkaProducer

    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    topics = [site.topics["recommendations"] for site in sites]
    consumer = KafkaConsumer(*topics, bootstrap_servers=kafka, auto_offset_reset="earliest")
    answers: list[dict[Any, Any]] = [{} for _ in sites]
    try:
        for n, (topic, partition, key, value) in enumerate(messages, 1):
            for site in sites:
                producer.send(site.sources[topic], value, key, partition=partition)
            producer.flush()
            sent = time.monotonic()
            limit_s = START_LIMIT_S if n == 1 else LIST_LIMIT_S
            while min(map(len, answers)) < n and time.monotonic() < sent + limit_s:
                for records in consumer.poll(timeout_ms=50).values():
                    for record in records:
                        note(record, sites[topics.index(record.topic)], answers[topics.index(record.topic)])
            # The counts are on their way to the items now: as slow as the list was, or slower.
            time.sleep(max(SHORTEST_PAUSE_S, min(2.0, time.monotonic() - sent)))
    finally:
        producer.close()
        consumer.close()
    return answers


def note(record: Any, site: Site, answers: dict[Any, Any]) -> None:
    """Remember a list under the event that triggered it; a sweep's is nobody's answer."""
    published = decode_list(record.value)
    if published.trigger is not None:
        place = (site.sources.index(published.trigger.topic), published.trigger.partition, published.trigger.offset)
        answers[place] = published.items
