"""A log's line as the record Kafka would have delivered."""

from __future__ import annotations

from typing import NamedTuple


class LogRecord(NamedTuple):
    """One line of a log; `event_index` is its 0-based number, `timestamp` the event time in ms."""

    event_index: int
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
