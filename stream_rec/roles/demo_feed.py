"""What the demo replays: a generated shop that goes on where it stopped, or a log; both with titles."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from stream_rec.adapters.log_replay import ReplayRecord
from stream_rec.config import TopicSettings
from stream_rec.core.events import WireEvent
from stream_rec.core.wire import CatalogueItem
from stream_rec.shop import EventBlock, Shop, ShopEvent
from stream_rec.shop.seasons import day_of

ORACLE_EVERY = 20
PURCHASE_EVENTS = frozenset({"purchase", "refund"})
TITLE_COLUMNS = ("title", "Description", "name")
ITEM_COLUMNS = ("item_id", "StockCode", "ItemId")


class DemoEvent(NamedTuple):
    """One record to send, and what the page says about it. `oracle_rank` as in `shop.stream.ShopEvent`."""

    record: ReplayRecord
    event: str
    item_id: str
    oracle_rank: int


Publish = Callable[[CatalogueItem], None]


class Feed(Protocol):
    """Where the demo's events come from.

    `total`: how many there are, `None` if they never end. `history`: how many of them come first, as fast as possible.
    """

    total: int | None
    history: int

    def events(self, publish: Publish) -> Iterator[DemoEvent]:
        """Yield the events; `publish` gets catalogue items before their first event."""
        ...

    def title(self, item_id: str) -> str:
        """Return an item's name, its id where it has none."""
        ...

    def save(self, sent: int) -> None:
        """Remember for the next start that `sent` events of this one are done."""
        ...


class ShopFeed:
    """The generated shop, from where the last demo in this folder stopped.

    Parameters
    ----------
    folder
        Holds the position (`shop.json`).
    """

    total: int | None = None

    def __init__(self, folder: Path, topics: TopicSettings, users: int, items: int, seed: int, history: int) -> None:
        self._file = folder / "shop.json"
        self._shop = Shop(users, items, seed)
        self._topics = topics
        self._who = {"users": users, "items": items, "seed": seed}
        self._done = resumes_at(folder, self._who) or 0
        self.history = max(0, history - self._done)

    def events(self, publish: Publish) -> Iterator[DemoEvent]:
        """Yield what follows the last demo's events, without end."""
        number, published = 0, [False] * self._shop.catalogue.items
        for block in self._shop.blocks():
            if number + len(block.time_ms) > self._done:
                self._shop.oracle_every = ORACLE_EVERY  # what is passed over need not be judged
                self._release(block, published, publish)
                for at, event in enumerate(self._shop.plain(block), number):
                    if at >= self._done:
                        yield self._demo_event(at, event)
            number += len(block.time_ms)

    def title(self, item_id: str) -> str:
        """Return an item's name."""
        return self._shop.catalogue.title(int(item_id[1:]))

    def save(self, sent: int) -> None:
        """Write the position."""
        self._file.write_text(json.dumps({**self._who, "done": self._done + sent}))

    def _release(self, block: EventBlock, published: list[bool], publish: Publish) -> None:
        """Publish what is out by the end of the block: the opening stock at first, new items as they come."""
        if not len(block.time_ms):
            return
        day = day_of(float(block.time_ms[-1])) + 1.0
        for item in (self._shop.catalogue.release_day <= day).nonzero()[0].tolist():
            if not published[item]:
                published[item] = True
                row = self._shop.catalogue.row(item)
                publish(CatalogueItem(row.item_id, row.title, row.category, price=row.price))

    def _demo_event(self, number: int, event: ShopEvent) -> DemoEvent:
        topics = self._topics
        wire = WireEvent(
            event.event,
            f"{self._who['seed']}-{number}",
            event.user_id,
            event.timestamp_ms,
            event.item_id,
            quantity=event.quantity,
            price=event.price,
        )
        topic = topics.purchases if event.event in PURCHASE_EVENTS else topics.clicks
        record = ReplayRecord(topic, event.user_id.encode(), msgspec.json.encode(wire), event.timestamp_ms)
        return DemoEvent(record, event.event, event.item_id, event.oracle_rank)


def resumes_at(folder: Path, who: dict[str, int]) -> int | None:
    """Return how many events of this very shop the folder has seen, `None` if it is new or another shop's."""
    with suppress(OSError, ValueError, KeyError):
        known = json.loads((folder / "shop.json").read_text())
        if {name: known[name] for name in who} == who:
            return int(known["done"])
    return None


class LogFeed:
    """A log's events with the titles found for them."""

    history = 0

    def __init__(self, events: Iterator[DemoEvent], total: int | None, titles: dict[str, str]) -> None:
        self.total = total
        self._events, self._titles = events, titles

    def events(self, publish: Publish) -> Iterator[DemoEvent]:
        """Yield the log's events, the catalogue first."""
        for item_id, title in self._titles.items():
            publish(CatalogueItem(item_id, title))
        yield from self._events

    def title(self, item_id: str) -> str:
        """Return an item's name, its id where the log has none."""
        return self._titles.get(item_id, item_id)

    def save(self, sent: int) -> None:
        """A log starts anew every time."""


def titles_in(path: Path) -> dict[str, str]:
    """Return item id -> title of a CSV (a catalogue, or a log that carries titles); empty if it has none.

    Notes
    -----
    One pass, about 2 µs a row; unreadable text is no error here: titles are for show.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if packed else open
    titles: dict[str, str] = {}
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
        header = text.readline()
        rows = csv.reader(text, delimiter=max(",;\t", key=header.count))
        names = next(csv.reader([header], delimiter=max(",;\t", key=header.count)), [])
        item, title = (next((names.index(n) for n in some if n in names), -1) for some in (ITEM_COLUMNS, TITLE_COLUMNS))
        if item < 0 or title < 0:
            return {}
        for row in rows:
            if len(row) > max(item, title) and row[title] and row[item] not in titles:
                titles[row[item]] = row[title].strip()
    return titles
