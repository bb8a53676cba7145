"""One worker with a sequence model and one without: a backlog, events at a pace, and a promotion amid them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from benchmarks.bench_topics import create_topics
from benchmarks.drain import Drained, drain, last_words, wait_until_drained
from benchmarks.latency import Latency, measure_lists
from benchmarks.loads import SHOP_ITEMS, SHOP_SEED, SHOP_USERS, Message, distinct_users, message, shop_events
from benchmarks.model.versions import new_registry
from benchmarks.preload import preload
from benchmarks.systems import BATCHED, START, Site, start_encoder
from stream_rec import config
from stream_rec.adapters.model_announcements import announce
from stream_rec.adapters.supervisor import stop
from stream_rec.config import Settings
from stream_rec.core.wire import SEQUENCE
from stream_rec.errors import StateError
from stream_rec.shop import Shop

RATE = 500
PROMOTED_AFTER = 0.4  # of the seconds at that pace; the first fifth is warm-up
COMPLETE_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    warm: int = 6_000
    distinct: int = 60_000
    drain_s: float = 30.0
    latency_s: float = 30.0
    partitions: int = 4


QUICK = Plan(warm=2_000, distinct=15_000, drain_s=10.0, latency_s=15.0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; `named`: how many lists of the run with a promotion name which version."""

    without: Drained
    with_model: Drained
    latency_without: Latency
    latency_with: Latency
    latency_promotion: Latency
    named: dict[str, int]

    @property
    def p99_ratio(self) -> float:
        """How many times the 99th percentile of the same worker grew with a promotion amid the events."""
        return self.latency_promotion.p99_ms / self.latency_with.p99_ms

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        latencies = {
            "without": self.latency_without, "with": self.latency_with, "promotion": self.latency_promotion,
        }  # fmt: skip
        return {
            "events_per_s": {"without": self.without.events_per_s, "with": self.with_model.events_per_s},
            "events_per_s_ratio": round(self.with_model.events_per_s / self.without.events_per_s, 3),
            "worker_cpu_us": {"without": self.without.worker_cpu_us, "with": self.with_model.worker_cpu_us},
            "latency_ms": {name: {"p50": one.p50_ms, "p99": one.p99_ms} for name, one in latencies.items()},
            "unanswered": {name: one.missing for name, one in latencies.items()},
            "p99_promotion_ratio": round(self.p99_ratio, 2),
            "lists_by_version": self.named,
        }


class Bench:
    """A plan, a broker, a folder for stores and logs."""

    def __init__(self, plan: Plan, bootstrap: str, broker_pid: int | None, folder: Path) -> None:
        self._plan, self._bootstrap, self._broker_pid, self._folder = plan, bootstrap, broker_pid, folder
        catalogue = Shop(SHOP_USERS, SHOP_ITEMS, SHOP_SEED).catalogue
        texts = {catalogue.item_id(item): catalogue.title(item) for item in range(SHOP_ITEMS)}
        self._registry, self._versions = new_registry(folder / "models", texts)

    def run(self) -> Figures:
        """Measure everything, one after the other."""
        without, with_model = (self._drained(served) for served in (False, True))
        latency_without, *_ = self._latencies(served=False)
        latency_with, latency_promotion, named = self._latencies(served=True)
        assert latency_promotion is not None
        return Figures(without, with_model, latency_without, latency_with, latency_promotion, named)

    def _drained(self, served: bool) -> Drained:
        plan, site = self._plan, self._site(f"drain-{served}")
        load = distinct_users(plan.distinct, plan.warm, plan.partitions, int(time.time() * 1000))
        _say(f"{load.name}, {'with' if served else 'without'} a model")

        def prepare() -> None:
            if served:
                stop(self._write_version(site), STOP_LIMIT_S)

        return drain(BATCHED, load, site, plan.drain_s, self._broker_pid, prepare)

    def _latencies(self, served: bool) -> tuple[Latency, Latency | None, dict[str, int]]:
        plan, site = self._plan, self._site(f"latency-{served}")
        _say(f"{RATE} events/s, {'with a model, and with a promotion' if served else 'without a model'}")
        create_topics(site, BATCHED)
        encoder = self._write_version(site) if served else None
        asyncio.run(preload(site.bootstrap, site.sources, warm := self._recent()))
        worker = START[BATCHED](site)
        try:
            wait_until_drained(worker, site, len(warm))
            before = measure_lists(site, RATE, plan.latency_s, plan.warm)
            if encoder is None:
                return before, None, {}
            promotion = threading.Timer(PROMOTED_AFTER * plan.latency_s, self._promote, (site, self._versions[1]))
            promotion.start()
            first = plan.warm + int(RATE * plan.latency_s)
            amid = measure_lists(site, RATE, plan.latency_s, first, name="promotion")
            promotion.join()
        finally:
            stop(worker, STOP_LIMIT_S)
            if encoder is not None:
                stop(encoder, STOP_LIMIT_S)
        return before, amid, _versions_named(site)

    def _write_version(self, site: Site) -> subprocess.Popen[bytes]:
        """Announce the first version and return the encoder that has written all of it."""
        encoder = start_encoder(site, self._registry.folder)
        self._promote(site, self._versions[0])
        deadline = time.monotonic() + COMPLETE_LIMIT_S
        while "is complete" not in site.encoder_log.read_text(errors="replace"):
            if encoder.poll() is not None or time.monotonic() > deadline:
                raise StateError(f"bench: need all rows written; got {last_words(site)}. See {site.encoder_log}.")
            time.sleep(0.2)
        return encoder

    def _promote(self, site: Site, version: str) -> None:
        self._registry.promote(version, {}, "bench")
        announce(_settings(site), self._registry)

    def _recent(self) -> list[Message]:
        """The shop's first events, moved so that the last one is now."""
        events = list(shop_events(self._plan.warm))
        shift_ms = int(time.time() * 1000) - events[-1].timestamp_ms
        moved = (event._replace(timestamp_ms=event.timestamp_ms + shift_ms) for event in events)
        return [message(event, self._plan.partitions) for event in moved]

    def _site(self, name: str) -> Site:
        return Site(self._bootstrap, f"{name}-{int(time.time())}", self._folder / name, self._plan.partitions)


def _settings(site: Site) -> Settings:
    kafka = {"bootstrap": site.bootstrap, "group": site.group, "partitions": site.partitions}
    return config.load(kafka=kafka, topics=dict(site.topics))


def _versions_named(site: Site) -> dict[str, int]:
    """Return how many of all lists name which version; `none` without one."""
    consumer = KafkaConsumer(bootstrap_servers=site.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    places = [TopicPartition(site.topics["recommendations"], partition) for partition in range(site.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends, named = consumer.end_offsets(places), Counter[str]()
    while any(consumer.position(place) < end for place, end in ends.items()):
        for records in consumer.poll(timeout_ms=500).values():
            named.update(json.loads(record.value)["model"].get(SEQUENCE, "none") for record in records if record.value)
    consumer.close()
    return dict(named)


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
