"""The source topics as a log: what a trainer reads where there is no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from stream_rec.adapters.topic_reader import TopicReader
from stream_rec.config import TopicSettings
from stream_rec.core.events import decode_event
from stream_rec.core.wire import decode_item
from stream_rec.errors import ContractError

Report = Callable[[str, int, int, str], None]


class TopicEvent(NamedTuple):
    """What one line of an event says: a basket of three items is three of these."""

    timestamp_ms: int
    user_id: str
    item_id: str
    event: str
    quantity: float | None
    session_id: str | None


@dataclass(frozen=True)
class TopicLog:
    """All that the topics hold: events, oldest first; item id → text; how many records were passed over, and why."""

    events: list[TopicEvent]
    texts: dict[str, str]
    passed_over: Counter[str]


def read_topics(bootstrap: str, topics: TopicSettings, report: Report) -> TopicLog:
    """Read `items`, `clicks` and `purchases`, one after the other, each to the end it has when its turn comes.

    Some of what comes meanwhile is in it, too.

    The order does not depend on how the partitions were fetched: events by time and user, those of one user and
    millisecond as in their partition, clicks first; texts by item id. Memory: about 300 bytes an event.

    Raises
    ------
    ConfigError
        No broker answers, or a topic is missing.
    """
    passed_over: Counter[str] = Counter()
    texts = texts_of(_records(bootstrap, topics.items, report), passed_over)
    events: list[TopicEvent] = []
    known: set[int] = set()
    for topic in (topics.clicks, topics.purchases):
        events += events_of(_records(bootstrap, topic, report), passed_over, known)
    events.sort(key=lambda event: (event.timestamp_ms, event.user_id))
    return TopicLog(events, dict(sorted(texts.items())), passed_over)


def _records(bootstrap: str, topic: str, report: Report) -> Iterator[Any]:
    reader = TopicReader(bootstrap, [topic])
    try:
        yield from reader.read_to_the_end(lambda done, of: report(topic, done, of, ""))
    finally:
        reader.close()


def texts_of(records: Iterable[Any], passed_over: Counter[str]) -> dict[str, str]:
    """Return item id → title and categories by the newest record of each that says something.

    A tombstone leaves an item's text as it was, as in the encoder: histories still hold the item. `passed_over` is
    changed.
    """
    texts: dict[str, str] = {}
    for record in records:
        if record.value is None:
            continue
        try:
            item = decode_item(record.value, record.key)
        except ContractError as error:
            passed_over[error.reason] += 1
            continue
        texts[item.item_id] = item.words()
    return texts


def events_of(records: Iterable[Any], passed_over: Counter[str], known: set[int]) -> list[TopicEvent]:
    """Return the lines of valid events; an event that was sent again counts once.

    `passed_over` and `known`, the events there were before, are changed.
    """
    lines = []
    for record in records:
        try:
            event = decode_event(record.value, record.key, record.timestamp)
        except ContractError as error:
            passed_over[error.reason] += 1
            continue
        identity = hash((event.user_id, event.event_id))
        if identity in known:
            passed_over["duplicate"] += 1
            continue
        known.add(identity)
        what = event.timestamp_ms, event.user_id
        lines += [TopicEvent(*what, line.item_id, event.event, line.quantity, event.session_id) for line in event.lines]
    return lines
