"""Of the newest lists the target and a sample of the rest are kept, and a snapshot of them stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import CascadeParams
from stream_rec.core.ranking.past_lists import PastLists, keep_rows
from tests.twins.structured_lists import structured_lists


def whole(capacity: int) -> CascadeParams:
    """Every row is kept."""
    return CascadeParams(past_lists=capacity, negative_floor=1.0)


def filled(capacity: int, lists: int, block_lists: int = 3) -> PastLists:
    """List q has q % 3 + 1 rows; every value in it is q, its target's place q % 3."""
    past = PastLists(2, whole(capacity), block_lists)
    for q in range(lists):
        n = q % 3 + 1
        past.remember(np.full((n, 2), q, np.float32), np.full(n, q, np.float32), n - 1, 1_000 * q)
    return past


def test_a_training_set_is_laid_end_to_end_oldest_first() -> None:
    training = filled(capacity=10, lists=3).snapshot().training_set()
    assert training.ends.tolist() == [1, 3, 6]
    assert training.features.tolist() == [[q, q] for q in (0, 1, 1, 2, 2, 2)]
    assert training.linear.tolist() == [0] * 6
    assert training.weights.tolist() == [1] * 6
    assert training.targets.tolist() == [0, 1, 2]
    assert training.event_ms.tolist() == [0, 1_000, 2_000]


def test_the_oldest_give_way() -> None:
    past = filled(capacity=4, lists=11)
    training = past.snapshot().training_set()
    assert len(past) == 4
    assert training.event_ms.tolist() == [7_000, 8_000, 9_000, 10_000]
    assert np.diff(training.ends, prepend=0).tolist() == [2, 3, 1, 2]
    assert training.features[:, 0].tolist() == [7, 7, 8, 8, 8, 9, 10, 10]


def test_a_list_without_its_target_is_not_kept() -> None:
    past = filled(capacity=4, lists=2)
    past.remember(np.ones((2, 2), np.float32), np.ones(2, np.float32), target_place=-1, event_ms=5)
    assert past.snapshot().training_set().event_ms.tolist() == [0, 1_000]


def test_a_training_set_and_the_lists_given_are_copies() -> None:
    past, features = PastLists(1, whole(2)), np.ones((1, 1), np.float32)
    past.remember(features, np.ones(1, np.float32), 0, 0)
    training = past.snapshot().training_set()
    features[:] = 7
    training.features[:] = 8
    assert past.snapshot().training_set().features.tolist() == [[1.0]]


def test_an_empty_ring_has_an_empty_training_set() -> None:
    training = PastLists(3, whole(5)).snapshot().training_set()
    assert (training.features.shape, len(training.ends)) == ((0, 3), 0)


def test_values_too_large_for_half_precision_are_cut() -> None:
    past = PastLists(2, whole(1))
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
        assert training.features[:, 0].tolist() == [q for q in newest for _ in range(q % 3 + 1)]
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


def test_scores_are_kept_less_the_highest_of_their_list() -> None:
    past = PastLists(1, whole(1))
    past.remember(np.zeros((3, 1), np.float32), np.array([3.0, 1.0, -2.0], np.float32), 0, 0)
    assert past.snapshot().training_set().linear.tolist() == [0.0, -2.0, -5.0]


def test_negatives_are_drawn_by_their_chance_and_stand_for_their_kind() -> None:
    lists, n = structured_lists(seed=4, lists=2_000), 30
    training = lists.past(0, 2_000).snapshot().training_set()
    targets = np.concatenate(([0], training.ends[:-1])) + training.targets
    assert (training.features[targets] == lists.features[np.arange(2_000), lists.targets].astype(np.float16)).all()
    assert (training.weights[targets] == 1.0).all()
    assert training.weights.max() <= 1 / CascadeParams().negative_floor + 1e-3
    assert training.weights.sum() == pytest.approx(2_000 * n, rel=0.02)  # nobody is forgotten on average
    assert len(training.linear) < 0.5 * 2_000 * n


def test_a_row_is_kept_where_its_draw_is_below_its_probability() -> None:
    linear, draws = np.log(np.array([0.6, 0.3, 0.1], np.float32)), np.full(3, 0.29, np.float32)
    rows, above, weights = np.zeros(3, np.int32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    kept = keep_rows(linear, 2, draws, 0.1, 0.5, rows, above, weights)  # probabilities 0.4, 0.25, and the target
    assert (kept, rows[:2].tolist()) == ((2, 1), [0, 2])
    np.testing.assert_allclose(weights[:2], [1 / 0.4, 1.0])
    np.testing.assert_allclose(above[:2], [0.0, linear[2] - linear[0]])
