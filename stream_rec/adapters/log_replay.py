"""Producing a log to Kafka at a chosen pace: bounded in flight, every delivery checked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple

from stream_rec.errors import ConfigError

IN_FLIGHT_RECORDS = 20_000
"""Sent and not yet acknowledged; with 300 bytes an event about 6 MB."""
LINGER_MS = 20
BATCH_BYTES = 256 * 1024
REQUEST_BYTES = 11 * 1024 * 1024  # what the topics take; the announcement of a model is large
BOOTSTRAP_TIMEOUT_MS = 10_000


class ReplayRecord(NamedTuple):
    """One record to produce; `event_ms` is the time it tells of and paces `speed` only.

    The record's own timestamp is now: with the event's, retention would delete an old log at once.
    """

    topic: str
    key: bytes
    value: bytes
    event_ms: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Events per second, or times the log's own speed, or (neither) as fast as it goes."""

    rate: float | None = None
    speed: float | None = None

    @property
    def unbound(self) -> bool:
        """Whether records are sent as fast as it goes."""
        return self.rate is None and self.speed is None

    def due_s(self, sent: int, elapsed_ms: int) -> float:
        """Return when the next record is due, seconds after the start, with `sent` before it and log time passed."""
        if self.rate is not None:
            return sent / self.rate
        return elapsed_ms / 1000 / self.speed if self.speed is not None else 0.0


@dataclass(slots=True)
class ReplayReport:
    """What became of a replay; `sent == delivered + failed`."""

    sent: int = 0
    delivered: int = 0
    failed: int = 0
    by_topic: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    interrupted: bool = False
    first_error: str | None = None


def open_producer(bootstrap: str, client_id: str, linger_ms: int = 0) -> Any:
    """Return a kafka-python producer: all replicas acknowledge, lz4, murmur2 by key.

    Raises
    ------
    ConfigError
        No broker answers.
    """
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    try:
        return KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id=client_id,
            acks="all",
            compression_type="lz4",
            linger_ms=linger_ms,
            batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            max_block_ms=BOOTSTRAP_TIMEOUT_MS,
        )
    except (KafkaError, ValueError, OSError) as error:
        raise ConfigError(
            f"kafka.bootstrap: need a broker that answers at {bootstrap}; got {error!r}. "
            "Start one with `stream-rec kafka start`."
        ) from error


def check_topics(producer: Any, topics: Iterable[str]) -> None:
    """Raise ConfigError unless every topic exists."""
    from kafka.errors import KafkaError

    for topic in sorted(set(topics)):
        try:
            partitions = producer.partitions_for(topic)
        except KafkaError as error:
            raise ConfigError(
                f"topic {topic}: need it to exist; got {error!r}. Run `stream-rec topics create`."
            ) from error
        if not partitions:
            raise ConfigError(f"topic {topic}: need it to exist; got none. Run `stream-rec topics create`.")


class LogReplay:
    """One replay: make it, `run` it, read `report` at any time.

    Parameters
    ----------
    producer
        From `open_producer`; not closed.
    pace
        When each record is due.
    seconds, sleep
        The clock and how to wait for it.
    """

    def __init__(
        self,
        producer: Any,
        pace: Pace,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._producer = producer
        self._pace = pace
        self._seconds = seconds
        self._sleep = sleep
        self._room = BoundedSemaphore(IN_FLIGHT_RECORDS)
        self._outcome = Lock()
        self.report = ReplayReport()

    def run(self, records: Iterable[ReplayRecord], on_sent: Callable[[int], None]) -> ReplayReport:
        """Produce the records and wait until each is acknowledged; stops at the first that is refused.

        `on_sent` gets the number sent so far after each record. Ctrl-C ends the replay early: what was sent is waited
        for, and the report says `interrupted`.
        """
        # The clock starts with the first record at hand: a log that is sorted is read whole before.
        iterator = iter(records)
        first = next(iterator, None)
        started = self._seconds()
        try:
            self._send_all(chain([first] if first else (), iterator), on_sent, started)
        except KeyboardInterrupt:
            self.report.interrupted = True
        self._producer.flush()
        self.report.seconds = self._seconds() - started
        return self.report

    def _send_all(self, records: Iterable[ReplayRecord], on_sent: Callable[[int], None], started: float) -> None:
        report, elapsed_ms, first_ms = self.report, 0, None
        for record in records:
            if report.failed:
                return
            # Log time only moves forward: a late event is due at once.
            first_ms = record.event_ms if first_ms is None else first_ms
            elapsed_ms = max(elapsed_ms, record.event_ms - first_ms)
            self._wait_until(started + self._pace.due_s(report.sent, elapsed_ms))
            self._send(record)
            on_sent(report.sent)

    def _wait_until(self, due: float) -> None:
        ahead_s = due - self._seconds()
        if ahead_s > 0:
            self._sleep(ahead_s)

    def _send(self, record: ReplayRecord) -> None:
        from kafka.errors import KafkaError

        self._room.acquire()
        try:
            future = self._producer.send(record.topic, value=record.value, key=record.key)
        except KafkaError as error:
            self._count(record)
            self._on_failed(error)
            return
        self._count(record)
        future.add_callback(self._on_delivered)
        future.add_errback(self._on_failed)

    def _count(self, record: ReplayRecord) -> None:
        self.report.sent += 1
        self.report.by_topic[record.topic] += 1

    # Both run in the producer's sender thread, or in ours for what is settled at once.
    def _on_delivered(self, _metadata: object) -> None:
        with self._outcome:
            self.report.delivered += 1
        self._room.release()

    def _on_failed(self, error: BaseException) -> None:
        with self._outcome:
            self.report.failed += 1
            self.report.first_error = self.report.first_error or repr(error)
        self._room.release()
