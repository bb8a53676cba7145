"""Looking before learning: was the item in the list the user last got (served), or in one made just now (fresh)?"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from stream_rec.core.recommend import Orders
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
    """One item line held against what every source and ranker says just before it is learned."""

    record: SourceRecord
    item_row: int
    orders: Orders
    popular: Int32Array
    first_of_session: bool
    had: bool


class Observer(Protocol):
    """Who wants to see every look: a backtest, the ranker's trainer."""

    def served(self, look: ServedLook) -> None: ...

    def fresh(self, look: FreshLook) -> None: ...


def place_of(value: int, ranked: list[int]) -> int:
    """Return the 1-based place of `value` in `ranked`, 0 if absent.

    Examples
    --------
    >>> place_of(7, [9, 7]), place_of(1, [9, 7])
    (2, 0)
    """
    return ranked.index(value) + 1 if value in ranked else 0
