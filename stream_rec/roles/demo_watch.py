"""What the demo sees of the worker, from outside: its /metrics over HTTP and the topic `recommendations`."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from stream_rec.core.contract import ANYBODY
from stream_rec.core.wire import RecommendationList, decode_list

SCRAPE_TIMEOUT_S = 2.0
WINDOW_S = 10.0
SHOW_EVERY_S = 0.6
POLL_MS = 200


class Scrape:
    """The worker's counters, kept growing over restarts of the worker, and lag percentiles of the last seconds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._last: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._window: deque[tuple[float, dict[float, float], float]] = deque()

    def refresh(self) -> bool:
        """Read the page; return whether there was one."""
        try:
            with urllib.request.urlopen(self.url, timeout=SCRAPE_TIMEOUT_S) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        values = {
            sample.name + "".join(f"|{v}" for _, v in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        for name, value in self._last.items():
            if values.get(name, 0.0) < value and not name.startswith(GAUGES):
                self._before[name] = self._before.get(name, 0.0) + value
        self._last = values
        self._remember()
        return True

    def total(self, name: str) -> float:
        """Return a counter's value (`name|label value`), 0 where there is none yet."""
        return self._last.get(f"stream_rec_{name}", 0.0) + self._before.get(f"stream_rec_{name}", 0.0)

    def gauge(self, name: str) -> float:
        """Return a gauge's present value, 0 where there is none."""
        return self._last.get(f"stream_rec_{name}", 0.0)

    def label_of(self, name: str) -> str | None:
        """Return the label of the gauge's child that is 1: which of several it is; None where none is."""
        start = f"stream_rec_{name}|"
        return next(
            (key.removeprefix(start) for key, value in self._last.items() if key.startswith(start) and value), None
        )

    def per_second(self) -> float:
        """Return events processed per second over the window."""
        if len(self._window) < 2:
            return 0.0
        (then, _, before), (now, _, after) = self._window[0], self._window[-1]
        return max(0.0, (after - before) / max(now - then, 1e-3))

    def list_ms(self) -> tuple[float, float] | None:
        """Return p50 and p99 of event → list over the window, in ms."""
        if len(self._window) < 2:
            return None
        before, after = self._window[0][1], self._window[-1][1]
        grown = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
        if not grown or max(grown.values()) <= 0:
            return None
        return percentile(grown, 0.5) * 1000, percentile(grown, 0.99) * 1000

    def _remember(self) -> None:
        name = "stream_rec_event_to_list_seconds_bucket|"
        buckets = {float(key.removeprefix(name)): v for key, v in self._last.items() if key.startswith(name)}
        now = time.monotonic()
        self._window.append((now, buckets, processed(self)))
        while self._window[0][0] < now - WINDOW_S:
            self._window.popleft()


GAUGES = tuple(f"stream_rec_{name}" for name in ("consumer_lag", "replica_lag", "cached", "item_rows", "partitions"))


def processed(scrape: Scrape) -> float:
    """Return events the worker has accounted for."""
    return sum(scrape.total(f"events_total|{outcome}") for outcome in ("applied", "duplicate", "dead"))


def percentile(cumulative: dict[float, float], share: float) -> float:
    """Return the value below which `share` of a histogram's counts lie, linear within its bucket.

    Examples
    --------
    >>> percentile({1.0: 0, 2.0: 10, float("inf"): 10}, 0.5)
    1.5
    """
    bounds = sorted(cumulative)
    wanted = cumulative[bounds[-1]] * share
    low = seen = 0.0
    for bound in bounds:
        if cumulative[bound] >= wanted:
            if bound == float("inf"):
                return low
            inside = cumulative[bound] - seen
            return low + (bound - low) * ((wanted - seen) / inside if inside else 1.0)
        low, seen = bound, cumulative[bound]
    return low


class ListReader(threading.Thread):
    """Reads `recommendations` from its start: who has a list, and now and then a list to show.

    Parameters
    ----------
    bootstrap, topic
        Where the lists are.
    show
        Called from this thread with a list worth showing, at most every `SHOW_EVERY_S`.
    """

    def __init__(self, bootstrap: str, topic: str, show: Callable[[RecommendationList], None]) -> None:
        super().__init__(name="list-reader", daemon=True)
        self._kafka, self._topic, self._show = bootstrap, topic, show
        self._ended = threading.Event()
        self._shown_at = 0.0
        self.users: set[bytes] = set()
        self.failure: str | None = None

    def end(self) -> None:
        """Stop reading and wait for the thread."""
        self._ended.set()
        self.join(10)

    def run(self) -> None:
        """Read until `end` is called."""
        from kafka.errors import KafkaError

        try:
            self._read()
        except KafkaError as error:
            self.failure = f"{self._topic}: {error!r}"

    def _read(self) -> None:
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(bootstrap_servers=self._kafka, auto_offset_reset="earliest", enable_auto_commit=False)
        try:
            consumer.assign([TopicPartition(self._topic, p) for p in consumer.partitions_for_topic(self._topic)])
            while not self._ended.is_set():
                for records in consumer.poll(timeout_ms=POLL_MS, max_records=5000).values():
                    self._take(records)
        finally:
            consumer.close()

    def _take(self, records: list[Any]) -> None:
        self.users.update(
            record.key for record in records if record.value is not None and record.key != ANYBODY.encode()
        )
        now = time.monotonic()
        if now - self._shown_at < SHOW_EVERY_S or records[-1].value is None:
            return
        shown = decode_list(records[-1].value)
        if shown.trigger is not None and shown.items:
            self._shown_at = now
            self._show(shown)
