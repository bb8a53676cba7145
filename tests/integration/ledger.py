"""What a log of valid, distinct events must leave behind in every store and topic, read from Kafka and from disk."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from stream_rec.adapters import topics
from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache
from stream_rec.config import Settings
from stream_rec.core.events import KINDS
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.state.item_codec import decode_row
from stream_rec.core.state.item_layout import ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_KEY, RankerWeights
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import decode_head
from stream_rec.core.types import POSITIVE_KINDS
from tests.integration.worker_process import read_all

REPLICATED = (b"h", b"c", b"x")


class Expected(NamedTuple):
    """Events by user, the last offset on each source topic by user, events by item."""

    events: Counter[str]
    offsets: dict[str, list[int]]
    items: Counter[str]


def expected_of(settings: Settings) -> Expected:
    """Count the source topics: no code of the planes is used."""
    events: Counter[str] = Counter()
    items: Counter[str] = Counter()
    offsets: dict[str, list[int]] = {}
    for number, topic in enumerate((settings.topics.clicks, settings.topics.purchases)):
        for record in read_all(settings, topic):
            event = msgspec.json.decode(record.value)
            user = event["user_id"]
            events[user] += 1
            last = offsets.setdefault(user, [-1, -1])
            last[number] = max(last[number], record.offset)
            if KINDS[event["event"]] in POSITIVE_KINDS:
                items[event["item_id"]] += 1
    return Expected(events, offsets, items)


def stored_values(settings: Settings) -> dict[tuple[int, bytes], bytes]:
    """Every replicated key of the RocksDB stores in the worker's folder, which must be free."""
    cluster, cache = topics.cluster_id(settings), new_cache(1 << 20)
    values = {}
    for partition in range(settings.kafka.partitions):
        store = RocksUserStore(settings.worker.data_dir, partition, cluster, cache)
        for prefix in REPLICATED:
            values.update({(partition, key): value for key, value in store.scan(prefix)})
        store.close()
    return values


def last_values(settings: Settings, topic: str) -> dict[tuple[int, bytes], bytes]:
    """What compaction would leave of a topic: each key's last value, unless it was deleted."""
    values: dict[tuple[int, bytes], bytes | None] = {}
    for record in read_all(settings, topic):
        values[record.partition, record.key] = record.value
    return {key: value for key, value in values.items() if value is not None}


def users_in(settings: Settings, values: dict[tuple[int, bytes], bytes]) -> dict[str, UserState]:
    """The users of stored values; one stored under two partitions fails."""
    keep = settings.ranking.chosen_preset().history_events
    heads = [(key[1:].decode(), value) for (_, key), value in values.items() if key.startswith(b"h")]
    assert len({user for user, _ in heads}) == len(heads)
    return {user: decode_head(user, value, keep) for user, value in heads}


def published_rows(settings: Settings) -> dict[str, ItemRow]:
    """The item rows as a worker that starts now would read them."""
    rows = last_values(settings, settings.topics.item_rows)
    return {key.decode(): decode_row(key, value) for (_, key), value in rows.items() if key[:1] != b"\0"}


def published_weights(settings: Settings) -> RankerWeights:
    """The ranker's weights as a worker that starts now would read them."""
    weights = RankerWeights(settings.ranking.chosen_preset().ranker)
    for (_, key), value in last_values(settings, settings.topics.item_rows).items():
        if key == RANKER_KEY:
            weights.absorb(value)
    return weights


def replayed_items(settings: Settings) -> ItemTable:
    """What one reader of all item deltas comes to, without any crash."""
    items = ItemTable(settings.ranking.chosen_preset())
    plane = ItemPlane(items, settings.kafka.partitions)
    for shard in range(settings.kafka.partitions):
        plane.assign(shard, None)
    for record in read_all(settings, settings.topics.item_deltas):
        plane.apply(record.partition, record.value, record.offset)
    return items


def assert_exact(settings: Settings) -> Expected:
    """Every user and every item counts each event once, stores and changelog agree, everybody has a list."""
    expected = expected_of(settings)
    stored = stored_values(settings)
    users = users_in(settings, stored)
    assert Counter({user: state.events_applied for user, state in users.items()}) == expected.events
    assert {user: state.offsets for user, state in users.items()} == expected.offsets
    assert stored == last_values(settings, settings.topics.user_state)
    rows = published_rows(settings)
    assert Counter({item: row.event_count for item, row in rows.items()}) == expected.items
    replayed = replayed_items(settings)
    _assert_same_rows(rows, {name: replayed.export(row) for row, name in enumerate(replayed.ids) if name is not None})
    weights = published_weights(settings)
    assert weights.examples.tolist() == replayed.ranker.examples.tolist()
    np.testing.assert_allclose(weights.theta, replayed.ranker.theta)
    lists = last_values(settings, settings.topics.recommendations)
    assert {key.decode() for _, key in lists} >= set(expected.events)
    return expected


def _assert_same_rows(rows: dict[str, ItemRow], expected: dict[str, ItemRow]) -> None:
    assert set(rows) == set(expected)
    for item, row in expected.items():
        assert _neighbours(rows[item]) == pytest.approx(_neighbours(row), rel=1e-5), item
        assert rows[item].pair_mass == pytest.approx(row.pair_mass), item
        assert rows[item].popularity == pytest.approx(row.popularity), item
        for learned, again in zip(_learned(rows[item]), _learned(row), strict=True):
            np.testing.assert_allclose(learned, again, rtol=1e-5, err_msg=item)


def _neighbours(row: ItemRow) -> dict[Any, float]:
    return dict(zip(row.neighbour_hashes.tolist(), row.neighbour_weights.tolist(), strict=True))


def _learned(row: ItemRow) -> list[npt.NDArray[np.float32]]:
    assert row.fades is not None and row.factors is not None
    return [row.fades, *row.factors]
