"""A worker as its own process, and what it left in Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from stream_rec.config import Settings, env_name
from stream_rec.core.state.item_codec import decode_row
from stream_rec.core.state.user_codec import decode_head, head_key

P = TypeVar("P", bound="Process")
READY = "] ready after"  # partitions; the kernels are ready long before
HISTORY_EVENTS = 1000
DEADLINE_S = 60.0
START_DEADLINE_S = 240.0
"""A first start compiles kernels for a minute of one core."""


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    values = {
        env_name(section, name): str(value)
        for section in type(settings).model_fields
        for name, value in getattr(settings, section).model_dump().items()
    }
    return {**os.environ, **values}


class Process:
    """One `stream-rec` of the command named, ready once its log holds `ready`."""

    def __init__(self, settings: Settings, log: Path, command: str, ready: str) -> None:
        self.log, self._ready = log, ready
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream_rec", command],
                env=environment(settings),
                stderr=stream,
                stdout=stream,
                start_new_session=True,
            )

    def says(self, text: str) -> bool:
        """Return whether its log holds a text by now."""
        return text in self.log.read_text()

    def wait_ready(self) -> None:
        """Wait until it does its work."""
        what = f"{self._ready!r} in {self.log}"
        wait_until(lambda: self.says(self._ready) or self.process.poll() is not None, what, START_DEADLINE_S)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit code and how long it took, in seconds."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - started

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self.process.wait(20)


class Worker(Process):
    """One `stream-rec worker`; ready when its partitions are restored."""

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(settings, log, "worker", READY)


@contextmanager
def running(settings: Settings, log: Path) -> Iterator[Worker]:
    """Run a worker for the block; whatever happens, it does not outlive it."""
    with ready(Worker(settings, log)) as worker:
        yield worker


@contextmanager
def ready(process: P) -> Iterator[P]:
    """Wait for a process; whatever happens in the block, it does not outlive it."""
    try:
        process.wait_ready()
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll `condition` until it holds."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.5)


def read_all(settings: Settings, *topics: str) -> list[Any]:
    """Return every record the topics hold now."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap, enable_auto_commit=False)
    places = [TopicPartition(topic, p) for topic in topics for p in range(settings.kafka.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(places)
    records: list[Any] = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        for batch in consumer.poll(timeout_ms=500).values():
            records += batch
    consumer.close()
    return records


def produced_counts(settings: Settings) -> tuple[Counter[str], Counter[str]]:
    """Return the true number of events per user and per item: what lies in the source topics."""
    events = [json.loads(r.value) for r in read_all(settings, settings.topics.clicks, settings.topics.purchases)]
    return Counter(event["user_id"] for event in events), Counter(event["item_id"] for event in events)


def applied_per_user(settings: Settings) -> Counter[str]:
    """Return the events applied per user, by the last head of each in the changelog."""
    heads = {r.key: r.value for r in read_all(settings, settings.topics.user_state) if r.key.startswith(head_key(b""))}
    users = ((key[1:].decode(), value) for key, value in heads.items())
    return Counter({user: decode_head(user, value, HISTORY_EVENTS).events_applied for user, value in users})


def counted_per_item(settings: Settings) -> Counter[str]:
    """Return the events counted per item, by the last row of each."""
    rows = {r.key: r.value for r in read_all(settings, settings.topics.item_rows) if r.key[:1] != b"\0"}
    return Counter({key.decode(): decode_row(key, value).event_count for key, value in rows.items()})


def wait_exact(settings: Settings) -> None:
    """Wait until every event produced is applied and flushed, then compare count by count: none lost, none twice."""
    users, items = produced_counts(settings)
    n = users.total()
    wait_until(lambda: applied_per_user(settings).total() >= n, f"{n} events applied to users")
    wait_until(lambda: counted_per_item(settings).total() >= n, f"{n} events counted for items")
    assert applied_per_user(settings) == users
    assert counted_per_item(settings) == items
