"""The sequence model as a source: who is proposed, in which order, and that lists without a model do not change."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.features import FEATURES
from stream_rec.core.presets import DAY_MS, SOURCE_NAMES, SequenceParams
from stream_rec.core.ranking.evidence import ABSENT, Evidence
from stream_rec.core.ranking.mixing import RERANK, Mix
from stream_rec.core.ranking.second_stage import SecondStage
from stream_rec.core.recommend import Recommender
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.item_layout import ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, NO_VECTOR, Float64Array, UserView
from stream_rec.core.wire import decode_list
from tests.twins.embedding import embed_one
from tests.twins.plane_shop import Backwards, PlaneShop
from tests.twins.small_model import LENGTH, small_model
from tests.twins.small_shop import dump, nobody, small_shop, some_user

SEEDS = range(6)
SEQUENCE = SOURCE_NAMES.index("sequence")


def with_model(items: ItemTable, seed: int, params: SequenceParams | None = None) -> Recommender:
    recommender = Recommender(items.preset, items, 20)
    recommender.sequence = small_model(seed, items, params=params)
    return recommender


def looked(recommender: Recommender, user: UserView) -> tuple[UserView, Evidence]:
    (completed,) = recommender.completed([user])
    return completed, recommender.look(completed, NO_ROWS).evidence


def logits(model: SequenceModel, user: UserView) -> Float64Array:
    """Of every item row, by the slow twin; minus infinity where the model knows nothing."""
    vector, _ = embed_one(user.rows.tolist(), model.vectors, model.weights, LENGTH)
    outputs, bias, known = model.outputs
    return np.where(known == 1, outputs.astype(np.float64) @ vector + bias, -np.inf)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_candidates_it_knows_are_ordered_by_their_logits(seed: int) -> None:
    items = small_shop(seed)
    recommender = with_model(items, seed)
    user, evidence = looked(recommender, some_user(seed, items))
    assert recommender.sequence is not None
    scores = logits(recommender.sequence, user)[evidence.rows]
    ordered = scores[np.argsort(np.where(evidence.ranks[SEQUENCE] == ABSENT, 999, evidence.ranks[SEQUENCE]))]
    n_known = int(np.isfinite(scores).sum())
    assert 0 < n_known < len(scores)
    assert (np.diff(ordered[:n_known]) <= 1e-4).all()
    assert ((evidence.ranks[SEQUENCE] == ABSENT) == np.isinf(scores)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_of_the_catalogue_are_proposed(seed: int) -> None:
    items = small_shop(seed)
    recommender = with_model(items, seed)
    user, evidence = looked(recommender, some_user(seed, items))
    assert recommender.sequence is not None
    scores = np.where(items.listable == 1, logits(recommender.sequence, user), -np.inf)
    assert len(user.near) == 10
    np.testing.assert_allclose(scores[user.near], np.sort(scores)[::-1][:10], atol=1e-4)
    assert {*user.near.tolist()} <= {*evidence.rows.tolist()}


def test_an_excluded_row_is_not_proposed() -> None:
    items = small_shop(1)
    recommender = with_model(items, 1)
    (user,) = recommender.completed([some_user(1, items)])
    rows = recommender.look(user, user.near[:3]).evidence.rows
    assert not {*rows.tolist()} & {*user.near[:3].tolist()}


@pytest.mark.parametrize("params", [SequenceParams(proposed=0), SequenceParams(most_items=10)])
def test_none_are_proposed_where_the_search_is_off_or_too_long(params: SequenceParams) -> None:
    items = small_shop(2)
    recommender = with_model(items, 2, params)
    user, evidence = looked(recommender, some_user(2, items))
    assert len(user.near) == 0
    assert (evidence.ranks[SEQUENCE] != ABSENT).any()


def test_the_first_places_curves_are_one() -> None:
    items = small_shop(3)
    _, evidence = looked(with_model(items, 3), some_user(3, items))
    first = evidence.ranks[SEQUENCE].tolist().index(0)
    for curve in ("present", "share", "log", "r10", "r6", "r1"):
        assert evidence.features[FEATURES.index(f"sequence.{curve}"), first] == 1.0


def test_who_has_no_known_item_is_ranked_without_it() -> None:
    items = small_shop(2)
    recommender = with_model(items, 2)
    unknown = some_user(2, items)._replace(rows=np.full(60, items.intern("item-4"), np.int32))
    for user in (nobody(), unknown):
        completed, evidence = looked(recommender, user)
        assert (len(completed.vector), len(completed.near)) == (0, 0)
        assert (evidence.ranks[SEQUENCE] == ABSENT).all()


def test_users_together_get_what_each_gets_alone() -> None:
    items = small_shop(4)
    model = small_model(4, items)
    users = [some_user(seed, items, events=3 + 9 * seed) for seed in range(40)] + [nobody()]
    for alone, together in zip((model.complete([user])[0] for user in users), model.complete(users), strict=True):
        np.testing.assert_allclose(alone.vector, together.vector, atol=1e-5)
        assert alone.near.tolist() == together.near.tolist()


def test_items_that_come_later_get_their_rows() -> None:
    items = small_shop(2, n_items=6)
    model = small_model(2, items, n_items=400)
    model.complete([nobody()])
    none = np.empty(0, np.uint64)
    for i in range(6, 300):  # the table grows a few times
        items.absorb(ItemRow(f"item-{i}", 99, 0, 0, 1.0, 1.0, 1, 0, 0, none, none.astype(np.float32)))
    (user,) = model.complete([some_user(2, items)])
    assert len(model.outputs.known) == items.capacity
    assert {items.ids[int(row)] for row in np.flatnonzero(model.outputs.known)} == {
        f"item-{i}" for i in range(300) if i % 5 != 4
    }
    assert user.near.max() >= 6


def test_scoring_leaves_the_table_and_the_model_as_they_were() -> None:
    items = small_shop(5)
    recommender = with_model(items, 5)
    model = recommender.sequence
    assert model is not None
    model.complete([nobody()])
    before = dump(items), [column.tobytes() for column in model.vectors]
    for seed in SEEDS:
        looked(recommender, some_user(seed, items))
    assert (dump(items), [column.tobytes() for column in model.vectors]) == before


def test_a_published_list_names_the_version_and_a_list_without_a_model_none() -> None:
    def models(shop: PlaneShop) -> dict[str, str]:
        value = shop.view("ann", "ABCA", DAY_MS).lists[-1].value
        assert value is not None
        return decode_list(value).model

    assert models(PlaneShop()) == {"preset": "retail"}
    assert models(PlaneShop(sequence=lambda items: small_model(1, items, version="v0042")))["sequence"] == "v0042"


# Mixed with the others' order by weights that are set.


def mixing(items: ItemTable, seed: int, mix: Mix, second: SecondStage | None = None) -> Recommender:
    recommender = with_model(items, seed)
    recommender.mix, recommender.second, recommender.linear = mix, second, True
    return recommender


def without_model(items: ItemTable, second: SecondStage | None = None) -> Recommender:
    recommender = Recommender(items.preset, items, 20)
    recommender.second, recommender.linear = second, True
    return recommender


MIXES = (RERANK, Mix(0.7, 0.3), Mix(1.0, 0.0))
EVERY_MIX = pytest.mark.parametrize("mix", MIXES, ids=["rerank", "mixed", "nothing of it"])
EVERY_STAGE = pytest.mark.parametrize("second", [None, Backwards()], ids=["linear", "second stage"])


@pytest.mark.parametrize("seed", SEEDS)
@EVERY_MIX
@EVERY_STAGE
def test_the_best_of_the_others_are_ordered_by_the_weighted_sum(
    seed: int, mix: Mix, second: SecondStage | None
) -> None:
    items = small_shop(seed, n_items=200)
    recommender, alone = mixing(items, seed, mix, second), without_model(items, second)
    (user,) = recommender.completed([some_user(seed, items)])
    assert recommender.sequence is not None
    others = alone.blended(alone.look(user._replace(vector=NO_VECTOR, near=NO_ROWS), NO_ROWS))
    best, reranked = others.rows.tolist(), items.preset.sequence.reranked
    logit = logits(recommender.sequence, user)
    least = min(logit[row] for row in best[:reranked] if np.isfinite(logit[row]))
    score = {
        row: mix.blend * y + mix.sequence * max(logit[row], least)
        for row, y in zip(best[:reranked], others.scores.tolist(), strict=False)
    }
    ranked = recommender.recommend(user, NO_ROWS).ranked
    expected = sorted(score, key=lambda row: -score[row])[:20]
    np.testing.assert_allclose(ranked.scores, [score[row] for row in expected], atol=1e-3)
    np.testing.assert_allclose([score[row] for row in ranked.rows.tolist()], ranked.scores, atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
@EVERY_MIX
@EVERY_STAGE
def test_a_look_serves_what_is_recommended(seed: int, mix: Mix, second: SecondStage | None) -> None:
    items = small_shop(seed)
    recommender = mixing(items, seed, mix, second)
    (user,) = recommender.completed([some_user(seed, items, pending=3)])
    kept_out = np.array([3, 5, -1], np.int32)
    served = recommender.served(recommender.look(user, kept_out))
    assert served.tolist() == recommender.recommend(user, kept_out).ranked.rows.tolist()
    assert not {*served.tolist()} & {3, 5}


@pytest.mark.parametrize("seed", SEEDS)
@EVERY_MIX
def test_what_is_learned_from_is_as_without_a_model(seed: int, mix: Mix) -> None:
    items = small_shop(seed)
    recommender, alone = mixing(items, seed, mix), without_model(items)
    bare = some_user(seed, items)
    (user,) = recommender.completed([bare])
    ours, others = recommender.look(user, NO_ROWS), alone.look(bare, NO_ROWS)
    for mine, theirs in ((ours.evidence, others.evidence), (recommender.evidence(user, NO_ROWS), others.evidence)):
        assert [column.tobytes() for column in mine] == [column.tobytes() for column in theirs]
    assert (ours.linear.tolist(), ours.fusion.tolist()) == (others.linear.tolist(), others.fusion.tolist())
    assert recommender.plain(ours, recommender.blended(ours)).tolist() == alone.served(others).tolist()


@EVERY_MIX
def test_who_has_no_known_item_gets_the_others_order(mix: Mix) -> None:
    items = small_shop(2)
    recommender, alone = mixing(items, 2, mix), without_model(items)
    unknown = some_user(2, items)._replace(rows=np.full(60, items.intern("item-4"), np.int32))
    for user in (nobody(), unknown):
        (completed,) = recommender.completed([user])
        ours, others = (one.recommend(completed, NO_ROWS).ranked for one in (recommender, alone))
        assert [column.tobytes() for column in ours] == [column.tobytes() for column in others]


def test_a_plane_that_mixes_learns_what_one_without_a_model_learns() -> None:
    def frames(shop: PlaneShop) -> list[dict[int, bytes]]:
        return [shop.view(user, "ABCADB", 1000 * at).frames for at, user in enumerate(("ann", "bob", "ann"))]

    mixed = PlaneShop(sequence=lambda items: small_model(1, items), mix=RERANK, fresh_every=1)
    assert frames(mixed) == frames(PlaneShop(fresh_every=1))
