"""The item replica's feed: reads all of `item-rows` and `items`, then follows both.

Every worker reads the whole compacted topics at start, so a shard that it takes over is already in memory: it only
has to read on to the end and to know the shard's last watermark.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_rec.core.state.item_codec import WATERMARK_KEY, absorb_record
from stream_rec.core.state.items import ItemTable
from stream_rec.core.wire import CatalogueItem, decode_item
from stream_rec.errors import ContractError

PROGRESS_S = 2.0
POLL_MS = 500
READ_RECORDS = 1000
FOLLOW_RECORDS = 200  # a poll holds up the event loop: 10 µs per row, 30 per catalogue item

log = logging.getLogger(__name__)


class ItemTail:
    """Absorbs the rows of all shards but the owned ones into the item table.

    Parameters
    ----------
    bootstrap_servers
        `host:port[,host:port…]`.
    items
        The table; only this object and the item plane write it.
    rows_topic, items_topic
        Names of `item-rows` and `items`; they may have different partition counts.
    on_refused
        Called with the reason of each catalogue record that cannot be used.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        items: ItemTable,
        *,
        rows_topic: str,
        items_topic: str,
        on_refused: Callable[[str], None],
    ) -> None:
        self._items = items
        self._rows_topic = rows_topic
        self._on_refused = on_refused
        self.topics = (rows_topic, items_topic)
        self._places: list[TopicPartition] = []
        self._watermarks: dict[int, bytes] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._moved = asyncio.Event()
        self._bootstrap_servers = bootstrap_servers
        self._consumer: Any = None
        self.owned: set[int] = set()

    async def start(self, partitions: Mapping[str, int]) -> None:
        """Connect and read both topics, of so many partitions each, to their present end."""
        started = time.monotonic()
        self._consumer = AIOKafkaConsumer(  # must be made inside the event loop
            bootstrap_servers=self._bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
            max_partition_fetch_bytes=1 << 20,
        )
        await self._consumer.start()
        self._places = [TopicPartition(topic, p) for topic, n in partitions.items() for p in range(n)]
        self._consumer.assign(self._places)
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._places)
        self._positions = await self._consumer.beginning_offsets(self._places)
        total = sum(ends[place] - self._positions[place] for place in self._places)
        said = started
        while left := sum(max(0, ends[place] - self._positions[place]) for place in self._places):
            await self._poll(100, READ_RECORDS)
            if time.monotonic() - said > PROGRESS_S:
                said = time.monotonic()
                log.info("reading items: %d of %d records", total - left, total)
        self._items.texts.reweigh()  # the first ones were weighed before the others were known
        log.info("%d items in memory after %.2f s, %d records", self._items.n, time.monotonic() - started, total)

    async def run(self) -> None:
        """Follow both topics until cancelled."""
        while True:
            await self._poll(POLL_MS, FOLLOW_RECORDS)

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    def lag(self) -> int:
        """Return how many records of both topics are not read yet, as far as the last fetches told."""
        return sum(max(0, (self._consumer.highwater(place) or 0) - self._positions[place]) for place in self._places)

    async def caught_up(self, shards: Sequence[int]) -> dict[int, tuple[int, bytes | None]]:
        """Wait until the rows of `shards` are read to their present end.

        Returns
        -------
        dict
            Per shard: the offset its next record will get, and its last watermark record's value (`None`: never had
            one). `run` must be under way.
        """
        places = [TopicPartition(self._rows_topic, shard) for shard in shards]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(places)
        while any(self._positions[place] < ends[place] for place in places):
            self._moved.clear()
            await self._moved.wait()
        return {place.partition: (ends[place], self._watermarks.get(place.partition)) for place in places}

    async def _poll(self, timeout_ms: int, max_records: int) -> None:
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        for place, records in fetched.items():
            absorb = self._absorb_rows if place.topic == self._rows_topic else self._absorb_items
            absorb(place.partition, records)
        for place in self._places:
            self._positions[place] = max(self._positions[place], await self._consumer.position(place))
        self._moved.set()
        await asyncio.sleep(0)  # a poll that finds records returns at once: without this nothing else would run

    def _absorb_rows(self, shard: int, records: Iterable[Any]) -> None:
        """Absorb one shard's rows. A table that includes the shard's own deltas already keeps its newer rows."""
        for record in records:
            if record.key == WATERMARK_KEY:
                self._watermarks[shard] = record.value
            elif record.value is not None and shard not in self.owned:
                absorb_record(self._items, record.key, record.value)

    def _absorb_items(self, partition: int, records: Iterable[Any]) -> None:
        absorb_catalogue(records, self._items, self._on_refused)


def absorb_catalogue(records: Iterable[Any], items: ItemTable, on_refused: Callable[[str], None]) -> None:
    """Name the items of the catalogue, note which are not available, and keep their texts and prices.

    Parameters
    ----------
    records
        Records of `items`, as aiokafka hands them over. A tombstone makes an item unavailable and forgets its text.
    items
        Changed, and its texts.
    on_refused
        Called with the reason of each record that cannot be used.
    """
    for record in records:
        if record.key is None:
            on_refused("null-key")
            continue
        try:
            item = decode_item(record.value, record.key) if record.value is not None else None
            row = items.intern(record.key.decode())
        except (ContractError, UnicodeDecodeError) as error:
            on_refused(error.reason if isinstance(error, ContractError) else "not-utf8")
            continue
        items.set_available(row, item is not None and item.available)
        if item is None:
            items.texts.set(row, None)
        else:
            items.texts.set(row, item.title, _category(item), item.price)


def _category(item: CatalogueItem) -> str:
    return " ".join((item.category or "", *item.categories))
