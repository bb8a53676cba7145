"""Any Kafka client will do: shops on kafka-python and on librdkafka produce, read lists, and scrape /metrics."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_rec.adapters.embedded_kafka import free_port
from stream_rec.adapters.metrics import METRICS, PREFIX
from stream_rec.config import Settings
from stream_rec.core.partitioning import partition_of
from stream_rec.core.wire import RecommendationList, decode_list
from tests.integration.worker_process import running, wait_until

pytestmark = pytest.mark.kafka

Send = Callable[[str, bytes, bytes], None]
N_USERS = 12
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def shop(live_settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A running worker; its settings, with the port of its /metrics in them."""
    worker = live_settings.worker.model_copy(update={"metrics_port": free_port()})
    settings = live_settings.model_copy(update={"worker": worker})
    with running(settings, tmp_path / "worker.log"):
        yield settings


def look_at(send: Send, settings: Settings, client: str) -> set[str]:
    """Let users of this client look at a teapot, then at a cup; return their ids."""
    users = {f"{client}-{i}" for i in range(N_USERS)}
    for number, item_id in enumerate(("teapot", "cup")):
        for user_id in sorted(users):
            event = {
                "event": "view_item",
                "event_id": f"{user_id}-{number}",
                "user_id": user_id,
                "item_id": item_id,
                "timestamp_ms": int(time.time() * 1000),
            }
            send(settings.topics.clicks, user_id.encode(), json.dumps(event).encode())
    return users


def kafka_python_sends(settings: Settings) -> Send:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    return lambda topic, key, value: producer.send(topic, key=key, value=value).get(timeout=10) and None


def librdkafka_sends(settings: Settings, **more: str) -> Send:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, **more})

    def send(topic: str, key: bytes, value: bytes) -> None:
        producer.produce(topic, key=key, value=value)
        assert producer.flush(10) == 0

    return send


def kafka_python_reads(settings: Settings, users: set[str]) -> dict[str, RecommendationList]:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        settings.topics.recommendations, bootstrap_servers=settings.kafka.bootstrap, auto_offset_reset="earliest"
    )
    found = collect(lambda: [r for records in consumer.poll(500).values() for r in records], users, lambda r: r.value)
    consumer.close()
    return found


def librdkafka_reads(settings: Settings, users: set[str]) -> dict[str, RecommendationList]:
    from confluent_kafka import Consumer

    group = {"group.id": f"{settings.kafka.group}-shop", "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap, **group})
    consumer.subscribe([settings.topics.recommendations])
    found = collect(lambda: consumer.consume(100, 0.5), users, lambda r: r.value())
    consumer.close()
    return found


def collect(
    poll: Callable[[], list[Any]], users: set[str], value_of: Callable[[Any], bytes]
) -> dict[str, RecommendationList]:
    """Poll until every one of these users has a list; return the newest lists."""
    newest: dict[str, RecommendationList] = {}

    def complete() -> bool:
        for published in (decode_list(value_of(record)) for record in poll()):
            newest[published.user_id] = published
        return users <= set(newest)

    wait_until(complete, f"the lists of {len(users)} users")
    return newest


def samples(settings: Settings) -> dict[str, float]:
    """Return /metrics, samples of one name summed up."""
    with urlopen(f"http://127.0.0.1:{settings.worker.metrics_port}/metrics", timeout=5) as page:
        text = page.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def foreign_events(settings: Settings) -> float:
    return samples(settings)[f"{PREFIX}foreign_partition_events_total"]


def test_kafka_python_and_librdkafka_with_murmur2_produce_and_read_alike(shop: Settings) -> None:
    senders = {
        "kafka-python": kafka_python_sends(shop),
        "librdkafka": librdkafka_sends(shop, partitioner="murmur2_random"),
    }
    users = set().union(*(look_at(send, shop, client) for client, send in senders.items()))
    by_kafka_python, by_librdkafka = kafka_python_reads(shop, users), librdkafka_reads(shop, users)
    assert users <= set(by_kafka_python) & set(by_librdkafka)
    for published in by_kafka_python.values():
        if published.trigger is not None:
            partition = partition_of(published.user_id.encode(), shop.kafka.partitions)
            assert published.trigger.partition == partition
    assert foreign_events(shop) == 0


def test_librdkafka_s_own_partitioner_is_counted_and_its_users_get_lists_all_the_same(shop: Settings) -> None:
    users = look_at(librdkafka_sends(shop), shop, "crc32")
    assert users <= set(librdkafka_reads(shop, users))
    strangers = {
        published.user_id
        for published in kafka_python_reads(shop, users).values()
        if published.trigger
        and published.trigger.partition != partition_of(published.user_id.encode(), shop.kafka.partitions)
    }
    assert strangers
    wait_until(lambda: foreign_events(shop) >= len(strangers), "the count of foreign events")


def test_every_documented_metric_is_on_the_page_after_some_events_good_and_bad(shop: Settings) -> None:
    send = kafka_python_sends(shop)
    look_at(send, shop, "metrics")
    for topic in (shop.topics.clicks, shop.topics.items):
        send(topic, b"key", b"{not json")
    documented = set(re.findall(r"`(stream_rec_[a-z_]+)` [|]", (DOCS / "metrics.md").read_text(encoding="utf-8")))
    assert len(documented) == len(METRICS)

    def missing() -> set[str]:
        return documented - {name.removesuffix("_bucket") for name in samples(shop)}

    wait_until(lambda: not missing(), "every metric on the page")
    wait_until(lambda: samples(shop)[f"{PREFIX}events_total"] == 2 * N_USERS + 1, "all events on the page")
