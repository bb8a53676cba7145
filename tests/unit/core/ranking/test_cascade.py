"""When a fit is due, how a new forest comes to serve, and what is served before."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import CascadeParams
from stream_rec.core.ranking import online_mlp
from stream_rec.core.ranking.cascade import Cascade, rehearse
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.half import to_half
from stream_rec.core.ranking.second_stage import reciprocal_rank
from stream_rec.core.ranking.trees import Forest, learn_list, score_list
from stream_rec.core.ranking.trial import Decision
from stream_rec.core.types import Float32Array
from stream_rec.errors import ConfigError, CorruptStateError

NAMES = ("good", "noise")
LINEAR = np.array([0.3, 0.2, 0.1], np.float32)
TARGET = 2
FEATURES = np.array([[0, 0], [0, 1], [1, 0]], np.float32)  # `good` marks the target, whom the linear order has last
STILL = CascadeParams(trial_lists=3, leaf_rate=0.0)


def stump(gain: float, feature: int = 0) -> Forest:
    """One question: is the feature at least 1? Then so much is added."""
    leaves = np.zeros((1, 64), np.float32)
    leaves[0, 63] = gain
    return Forest(np.full((1, 6), feature, np.uint8), np.ones((1, 6), np.float32), leaves)


def learn(cascade: Cascade, lists: int, event_ms: int = 0) -> None:
    for _ in range(lists):
        cascade.learn(FEATURES, LINEAR, TARGET, event_ms)


def test_linear_scores_are_served_while_no_forest_is_live() -> None:
    cascade = Cascade(NAMES, STILL)
    learn(cascade, 5)
    assert cascade.rerank(FEATURES, LINEAR).tolist() == LINEAR.tolist()


def on_trial(cascade: Cascade) -> bool:
    return cascade._trial is not None


def test_a_challenger_that_is_better_becomes_live_after_its_trial() -> None:
    cascade = Cascade(NAMES, STILL)
    cascade.offer(stump(+1.0))
    learn(cascade, 2)
    assert (on_trial(cascade), cascade.live, cascade.last_decision) == (True, None, None)
    assert cascade.rerank(FEATURES, LINEAR).tolist() == LINEAR.tolist()
    learn(cascade, 1)
    assert cascade.last_decision == Decision(True, 3, 1.0, pytest.approx(1 / 3))
    assert cascade.rerank(FEATURES, LINEAR).argmax() == TARGET
    assert (cascade.decisions, on_trial(cascade), cascade.live_rank.value) == (1, False, 1.0)


@pytest.mark.parametrize("gain", [-1.0, 0.0])
def test_a_challenger_that_is_worse_or_as_good_is_dropped(gain: float) -> None:
    cascade = Cascade(NAMES, STILL)
    cascade.offer(stump(gain))
    learn(cascade, 3)
    assert cascade.live is None
    assert cascade.last_decision == Decision(False, 3, pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_a_challenger_has_to_beat_the_live_forest_and_not_the_linear_order() -> None:
    cascade = Cascade(NAMES, STILL)
    cascade.load(encode_forest(stump(+1.0), NAMES))
    cascade.offer(stump(+0.15))  # second: better than linear
    learn(cascade, 3)
    assert cascade.last_decision == Decision(False, 3, 0.5, 1.0)
    assert cascade.rerank(FEATURES, LINEAR).argmax() == TARGET


def test_lists_without_their_target_decide_nothing() -> None:
    cascade = Cascade(NAMES, STILL)
    cascade.offer(stump(+1.0))
    for _ in range(10):
        cascade.learn(FEATURES, LINEAR, -1, 0)
    assert (on_trial(cascade), len(cascade._past)) == (True, 0)


def test_a_new_offer_takes_the_place_of_the_one_on_trial() -> None:
    cascade = Cascade(NAMES, STILL)
    cascade.offer(stump(-1.0))
    learn(cascade, 2)
    cascade.offer(stump(+1.0))
    learn(cascade, 3)
    assert (cascade.decisions, cascade.last_decision) == (1, Decision(True, 3, 1.0, pytest.approx(1 / 3)))


def test_each_list_is_scored_before_it_is_learned() -> None:
    cascade = Cascade(NAMES, CascadeParams(trial_lists=2, leaf_rate=10.0))
    cascade.offer(stump(0.0))
    learn(cascade, 2)
    assert cascade.last_decision == Decision(True, 2, pytest.approx((1 / 3 + 1) / 2), pytest.approx(1 / 3))


def test_leaves_learn_between_fits_and_an_offered_forest_stays_as_it_was() -> None:
    cascade, offered = Cascade(NAMES, CascadeParams(trial_lists=1, leaf_rate=0.5)), stump(1.0)
    cascade.offer(offered)
    learn(cascade, 4)
    assert cascade.live is not None
    assert cascade.live.leaves[0, 63] > 1.0 == offered.leaves[0, 63]


DUE = CascadeParams(past_lists=50, least_lists=10, refit_ms=1_000, refit_lists=40, trial_lists=1)


def test_the_first_fit_is_due_when_there_are_enough_lists() -> None:
    cascade = Cascade(NAMES, DUE)
    learn(cascade, 9)
    assert not cascade.fit_due(event_ms=10**9)
    learn(cascade, 1)
    assert cascade.fit_due(event_ms=0)


def test_the_next_is_due_by_time_once_half_of_the_past_lists_are_new() -> None:
    cascade = Cascade(NAMES, DUE)
    learn(cascade, 30)
    assert len(cascade.begin_fit(event_ms=500)) == 30
    learn(cascade, 24)
    assert not cascade.fit_due(event_ms=1_500)
    learn(cascade, 1)
    assert [cascade.fit_due(event_ms) for event_ms in (500, 1_499, 1_500)] == [False, False, True]


def test_or_by_lists_at_first_as_soon_as_they_have_doubled() -> None:
    cascade, due_at = Cascade(NAMES, DUE), []
    for n in range(1, 201):
        learn(cascade, 1)
        if cascade.fit_due(event_ms=0):
            due_at.append(n)
            assert len(cascade.begin_fit(event_ms=0)) == min(n, 50)
    assert due_at == [10, 20, 40, 80, 120, 160, 200]


def test_none_is_due_while_a_challenger_is_on_trial() -> None:
    cascade = Cascade(NAMES, DUE)
    learn(cascade, 10)
    cascade.offer(stump(1.0))
    assert not cascade.fit_due(event_ms=0)
    learn(cascade, 1)
    assert cascade.fit_due(event_ms=0)


class Reversed:
    """A fallback that turns every list around."""

    def rerank(self, features: Float32Array, linear: Float32Array) -> Float32Array:
        return -linear

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        pass


def test_the_fallback_serves_while_it_is_no_worse_than_linear() -> None:
    cascade = Cascade(NAMES, STILL, fallback=Reversed())
    assert cascade.rerank(FEATURES, LINEAR).argmax() == 2
    cascade.learn(FEATURES, LINEAR, 0, 0)  # the first was right
    assert cascade.rerank(FEATURES, LINEAR).argmax() == 0
    learn(cascade, 3)
    assert cascade.rerank(FEATURES, LINEAR).argmax() == 2


def test_a_challenger_is_compared_with_the_fallback_that_serves() -> None:
    cascade = Cascade(NAMES, STILL, fallback=Reversed())
    cascade.offer(stump(+0.15))
    learn(cascade, 3)
    assert cascade.last_decision == Decision(False, 3, 0.5, 1.0)


def test_state_is_the_live_forest_and_comes_back() -> None:
    cascade = Cascade(NAMES, CascadeParams(trial_lists=1))
    assert cascade.state_bytes() is None
    cascade.offer(stump(1.0))
    learn(cascade, 5)
    state = cascade.state_bytes()
    assert state is not None
    other = Cascade(NAMES)
    other.load(state)
    assert other.state_bytes() == state
    assert other.rerank(FEATURES, LINEAR).tolist() == cascade.rerank(FEATURES, LINEAR).tolist()


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    cascade = Cascade(NAMES)
    with pytest.raises(CorruptStateError, match="forest: need"):
        cascade.load(encode_forest(stump(1.0), ("noise", "good")))
    assert cascade.live is None


def test_a_forest_over_more_features_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"over 2 features; got .* and feature 2"):
        Cascade(NAMES).offer(stump(1.0, feature=2))


def test_after_a_rehearsal_nothing_is_left_to_compile() -> None:
    kernels = (score_list, learn_list, reciprocal_rank, to_half, online_mlp._score, online_mlp._learn)
    rehearse()
    compiled = [len(kernel.signatures) for kernel in kernels]
    assert min(compiled) > 0
    cascade = Cascade(NAMES, STILL, fallback=online_mlp.OnlineMlp(2, seed=1, edge_lists=1))
    cascade.offer(stump(1.0))
    for _ in range(5):
        cascade.rerank(FEATURES, LINEAR)
        learn(cascade, 1)
    assert [len(kernel.signatures) for kernel in kernels] == compiled
