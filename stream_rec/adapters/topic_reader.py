"""Whole topics, read from their beginning and followed: kafka-python, for processes without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stream_rec.adapters.log_replay import BOOTSTRAP_TIMEOUT_MS
from stream_rec.errors import ConfigError

POLL_MS = 500
PATIENCE_POLLS = 40
"""Empty polls in a row (20 s) after which a broker is given up that has not given what it says it has."""


class TopicReader:
    """Reads all partitions of some topics.

    Parameters
    ----------
    bootstrap
        `host:port[,host:port…]`.
    topics
        They must exist.
    newest
        Begin so many records before the end of each partition; by default at its beginning.

    Raises
    ------
    ConfigError
        No broker answers, or a topic is missing.
    """

    def __init__(self, bootstrap: str, topics: Sequence[str], newest: int | None = None) -> None:
        from kafka import KafkaConsumer, TopicPartition
        from kafka.errors import KafkaError

        try:
            self._consumer: Any = KafkaConsumer(
                bootstrap_servers=bootstrap.split(","),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            )
        except (KafkaError, ValueError, OSError) as error:
            raise ConfigError(
                f"kafka.bootstrap: need a broker that answers at {bootstrap}; got {error!r}. "
                "Start one with `stream-rec kafka start`."
            ) from error
        self._partitions: dict[str, list[Any]] = {}
        for topic in topics:
            numbers = sorted(self._consumer.partitions_for_topic(topic) or ())
            if not numbers:
                self._consumer.close()
                raise ConfigError(f"topic {topic}: need it to exist; got none. Run `stream-rec topics create`.")
            self._partitions[topic] = [TopicPartition(topic, number) for number in numbers]
        places = [place for some in self._partitions.values() for place in some]
        self._consumer.assign(places)
        first, ends = self._consumer.beginning_offsets(places), self._consumer.end_offsets(places)
        for place in places:
            self._consumer.seek(place, first[place] if newest is None else max(first[place], ends[place] - newest))

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return len(self._partitions[topic])

    def read_to_the_end(self, report: Callable[[int, int], None] = lambda done, of: None) -> Iterator[Any]:
        """Yield every record before the present end of all topics, in the order of offsets per partition.

        Some of what comes meanwhile is yielded, too. `report` is told the offsets passed, and all there are to pass.

        Raises
        ------
        ConfigError
            The broker stopped answering.
        """
        places = [place for some in self._partitions.values() for place in some]
        ends, empty_polls = self._consumer.end_offsets(places), 0
        of = sum(ends.values()) - sum(self._consumer.position(place) for place in places)
        while left := sum(max(0, end - self._consumer.position(place)) for place, end in ends.items()):
            report(of - left, of)
            records = self.poll(POLL_MS)
            empty_polls = 0 if records else empty_polls + 1
            if empty_polls > PATIENCE_POLLS:
                raise ConfigError(
                    f"topics {', '.join(self._partitions)}: need a broker that goes on answering; got nothing for "
                    f"{POLL_MS * PATIENCE_POLLS / 1000:.0f} s. Try again."
                )
            yield from records
        report(of, of)

    def poll(self, timeout_ms: int) -> list[Any]:
        """Return what came next, after at most `timeout_ms`."""
        return [record for records in self._consumer.poll(timeout_ms=timeout_ms).values() for record in records]

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
