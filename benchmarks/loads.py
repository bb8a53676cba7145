"""What is sent: events as (topic, key, value), with the first `warm` of them only there to teach the items."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stream_rec.backtest.event_log import read_log
from stream_rec.backtest.log_rows import PURCHASES, LogEvent, source_topic, to_event_json
from stream_rec.core.partitioning import partition_of
from stream_rec.shop import Shop

SHOP_USERS, SHOP_ITEMS, SHOP_SEED = 2_000, 2_000, 1
EVENT_SPACING_MS = 10
KEEPS_SESSIONS_OPEN_MS = 3_600_000


class Message(NamedTuple):
    """One record to produce: `topic` 0 clicks, 1 purchases."""

    topic: int
    partition: int
    key: bytes
    value: bytes


class Load(NamedTuple):
    """A backlog. The first `warm` messages are not measured."""

    name: str
    messages: list[Message]
    warm: int


def shop_events(n: int, first: int = 0) -> Iterator[LogEvent]:
    """Yield events first..first+n-1 of the generated shop."""
    shop = Shop(SHOP_USERS, SHOP_ITEMS, SHOP_SEED)
    for index, event in enumerate(islice(shop.events(first + n), first, None), first):
        yield LogEvent(
            index, event.timestamp_ms, event.user_id, event.item_id, event.event, None, event.quantity, event.price
        )


def distinct_users(n: int, warm: int, partitions: int, now_ms: int) -> Load:
    """Return `n` events, each of another user nobody has seen, after `warm` events of the shop's regulars.

    The regulars fill the co-occurrence rows: without them every list would be popularity's. The measured events lie
    within the last minutes before `now_ms`, so that no session ends meanwhile: a worker's sweep would publish a second
    list per user, and the naive agent has none.
    """
    events = list(shop_events(n + warm))
    shift_ms = now_ms - KEEPS_SESSIONS_OPEN_MS - events[max(0, warm - 1)].timestamp_ms
    messages = []
    for event in events:
        if event.index < warm:
            placed = event._replace(timestamp_ms=event.timestamp_ms + shift_ms)
        else:
            time_ms = now_ms - (n + warm - event.index) * EVENT_SPACING_MS
            placed = event._replace(user_id=f"v{event.index:07d}", timestamp_ms=time_ms)
        messages.append(message(placed, partitions))
    return Load("every event a different user", messages, warm)


def whole_log(path: Path | None, n: int, partitions: int) -> Load:
    """Return the first `n` events of a log in its order, of the generated shop without one."""
    events = shop_events(n) if path is None else islice(read_log(path), n)
    name = "generated shop" if path is None else path.name.split(".")[0]
    return Load(name, [message(event, partitions) for event in events], 0)


def message(event: LogEvent, partitions: int) -> Message:
    """Return an event as the record a shop would produce."""
    key = event.user_id.encode()
    return Message(int(source_topic(event) == PURCHASES), partition_of(key, partitions), key, to_event_json(event))
