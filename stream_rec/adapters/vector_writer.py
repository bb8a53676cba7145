"""Writing to `item-vectors`: every record acknowledged before the next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stream_rec.adapters.log_replay import check_topics, open_producer
from stream_rec.errors import StateError

ACKNOWLEDGED_WITHIN_S = 60.0


class VectorWriter:
    """A producer for one topic.

    Raises
    ------
    ConfigError
        No broker answers, or there is no such topic.
    """

    def __init__(self, bootstrap: str, client_id: str, topic: str) -> None:
        self._topic = topic
        self._producer: Any = open_producer(bootstrap, client_id)
        check_topics(self._producer, [topic])

    def write(self, records: Iterable[tuple[int, bytes, bytes | None]]) -> None:
        """Send (partition, key, value) and wait until all are acknowledged.

        Raises
        ------
        StateError
            A record was refused or not acknowledged in time; others may have been written.
        """
        from kafka.errors import KafkaError

        futures = []
        try:
            for partition, key, value in records:
                futures.append(self._producer.send(self._topic, partition=partition, key=key, value=value))
            self._producer.flush(ACKNOWLEDGED_WITHIN_S)
            for future in futures:
                future.get(timeout=ACKNOWLEDGED_WITHIN_S)
        except KafkaError as error:
            raise StateError(
                f"topic {self._topic}: need every record acknowledged; got {error!r}. Start the encoder again: it goes "
                "on where it was."
            ) from error

    def close(self) -> None:
        """Disconnect."""
        self._producer.close()
