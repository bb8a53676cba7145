"""What every ranker promises, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stream_rec.core.features import FEATURES
from stream_rec.core.orders import Recommendation
from stream_rec.core.presets import SOURCE_NAMES, FusionParams, Preset
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.ranking.fusion import fusion_shares, fusion_weights
from stream_rec.core.ranking.linear import SOURCE_OF_FEATURE, contributions, pinned_weights
from stream_rec.core.ranking.list_kernels import context_of
from stream_rec.core.recommend import Recommender
from stream_rec.core.state.item_layout import ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, Int32Array, UserView
from stream_rec.errors import ConfigError
from tests.twins import sources as twin
from tests.twins.small_shop import EVERY_SOURCE, dump, nobody, small_shop, some_user

SEEDS = range(6)
ALPHA = {"cooc": 0.6, "own": 0.3, "hop": 0.2, "popularity": 0.1}

Maker = Callable[[ItemTable], Recommender]


def with_fusion(items: ItemTable) -> Recommender:
    return Recommender(items.preset, items, 20)


def with_learned_weights(items: ItemTable) -> Recommender:
    recommender = Recommender(items.preset, items, 20)
    recommender.linear = True
    return recommender


def with_pinned_weights(items: ItemTable) -> Recommender:
    recommender = Recommender(items.preset, items, 20)
    recommender.pinned = pinned_weights(ALPHA)
    return recommender


MAKERS: dict[str, Maker] = {
    "fusion": with_fusion,
    "linear": with_learned_weights,
    "pinned": with_pinned_weights,
}


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Maker:
    chosen: Maker = request.param
    return chosen


def columns(recommendation: Recommendation) -> list[bytes]:
    return [column.tobytes() for column in (*recommendation.ranked, recommendation.because)]


@pytest.mark.parametrize("seed", SEEDS)
def test_each_row_once_best_first_and_out_of_the_union(make: Maker, seed: int) -> None:
    items = small_shop(seed)
    user, recommender = some_user(seed, items), make(items)
    rows, scores, by = recommender.recommend(user, NO_ROWS).ranked
    evidence = recommender.look(user, NO_ROWS).evidence
    assert len(set(rows.tolist())) == len(rows) == 20
    assert (np.diff(scores) <= 0).all()
    assert set(rows.tolist()) <= set(evidence.rows.tolist())
    for row, source in zip(rows, by.tolist(), strict=True):
        assert row in evidence.list_of(source, 10**6)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_rules_keep_out_is_not_listed_and_the_next_user_does_not_inherit_them(make: Maker, seed: int) -> None:
    items = small_shop(seed)
    user, recommender = some_user(seed, items), make(items)
    free = recommender.recommend(user, NO_ROWS)
    kept_out = np.array([-1, *free.ranked.rows[:7], free.ranked.rows[0]], np.int32)
    for listed in (
        recommender.recommend(user, kept_out).ranked.rows,
        recommender.served(recommender.look(user, kept_out)),
    ):
        assert not set(listed.tolist()) & set(kept_out.tolist())
    assert columns(recommender.recommend(user, NO_ROWS)) == columns(free)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_look_serves_what_is_recommended(make: Maker, seed: int) -> None:
    items = small_shop(seed)
    user, recommender = some_user(seed, items, pending=3), make(items)
    looked, listed = recommender.look(user, NO_ROWS), recommender.recommend(user, NO_ROWS).ranked.rows
    assert recommender.served(looked).tolist() == listed.tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_evidence_alone_is_that_of_a_look(make: Maker, seed: int) -> None:
    items = small_shop(seed)
    user, recommender, kept_out = some_user(seed, items, pending=3), make(items), np.array([3, 5, -1], np.int32)
    alone, looked = recommender.evidence(user, kept_out), recommender.look(user, kept_out).evidence
    assert [column.tobytes() for column in alone] == [column.tobytes() for column in looked]


def test_types_are_the_promised_ones(make: Maker) -> None:
    items = small_shop(1)
    found = make(items).recommend(some_user(1, items), NO_ROWS)
    assert [column.dtype.name for column in found.ranked] == ["int32", "float64", "int32"]
    assert found.because.dtype.name == "int32"


def test_a_short_union_is_ranked_whole(make: Maker) -> None:
    items = small_shop(2, n_items=12)
    user, recommender = some_user(2, items), make(items)
    union = recommender.look(user, NO_ROWS).evidence.rows
    assert 0 < len(union) < 20
    assert sorted(recommender.recommend(user, NO_ROWS).ranked.rows.tolist()) == sorted(union.tolist())


def test_nothing_proposed_nothing_ranked(make: Maker) -> None:
    found = make(ItemTable(EVERY_SOURCE)).recommend(nobody(), NO_ROWS)
    assert [len(column) for column in (*found.ranked, found.because)] == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_answer_repeats_whoever_was_ranked_between(make: Maker, seed: int) -> None:
    items = small_shop(seed)
    user, recommender = some_user(seed, items), make(items)
    first = columns(recommender.recommend(user, NO_ROWS))
    recommender.recommend(some_user(seed + 1, items, events=9), np.arange(0, items.n, 3, dtype=np.int32))
    recommender.look(nobody(), NO_ROWS)
    assert columns(recommender.recommend(user, NO_ROWS)) == first


def test_ranking_and_looking_change_no_byte_of_the_items(make: Maker) -> None:
    items = small_shop(3)
    before, recommender = dump(items), make(items)
    recommender.recommend(some_user(3, items, pending=5), NO_ROWS)
    recommender.look(some_user(4, items), np.array([-1, 2, 5], np.int32))
    assert dump(items) == before


def test_a_table_that_has_grown_since_is_ranked_with_its_new_items(make: Maker) -> None:
    items = small_shop(2, n_items=12)
    recommender = make(items)
    recommender.recommend(nobody(), NO_ROWS)
    capacity = items.capacity
    none = np.empty(0, np.uint64)
    while items.capacity == capacity:
        items.absorb(ItemRow(f"new-{items.n}", 99, 0, 0, 1.0, 99.0, 1, 0, 0, none, none.astype(np.float32)))
    assert items.intern(f"new-{items.n - 1}") in recommender.recommend(nobody(), NO_ROWS).ranked.rows


def listed_places(recommender: Recommender, user: UserView) -> tuple[Recommendation, Evidence, Int32Array]:
    """A list, the evidence it was made from, and the places of its rows there."""
    found, evidence = recommender.recommend(user, NO_ROWS), recommender.look(user, NO_ROWS).evidence
    return found, evidence, np.array([evidence.rows.tolist().index(row) for row in found.ranked.rows], np.int32)


def test_the_sources_shares_add_up_to_the_fused_score() -> None:
    items = small_shop(4)
    found, evidence, places = listed_places(with_fusion(items), some_user(4, items))
    shares = fusion_shares(evidence.ranks, len(evidence.rows), fusion_weights(items.preset.fusion, len(SOURCE_NAMES)))
    np.testing.assert_allclose(shares[:, places].sum(axis=0), found.ranked.scores, rtol=1e-5)


def test_pinned_contributions_add_up_to_the_score() -> None:
    items = small_shop(4)
    found, evidence, places = listed_places(with_pinned_weights(items), some_user(4, items))
    added = contributions(evidence.features, pinned_weights(ALPHA), places, len(SOURCE_NAMES))
    np.testing.assert_allclose(added.sum(axis=0), found.ranked.scores, rtol=1e-5)


def test_learned_contributions_are_what_the_features_of_each_source_add() -> None:
    items = small_shop(4)
    user = some_user(4, items)
    found, evidence, places = listed_places(with_learned_weights(items), user)
    theta = items.ranker.serving[context_of(user)]
    added = theta[:, None] * evidence.features[:, places]
    by_source = contributions(evidence.features, theta, places, len(SOURCE_NAMES))
    for source in range(len(SOURCE_NAMES)):
        np.testing.assert_allclose(by_source[source], added[source == SOURCE_OF_FEATURE].sum(axis=0), atol=1e-4)
    np.testing.assert_allclose(found.ranked.scores, added.sum(axis=0), atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_order_by_their_sum_over_the_features(seed: int) -> None:
    items = small_shop(seed)
    user = some_user(seed, items)
    for make_linear in (with_learned_weights, with_pinned_weights):
        recommender = make_linear(items)
        evidence = recommender.look(user, NO_ROWS).evidence
        theta = recommender.pinned if recommender.pinned is not None else items.ranker.serving[context_of(user)]
        scores = dict(zip(evidence.rows.tolist(), (theta @ evidence.features).tolist(), strict=True))
        ranked = recommender.recommend(user, NO_ROWS).ranked
        best = sorted(scores.values(), reverse=True)[:20]
        np.testing.assert_allclose([scores[row] for row in ranked.rows.tolist()], best, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_rankers_are_looked_at_whichever_serves(seed: int) -> None:
    items = small_shop(seed)
    user = some_user(seed, items)
    fused, learned = with_fusion(items), with_learned_weights(items)
    for recommender in (fused, learned, with_pinned_weights(items)):
        orders = recommender.look(user, NO_ROWS)
        assert orders.fusion.tolist() == fused.recommend(user, NO_ROWS).ranked.rows.tolist()
        assert orders.linear.tolist() == learned.recommend(user, NO_ROWS).ranked.rows.tolist()


def test_going_on_and_a_new_visit_are_ordered_by_weights_of_their_own() -> None:
    items = small_shop(3)
    items.ranker.serving[:] = 0.0
    items.ranker.serving[0, FEATURES.index("item.age")] = 1.0
    items.ranker.serving[1, FEATURES.index("item.age")] = -1.0
    user, recommender = some_user(3, items), with_learned_weights(items)
    for session, sign in ((int(user.sessions[-1]), 1.0), (int(user.sessions[-1]) + 1, -1.0)):
        ranked = recommender.recommend(user._replace(session=session), NO_ROWS).ranked.rows
        assert (np.diff(sign * items.first_seen_ms[ranked]) >= 0).all()  # the oldest first, or the newest
        assert len(ranked) == 20


def test_pinned_weights_stay_whatever_is_learned() -> None:
    items = small_shop(3)
    user, recommender = some_user(3, items), with_pinned_weights(items)
    before = columns(recommender.recommend(user, NO_ROWS))
    recommender.linear = True
    items.ranker.step(0, True, np.ones(len(FEATURES), np.float32))
    assert columns(recommender.recommend(user, NO_ROWS)) == before


def test_a_tie_goes_to_the_candidate_named_first() -> None:
    items = ItemTable(EVERY_SOURCE)
    for item_id in ("first", "second", "third"):
        none = np.empty(0, np.uint64)
        items.absorb(ItemRow(item_id, 0, 0, 0, 1.0, 1.0, 1, 0, 0, none, none.astype(np.float32)))
    recommender = with_pinned_weights(items)
    recommender.pinned = pinned_weights({})
    assert recommender.recommend(nobody(), NO_ROWS).ranked.rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", SEEDS)
def test_fusion_is_its_twin(seed: int) -> None:
    items = small_shop(seed)
    user, recommender = some_user(seed, items), with_fusion(items)
    evidence = recommender.look(user, NO_ROWS).evidence
    ranks = [
        {row: place for place, row in enumerate(evidence.list_of(source, 10**6).tolist())}
        for source in range(len(SOURCE_NAMES))
    ]
    ranked = recommender.recommend(user, NO_ROWS).ranked
    expected = twin.fuse(ranks, items.preset.fusion, evidence.rows.tolist(), 20)
    assert list(zip(ranked.rows.tolist(), ranked.scores.tolist(), strict=True)) == expected


def test_a_source_of_weight_zero_does_not_count() -> None:
    preset: Preset = replace(
        EVERY_SOURCE, fusion=FusionParams(weights=tuple(float(name == "popularity") for name in SOURCE_NAMES))
    )
    items = small_shop(1, preset=preset)
    user, recommender = some_user(1, items), with_fusion(items)
    popular = recommender.popular(NO_ROWS)
    assert recommender.recommend(user, NO_ROWS).ranked.rows.tolist() == popular.tolist()


@pytest.mark.parametrize(
    "params",
    [
        FusionParams(weights=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -0.5)),
        FusionParams(weights=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, float("nan"))),
        FusionParams(rank_offset=-1.0),
        FusionParams(weights=(1.0, 1.0)),
    ],
)
def test_meaningless_parameters_are_refused(params: FusionParams) -> None:
    with pytest.raises(ConfigError, match="fusion: need 7 finite weights >= 0"):
        fusion_weights(params, len(SOURCE_NAMES))


@pytest.mark.parametrize("alpha", [{"color": 1.0}, {"cooc": -0.1}, {"own": float("inf")}])
def test_meaningless_pinned_weights_are_refused(alpha: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="pinned weights: need finite weights >= 0"):
        pinned_weights(alpha)
