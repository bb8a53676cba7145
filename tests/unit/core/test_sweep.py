"""Visit lists: the session's end first, then now and then while the user stays away, until they expire."""

from __future__ import annotations

from typing import Any

import pytest

from stream_rec.core.presets import DAY_MS, HOUR_MS
from stream_rec.core.rounds import Put
from stream_rec.core.state.user_codec import deadline_key
from tests.twins.plane_shop import SMALL, START_MS, PlaneShop, listed

GAP_MS = SMALL.session_gap_ms
LONG_AFTER_MS = 2_000 * DAY_MS


def shop_of_ann(**settings: Any) -> PlaneShop:
    shop = PlaneShop(**({"refresh_ms": 7 * DAY_MS, "idle_user_ms": 30 * DAY_MS} | settings))
    shop.view("ann", "AB", 0)
    shop.view("ann", "A", 0)
    return shop


def days_with_a_list(shop: PlaneShop, days: range, clock_ms: int | None = None) -> list[int]:
    """Sweep once a day; return the days with a list for ann, negative where it was taken back."""
    found = []
    for day in days:
        for one in shop.sweep(day * DAY_MS, clock_ms):
            found.append(day if one.value is not None else -day)
    return found


def test_the_list_of_a_session_that_goes_on_is_left_alone() -> None:
    shop = shop_of_ann()
    ends_ms = shop.state("ann").last_event_ms - START_MS + GAP_MS
    assert shop.sweep(ends_ms - 1) == []
    (visit,) = shop.sweep(ends_ms)
    assert listed(visit).list_id.startswith(f"sweep-0-{START_MS + ends_ms}-")


def test_the_sessions_end_comes_first_however_often_lists_are_refreshed() -> None:
    shop = shop_of_ann(refresh_ms=HOUR_MS // 2)
    ends_ms = shop.state("ann").last_event_ms - START_MS + GAP_MS
    lists = [at_ms for at_ms in range(0, ends_ms + HOUR_MS, HOUR_MS // 4) if shop.sweep(at_ms)]
    assert [at_ms >= ends_ms for at_ms in lists] == [True, True]


def test_a_visit_list_is_made_anew_every_week_of_absence_and_taken_back_in_the_end() -> None:
    shop = shop_of_ann()
    assert days_with_a_list(shop, range(1, 40)) == [1, 8, 15, 22, 29, -31]
    assert list(shop.store.scan(b"")) == []


def test_a_clock_that_goes_with_the_stream_refreshes_as_often() -> None:
    shop = shop_of_ann()
    found = [day for day in range(1, 40) if shop.sweep(day * DAY_MS, day * DAY_MS)]
    assert found == [1, 8, 15, 22, 29, 31]


def test_while_an_old_log_is_replayed_nobody_is_refreshed_for_each_of_its_weeks() -> None:
    assert days_with_a_list(shop_of_ann(), range(1, 40), LONG_AFTER_MS) == [1, -31]


def test_a_replay_that_reaches_the_present_goes_on_with_refreshing() -> None:
    """The clock is ten days ahead: the next list is due a week after it."""
    shop = shop_of_ann()
    assert days_with_a_list(shop, range(1, 30), 11 * DAY_MS) == [1, 18, 25]


def test_no_refresh_is_none() -> None:
    assert days_with_a_list(shop_of_ann(refresh_ms=0), range(1, 40)) == [1, -31]


def test_a_sweep_that_comes_late_makes_one_list_and_not_one_per_week_missed() -> None:
    shop = shop_of_ann()
    assert days_with_a_list(shop, range(1, 2)) == [1]
    assert days_with_a_list(shop, range(24, 29)) == [24]


def test_who_comes_back_is_refreshed_from_the_end_of_that_session_on() -> None:
    shop = shop_of_ann()
    assert days_with_a_list(shop, range(1, 6)) == [1]
    shop.view("ann", "B", 5 * DAY_MS)
    assert shop.sweep(5 * DAY_MS + GAP_MS - 1) == []
    assert len(shop.sweep(5 * DAY_MS + GAP_MS)) == 1
    assert days_with_a_list(shop, range(6, 40)) == [13, 20, 27, 34, -35]


@pytest.mark.parametrize("refresh_ms", [0, 7 * DAY_MS])
def test_a_user_has_one_deadline_at_a_time(refresh_ms: int) -> None:
    shop = shop_of_ann(refresh_ms=refresh_ms)
    for day in range(1, 29):
        shop.sweep(day * DAY_MS)
        if day == 10:
            shop.view("ann", "A", day * DAY_MS)
        assert len(list(shop.store.scan(b"d"))) == 1


def test_a_deadline_that_is_not_the_users_any_more_is_dropped_without_a_list() -> None:
    shop = shop_of_ann()
    shop.store.write([Put(deadline_key(START_MS + 7, b"ann"), b"", False)], 0)
    assert shop.sweep(8) == []
    assert shop.store.due_sessions(START_MS + 8, 10) == []


def test_a_refreshed_list_follows_what_happened_meanwhile() -> None:
    """That is what it is made anew for."""
    shop = shop_of_ann()
    (first,) = shop.sweep(DAY_MS)
    shop.view("bob", "AZAZAZ", 2 * DAY_MS)
    (second,) = [one for one in shop.sweep(8 * DAY_MS) if one.user_id == b"ann"]
    assert "Z" not in listed(first).items
    assert "Z" in listed(second).items
    assert listed(first).list_id != listed(second).list_id
