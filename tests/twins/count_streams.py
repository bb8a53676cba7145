"""Random streams of counts, the frames they travel in, and how to compare what came of them."""

from __future__ import annotations

import numpy as np

from stream_rec.core.deltas import CountEntry, FrameBuilder
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import CoocParams, PopularityParams, Preset
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import item_hash
from tests.twins.cooc_learn import CoocTwin

SMALL = Preset(
    cooc=CoocParams(decay_ms=1000.0, window=3, neighbours=4, backward_weight=0.75),
    popularity=PopularityParams(decay_ms=300.0),
)
"""Rows that overflow after a few events, epochs that pass within a short stream."""

EPOCH_MS = 31_885  # of SMALL's pair weights

Event = list[CountEntry]  # its lines


def random_events(seed: int, n: int, span_ms: int = 20_000, start_ms: int = 0) -> list[Event]:
    """Events of 6 users on 12 items from 2 topics x 2 partitions; every fourth has several lines, some are late."""
    rng = np.random.default_rng(seed)
    ids = [f"item-{i}" for i in range(12)]
    histories: list[list[int]] = [[] for _ in range(6)]
    offsets = dict.fromkeys([(topic, partition) for topic in range(2) for partition in range(2)], 0)
    times = np.sort(rng.integers(start_ms, start_ms + span_ms, n))
    events = []
    for time_ms in times.tolist():
        user, topic = int(rng.integers(6)), int(rng.integers(2))
        partition = user % 2
        offsets[topic, partition] += int(rng.integers(1, 3))
        late_ms = int(rng.integers(2000)) if rng.random() < 0.1 else 0
        lines = []
        for line in range(int(rng.integers(2, 4)) if rng.random() < 0.25 else 1):
            item_id = ids[int(rng.integers(12))]
            previous = histories[user][-1 : -SMALL.cooc.window - 1 : -1]
            weights = [rng.choice([1.0, 0.5]) / k for k in range(1, len(previous) + 1)]
            h = item_hash(item_id)
            offset, weight = offsets[topic, partition], float(rng.choice([1.0, 1.5]))
            at_ms = max(time_ms - late_ms, 0)
            lines.append(CountEntry(topic, partition, offset, line, at_ms, item_id, h, weight, previous, weights))
            histories[user].append(h)
        events.append(lines)
    return events


def frames_of(events: list[Event], n_shards: int, seed: int) -> list[dict[int, bytes]]:
    """The events in rounds of 1 to 8."""
    rng = np.random.default_rng(seed)
    rounds, at = [], 0
    while at < len(events):
        size = int(rng.integers(1, 9))
        builder = FrameBuilder(n_shards)
        for event in events[at : at + size]:
            for entry in event:
                builder.add(entry)
        rounds.append(builder.build())
        at += size
    return rounds


def log_of(rounds: list[dict[int, bytes]]) -> dict[int, list[bytes]]:
    """Shard -> the frames of its partition of `item-deltas`; the index is the offset."""
    log: dict[int, list[bytes]] = {}
    for frames in rounds:
        for shard, frame in frames.items():
            log.setdefault(shard, []).append(frame)
    return log


def new_plane(n_shards: int, preset: Preset = SMALL) -> tuple[ItemTable, ItemPlane]:
    """A small table that has to grow, and a plane that owns every shard of it."""
    items = ItemTable(preset, capacity=2)
    plane = ItemPlane(items, n_shards)
    for shard in range(n_shards):
        plane.assign(shard, None)
    return items, plane


def twin_of(events: list[Event], preset: Preset = SMALL) -> CoocTwin:
    twin = CoocTwin(preset)
    for event in events:
        for entry in event:
            twin.learn(entry)
    return twin


def assert_same_as_twin(items: ItemTable, twin: CoocTwin) -> None:
    """Every number of every row is the twin's, bit for bit, and neighbours are in the same places."""
    known = {int(items.hashes[row]): row for row in range(items.n)}
    assert set(twin.items) == set(known)
    for h, expected in twin.items.items():
        row = known[h]
        n = items.neighbour_count[row]
        assert items.event_count[row] == expected.event_count
        assert items.first_seen_ms[row] == expected.first_seen_ms
        assert items.last_seen_ms[row] == expected.last_seen_ms
        assert items.pair_mass[row] == expected.pair_mass
        assert items.popularity[row] == expected.popularity
        assert items.hashes[items.neighbour_rows[row, :n]].tolist() == [h for h, _ in expected.neighbours]
        assert items.neighbour_weights[row, :n].tolist() == [float(weight) for _, weight in expected.neighbours]
    powers = items.pair_mass[: items.n][items.event_count[: items.n] > 0]
    votes = items.mass_vote[: items.n][items.event_count[: items.n] > 0]
    np.testing.assert_allclose(votes, powers**-items.preset.cooc.mass_power, rtol=1e-12)


def rows_by_id(items: ItemTable) -> dict[str, tuple[object, ...]]:
    """Every named row as plain values, delta offset aside."""
    rows: dict[str, tuple[object, ...]] = {}
    for row, item_id in enumerate(items.ids):
        if item_id is not None:
            record = items.export(row)._replace(delta_offset=0)
            rows[item_id] = (*record[:-2], record.neighbour_hashes.tolist(), record.neighbour_weights.tolist())
    return rows
