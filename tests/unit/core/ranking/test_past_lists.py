"""The ring keeps the newest lists whose target they hold, as they were given."""

from __future__ import annotations

import numpy as np

from stream_rec.core.ranking.past_lists import PastLists


def filled(capacity: int, lists: int) -> PastLists:
    """List q has q % 3 + 1 rows; every value in it is q, its target's place q % 3."""
    past = PastLists(n_features=2, capacity=capacity)
    for q in range(lists):
        n = q % 3 + 1
        past.remember(np.full((n, 2), q, np.float32), np.full(n, q, np.float32), n - 1, 1_000 * q)
    return past


def test_a_training_set_is_laid_end_to_end_oldest_first() -> None:
    training = filled(capacity=10, lists=3).training_set()
    assert training.ends.tolist() == [1, 3, 6]
    assert training.features.tolist() == [[q, q] for q in (0, 1, 1, 2, 2, 2)]
    assert training.linear.tolist() == [0, 1, 1, 2, 2, 2]
    assert training.targets.tolist() == [0, 1, 2]
    assert training.event_ms.tolist() == [0, 1_000, 2_000]


def test_the_oldest_give_way() -> None:
    past = filled(capacity=4, lists=11)
    training = past.training_set()
    assert len(past) == 4
    assert training.event_ms.tolist() == [7_000, 8_000, 9_000, 10_000]
    assert np.diff(training.ends, prepend=0).tolist() == [2, 3, 1, 2]
    assert training.linear.tolist() == [7, 7, 8, 8, 8, 9, 10, 10]


def test_a_list_without_its_target_is_not_kept() -> None:
    past = filled(capacity=4, lists=2)
    past.remember(np.ones((2, 2), np.float32), np.ones(2, np.float32), target_place=-1, event_ms=5)
    assert past.training_set().event_ms.tolist() == [0, 1_000]


def test_a_training_set_and_the_lists_given_are_copies() -> None:
    past, features = PastLists(1, 2), np.ones((1, 1), np.float32)
    past.remember(features, np.ones(1, np.float32), 0, 0)
    training = past.training_set()
    features[:] = 7
    training.features[:] = 8
    assert past.training_set().features.tolist() == [[1.0]]


def test_an_empty_ring_has_an_empty_training_set() -> None:
    training = PastLists(n_features=3, capacity=5).training_set()
    assert (training.features.shape, len(training.ends)) == ((0, 3), 0)


def test_values_too_large_for_half_precision_are_cut() -> None:
    past = PastLists(n_features=2, capacity=1)
    past.remember(np.array([[1e9, -np.inf]], np.float32), np.ones(1, np.float32), 0, 0)
    assert past.training_set().features.tolist() == [[65504.0, -65504.0]]
