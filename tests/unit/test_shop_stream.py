"""The generated shop behaves like a shop, and is the same shop every time."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.shop import EventBlock, Shop
from stream_rec.shop.checkout import CART, EVENT_NAMES, PURCHASE, REFUND, VIEW
from stream_rec.shop.seasons import DAY_MS, START_MS
from stream_rec.shop.stream import join

ONLINE_RETAIL = {0.01: 0.096, 0.05: 0.302, 0.10: 0.456, 0.20: 0.656, 0.50: 0.923}
"""Share of the purchase lines that the best-selling 1 %, 5 %, … of the items sold have (397,884 lines)."""


def stream(n: int, users: int = 600, items: int = 900, seed: int = 1, oracle_every: int = 0) -> EventBlock:
    """Return the first `n` events of a shop as one block."""
    return join(list(Shop(users, items, seed, oracle_every).first(n)))


@pytest.fixture(scope="module")
def retail() -> EventBlock:
    """A shop of Online Retail's size: 4,338 users and 3,665 items."""
    return stream(200_000, users=4_338, items=3_665)


def equal(one: EventBlock, other: EventBlock) -> bool:
    """Return whether two blocks hold the same events, the oracle's opinion left out."""
    return all(np.array_equal(a, b) for a, b in zip(one[:-1], other[:-1], strict=True))


def test_the_seed_decides_everything() -> None:
    assert equal(stream(5_000, seed=3), stream(5_000, seed=3))
    assert not equal(stream(5_000, seed=3), stream(5_000, seed=4))


def test_a_longer_run_starts_with_the_shorter_one() -> None:
    assert equal(stream(10_000).take(slice(0, 5_000)), stream(5_000))


def test_asking_the_oracle_changes_nothing() -> None:
    assert equal(stream(5_000, oracle_every=50), stream(5_000))


def test_events_come_in_order_of_time_and_the_shop_opens_with_2025() -> None:
    times = stream(5_000).time_ms
    assert (np.diff(times) >= 0).all()
    assert START_MS <= times[0] < START_MS + DAY_MS


def test_plain_events_carry_ids_names_and_prices() -> None:
    events = list(Shop(50, 100, seed=2).events(500))
    assert len(events) == 500
    assert {event.event for event in events} <= set(EVENT_NAMES)
    assert all(event.user_id.startswith("u") and event.item_id.startswith("P") for event in events)
    assert all(event.price > 0 and event.quantity >= 1 for event in events)


def test_popularity_is_as_skewed_as_in_online_retail(retail: EventBlock) -> None:
    sold = np.bincount(retail.item[retail.kind == PURCHASE])
    sold = np.sort(sold[sold > 0])[::-1]
    share = np.cumsum(sold) / sold.sum()
    measured = {part: share[int(len(sold) * part) - 1] for part in ONLINE_RETAIL}
    assert measured == pytest.approx(ONLINE_RETAIL, abs=0.05)


def test_users_buy_again(retail: EventBlock) -> None:
    """Online Retail: 33 % of the lines at 92 a user; here there are 6 a user so far."""
    bought = retail.take(retail.kind == PURCHASE)
    pairs = bought.user * 10_000 + bought.item
    assert 0.06 < 1 - len(np.unique(pairs)) / len(pairs) < 0.3


def test_returns_are_as_frequent_as_in_online_retail_and_follow_their_purchase() -> None:
    block = stream(60_000, users=1_000, items=300)
    refunds = np.flatnonzero(block.kind == REFUND)
    purchases = block.kind[: int(len(block.kind) * 0.4)] == PURCHASE
    assert 0.01 < len(refunds) / purchases.sum() < 0.04
    for at in refunds[:200]:
        before = (block.user[:at] == block.user[at]) & (block.item[:at] == block.item[at])
        assert (before & (block.kind[:at] == PURCHASE)).any()


def test_a_visit_is_looks_then_carts_then_the_checkout() -> None:
    block = stream(20_000)
    block = block.take(block.kind != REFUND)
    order = np.lexsort((np.arange(len(block.user)), block.user))
    user, time, item, kind = (column[order] for column in (block.user, block.time_ms, block.item, block.kind))
    same_visit = (user[1:] == user[:-1]) & (time[1:] - time[:-1] < 3_600_000)
    after = {k: np.bincount(kind[1:][same_visit & (kind[:-1] == k)], minlength=3) for k in (VIEW, CART, PURCHASE)}
    assert after[PURCHASE][VIEW] == after[PURCHASE][CART] == 0  # the checkout ends the visit
    assert after[CART][CART] == 0
    carted = same_visit & (kind[1:] == CART)
    assert (item[1:][carted] == item[:-1][carted]).mean() == 1.0  # what is put into the cart is on the screen
    lengths = np.diff(np.flatnonzero(np.concatenate([[True], ~same_visit, [True]])))
    assert 4 < lengths.mean() < 14


def test_nothing_is_sold_before_it_is_out() -> None:
    shop = Shop(600, 900, seed=1)
    block = stream(20_000)
    assert (shop.catalogue.release_day[block.item] <= (block.time_ms - START_MS) / DAY_MS + 1.0).all()
    assert (shop.catalogue.release_day[block.item] > 0).any()  # and new items do sell


def test_tastes_drift() -> None:
    """A user's first and last months share fewer shelves than two halves of one month do."""
    block = stream(60_000, users=200, items=900)
    shelf = Shop(200, 900, seed=1).catalogue.shelf()[block.item]
    day = (block.time_ms - START_MS) // DAY_MS
    last = int(day[-1])

    def profile(user: int, start: int) -> np.ndarray:
        mine = (block.user == user) & (day >= start) & (day < start + 25)
        return np.bincount(shelf[mine], minlength=64).astype(float)

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9))

    busy = np.argsort(-np.bincount(block.user))[:25]
    near = np.mean([cosine(profile(u, 0), profile(u, 25)) for u in busy])
    far = np.mean([cosine(profile(u, 0), profile(u, last - 25)) for u in busy])
    assert far < near - 0.05


@pytest.mark.parametrize("users", [1, 3, 40])
def test_a_tiny_shop_works(users: int) -> None:
    assert len(stream(300, users=users, items=3).user) == 300


def test_a_million_items_and_users_stay_within_bounds() -> None:
    """The pool bounds users, blocks bound events; what waits is one block and the coming returns."""
    shop = Shop(users=1_000_000, items=1_000_000, seed=1)
    block = join(list(shop.first(30_000)))
    assert len(np.unique(block.item)) > 5_000
    arrays = [value for value in vars(shop._users).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays) < 400 * 200_000
