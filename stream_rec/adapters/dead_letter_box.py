"""Reading the `dead-letter` topic, and sending its records again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stream_rec.adapters.log_replay import BOOTSTRAP_TIMEOUT_MS
from stream_rec.core.dead_letters import StoredDeadLetter, decode
from stream_rec.errors import ConfigError

POLL_MS = 500
PATIENCE_POLLS = 20
"""Empty polls in a row (10 s) after which the rest of the topic is given up."""


@dataclass(slots=True)
class RetryReport:
    """`read == sent + truncated + unsendable + failed`."""

    read: int = 0
    sent: int = 0
    truncated: int = 0
    unsendable: int = 0
    failed: int = 0
    first_error: str | None = None

    def fail(self, error: Exception) -> None:
        """Count one record the broker did not take."""
        self.failed += 1
        self.first_error = self.first_error or repr(error)


def read_letters(bootstrap: str, topic: str, newest: int | None = None) -> list[StoredDeadLetter]:
    """Return the dead letters the topic holds now, oldest first; only the last `newest` if given.

    Raises
    ------
    ConfigError
        No broker answers, or there is no such topic.
    """
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
        )
    except (KafkaError, ValueError, OSError) as error:
        raise ConfigError(
            f"kafka.bootstrap: need a broker that answers at {bootstrap}; got {error!r}. "
            "Start one with `stream-rec kafka start`."
        ) from error
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            raise ConfigError(f"topic {topic}: need it to exist; got none. Run `stream-rec topics create`.")
        records = sorted(_records(consumer, partitions, newest), key=lambda record: record.timestamp)
    finally:
        consumer.close()
    kept = records if newest is None else records[max(0, len(records) - newest) :]
    return [decode(record.key, record.value, record.headers or ()) for record in kept]


def _records(consumer: Any, partitions: list[Any], newest: int | None) -> Iterator[Any]:
    """Yield what lies between the first and the present end of each partition."""
    consumer.assign(partitions)
    first, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    for partition in partitions:
        start = first[partition] if newest is None else max(first[partition], ends[partition] - newest)
        consumer.seek(partition, start)
    empty_polls = 0
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        fetched = consumer.poll(timeout_ms=POLL_MS)
        empty_polls = 0 if fetched else empty_polls + 1
        if empty_polls > PATIENCE_POLLS:
            raise ConfigError("dead-letter: need a broker that goes on answering; got none for 10 s. Try again.")
        for partition, records in fetched.items():
            yield from (record for record in records if record.offset < ends[partition])


def send_again(producer: Any, letters: Iterable[StoredDeadLetter]) -> RetryReport:
    """Produce each raw record to its topic again, its partition chosen by its key; wait until all are acknowledged.

    What was cut to 64 KiB, or has neither key nor value, is counted and left.
    """
    from kafka.errors import KafkaError

    report = RetryReport()
    futures = []
    for stored in letters:
        report.read += 1
        if stored.truncated:
            report.truncated += 1
        elif not stored.retryable:
            report.unsendable += 1
        else:
            try:
                futures.append(producer.send(stored.letter.topic, value=stored.letter.value, key=stored.letter.key))
            except (KafkaError, ValueError) as error:  # no such topic, a key a topic refuses, too large
                report.fail(error)
    producer.flush()
    for future in futures:
        try:
            future.get(timeout=BOOTSTRAP_TIMEOUT_MS / 1000)
            report.sent += 1
        except KafkaError as error:
            report.fail(error)
    return report
