"""The oracle's list is the best there is: nothing beats it on the shop's own stream."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from stream_rec.shop import Shop
from stream_rec.shop.checkout import Checkout
from stream_rec.shop.demand import Demand
from stream_rec.shop.judge import Judge
from stream_rec.shop.oracle import Moment, Oracle
from stream_rec.shop.stream import join
from stream_rec.shop.visits import Visits

ANOTHER_LOOK = Moment(cart=0.0, look=1.0, pay=0.0, paid=-1)


def visits_under_way(copies: int) -> tuple[Visits, Demand]:
    """Return `copies` identical visits of one returning user, three looks in."""
    shop = Shop(200, 600, seed=4)
    demand, users = shop._demand, shop._users
    who = np.zeros(copies, np.int64)
    for item in (5, 77, 301):
        users.remember(np.array([0]), np.array([item]), np.array([True]), 1.0)
    visits = Visits(who, 3.0, users, demand)
    visits.seen[:, :3], visits.looks[:], visits.current[:] = [40, 41, 77], 3, 77
    return visits, demand


def test_the_oracle_s_probabilities_are_the_generator_s_frequencies() -> None:
    n = 200_000
    visits, demand = visits_under_way(n)
    oracle = Oracle(demand)
    every_item = np.arange(600)
    chances = oracle.chances(visits, 0, ANOTHER_LOOK, every_item)
    top = oracle.top(visits, 0, ANOTHER_LOOK)
    drawn = np.bincount(visits.look(np.arange(n), np.random.default_rng(1)), minlength=600) / n
    assert chances.sum() == 1.0 or abs(chances.sum() - 1.0) < 1e-9
    assert np.abs(drawn - chances).max() < 5 * np.sqrt(chances.max() / n)
    assert np.array_equal(np.sort(chances[top])[::-1], np.sort(chances)[::-1][:20])


def test_what_is_on_the_screen_may_go_to_the_cart_and_the_cart_may_be_paid() -> None:
    visits, demand = visits_under_way(1)
    top = Oracle(demand).top(visits, 0, Moment(cart=0.3, look=0.5, pay=0.2, paid=40))
    assert top[:2].tolist() == [77, 40]
    assert 41 not in top  # seen, and neither on the screen nor in the cart


def test_a_first_look_needs_no_item_on_the_screen() -> None:
    shop = Shop(200, 600, seed=4)
    visits = Visits(np.array([3]), 0.0, shop._users, shop._demand)
    judge = Judge(Oracle(shop._demand), 1, np.random.default_rng(0))
    checkout = Checkout(visits, np.array([0]), shop._users, judge, np.random.default_rng(0))
    top = Oracle(shop._demand).top(visits, 0, checkout.moment(0))
    assert len(set(top.tolist())) == 20


def test_nothing_simple_beats_the_oracle() -> None:
    """Popularity, the user's last items, and what followed the last item before: each below the oracle."""
    shop = Shop(300, 600, seed=2, oracle_every=5)
    popular: Counter[int] = Counter()
    mine: dict[int, list[int]] = defaultdict(list)
    followers: dict[int, Counter[int]] = defaultdict(Counter)
    hits: Counter[str] = Counter()
    asked = 0
    for number, event in enumerate(zip(*join(list(shop.first(16_000))), strict=True)):
        _, user, item, kind, _, rank = (int(value) for value in event)
        if kind == 3:
            continue
        last = mine[user][-1] if mine[user] else -1
        if rank >= 0 and number > 4_000:
            asked += 1
            hits["oracle"] += rank > 0
            hits["popularity"] += item in [i for i, _ in popular.most_common(20)]
            hits["own"] += item in mine[user][-20:]
            hits["follows"] += item in [i for i, _ in followers[last].most_common(20)]
        popular[item] += 1
        followers[last][item] += 1
        mine[user].append(item)
    assert asked > 2_000
    rate = {name: count / asked for name, count in hits.items()}
    assert rate["oracle"] > 0.5
    assert rate["oracle"] > max(rate["follows"], rate["own"]) + 0.03
    assert rate["oracle"] > 2 * rate["popularity"]
