"""Looking before learning: was the item in the list the user last got (served), or in one made just now (fresh)?"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from stream_rec.core.orders import Blend, Orders
from stream_rec.core.rounds import RoundStats
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Int32Array, SourceRecord


class ServedLook(NamedTuple):
    """One item line held against the last list published for its user.

    `place` is 1-based, 0 = not in the list. `coalesced`: the user's previous event was in the same round, so no
    list could reach them in between. `had`: the user had the item before.
    """

    record: SourceRecord
    item_row: int
    place: int
    popular_place: int
    first_of_session: bool
    coalesced: bool
    had: bool


class FreshLook(NamedTuple):
    """One item line held against what every source and ranker says just before it is learned.

    `served` is what would have been published of it, and `plain` that without a sequence model mixed in; `blend` is the
    order by weights that it is mixed with.
    """

    record: SourceRecord
    item_row: int
    orders: Orders
    served: Int32Array
    popular: Int32Array
    first_of_session: bool
    had: bool
    plain: Int32Array
    blend: Blend


class Observer(Protocol):
    """Who wants to see every look: a backtest."""

    def served(self, look: ServedLook) -> None: ...

    def fresh(self, look: FreshLook) -> None: ...


DESCRIBED_EVERY = 4
"""Lines of every so many-th record, by offset, are described: 3 µs each."""

SMALLEST_SHARE = 1e-9


def describe(row: int, items: ItemTable, had: bool, first_of_session: bool, stats: RoundStats) -> None:
    """Count what a line is like before it is learned; `stats` is changed.

    Popularity is taken as a share of the most popular item's: both decay alike, so the clock does not enter.
    """
    stats.lines += 1
    stats.session_starts += first_of_session
    stats.repeats += had
    if items.event_count[row] == 0:
        stats.new_items += 1
    elif items.popular_count:
        share = items.popularity[row] / items.popularity[items.popular_rows[0]]
        stats.popularity += math.log(max(share, SMALLEST_SHARE))


def note_arm(arm: str, place: int, stats: RoundStats) -> None:
    """Count a look in the arm of its user; `stats` is changed."""
    stats.arm_looks[arm] += 1
    stats.arm_hits[arm] += place > 0
    ranks = stats.arm_reciprocal_ranks
    ranks[arm] = ranks.get(arm, 0.0) + (1 / place if place else 0.0)


def place_of(value: int, ranked: list[int]) -> int:
    """Return the 1-based place of `value` in `ranked`, 0 if absent.

    Examples
    --------
    >>> place_of(7, [9, 7]), place_of(1, [9, 7])
    (2, 0)
    """
    return ranked.index(value) + 1 if value in ranked else 0
