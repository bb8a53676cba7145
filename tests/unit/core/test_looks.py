"""What a line is said to be like, before it is learned."""

from __future__ import annotations

import math

from stream_rec.core.looks import SMALLEST_SHARE, describe
from stream_rec.core.rounds import RoundStats
from stream_rec.core.state.items import ItemTable
from tests.twins.small_shop import small_shop


def described(items: ItemTable, row: int, *, had: bool = False, first_of_session: bool = False) -> RoundStats:
    stats = RoundStats()
    describe(row, items, had, first_of_session, stats)
    return stats


def test_sessions_and_repeats_are_counted_among_lines() -> None:
    items = small_shop(1)
    assert described(items, 0, had=True, first_of_session=True).session_starts == 1
    assert described(items, 0, had=True).repeats == 1
    assert (described(items, 0).lines, described(items, 0).repeats, described(items, 0).session_starts) == (1, 0, 0)


def test_an_item_nobody_had_is_new_and_has_no_popularity() -> None:
    items = small_shop(1)
    row = items.intern("never seen")
    stats = described(items, row)
    assert (stats.new_items, stats.popularity) == (1, 0.0)


def test_popularity_is_a_share_of_the_most_popular_items() -> None:
    items = small_shop(1)
    most = int(items.popular_rows[0])
    row = next(row for row in range(items.n) if 0 < items.popularity[row] < items.popularity[most])
    assert described(items, most).popularity == 0.0
    assert described(items, row).popularity == math.log(items.popularity[row] / items.popularity[most])
    items.popularity[row] = 0.0
    assert described(items, row).popularity == math.log(SMALLEST_SHARE)


def test_it_does_not_depend_on_when() -> None:
    """Both popularities decay alike: moving to a newer epoch changes neither share."""
    items = small_shop(1)
    before = [described(items, row).popularity for row in range(items.n)]
    items.adopt_landmarks(0, 1)
    assert [described(items, row).popularity for row in range(items.n)] == before
