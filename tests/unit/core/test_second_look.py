"""The second stage learns from what it was given to rank: the same candidates, features and scores."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.features import SECOND_FEATURES
from stream_rec.core.looks import FreshLook, ServedLook
from stream_rec.core.recommend import Recommender
from stream_rec.core.state.ranker_weights import TRAINED_EXAMPLES
from stream_rec.core.types import NO_ROWS
from tests.twins.plane_shop import SMALL, START_MS, Backwards, PlaneShop
from tests.twins.small_shop import nobody, small_shop, some_user


class Looks:
    def __init__(self) -> None:
        self.seen: list[FreshLook] = []

    def served(self, look: ServedLook) -> None:
        """Those are the lists published before."""

    def fresh(self, look: FreshLook) -> None:
        self.seen.append(look)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("excluded", [[], [3, 5, 11, -1]])
def test_a_list_and_a_look_of_the_same_moment_show_it_the_same(seed: int, excluded: list[int]) -> None:
    items, second = small_shop(seed), Backwards()
    recommender, rows = Recommender(items.preset, items, 20), np.array(excluded, np.int32)
    recommender.linear, recommender.second = True, second
    user = some_user(seed, items, pending=3)
    ranked = recommender.recommend(user, rows).ranked.rows
    look = recommender.look(user, rows)
    assert look.second is not None
    served = recommender.served(look)
    listed, looked = second.ranked
    for given in (listed, looked):
        assert (given.features.tobytes(), given.linear.tobytes()) == (
            look.second.features.tobytes(),
            look.second.linear.tobytes(),
        )
    assert served.tolist() == ranked.tolist() == look.second.rows[::-1][:20].tolist()


def test_the_linear_ranker_is_looked_at_as_if_there_were_no_second_stage() -> None:
    items = small_shop(3)
    plain, cascaded = (Recommender(items.preset, items, 20) for _ in range(2))
    plain.linear = cascaded.linear = True
    cascaded.second = Backwards()
    user = some_user(3, items)
    alone, together = plain.look(user, NO_ROWS), cascaded.look(user, NO_ROWS)
    assert alone.second is None
    assert alone.linear.tolist() == together.linear.tolist() == plain.served(alone).tolist()
    assert together.linear.tolist() != cascaded.served(together).tolist()


def test_what_is_nobodys_second_choice_is_not_asked_about() -> None:
    """No candidates, no list for the second stage; fewer than 20 are all of them."""
    second, empty = Backwards(), PlaneShop()
    recommender = Recommender(SMALL, empty.items, 20)
    recommender.linear, recommender.second = True, second
    look = recommender.look(nobody(), NO_ROWS)
    assert look.second is None
    assert not len(recommender.served(look))
    assert not len(recommender.recommend(nobody(), NO_ROWS).ranked.rows)
    assert second.ranked == []
    items = small_shop(2, n_items=12)
    short = Recommender(items.preset, items, 20)
    short.linear, short.second = True, second
    assert 0 < len(short.recommend(some_user(2, items), NO_ROWS).ranked.rows) == len(second.ranked[0].linear) < 20


def test_a_list_longer_than_what_the_second_stage_orders_ends_as_the_first_stage_had_it() -> None:
    items, second = small_shop(5, n_items=400, neighbours=100), Backwards()
    recommender = Recommender(items.preset, items, 80)
    recommender.linear, recommender.second = True, second
    user = some_user(5, items, events=300)
    look = recommender.look(user, NO_ROWS)
    assert (len(look.linear), len(look.fusion)) == (80, 80)
    served = recommender.served(look).tolist()
    assert served == recommender.recommend(user, NO_ROWS).ranked.rows.tolist()
    assert served[60:] == look.linear[60:].tolist()
    assert served[:60] == look.linear[59::-1].tolist()


def learning(linear: bool) -> tuple[PlaneShop, Backwards, Looks]:
    second, looks = Backwards(), Looks()
    shop = PlaneShop(second=second, observer=looks, fresh_every=1)
    shop.items.ranker.examples[0] = TRAINED_EXAMPLES if linear else 0
    shop.view("bob", "ABCDEABCDE", 0)
    shop.view("eve", "AEDCB", 20_000)
    second.learned.clear()
    second.ranked.clear()
    looks.seen.clear()
    return shop, second, looks


@pytest.mark.parametrize("linear", [True, False], ids=["linear serves", "fusion serves"])
def test_an_event_teaches_it_the_list_of_the_moment_before_the_event(linear: bool) -> None:
    shop, second, looks = learning(linear)
    shop.view("ann", "ABC", 50_000)
    assert len(second.learned) == len(looks.seen) == 2  # a user's first event is foreseen from nothing
    for given, look, at_ms in zip(second.learned, looks.seen, (51_000, 52_000), strict=True):
        seen = look.orders.second
        assert seen is not None
        assert given.features.tobytes() == seen.features.tobytes()
        assert given.linear.tobytes() == seen.linear.tobytes()
        assert given.event_ms == START_MS + at_ms
        assert given.place is not None
        assert seen.rows[given.place] == look.item_row
        lag = given.features[given.place, SECOND_FEATURES.index("had.lag")]
        assert lag == 9999  # it does not know that the event is about to happen


def test_it_ranks_just_that_list_before_it_learns_it() -> None:
    """Not one that a later look or another user's list made of the same buffers."""
    shop, second, _ = learning(linear=True)
    shop.view("ann", "A", 50_000)
    second.ranked.clear()
    shop.view("ann", "B", 51_000)
    (learned,) = second.learned
    before, published = second.ranked[0], second.ranked[-1]
    assert (learned.features.tobytes(), learned.linear.tobytes()) == (
        before.features.tobytes(),
        before.linear.tobytes(),
    )
    assert published.features.tobytes() != before.features.tobytes()


def test_an_item_outside_the_list_is_place_minus_one() -> None:
    shop, second, _ = learning(linear=True)
    shop.view("ann", "A", 50_000)
    shop.view("ann", "Z", 51_000)
    assert [given.place for given in second.learned] == [-1]


def test_a_hidden_item_is_outside_the_list() -> None:
    shop, second, _ = learning(linear=True)
    shop.view("ann", "A", 50_000)
    shop.send(shop.record("ann", "B", 51_000, event="hide"))
    shop.view("ann", "B", 52_000)
    assert [given.place for given in second.learned] == [-1]


def test_events_that_are_not_sampled_teach_it_nothing() -> None:
    second = Backwards()
    shop = PlaneShop(second=second, fresh_every=0)
    shop.view("bob", "ABCDEABCDE", 0)
    assert second.learned == []
