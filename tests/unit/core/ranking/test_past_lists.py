"""The newest lists whose target they hold are kept as they were given, and a snapshot of them stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.ranking.past_lists import PastLists


def filled(capacity: int, lists: int, block_lists: int = 3) -> PastLists:
    """List q has q % 3 + 1 rows; every value in it is q, its target's place q % 3."""
    past = PastLists(2, capacity, block_lists)
    for q in range(lists):
        n = q % 3 + 1
        past.remember(np.full((n, 2), q, np.float32), np.full(n, q, np.float32), n - 1, 1_000 * q)
    return past


def test_a_training_set_is_laid_end_to_end_oldest_first() -> None:
    training = filled(capacity=10, lists=3).snapshot().training_set()
    assert training.ends.tolist() == [1, 3, 6]
    assert training.features.tolist() == [[q, q] for q in (0, 1, 1, 2, 2, 2)]
    assert training.linear.tolist() == [0, 1, 1, 2, 2, 2]
    assert training.targets.tolist() == [0, 1, 2]
    assert training.event_ms.tolist() == [0, 1_000, 2_000]


def test_the_oldest_give_way() -> None:
    past = filled(capacity=4, lists=11)
    training = past.snapshot().training_set()
    assert len(past) == 4
    assert training.event_ms.tolist() == [7_000, 8_000, 9_000, 10_000]
    assert np.diff(training.ends, prepend=0).tolist() == [2, 3, 1, 2]
    assert training.linear.tolist() == [7, 7, 8, 8, 8, 9, 10, 10]


def test_a_list_without_its_target_is_not_kept() -> None:
    past = filled(capacity=4, lists=2)
    past.remember(np.ones((2, 2), np.float32), np.ones(2, np.float32), target_place=-1, event_ms=5)
    assert past.snapshot().training_set().event_ms.tolist() == [0, 1_000]


def test_a_training_set_and_the_lists_given_are_copies() -> None:
    past, features = PastLists(1, 2), np.ones((1, 1), np.float32)
    past.remember(features, np.ones(1, np.float32), 0, 0)
    training = past.snapshot().training_set()
    features[:] = 7
    training.features[:] = 8
    assert past.snapshot().training_set().features.tolist() == [[1.0]]


def test_an_empty_ring_has_an_empty_training_set() -> None:
    training = PastLists(n_features=3, capacity=5).snapshot().training_set()
    assert (training.features.shape, len(training.ends)) == ((0, 3), 0)


def test_values_too_large_for_half_precision_are_cut() -> None:
    past = PastLists(n_features=2, capacity=1)
    past.remember(np.array([[1e9, -np.inf]], np.float32), np.ones(1, np.float32), 0, 0)
    assert past.snapshot().training_set().features.tolist() == [[65504.0, -65504.0]]


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("block_lists", [1, 2, 3, 500])
def test_at_any_time_it_is_the_newest_lists_that_are_held(capacity: int, block_lists: int) -> None:
    for lists in range(1, 20):
        past = filled(capacity, lists, block_lists)
        training = past.snapshot().training_set()
        newest = range(max(0, lists - capacity), lists)
        assert len(past) == len(past.snapshot()) == len(newest)
        assert training.event_ms.tolist() == [1_000 * q for q in newest]
        assert training.linear.tolist() == [q for q in newest for _ in range(q % 3 + 1)]
        assert training.features[:, 0].tolist() == training.linear.tolist()
        assert np.diff(training.ends, prepend=0).tolist() == [q % 3 + 1 for q in newest]
        assert training.targets.tolist() == [q % 3 for q in newest]


@pytest.mark.parametrize("later", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("held", [1, 3, 5, 20])
def test_a_snapshot_stays_as_it_is_whatever_comes_later(held: int, later: int) -> None:
    past = filled(capacity=6, lists=held)
    snapshot = past.snapshot()
    at_once = [column.tobytes() for column in snapshot.training_set()]
    for q in range(later):
        past.remember(np.full((60, 2), -q, np.float32), np.full(60, -q, np.float32), 59, -q)
    assert [column.tobytes() for column in snapshot.training_set()] == at_once


def test_memory_is_bounded_by_what_is_kept_and_one_block() -> None:
    past = filled(capacity=6, lists=100)
    assert len(past._blocks) <= 6 // 3 + 1
