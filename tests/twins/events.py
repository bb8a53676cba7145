"""Events as Kafka would deliver them: what tests of the planes send."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def event_record(offset: int, user: str, item: str, at_ms: int, topic: str = "clicks", **fields: Any) -> Record:
    """A view of `item` at `offset` of partition 0; `fields` are added to the event, or take the place of its own."""
    event = {"event": "view_item", "event_id": str(offset), "user_id": user, "item_id": item, "timestamp_ms": at_ms}
    return Record(topic, 0, offset, at_ms, user.encode(), msgspec.json.encode(event | fields))
