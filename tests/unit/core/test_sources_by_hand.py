"""Sources, rules and reasons on a shop small enough to work out by hand.

Neighbours: tea -> milk 4, sugar 2; milk -> sugar 8, tea 1; sugar -> nothing; coffee is known, but sold out.
P: tea 2, milk 4, sugar 1, coffee 1. With al = 1 the votes are divided by P; be = 0 leaves candidates alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from stream_rec.core.presets import CoocParams, OwnParams, Preset
from stream_rec.core.ranking.reasons import RECENT_ITEMS, strongest_votes
from stream_rec.core.ranking.rules import exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import vote_table
from stream_rec.core.state.item_layout import ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import EventKind, UserView, item_hash
from tests.twins.kernels import propose

COOC = CoocParams(
    decay_ms=1e18, window=1, backward_weight=0.5, history_power=1.0, other_session=0.5, mass_power=1.0,
    candidate_power=0.0, in_session=0.5,
)  # fmt: skip
OWN = OwnParams(base=0.125, in_session=0.5)
TEA, MILK, SUGAR, COFFEE = range(4)


@pytest.fixture
def items() -> ItemTable:
    table = ItemTable(Preset(cooc=COOC, own=OWN))
    for item_id in ("tea", "milk", "sugar", "coffee"):
        table.intern(item_id)
    add(table, "tea", 2.0, {"milk": 4.0, "sugar": 2.0, "coffee": 100.0})
    add(table, "milk", 4.0, {"sugar": 8.0, "tea": 1.0})
    add(table, "sugar", 1.0, {})
    add(table, "coffee", 1.0, {})
    table.set_available(COFFEE, False)
    return table


def add(table: ItemTable, item_id: str, mass: float, near: dict[str, float]) -> None:
    hashes = np.array([item_hash(other) for other in near], np.uint64)
    weights = np.array(list(near.values()), np.float32)
    table.absorb(ItemRow(item_id, 0, 0, 0, mass, mass, 1, 0, 0, hashes, weights))


def user(*events: tuple[int, int], session: int, pending: int = 0) -> UserView:
    """`events` are (row, session), oldest first."""
    rows, sessions = zip(*events, strict=True)
    no_times, views = np.zeros(len(rows), np.int64), np.full(len(rows), EventKind.VIEW_ITEM, np.uint16)
    return UserView(np.array(rows, np.int32), np.array(sessions, np.int32), no_times, session, 0, pending, views)


def listed(name: str, items: ItemTable, who: UserView, excluded: Iterable[int] = ()) -> list[tuple[int, float]]:
    scratch, rows = Scratch(items.capacity), np.array([*excluded], np.int32)
    exclude_rows(scratch, rows)
    return list(zip(*(column.tolist() for column in propose(name, items, who, scratch)), strict=True))


def reasons(items: ItemTable, who: UserView, *chosen: int) -> list[int]:
    slot, votes = np.full(items.capacity, -1, np.int32), vote_table(COOC, RECENT_ITEMS)
    rows = np.array(chosen, np.int32)
    return strongest_votes(items.cooc_arrays(), who.rows, who.sessions, who.session, votes, rows, slot).tolist()


def test_cooc_in_one_session(items: ItemTable) -> None:
    # newest milk: sugar 8/4 = 2, tea 1/4; before it tea, at half: milk 4/2/2 = 1, sugar 2/2/2 = .5
    # milk and tea are in the session: halved
    found = listed("cooc", items, user((TEA, 1), (MILK, 1), session=1))
    assert found == [(SUGAR, 2.5), (MILK, 0.5), (TEA, 0.125)]


def test_cooc_on_the_next_visit(items: ItemTable) -> None:
    # every vote is of another session and so halved; nothing is in the new session yet
    found = listed("cooc", items, user((TEA, 1), (MILK, 1), session=2))
    assert found == [(SUGAR, 1.25), (MILK, 0.5), (TEA, 0.125)]


def test_cooc_counts_what_the_table_has_not_counted_yet(items: ItemTable) -> None:
    # the milk after the tea is pending: P[milk] = 5, C[tea, milk] = 5 and C[milk, tea] = 1.5 as they will be counted
    # newest milk: sugar 8/5 = 1.6, tea 1.5/5 = .3; tea, at half: milk 5/2/2 = 1.25, sugar .5
    found = listed("cooc", items, user((TEA, 1), (MILK, 1), session=1, pending=1))
    assert [row for row, _ in found] == [SUGAR, MILK, TEA]
    assert [score for _, score in found] == pytest.approx([2.1, 0.625, 0.15])


def test_cooc_counts_a_pending_purchase_as_more(items: ItemTable) -> None:
    # as above, but the milk was bought: P[milk] = 9, C[tea, milk] = 9, C[milk, tea] = 1 + 2.5
    # newest milk: sugar 8/9, tea 3.5/9; tea, at half: milk 9/2/2 = 2.25, sugar .5
    who = user((TEA, 1), (MILK, 1), session=1, pending=1)
    who.tags[1] = EventKind.PURCHASE
    found = dict(listed("cooc", items, who))
    assert found == pytest.approx({SUGAR: 8 / 9 + 0.5, MILK: 2.25 / 2, TEA: 3.5 / 9 / 2})


def test_cooc_votes_against_the_neighbours_of_hidden_items(items: ItemTable) -> None:
    # tea speaks for milk 4/2 = 2 and sugar 2/2 = 1; milk, hidden in this session, takes sugar 8/4 = 2, at λ = .5: 1
    who = user((TEA, 1), session=1)
    assert listed("cooc", items, who) == [(MILK, 2.0), (SUGAR, 1.0)]
    hidden = np.array([[MILK], [1]], np.int32)
    assert listed("cooc", items, who._replace(hidden=hidden)) == [(MILK, 2.0)]
    # hidden in another session it takes half of that; an unknown item takes nothing
    hidden = np.array([[MILK, -1], [0, 1]], np.int32)
    less = 0.5 * 0.5 * 0.5 * 2.0  # λ, k = 2, other session, C/P
    assert listed("cooc", items, who._replace(hidden=hidden)) == [(MILK, 2.0), (SUGAR, 1.0 - less)]


def test_own_continues_the_earlier_session(items: ItemTable) -> None:
    # tea is back: after it came sugar (distance 1) and milk (2), so 1 and 1/2, and base 1/8 each; tea is halved
    visits = user((TEA, 1), (SUGAR, 1), (MILK, 1), (TEA, 2), session=2)
    assert listed("own", items, visits) == [(SUGAR, 1.125), (MILK, 0.625), (TEA, 0.0625)]


def test_popularity_without_the_sold_out_item(items: ItemTable) -> None:
    assert listed("popularity", items, user((TEA, 1), session=1)) == [(MILK, 4.0), (TEA, 2.0), (SUGAR, 1.0)]


def test_what_is_excluded_is_not_proposed(items: ItemTable) -> None:
    hidden = [-1, MILK, MILK]
    assert listed("popularity", items, user((TEA, 1), session=1), hidden) == [(TEA, 2.0), (SUGAR, 1.0)]


def test_reasons_name_the_strongest_voter(items: ItemTable) -> None:
    # sugar: milk 8/4 beats tea 2/2/2; milk: only tea speaks for it; tea: only milk; coffee: tea, sold out or not
    visit = user((TEA, 1), (MILK, 1), session=1)
    assert reasons(items, visit, SUGAR, MILK, TEA, COFFEE) == [MILK, TEA, MILK, TEA]


def test_an_item_is_no_reason_for_itself(items: ItemTable) -> None:
    add(items, "lemon", 1.0, {"lemon": 5.0})
    lemon = items.intern("lemon")
    assert reasons(items, user((lemon, 1), session=1), lemon) == [-1]
