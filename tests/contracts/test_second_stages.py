"""What every second stage promises, whether it has learned or not, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stream_rec.core.presets import CascadeParams, FitParams
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.online_mlp import OnlineMlp
from stream_rec.core.ranking.second_stage import MAX_CANDIDATES, SecondStage
from stream_rec.core.ranking.tree_fit import fit_forest
from stream_rec.core.types import Float32Array
from tests.twins.linear_order import LinearOrder
from tests.twins.structured_lists import StructuredLists, mean_reciprocal_rank, structured_lists

N_FEATURES, LISTS, LEARNED = 6, 1_500, 1_000
SHOP = structured_lists(seed=5, lists=LISTS, n_features=N_FEATURES)
NAMES = [f"feature {f}" for f in range(N_FEATURES)]


def forest_stage() -> Cascade:
    cascade = Cascade(NAMES)
    training = SHOP.past(0, 500).snapshot().training_set()
    cascade.load(encode_forest(fit_forest(training, FitParams(trees=30), seed=1), NAMES))
    return cascade


def cascade_with_fallback() -> Cascade:
    return Cascade(NAMES, CascadeParams(past_lists=LISTS), fallback=OnlineMlp(N_FEATURES, seed=1))


STAGES: dict[str, Callable[[], SecondStage]] = {
    "linear": LinearOrder,
    "mlp": lambda: OnlineMlp(N_FEATURES, seed=1),
    "forest": forest_stage,
    "cascade before a fit": cascade_with_fallback,
}
LEARNERS = ["mlp", "forest", "cascade before a fit"]


@pytest.fixture(params=list(STAGES.values()), ids=list(STAGES))
def build(request: pytest.FixtureRequest) -> Callable[[], SecondStage]:
    chosen: Callable[[], SecondStage] = request.param
    return chosen


@pytest.fixture(params=[0, LEARNED], ids=["new", "learned"])
def stage(request: pytest.FixtureRequest, build: Callable[[], SecondStage]) -> SecondStage:
    return taught(build(), SHOP, request.param)


def taught(stage: SecondStage, shop: StructuredLists, lists: int) -> SecondStage:
    for q in range(lists):
        stage.learn(shop.features[q], shop.linear[q], int(shop.targets[q]), int(shop.event_ms[q]))
    return stage


def one(q: int) -> tuple[Float32Array, Float32Array]:
    return SHOP.features[q], SHOP.linear[q]


def learned_bytes(stage: SecondStage) -> list[bytes]:
    """All that a stage has learned, as bytes."""
    if isinstance(stage, OnlineMlp):
        return [weights.tobytes() for weights in stage.network]
    if isinstance(stage, Cascade):
        ranks = (stage.linear_rank, stage.fallback_rank, stage.live_rank)
        fallback = [] if stage._fallback is None else learned_bytes(stage._fallback)
        past = [column.tobytes() for column in stage._past.snapshot().training_set()]
        return [stage.state_bytes() or b"", *(str(rank.value).encode() for rank in ranks), *past, *fallback]
    return []


def test_one_finite_float32_score_per_candidate(stage: SecondStage) -> None:
    for n in (1, 7, 30):
        scores = stage.rerank(SHOP.features[1_200, :n], SHOP.linear[1_200, :n])
        assert (scores.dtype.name, scores.shape) == ("float32", (n,))
        assert np.isfinite(scores).all()


def test_a_list_may_be_as_long_as_the_limit(stage: SecondStage) -> None:
    features = np.zeros((MAX_CANDIDATES, N_FEATURES), np.float32)
    linear = np.arange(MAX_CANDIDATES, 0, -1, dtype=np.float32)
    assert len(stage.rerank(features, linear)) == MAX_CANDIDATES


def test_scoring_repeats_itself_and_changes_nothing(stage: SecondStage) -> None:
    before = learned_bytes(stage)
    first = stage.rerank(*one(1_100)).tobytes()
    for q in range(1_101, 1_150):
        stage.rerank(*one(q))
    assert stage.rerank(*one(1_100)).tobytes() == first
    assert learned_bytes(stage) == before


def test_scores_are_the_callers_own(stage: SecondStage) -> None:
    scores = stage.rerank(*one(1_100))
    kept = scores.tobytes()
    stage.rerank(*one(1_101))
    assert scores.tobytes() == kept
    scores[:] = 0
    assert stage.rerank(*one(1_100)).tobytes() == kept


def test_what_is_given_is_left_as_it_is(stage: SecondStage) -> None:
    features, linear = (array.copy() for array in one(1_100))
    stage.rerank(features, linear)
    stage.learn(features, linear, 3, 0)
    assert [features.tobytes(), linear.tobytes()] == [array.tobytes() for array in one(1_100)]


@pytest.mark.parametrize("seed", range(4))
def test_a_candidates_score_depends_on_its_own_row_alone(stage: SecondStage, seed: int) -> None:
    features, linear = one(1_100 + seed)
    order = np.random.default_rng(seed).permutation(len(linear))[:20]
    expected = stage.rerank(features, linear)[order]
    assert stage.rerank(features[order], linear[order]).tobytes() == expected.tobytes()


def test_equal_rows_get_equal_scores_so_that_they_keep_their_order(stage: SecondStage) -> None:
    features, linear = one(1_100)
    twins = stage.rerank(np.repeat(features[:4], 2, axis=0), np.repeat(linear[:4], 2))
    assert (twins[::2] == twins[1::2]).all()


def test_the_same_lists_teach_the_same(build: Callable[[], SecondStage]) -> None:
    first, second = taught(build(), SHOP, 300), taught(build(), SHOP, 300)
    assert learned_bytes(first) == learned_bytes(second)
    assert first.rerank(*one(1_100)).tobytes() == second.rerank(*one(1_100)).tobytes()


def test_scoring_in_between_teaches_nothing(build: Callable[[], SecondStage]) -> None:
    quiet, asked = build(), build()
    for q in range(300):
        asked.rerank(*one(q))
        asked.rerank(*one(1_000 + q))
        for stage in (quiet, asked):
            stage.learn(*one(q), int(SHOP.targets[q]), 0)
    assert learned_bytes(quiet) == learned_bytes(asked)


def test_a_target_outside_the_list_teaches_nothing(stage: SecondStage) -> None:
    before, scores = learned_bytes(stage), stage.rerank(*one(1_100)).tobytes()
    stage.learn(*one(1_100), target_place=-1, event_ms=0)
    assert learned_bytes(stage) == before
    assert stage.rerank(*one(1_100)).tobytes() == scores


@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_learned_beats_the_linear_order_on_lists_to_come(name: str) -> None:
    stage = taught(STAGES[name](), SHOP, LEARNED)
    scores = np.array([stage.rerank(*one(q)) for q in range(LEARNED, LISTS)])
    targets = SHOP.targets[LEARNED:]
    assert mean_reciprocal_rank(scores, targets) > mean_reciprocal_rank(SHOP.linear[LEARNED:], targets) + 0.02


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    ("n", "n_scores", "n_features"), [(0, 0, N_FEATURES), (61, 61, N_FEATURES), (5, 4, N_FEATURES), (5, 5, 3)]
)
def test_what_is_no_list_is_refused(name: str, n: int, n_scores: int, n_features: int) -> None:
    features, linear = np.zeros((n, n_features), np.float32), np.zeros(n_scores, np.float32)
    stage = STAGES[name]()
    for call in (lambda: stage.rerank(features, linear), lambda: stage.learn(features, linear, 0, 0)):
        with pytest.raises(ValueError, match=r"second stage: need 1 to 60 rows of 6 features .* got features"):
            call()


@pytest.mark.parametrize("name", LEARNERS)
def test_views_and_other_types_are_refused(name: str) -> None:
    features, linear = one(0)
    stage = STAGES[name]()
    for wrong in ((features[:, ::-1], linear), (features[::2], linear[::2]), (features.astype(np.float64), linear)):
        with pytest.raises(ValueError, match="second stage: need contiguous float32"):
            stage.rerank(*wrong)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("place", [-2, 30])
def test_a_place_that_is_none_is_refused(name: str, place: int) -> None:
    with pytest.raises(ValueError, match=f"need a target's place in a list of 30, or -1; got {place}"):
        STAGES[name]().learn(*one(0), place, 0)
