"""A log sent to a live worker, and how far the worker is with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

from stream_rec.adapters.log_replay import LogReplay, Pace, ReplayRecord, open_producer
from stream_rec.backtest.log_rows import PURCHASES, LogEvent, source_topic, to_event_json
from stream_rec.config import Settings
from stream_rec.shop import Shop

METRIC_PREFIX = "stream_rec_"


def with_worker(settings: Settings, **worker: Any) -> Settings:
    """Return the same shop with other worker settings."""
    return settings.model_copy(update={"worker": settings.worker.model_copy(update=worker)})


def shop_log(settings: Settings, n: int) -> list[ReplayRecord]:
    """Return the first events of a generated shop, 20 per user: skewed, clicks and purchases mixed."""
    records = []
    for index, event in enumerate(Shop(users=n // 20, items=n // 15).events(n)):
        logged = LogEvent(index, event.timestamp_ms, event.user_id, event.item_id, event.event)
        bought = source_topic(logged) == PURCHASES
        topic = settings.topics.purchases if bought else settings.topics.clicks
        records.append(ReplayRecord(topic, event.user_id.encode(), to_event_json(logged), event.timestamp_ms))
    return records


@contextmanager
def sending(settings: Settings, records: Iterable[ReplayRecord], rate: float | None = None) -> Iterator[Future[Any]]:
    """Send records meanwhile, as fast as it goes without a rate; all are acknowledged when the block is left."""
    producer = open_producer(settings.kafka.bootstrap, "test")
    with ThreadPoolExecutor(1) as thread:
        replay = thread.submit(LogReplay(producer, Pace(rate=rate)).run, records, lambda _: None)
        yield replay
        assert replay.result().delivered == replay.result().sent
    producer.close()


class Progress:
    """How far the group is: by the end of the lists, and by what it has committed."""

    def __init__(self, settings: Settings) -> None:
        from kafka import KafkaAdminClient, KafkaConsumer

        names = settings.topics
        self._group = settings.kafka.group
        self._admin = KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
        self._consumer = KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap)
        for topic in (names.clicks, names.purchases, names.recommendations, names.item_deltas):
            self._consumer.partitions_for_topic(topic)  # end_offsets fails for a topic it has not heard of
        self._lists = self._places(settings, names.recommendations)
        self._sources = self._places(settings, names.clicks, names.purchases)
        self._deltas = self._places(settings, names.item_deltas)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        self._admin.close()

    def lists(self) -> int:
        """Return how many lists were ever published."""
        return sum(self._consumer.end_offsets(self._lists).values())

    def deltas(self) -> int:
        """Return how many item-delta frames were ever sent."""
        return sum(self._consumer.end_offsets(self._deltas).values())

    def waiting(self) -> int:
        """Return how many events were sent and are not committed."""
        return self._behind(self._sources)

    def drained(self) -> bool:
        """Tell whether every event, and every item delta, is committed."""
        return not self._behind(self._sources + self._deltas)

    def _behind(self, places: list[Any]) -> int:
        ends = self._consumer.end_offsets(places)
        committed = self._admin.list_group_offsets({self._group: None})[self._group]
        return sum(end - (committed[place].offset if place in committed else 0) for place, end in ends.items())

    @staticmethod
    def _places(settings: Settings, *topics: str) -> list[Any]:
        from kafka import TopicPartition

        return [TopicPartition(topic, number) for topic in topics for number in range(settings.kafka.partitions)]


def metrics_of(settings: Settings) -> dict[str, float]:
    """Return the samples of the worker's /metrics by name, and by name:value for each value of its label."""
    from prometheus_client.parser import text_string_to_metric_families

    with urlopen(f"http://127.0.0.1:{settings.worker.metrics_port}/metrics", timeout=10) as page:
        text = page.read().decode()
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = ":".join([sample.name.removeprefix(METRIC_PREFIX), *sample.labels.values()])
            samples[name] = sample.value
    return samples
