"""Whatever part of the flushes reached `item-rows` before a crash, a restore and a replay give the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.state.item_codec import WATERMARK_KEY, decode_row
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_KEY
from tests.twins.count_streams import (
    EPOCH_MS,
    SMALL,
    assert_same_as_twin,
    learned_frames_of,
    log_of,
    new_plane,
    random_events,
    rows_by_id,
    twin_of,
    weights_of,
)

SEEDS = st.integers(0, 2**32 - 1)
Topic = dict[bytes, bytes]  # one compacted partition of item-rows


def restore(topic: dict[int, Topic], n_shards: int) -> tuple[ItemTable, ItemPlane]:
    items = ItemTable(SMALL, capacity=2)
    plane = ItemPlane(items, n_shards)
    for records in topic.values():
        for key, value in records.items():
            if key == RANKER_KEY:
                assert items.ranker.absorb(value)
            elif key != WATERMARK_KEY:
                assert items.absorb(decode_row(key, value))
    for shard, records in topic.items():
        plane.assign(shard, records.get(WATERMARK_KEY))
    return items, plane


def flush_into(topic: Topic, plane: ItemPlane, shard: int, limit_bytes: int, dies_after: int | None = None) -> None:
    """Send a flush in the order of the contract; `dies_after` that many rows, the watermark is not sent."""
    records = plane.flush(shard, limit_bytes)
    topic.update(records[:dies_after])
    if dies_after is None:
        topic[WATERMARK_KEY] = plane.watermark(shard)


@pytest.mark.parametrize("n_shards", [1, 3])
@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, span_ms=st.sampled_from([20_000, 2 * EPOCH_MS]))
def test_a_crash_at_any_point_of_a_flush_loses_and_doubles_nothing(n_shards: int, seed: int, span_ms: int) -> None:
    rng = np.random.default_rng(seed)
    log = log_of(learned_frames_of(random_events(seed, 80, span_ms), n_shards, seed))
    untroubled, plane = new_plane(n_shards)
    for shard, frames in log.items():
        for offset, frame in enumerate(frames):
            plane.apply(shard, frame, offset)
    topic: dict[int, Topic] = {shard: {} for shard in range(n_shards)}
    items, plane = new_plane(n_shards)
    for shard, frames in log.items():
        while plane.next_offset(shard) < len(frames):
            plane.apply(shard, frames[plane.next_offset(shard)], plane.next_offset(shard))
            step = rng.random()
            if step < 0.4:
                flush_into(topic[shard], plane, shard, int(rng.integers(1, 500)))
            elif step < 0.5:
                flush_into(topic[shard], plane, shard, int(rng.integers(1, 500)), dies_after=int(rng.integers(3)))
                items, plane = restore(topic, n_shards)
                replay_others(plane, log, shard)
    assert rows_by_id(items) == rows_by_id(untroubled)
    assert weights_of(items) == weights_of(untroubled)


def replay_others(plane: ItemPlane, log: dict[int, list[bytes]], present: int) -> None:
    """Bring the shards before the present one of the test back to their end."""
    for shard, frames in log.items():
        if shard == present:
            return
        for offset in range(plane.next_offset(shard), len(frames)):
            plane.apply(shard, frames[offset], offset)


def test_restored_rows_go_on_as_the_twin_does() -> None:
    events = random_events(5, 120)
    log = log_of(learned_frames_of(events, 1, 5))[0]
    items, plane = new_plane(1)
    topic: dict[int, Topic] = {0: {}}
    for offset, frame in enumerate(log[: len(log) // 2]):
        plane.apply(0, frame, offset)
    flush_into(topic[0], plane, 0, 2**31)
    items, plane = restore(topic, 1)
    assert plane.next_offset(0) == len(log) // 2
    for offset in range(plane.next_offset(0), len(log)):
        plane.apply(0, log[offset], offset)
    assert_same_as_twin(items, twin_of(events))


def test_a_shard_that_comes_back_hands_out_what_it_never_flushed() -> None:
    """Revoked before its rows were flushed and assigned again: the replay skips the rows but sends them on."""
    log = log_of(learned_frames_of(random_events(6, 40), 1, 6))[0]
    items, plane = new_plane(1)
    for offset, frame in enumerate(log):
        plane.apply(0, frame, offset)
    plane.revoke(0)
    plane.assign(0, None)
    for offset, frame in enumerate(log):
        plane.apply(0, frame, offset)
    topic: dict[int, Topic] = {0: {}}
    flush_into(topic[0], plane, 0, 2**31)
    restored, _ = restore(topic, 1)
    assert rows_by_id(restored) == rows_by_id(items)
    assert weights_of(restored) == weights_of(items)


def test_rows_that_reached_the_topic_ahead_of_the_watermark_are_not_learned_from_twice() -> None:
    """Every row was sent, and the weights; the watermark was not: all frames come again."""
    log = log_of(learned_frames_of(random_events(7, 60), 1, 7))[0]
    items, plane = new_plane(1)
    for offset, frame in enumerate(log):
        plane.apply(0, frame, offset)
    topic: dict[int, Topic] = {0: {}}
    flush_into(topic[0], plane, 0, 2**31, dies_after=2**31)
    again, plane = restore(topic, 1)
    assert plane.next_offset(0) == 0
    for offset, frame in enumerate(log):
        plane.apply(0, frame, offset)
    assert rows_by_id(again) == rows_by_id(items)
    assert weights_of(again) == weights_of(items)
