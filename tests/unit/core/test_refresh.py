"""Lists made anew for everybody, a few users at a time, without a user missed or made twice."""

from __future__ import annotations

import pytest

from stream_rec.core.arms import ARMS, WITH, arm_of
from stream_rec.core.presets import HOUR_MS
from stream_rec.core.rounds import PublishedList
from stream_rec.core.wire import decode_list
from tests.twins.plane_shop import SMALL, START_MS, PlaneShop, listed
from tests.twins.small_model import small_model

USERS = [f"user-{number}" for number in range(7)]
LATER_MS = START_MS + 10 * HOUR_MS


def shop_of_users() -> PlaneShop:
    shop = PlaneShop()
    for user in USERS:
        shop.view(user, "ABC", 0)
    return shop


def refreshed(shop: PlaneShop, limit: int, since_ms: int = LATER_MS, stream_ms: int = LATER_MS) -> list[PublishedList]:
    """Walk over all users; what each piece gives is written before the next."""
    lists: list[PublishedList] = []
    after: bytes | None = b""
    while after is not None:
        result, after = shop.users.refresh(0, shop.store, after, limit, stream_ms, LATER_MS, since_ms)
        shop.store.write(result.puts.get(0, []), 0)
        assert result.stats.refreshed == result.stats.lists == len(result.lists) <= limit
        lists += result.lists
    return lists


def test_every_user_gets_one_list_whatever_the_size_of_a_piece() -> None:
    for limit in (1, 3, 7, 100):
        lists = refreshed(shop_of_users(), limit)
        assert sorted(one.user_id.decode() for one in lists) == USERS
        assert len({listed(one).list_id for one in lists}) == len(USERS)


def test_who_has_a_list_made_since_is_passed_over() -> None:
    shop = shop_of_users()
    assert refreshed(shop, 3) != []
    assert refreshed(shop, 3) == []


def test_the_list_is_for_the_next_visit_where_the_session_has_ended() -> None:
    shop = shop_of_users()
    visit, going_on = refreshed(shop, 100), refreshed(shop_of_users(), 100, stream_ms=START_MS)
    swept = {one.user_id: listed(one).items for one in shop_of_users().sweep(SMALL.session_gap_ms + HOUR_MS)}
    assert {one.user_id: listed(one).items for one in visit} == swept
    assert len(going_on) == len(USERS)


def test_a_refreshed_list_is_what_the_next_event_is_looked_up_in() -> None:
    shop = shop_of_users()
    (first, *_) = refreshed(shop, 100)
    state = shop.state(first.user_id.decode())
    assert state.list_published_ms == LATER_MS
    assert [shop.items.ids[shop.items.row_of_hash(h, create=False)] for h in state.last_list.tolist()] == (
        listed(first).items
    )
    assert decode_list(first.value or b"").trigger is None


def test_an_empty_partition_is_done_at_once() -> None:
    assert refreshed(PlaneShop(), 5) == []


@pytest.mark.parametrize(("share", "made"), [(0.5, USERS), (1.0, USERS), (0.0, [])])
def test_who_has_no_model_gets_a_list_as_fresh_as_the_others_unless_nobody_has_it(
    share: float, made: list[str]
) -> None:
    shop = PlaneShop(model_share=share, sequence=lambda items: small_model(1, items))
    for user in USERS:
        shop.view(user, "ABC", 0)
    lists = refreshed(shop, 3)
    assert sorted(one.user_id.decode() for one in lists) == made
    for one in lists:
        named = "sequence" in decode_list(one.value or b"").model
        assert named == (arm_of(one.user_id.decode(), share) == WITH)
    assert {arm_of(user, 0.5) for user in USERS} == {*ARMS}
