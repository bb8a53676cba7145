"""Reading topics from their first record to the end they have now, without a group: for commands that read and end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from stream_rec.adapters.log_replay import BOOTSTRAP_TIMEOUT_MS
from stream_rec.errors import ConfigError

POLL_MS = 500
POLL_RECORDS = 2_000
PATIENCE_POLLS = 20
"""Empty polls in a row (10 s) after which the rest of the topics is given up."""


@contextmanager
def open_consumer(bootstrap: str) -> Iterator[Any]:
    """Yield a kafka-python consumer that belongs to no group.

    Raises
    ------
    ConfigError
        No broker answers.
    """
    from kafka import KafkaConsumer
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
        yield consumer
    finally:
        consumer.close()


def records_until_now(
    consumer: Any,
    topics: Iterable[str],
    newest: int | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[Any]:
    """Yield what lies between the first and the present end of every partition; each partition's records in order.

    Parameters
    ----------
    newest
        Only so many of each partition's last records.
    report
        Called with the offsets passed so far, and all there are to pass.

    Raises
    ------
    ConfigError
        A topic does not exist, or the broker stops answering.
    """
    from kafka import TopicPartition

    partitions = []
    for topic in topics:
        numbers = sorted(consumer.partitions_for_topic(topic) or ())
        if not numbers:
            raise ConfigError(f"topic {topic}: need it to exist; got none. Run `stream-rec topics create`.")
        partitions += [TopicPartition(topic, number) for number in numbers]
    consumer.assign(partitions)
    starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    for partition in partitions:
        if newest is not None:
            starts[partition] = max(starts[partition], ends[partition] - newest)
        consumer.seek(partition, starts[partition])
    total = sum(ends.values()) - sum(starts.values())
    empty_polls = 0
    # by position, not by records: what a transaction or compaction left out has an offset too
    while left := sum(max(0, ends[partition] - consumer.position(partition)) for partition in partitions):
        report(total - left, total)
        fetched = consumer.poll(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        empty_polls = 0 if fetched else empty_polls + 1
        if empty_polls > PATIENCE_POLLS:
            raise ConfigError("kafka.bootstrap: need a broker that goes on answering; got none for 10 s. Try again.")
        for partition, records in fetched.items():
            yield from (record for record in records if record.offset < ends[partition])
    report(total, total)
