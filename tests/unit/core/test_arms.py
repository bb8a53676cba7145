"""Users with a sequence model and without, side by side: who is who, and that each arm is as it would be alone."""

from __future__ import annotations

from collections import Counter

import pytest

from stream_rec.core.arms import ARMS, WITH, WITHOUT, arm_of
from stream_rec.core.partitioning import partition_of
from stream_rec.core.presets import DAY_MS
from stream_rec.core.publishing import view_of
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.rounds import RoundResult
from stream_rec.core.wire import decode_list
from tests.twins.plane_shop import START_MS, PlaneShop
from tests.twins.small_model import small_model

USERS = [f"u{number}" for number in range(12)]
MANY = [f"user-{number}" for number in range(4_000)]


def items_of(number: int) -> list[str]:
    return [f"item-{(number + step * step) % 30}" for step in range(6)]


def shop_of(share: float) -> PlaneShop:
    """Everybody has looked at a few items, with a model that serves a share of them."""
    shop = PlaneShop(sequence=lambda items: small_model(1, items), model_share=share, fresh_every=1)
    for number, user in enumerate(USERS):
        for step, item in enumerate(items_of(number)):
            shop.send(shop.record(user, item, 60_000 * (10 * number + step)))
    return shop


def look(shop: PlaneShop, user: str) -> Evidence:
    state = shop.state(user)
    return shop.users._publisher.look(state, view_of(state, state.session, state.as_of_ms, shop.items)).evidence


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_about_that_share_of_the_users_has_the_model(share: float) -> None:
    found = sum(arm_of(user, share) == WITH for user in MANY) / len(MANY)
    assert found == pytest.approx(share, abs=0.03)
    assert (found == share) or 0.0 < share < 1.0


def test_a_larger_share_takes_it_from_nobody() -> None:
    smaller, larger = ({user for user in MANY if arm_of(user, share) == WITH} for share in (0.3, 0.4))
    assert smaller < larger


@pytest.mark.parametrize("partitions", [2, 4, 7])
def test_each_partition_has_both_arms_alike(partitions: int) -> None:
    users, helped = Counter[int](), Counter[int]()
    for user in MANY:
        users[partition_of(user.encode(), partitions)] += 1
        helped[partition_of(user.encode(), partitions)] += arm_of(user, 0.5) == WITH
    assert [helped[p] / users[p] for p in range(partitions)] == pytest.approx([0.5] * partitions, abs=0.06)


def test_each_arm_sees_what_it_would_see_if_all_were_in_it() -> None:
    half, everybody, no_one = shop_of(0.5), shop_of(1.0), shop_of(0.0)
    arms = {user: arm_of(user, 0.5) for user in USERS}
    assert {*arms.values()} == {*ARMS}
    for user, arm in arms.items():
        ours, same, other = look(half, user), look(everybody, user), look(no_one, user)
        if arm == WITHOUT:
            same, other = other, same
        assert [column.tobytes() for column in ours] == [column.tobytes() for column in same]
        assert ours.features.tobytes() != other.features.tobytes()


def test_a_list_names_the_model_that_helped_to_make_it() -> None:
    shop = shop_of(0.5)
    for number, user in enumerate(USERS):
        (published,) = shop.send(shop.record(user, "item-1", DAY_MS + number)).lists
        assert published.value is not None
        expected = {"sequence": "v0007"} if arm_of(user, 0.5) == WITH else {}
        assert decode_list(published.value).model == {"preset": "retail"} | expected


def test_users_of_both_arms_in_one_round_keep_their_own() -> None:
    shop = shop_of(0.5)
    lists = shop.send(*(shop.record(user, "item-1", DAY_MS) for user in USERS)).lists
    for published in lists:
        made = decode_list(published.value or b"")
        assert ("sequence" in made.model) == (arm_of(made.user_id, 0.5) == WITH)
        assert "sequence" in made.model or "last_items" not in {entry.reason.kind for entry in made.items}
    assert len(lists) == len(USERS)


def test_users_are_embedded_in_their_arm_only_and_the_time_it_takes_is_counted() -> None:
    shop, ticks = shop_of(0.5), iter(range(1000))
    shop.users._publisher._seconds = lambda: float(next(ticks))
    for number, user in enumerate(USERS):
        helped = arm_of(user, 0.5) == WITH
        stats = shop.send(shop.record(user, "item-1", DAY_MS + number)).stats
        times = 2 * helped  # for the look and for the list
        assert (stats.embedded, stats.embed_seconds) == (times, float(times))
    swept = shop.users.sweep(0, shop.store, START_MS + 9 * DAY_MS, None, 1000).stats
    assert swept.embedded == sum(arm_of(user, 0.5) == WITH for user in [*USERS, "*"])


def test_looks_are_counted_by_arm_while_a_model_serves() -> None:
    def looks(result: RoundResult) -> tuple[int, dict[str, int]]:
        return result.stats.looks, dict(result.stats.arm_looks)

    shop, arms = shop_of(0.5), Counter[str]()
    for number, user in enumerate(USERS):
        stats = shop.send(shop.record(user, "item-1", DAY_MS + number)).stats
        assert (stats.looks, stats.arm_looks) == (1, {arm_of(user, 0.5): 1})
        assert sum(stats.arm_hits.values()) == stats.hits
        assert sum(stats.arm_reciprocal_ranks.values()) == pytest.approx(stats.reciprocal_ranks)
        arms += stats.arm_looks
    assert sum(arms.values()) == len(USERS)
    assert {*arms} == {*ARMS}
    bare = PlaneShop(model_share=0.5)
    bare.view("ann", "AB", 0)
    assert looks(bare.view("ann", "A", 5_000)) == (1, {})


@pytest.mark.parametrize("clocked", [False, True])
def test_looks_into_lists_from_before_the_version_served_are_in_no_arm(clocked: bool) -> None:
    shop, now_ms = PlaneShop(model_share=0.5), START_MS + DAY_MS
    for number, user in enumerate(USERS):
        shop.view(user, "AB", 10_000 * number)
    shop.users.serve(small_model(1, shop.items), now_ms if clocked else None)

    def looks(at_ms: int) -> Counter[str]:
        records = [shop.record(user, "A", at_ms + number) for number, user in enumerate(USERS)]
        result = shop.users.process({0: records}, {0: shop.store}, now_ms + at_ms if clocked else None)
        assert result.stats.looks == len(USERS)
        return result.stats.arm_looks

    assert looks(1_000_000) == {}
    assert looks(2_000_000) == Counter(arm_of(user, 0.5) for user in USERS)
    shop.users.serve(small_model(1, shop.items, version="v0008"), now_ms + 2_000_000 if clocked else None)
    assert looks(3_000_000) == {}, "these lists are of the version before"
    assert sum(looks(4_000_000).values()) == len(USERS)


def test_a_list_made_anew_counts_without_an_event_in_between() -> None:
    shop, now_ms = PlaneShop(model_share=0.5), START_MS + DAY_MS
    for user in USERS:
        shop.view(user, "AB", 0)
    shop.users.serve(small_model(1, shop.items), now_ms)
    result, _ = shop.users.refresh(0, shop.store, b"", 100, now_ms, now_ms + 1, now_ms + 1)
    assert len(result.lists) == len(USERS)
    records = [shop.record(user, "A", DAY_MS + 2) for user in USERS]
    stats = shop.users.process({0: records}, {0: shop.store}, now_ms + 2).stats
    assert stats.arm_looks == Counter(arm_of(user, 0.5) for user in USERS)
