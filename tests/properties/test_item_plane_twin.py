"""The item plane gives what its twin gives, however the stream is cut into frames and shards and delivered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.popular import popular_rebuild
from tests.twins.count_streams import (
    EPOCH_MS,
    assert_same_as_twin,
    frames_of,
    learned_frames_of,
    log_of,
    new_plane,
    random_events,
    rows_by_id,
    twin_of,
    weights_of,
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


def learned_from(rounds: list[dict[int, bytes]], n_shards: int) -> ItemTable:
    items, plane = new_plane(n_shards)
    for shard, frames in log_of(rounds).items():
        for offset, frame in enumerate(frames):
            plane.apply(shard, frame, offset)
            assert plane.apply(shard, frame, offset) == 0
    return items


@pytest.mark.parametrize("n_shards", [1, 3])
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, restarts=st.lists(st.floats(0, 1), max_size=3))
def test_gradients_published_again_are_learned_from_once(n_shards: int, seed: int, restarts: list[float]) -> None:
    """The repeat's gradients are other ones, since the factors have gone on; what was learned first stays."""
    events = random_events(seed, 60)
    once = rounds = learned_frames_of(events, n_shards, seed)
    for number, restart in enumerate(restarts, 1):
        first = int(restart * (len(events) - 1))
        rounds = rounds + learned_frames_of(events[first:], n_shards, seed + number)
    items, untroubled = learned_from(rounds, n_shards), learned_from(once, n_shards)
    assert rows_by_id(items) == rows_by_id(untroubled)
    assert weights_of(items) == weights_of(untroubled)
    assert_same_as_twin(items, twin_of(events))
    assert items.ranker.examples.sum() == sum(map(len, events))


def test_gradients_do_move_what_they_are_for() -> None:
    """Else the comparisons above would compare first factors."""
    events = random_events(1, 60)
    learned, counted = learned_from(learned_frames_of(events, 3, 1), 3), learned_from(frames_of(events, 3, 1), 3)
    for name in ("factor_out", "factor_in"):
        assert (getattr(learned, name)[: learned.n] != getattr(counted, name)[: counted.n]).any(axis=1).all()
    for name in ("factor_bias", "squares_out", "squares_in", "squares_bias"):
        assert (learned.facts[name][: learned.n] != counted.facts[name][: counted.n]).all()
    assert (learned.ranker.theta != counted.ranker.theta).all()


@pytest.mark.parametrize("n_shards", [2, 3])
@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_gradients_do_not_depend_on_the_number_of_shards(n_shards: int, seed: int) -> None:
    events = random_events(seed, 40)
    one, many = (learned_from(learned_frames_of(events, n, seed), n) for n in (1, n_shards))
    assert rows_by_id(one) == rows_by_id(many)
    assert weights_of(one) == weights_of(many)


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
