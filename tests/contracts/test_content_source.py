"""Texts as a source: who is proposed and why, what lists show of items nobody had yet, and what stands beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream_rec.core.cold_items import COLD_EVENTS, ColdItems
from stream_rec.core.content_table import ContentTable
from stream_rec.core.exposure import Exposure
from stream_rec.core.orders import NEW_ITEMS
from stream_rec.core.presets import DAY_MS, SOURCE_NAMES, ContentParams
from stream_rec.core.ranking.evidence import ABSENT
from stream_rec.core.recommend import Recommender
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, Cold, Float32Array, UserView
from stream_rec.core.wire import RecommendationList, decode_list
from tests.twins.content import content_scores, content_votes, may_be_the_reason
from tests.twins.plane_shop import SMALL, PlaneShop
from tests.twins.small_model import small_model
from tests.twins.small_shop import EVERY_SOURCE, dump, nobody, small_shop, some_user

SEEDS = range(6)
CONTENT = SOURCE_NAMES.index("content")
SOLD, ALL = 60, 80
"""Items with events, and with those that have none."""


def shop(seed: int, params: ContentParams | None = None, n: int = ALL) -> ItemTable:
    """Events of item-i are 1 to 8 for most, and 40 for every third; item-60 and all that come later have none."""
    items = small_shop(seed, preset=replace(EVERY_SOURCE, content=params or ContentParams()))
    items.event_count[: items.n : 3] = 40
    for i in range(SOLD, n):
        items.intern(f"item-{i}")
    return items


def with_texts(items: ItemTable, seed: int, target: float = 0.25, list_size: int = 20) -> Recommender:
    recommender = Recommender(items.preset, items, list_size)
    recommender.sequence = small_model(seed, items, n_items=items.n, texts=True)
    recommender.exposure = Exposure(target)
    recommender.linear = True
    return recommender


def model_of(recommender: Recommender) -> SequenceModel:
    assert recommender.sequence is not None
    return recommender.sequence


def ready(recommender: Recommender, user: UserView) -> tuple[UserView, Cold]:
    return recommender.completed([user])[0], recommender.cold([user])[0]


def may_be_proposed(items: ItemTable) -> list[int]:
    """Rows of few events that may be shown."""
    rows = np.arange(items.n)
    shown = (items.named[rows] == 1) & (items.unavailable[rows] == 0) & (items.event_count[rows] < COLD_EVENTS)
    return rows[shown].tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_nearest_texts_of_each_kind_are_proposed_best_first(seed: int) -> None:
    params = ContentParams(unsold=4, few=6)
    items = shop(seed, params)
    recommender, user = with_texts(items, seed), some_user(seed, items)
    _, cold = ready(recommender, user)
    content = model_of(recommender).content
    assert content is not None
    scores = content_scores(content, user, params, may_be_proposed(items))
    np.testing.assert_allclose(cold.scores, [scores[row] for row in cold.rows.tolist()], rtol=1e-5)
    assert (np.diff(cold.scores) <= 0).all()
    for unsold, most in ((True, params.unsold), (False, params.few)):
        of_kind = [score for row, score in scores.items() if (items.event_count[row] == 0) == unsold]
        found = cold.scores[cold.unsold == unsold]
        np.testing.assert_allclose(found, sorted(of_kind, reverse=True)[:most], rtol=1e-5)
    assert (cold.unsold == (items.event_count[cold.rows] == 0)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reason_is_the_item_whose_text_speaks_most(seed: int) -> None:
    items = shop(seed)
    recommender, user = with_texts(items, seed), some_user(seed, items)
    _, cold = ready(recommender, user)
    content = model_of(recommender).content
    assert content is not None
    votes = content_votes(content, user, items.preset.content, cold.rows.tolist())
    assert any(len({item for item, _ in of_row}) > 1 for of_row in votes.values())
    for row, because in zip(cold.rows.tolist(), cold.because.tolist(), strict=True):
        assert because in may_be_the_reason(votes[row])


def test_an_item_that_speaks_twice_is_no_louder_reason_than_its_louder_vote() -> None:
    """Twice a little is more than once something, but it is not what the list is like."""
    items = shop(7, ContentParams(unsold=1, few=0))
    content = ContentTable(items)
    near, far, new = (f"item-{i}" for i in (1, 2, SOLD))
    vectors = np.zeros((3, 128), np.float32)
    vectors[:, :2] = [[0.8, 0.6], [0.76, 0.65], [1.0, 0.0]]
    content.put([near, far, new], vectors)
    rows = np.array([items.intern(one) for one in (near, far, far)], np.int32)[::-1].copy()
    user = nobody()._replace(rows=rows, sessions=np.ones(3, np.int32), times_ms=np.zeros(3, np.int64), session=1)
    (cold,) = ColdItems(items, content, items.preset.content).propose([user])
    assert cold.because.tolist() == [items.intern(near)]


def test_users_together_get_the_same_bits_as_alone() -> None:
    items = shop(4)
    cold = model_of(with_texts(items, 4)).cold
    assert cold is not None
    users = [some_user(seed, items, events=1 + 7 * seed) for seed in range(20)] + [nobody()]
    for alone, together in zip((cold.propose([user])[0] for user in users), cold.propose(users), strict=True):
        assert [part.tolist() for part in alone] == [part.tolist() for part in together]


@pytest.mark.parametrize("seed", SEEDS)
def test_items_without_an_event_are_candidates_only_where_they_are_to_be_exposed(seed: int) -> None:
    items = shop(seed)
    for target in (0.0, 0.25):
        recommender = with_texts(items, seed, target)
        user, cold = ready(recommender, some_user(seed, items))
        evidence = recommender.look(user, NO_ROWS, cold).evidence
        proposed = evidence.rows[evidence.ranks[CONTENT] != ABSENT]
        expected = cold.rows if target else cold.rows[~cold.unsold]
        assert sorted(proposed.tolist()) == sorted(expected.tolist())
        assert (items.event_count[evidence.rows] == 0).any() == (target > 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_while_fusion_serves_exposure_has_no_say(seed: int) -> None:
    """No list has an item without an event, whoever makes it, and none counts for the controller."""
    items = shop(seed)
    recommender = with_texts(items, seed)
    for context in range(2):
        recommender.exposure.set(context, 8.0)
    user, cold = ready(recommender, some_user(seed, items, events=6))
    assert recommender.recommend(user, NO_ROWS, cold=cold).unsold > 0
    recommender.linear = False
    off = with_texts(items, seed, target=0.0)
    off.linear = False
    made, without = recommender.recommend(user, NO_ROWS, cold=cold), off.recommend(user, NO_ROWS, cold=cold)
    assert made.ranked.rows.tolist() == without.ranked.rows.tolist()
    assert (items.event_count[made.ranked.rows] > 0).all()
    assert made.unsold == -1
    assert made.new.ranked.rows.tolist() == cold.rows[cold.unsold][:NEW_ITEMS].tolist()
    orders = recommender.look(user, NO_ROWS, cold)
    assert recommender.served(orders).tolist() == made.ranked.rows.tolist()
    assert (items.event_count[orders.evidence.rows] > 0).all()
    assert (items.event_count[recommender.evidence(user, NO_ROWS, cold).rows] > 0).all()


def test_an_excluded_row_is_neither_proposed_nor_new() -> None:
    items = shop(1)
    recommender = with_texts(items, 1)
    user, cold = ready(recommender, some_user(1, items))
    excluded = cold.rows[::2].copy()
    rows = recommender.look(user, excluded, cold).evidence.rows
    new = recommender.recommend(user, excluded, cold=cold).new.ranked.rows
    assert not {*rows.tolist(), *new.tolist()} & {*excluded.tolist()}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("boost", [0.0, 1.0, 8.0])
def test_new_items_have_no_event_and_are_not_in_the_list(seed: int, boost: float) -> None:
    items = shop(seed)
    recommender = with_texts(items, seed)
    for context in range(2):
        recommender.exposure.set(context, boost)
    user, cold = ready(recommender, some_user(seed, items))
    made = recommender.recommend(user, NO_ROWS, cold=cold)
    new, listed = made.new.ranked.rows.tolist(), made.ranked.rows.tolist()
    unsold = cold.rows[cold.unsold].tolist()
    assert new == [row for row in unsold if row not in listed][:NEW_ITEMS]
    assert not set(new) & set(listed)
    assert made.unsold == sum(row in unsold for row in listed) == int((items.event_count[listed] == 0).sum())
    assert (made.unsold > 0) or boost < 8.0


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_published_of_a_look_is_what_is_published(seed: int) -> None:
    items = shop(seed)
    recommender = with_texts(items, seed)
    for context in range(2):
        recommender.exposure.set(context, 1.5, 0.7)
    user, cold = ready(recommender, some_user(seed, items))
    orders = recommender.look(user, NO_ROWS, cold)
    made = recommender.recommend(user, NO_ROWS, cold=cold)
    assert recommender.served(orders).tolist() == made.ranked.rows.tolist()
    assert (np.diff(made.ranked.scores) <= 0).all()


class Reversed:
    """A second stage that knows better than the first, in every list."""

    def rerank(self, features: Float32Array, linear: Float32Array) -> Float32Array:
        return np.linspace(0.0, 3.0, len(linear), dtype=np.float32)

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None: ...


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("second", [None, Reversed()])
def test_brought_in_is_who_is_listed_only_for_the_lift(seed: int, second: Reversed | None) -> None:
    """And of items of some events only; nothing but what content proposes is lifted, by the boost of its kind."""
    items = shop(seed)
    recommender = with_texts(items, seed)
    recommender.second = second
    user, cold = ready(recommender, some_user(seed, items))
    counts, proposed, brought = items.event_count, set(cold.rows.tolist()), 0
    for boost, few in ((0.0, 0.5), (2.0, 0.0), (2.0, 0.5), (0.0, 2.0)):
        for context in range(2):
            recommender.exposure.set(context, boost, few)
        orders, made = recommender.look(user, NO_ROWS, cold), recommender.recommend(user, NO_ROWS, cold=cold)
        rows = orders.best.rows.tolist()
        scores = orders.best.scores if second is None else second.rerank(np.empty(0), orders.second.linear)
        lifts = [0.0 if row not in proposed else boost if counts[row] == 0 else few for row in rows]
        np.testing.assert_array_equal(orders.lifts, lifts)
        plain = [row for _, row in sorted(zip(-scores, rows, strict=True), key=lambda one: one[0])][:20]
        expected = [row for row in made.ranked.rows.tolist() if counts[row] and row in proposed and row not in plain]
        assert made.brought == (len(expected) if few else 0)
        brought += made.brought
    assert brought > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_longer_than_what_the_second_stage_sees_brings_in_nobody_by_it(seed: int) -> None:
    items = shop(seed, ContentParams(unsold=60), n=140)
    recommender = with_texts(items, seed, list_size=75)
    recommender.second = Reversed()
    for context in range(2):
        recommender.exposure.set(context, 2.0, 2.0)
    user, cold = ready(recommender, some_user(seed, items))
    made = recommender.recommend(user, NO_ROWS, cold=cold)
    assert len(made.ranked.rows) > 60
    assert made.brought == 0


def test_an_item_is_not_its_own_neighbour() -> None:
    items = shop(7, ContentParams(unsold=1, few=2))
    content = ContentTable(items)
    had, like = items.intern("item-1"), items.intern("item-2")
    vectors = np.zeros((2, 128), np.float32)
    vectors[:, :2] = [[0.8, 0.6], [0.76, 0.65]]
    content.put(["item-1", "item-2"], vectors)
    items.event_count[[had, like]] = 3
    user = nobody()._replace(
        rows=np.array([had], np.int32), sessions=np.ones(1, np.int32), times_ms=np.zeros(1, np.int64), session=1
    )
    (cold,) = ColdItems(items, content, items.preset.content).propose([user])
    assert (cold.rows.tolist(), cold.because.tolist()) == ([like], [had])


def test_a_user_without_proposals_is_lifted_nothing() -> None:
    """So lists made without the model, of users who are not to have it, are as if there were none."""
    items = shop(2)
    recommender, user = with_texts(items, 2), some_user(2, items)
    without = recommender.recommend(user, NO_ROWS).ranked.rows.tolist()
    for context in range(2):
        recommender.exposure.set(context, 8.0, 2.0)
    made = recommender.recommend(user, NO_ROWS)
    assert (made.ranked.rows.tolist(), made.unsold, made.brought) == (without, -1, -1)


def test_who_has_no_item_with_a_text_gets_none() -> None:
    items = shop(2)
    recommender = with_texts(items, 2)
    unknown = some_user(2, items)._replace(rows=np.full(60, items.intern("item-0"), np.int32))
    for user in (nobody(), unknown):
        completed, cold = ready(recommender, user)
        assert len(cold.rows) == 0
        made = recommender.recommend(completed, NO_ROWS, cold=cold)
        assert (made.unsold, len(made.new.ranked.rows)) == (-1, 0)


@pytest.mark.parametrize("most", [1, 9, 16, 24, 25, 45, 55, 1000])
def test_of_too_many_cold_items_a_quarter_of_the_places_is_for_those_with_events(most: int) -> None:
    """Of a kind those with the fewest events stay, then the last heard of; a place one kind leaves the other takes."""
    items = shop(3, ContentParams(most_cold=most))
    model = model_of(with_texts(items, 3))
    pool, content = model.cold, model.content
    assert pool is not None and content is not None
    pool.propose([nobody()])
    with_text = [row for row in may_be_proposed(items) if content.scale[row] > 0]
    kinds = [[row for row in with_text if (items.event_count[row] == 0) == unsold] for unsold in (True, False)]
    unsold, few = (sorted(rows, key=lambda row: (items.event_count[row], -row)) for rows in kinds)
    places = min(len(few), max(most // 4, most - len(unsold)))
    assert pool.rows.tolist() == sorted(unsold[: most - places] + few[:places])
    assert len(pool.rows) == min(most, len(with_text))
    assert min(len(unsold), len(few)) > 12  # else neither kind is ever short of places


def test_an_item_leaves_the_pool_with_its_events_and_enters_with_its_text() -> None:
    items = shop(5)
    recommender, user = with_texts(items, 5), some_user(5, items)
    model = model_of(recommender)
    _, cold = ready(recommender, user)
    first, second = cold.rows[:2].tolist()
    items.event_count[first] = COLD_EVENTS
    items.set_available(second, False)
    late, text = items.intern("item-late"), model.content
    assert text is not None
    model.put(["item-late"], np.zeros((1, 81), np.float32), unit(text.numbers[first]))
    _, after = ready(recommender, user)
    assert {first, second} & {*after.rows.tolist()} == set()
    assert late in after.rows.tolist()


def unit(numbers: np.ndarray) -> np.ndarray:
    vector = numbers.astype(np.float32)[None, :]
    return vector / np.linalg.norm(vector)


def test_scoring_leaves_the_table_the_texts_and_the_controller_as_they_were() -> None:
    items = shop(5)
    recommender = with_texts(items, 5)
    content = model_of(recommender).content
    assert content is not None
    ready(recommender, nobody())
    before = dump(items), content.numbers.tobytes(), content.scale.tobytes(), list(recommender.exposure.boosts)
    for seed in SEEDS:
        user, cold = ready(recommender, some_user(seed, items))
        recommender.look(user, NO_ROWS, cold)
        recommender.recommend(user, NO_ROWS, cold=cold)
    after = dump(items), content.numbers.tobytes(), content.scale.tobytes(), list(recommender.exposure.boosts)
    assert after == before


def published(plane: PlaneShop, seen: str) -> RecommendationList:
    value = plane.view("ann", seen, DAY_MS).lists[-1].value
    assert value is not None
    return decode_list(value)


def plane_with_texts(texts: dict[str, list[float]], exposure: float = 0.25) -> PlaneShop:
    def model(items: ItemTable) -> SequenceModel:
        for item_id in texts:
            items.intern(item_id)
        made = small_model(1, items)
        vectors = np.zeros((len(texts), 128), np.float32)
        vectors[:, :2] = list(texts.values())
        made.put(list(texts), np.zeros((len(texts), 81), np.float32), vectors)
        return made

    return PlaneShop(SMALL, sequence=model, exposure=exposure)


def test_a_published_list_has_new_items_of_its_own_with_the_reason() -> None:
    texts = {"A": [1.0, 0.0], "B": [0.0, 1.0], "like A": [0.8, 0.6], "like B": [0.0, 1.0], "unlike": [-1.0, 0.0]}
    made = published(plane_with_texts(texts, exposure=0.0), "ABA")
    assert [item.item_id for item in made.new_items] == ["like A", "like B"]
    assert [(item.reason.kind, item.reason.because) for item in made.new_items] == [
        ("similar_text", ("A",)), ("similar_text", ("B",)),
    ]  # fmt: skip
    assert {item.item_id for item in made.items} <= {"A", "B"}


def test_without_texts_a_list_has_no_new_items() -> None:
    plane = PlaneShop(sequence=lambda items: small_model(1, items))
    plane.items.intern("nobody had it")
    value = plane.view("ann", "ABA", DAY_MS).lists[-1].value
    assert value is not None and b"new_items" not in value
    assert decode_list(value).new_items == ()
