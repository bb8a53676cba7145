"""The plain agent of the benchmark does the worker's work: the same events, one by one, give the same lists."""

from __future__ import annotations

from benchmarks.loads import whole_log
from benchmarks.naive_work import NaiveWork, Record
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import DEFAULT_PRESET, PRESETS
from stream_rec.core.ranking.cascade import new_cascade
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from stream_rec.core.wire import decode_list

N_EVENTS = 400
TOPICS = ("clicks", "purchases")


def shop_records() -> list[Record]:
    load = whole_log(None, N_EVENTS, partitions=1)
    offsets = dict.fromkeys(TOPICS, 0)
    records = []
    for topic, partition, key, value in load.messages:
        name = TOPICS[topic]
        records.append(Record(name, partition, offsets[name], 0, key, value))
        offsets[name] += 1
    return records


def test_the_same_events_give_the_same_lists() -> None:
    preset, now_ms = PRESETS[DEFAULT_PRESET], 1 << 42
    items, store, stored = ItemTable(preset), MemoryUserStore(), dict[bytes, bytes | None]()
    users = UserPlane(PlaneSettings(partitions=1), preset, items, 1, second=new_cascade(preset))
    plane, naive = ItemPlane(items, 1), NaiveWork(preset, TOPICS)
    plane.assign(0, None)
    for at, record in enumerate(shop_records()):
        result = users.process({0: [record]}, {0: store}, now_ms)
        store.write(result.puts.get(0, []), at)
        plane.apply(0, result.frames[0], at)
        effects = naive.handle(record, stored.get, now_ms)
        assert effects is not None
        assert effects.delta is not None
        assert effects.list_json is not None
        stored.update((put.key, put.value) for put in effects.puts)
        naive.count(effects.delta, at)
        (batched,) = (one.value for one in result.lists)
        assert batched is not None
        assert decode_list(batched).items == decode_list(effects.list_json).items, f"event {at}"
