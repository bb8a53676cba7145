"""Random streams of counts and gradients, the frames they travel in, and how to compare what came of them."""

from __future__ import annotations

import numpy as np

from stream_rec.core.deltas import CountEntry, FrameBuilder
from stream_rec.core.features import CONTEXTS, FEATURES
from stream_rec.core.gradients import CONTEXT_ALONE, RoundGradients, encode_part
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import CoocParams, FactorParams, PopularityParams, Preset
from stream_rec.core.state.item_codec import encode_row
from stream_rec.core.state.item_layout import FADES
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_SHARD
from stream_rec.core.types import item_hash
from tests.twins.cooc_learn import CoocTwin

SMALL = Preset(
    cooc=CoocParams(decay_ms=1000.0, window=3, neighbours=4, backward_weight=0.75),
    popularity=PopularityParams(decay_ms=300.0),
    factors=FactorParams(dimensions=6, history=3, negatives=4),
)
"""Rows that overflow after a few events, epochs that pass within a short stream."""

EPOCH_MS = 31_885  # of SMALL's pair weights

IDS = [f"item-{i}" for i in range(12)]
HASHES = np.array([item_hash(item_id) for item_id in IDS], np.uint64)

Event = list[CountEntry]  # its lines


def random_events(seed: int, n: int, span_ms: int = 20_000, start_ms: int = 0) -> list[Event]:
    """Events of 6 users on 12 items from 2 topics x 2 partitions; every fourth has several lines, some are late."""
    rng = np.random.default_rng(seed)
    ids = IDS
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


def learned_frames_of(events: list[Event], n_shards: int, seed: int) -> list[dict[int, bytes]]:
    """As `frames_of`, with gradients: which rows an event moves is its own, by how much depends on `seed`.

    So it is with a user plane that repeats a round: the same negatives, but factors that have gone on.
    """
    rng = np.random.default_rng(seed)
    rounds, at, slot = [], 0, np.full(len(HASHES), -1, np.int32)
    gradients = RoundGradients(SMALL.factors.dimensions, 8)
    while at < len(events):
        size, builder = int(rng.integers(1, 9)), FrameBuilder(n_shards)
        for event in events[at : at + size]:
            for entry in event:
                builder.add(entry)
                _add_gradient(gradients, entry, rng)
        parts = {
            shard: encode_part(gradients, HASHES, shard, n_shards, slot, shard == RANKER_SHARD)
            for shard in range(n_shards)
        }
        rounds.append(builder.build({shard: part for shard, part in parts.items() if part}))
        gradients.clear()
        at += size
    return rounds


def _add_gradient(gradients: RoundGradients, entry: CountEntry, rng: np.random.Generator) -> None:
    """Items somebody had before, as a user plane moves no others: the event's own and those it is paired with."""
    place = (entry.topic, entry.partition, entry.offset)
    own = np.random.default_rng((*place, entry.line))
    row_of = {int(h): row for row, h in enumerate(HASHES)}
    history = [row_of[h] for h in entry.previous_hashes]
    targets = [row_of[entry.item_hash], *own.permutation(history)[: own.integers(0, 4)].astype(int).tolist()]
    gradients.reserve()
    e, m = gradients.n, gradients.members
    start = int(m.start[e])
    middle, end = start + len(targets), start + len(targets) + len(history)
    m.row[start:middle], m.row[middle:end] = targets, history
    m.value[start:end] = rng.normal(size=end - start)
    m.n_targets[e], m.start[e + 1] = len(targets), end
    gradients.context[e], gradients.back[e] = rng.normal(size=(2, SMALL.factors.dimensions))
    gradients.commit(place)
    which = int(own.integers(len(CONTEXTS))) | (CONTEXT_ALONE if own.random() < 0.3 else 0)
    gradients.add_example(place, which, rng.normal(size=len(FEATURES)).astype(np.float32))


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
        assert [items.facts[name][row] for name in FADES] == expected.fades
        assert items.hashes[items.neighbour_rows[row, :n]].tolist() == [h for h, _ in expected.neighbours]
        assert items.neighbour_weights[row, :n].tolist() == [float(weight) for _, weight in expected.neighbours]
    powers = items.pair_mass[: items.n][items.event_count[: items.n] > 0]
    votes = items.mass_vote[: items.n][items.event_count[: items.n] > 0]
    np.testing.assert_allclose(votes, powers**-items.preset.cooc.mass_power, rtol=1e-12)


def rows_by_id(items: ItemTable) -> dict[str, bytes]:
    """Every byte of every named row as it travels, delta offset aside."""
    named = ((row, item_id) for row, item_id in enumerate(items.ids) if item_id is not None)
    return {item_id: encode_row(items.export(row)._replace(delta_offset=0)) for row, item_id in named}


def weights_of(items: ItemTable) -> tuple[bytes, bytes, list[int]]:
    """The ranker's weights, their sums of squares, and the examples they have seen."""
    ranker = items.ranker
    return ranker.theta.tobytes(), ranker.squares.tobytes(), ranker.examples.tolist()
