"""A fit finds what a linear ranker cannot say and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.past_lists import TrainingLists
from stream_rec.core.ranking.tree_fit import fit_forest
from stream_rec.core.ranking.trees import NEVER, Forest, forest_scratch, score_list
from stream_rec.core.types import Float32Array
from stream_rec.errors import ConfigError
from tests.twins.structured_lists import StructuredLists, mean_reciprocal_rank, structured_lists

SMALL = FitParams(trees=40, depth=4)


def scores_of(forest: Forest, lists: StructuredLists, first: int) -> Float32Array:
    scratch, n = forest_scratch(len(forest.leaves), lists.features.shape[2]), lists.linear.shape[1]
    scores = np.zeros_like(lists.linear[first:])
    for q in range(len(scores)):
        score_list(forest, lists.features[first + q], lists.linear[first + q], scratch)
        scores[q] = scratch.scores[:n]
    return scores


def test_trees_beat_the_linear_order_on_lists_they_have_not_seen() -> None:
    lists, trained = structured_lists(seed=1, lists=3_000), 2_000
    forest = fit_forest(lists.past(0, trained).snapshot().training_set(), FitParams(), seed=1)
    targets = lists.targets[trained:]
    linear = mean_reciprocal_rank(lists.linear[trained:], targets)
    trees = mean_reciprocal_rank(scores_of(forest, lists, trained), targets)
    oracle = mean_reciprocal_rank(lists.utility[trained:], targets)
    assert linear < trees < oracle
    assert trees > linear + 0.5 * (oracle - linear)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    training = structured_lists(seed=2, lists=300).past(0, 300).snapshot().training_set()
    first, again, other = (fit_forest(training, SMALL, seed) for seed in (7, 7, 8))
    assert [array.tobytes() for array in first] == [array.tobytes() for array in again]
    assert first.leaves.tobytes() != other.leaves.tobytes()
    assert [array.dtype.name for array in first] == ["uint8", "float32", "float32"]


def test_training_lists_are_left_as_they_are() -> None:
    training = structured_lists(seed=2, lists=50).past(0, 50).snapshot().training_set()
    before = [column.tobytes() for column in training]
    fit_forest(training, SMALL, seed=1)
    assert [column.tobytes() for column in training] == before


def test_features_that_say_nothing_are_not_asked() -> None:
    lists = structured_lists(seed=3, lists=400)
    constant = lists._replace(features=np.zeros_like(lists.features))
    forest = fit_forest(constant.past(0, 400).snapshot().training_set(), SMALL, seed=1)
    assert (forest.split_value == NEVER).all()
    targets = lists.targets
    assert mean_reciprocal_rank(scores_of(forest, constant, 0), targets) == mean_reciprocal_rank(lists.linear, targets)


def lists_of(targets: list[int]) -> TrainingLists:
    n = len(targets)
    return TrainingLists(
        np.zeros((2 * n, 1), np.float16), np.zeros(2 * n, np.float32), np.ones(2 * n, np.float32),
        2 * np.arange(1, n + 1), np.array(targets, np.int32), np.zeros(n, np.int64),
    )  # fmt: skip


@pytest.mark.parametrize("targets", [[], [-1], [0, 2]])
def test_a_target_outside_its_list_is_never_trained_on(targets: list[int]) -> None:
    with pytest.raises(ConfigError, match="fit: need lists that hold their targets"):
        fit_forest(lists_of(targets), FitParams(), seed=1)


@pytest.mark.parametrize("params", [FitParams(depth=7), FitParams(trees=0), FitParams(l2=0.0)])
def test_parameters_that_make_no_sense_are_refused(params: FitParams) -> None:
    with pytest.raises(ConfigError, match="fit: need depth 1 to 6"):
        fit_forest(lists_of([0]), params, seed=1)
