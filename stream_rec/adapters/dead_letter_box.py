"""Reading the `dead-letter` topic, and sending its records again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stream_rec.adapters.log_replay import BOOTSTRAP_TIMEOUT_MS
from stream_rec.adapters.topic_reader import TopicReader
from stream_rec.core.dead_letters import StoredDeadLetter, decode


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
    reader = TopicReader(bootstrap, [topic], newest)
    try:
        records = sorted(reader.read_to_the_end(), key=lambda record: record.timestamp)
    finally:
        reader.close()
    kept = records if newest is None else records[max(0, len(records) - newest) :]
    return [decode(record.key, record.value, record.headers or ()) for record in kept]


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
