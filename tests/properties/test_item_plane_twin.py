"""The item plane gives what its twin gives, however the stream is cut into frames and shards and delivered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.state.popular import popular_rebuild
from tests.twins.count_streams import (
    EPOCH_MS,
    assert_same_as_twin,
    frames_of,
    log_of,
    new_plane,
    random_events,
    twin_of,
)

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("n_shards", [1, 3])
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_frames_and_shards_do_not_matter(n_shards: int, seed: int) -> None:
    events = random_events(seed, 80)
    items, plane = new_plane(n_shards)
    for shard, frames in log_of(frames_of(events, n_shards, seed)).items():
        for offset, frame in enumerate(frames):
            plane.apply(shard, frame, offset)
    assert_same_as_twin(items, twin_of(events))


@pytest.mark.parametrize("n_shards", [1, 3])
@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_weights_survive_moving_landmarks(n_shards: int, seed: int) -> None:
    """Frames move the landmark for all their events at once, shards one after the other; the bits do not change."""
    events = random_events(seed, 80, span_ms=2 * EPOCH_MS, start_ms=7 * EPOCH_MS)
    items, plane = new_plane(n_shards)
    for shard, frames in log_of(frames_of(events, n_shards, seed)).items():
        for offset, frame in enumerate(frames):
            plane.apply(shard, frame, offset)
    assert_same_as_twin(items, twin_of(events))


@pytest.mark.parametrize("n_shards", [1, 3])
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, restarts=st.lists(st.floats(0, 1), max_size=3))
def test_rounds_published_again_count_once(n_shards: int, seed: int, restarts: list[float]) -> None:
    """A user plane that crashed publishes from an earlier event on, cut into other rounds."""
    events = random_events(seed, 60)
    rounds = frames_of(events, n_shards, seed)
    for restart in restarts:
        first = int(restart * (len(events) - 1))
        rounds += frames_of(events[first:], n_shards, seed + 1)
    items, plane = new_plane(n_shards)
    n_new = 0
    for shard, frames in log_of(rounds).items():
        for offset, frame in enumerate(frames):
            n_new += plane.apply(shard, frame, offset)
            assert plane.apply(shard, frame, offset) == 0
    assert_same_as_twin(items, twin_of(events))
    if n_shards == 1:
        assert n_new == sum(len(event) for event in events)


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_the_popular_list_is_a_full_sort(seed: int) -> None:
    events = random_events(seed, 60)
    items, plane = new_plane(1)
    items.popular_rows = np.zeros(5, np.int32)  # shorter than the 12 items, so that some fall off
    items._grow(items.capacity)
    for offset, frames in enumerate(frames_of(events, 1, seed)):
        plane.apply(0, frames[0], offset)
        expected, size = np.zeros(5, np.int32), np.zeros(1, np.int64)
        popular_rebuild(expected, size, items.popularity[: items.n], items.listable[: items.n])
        assert items.popular_count == size[0]
        assert items.popular_rows[: size[0]].tolist() == expected[: size[0]].tolist()
