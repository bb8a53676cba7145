"""Sources, rules and reasons on a shop small enough to work out by hand.

Neighbours: tea -> milk 4, sugar 2; milk -> sugar 8, tea 1; sugar -> nothing; coffee is known, but sold out.
P: tea 2, milk 4, sugar 1, coffee 1. With al = 1 the votes are divided by P; be = 0 leaves candidates alone.
"""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import CoocParams, OwnParams, Preset
from stream_rec.core.ranking.reasons import Reasons
from stream_rec.core.ranking.rules import clear_exclusions, exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import Cooccurrence
from stream_rec.core.sources.own import OwnContinuation
from stream_rec.core.sources.popularity import Popularity
from stream_rec.core.state.items import ItemRow, ItemTable
from stream_rec.core.types import Proposal, UserView, item_hash

COOC = CoocParams(history_power=1.0, other_session=0.5, mass_power=1.0, candidate_power=0.0, in_session=0.5)
TEA, MILK, SUGAR, COFFEE = range(4)


@pytest.fixture
def items() -> ItemTable:
    table = ItemTable(Preset(cooc=COOC))
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


def user(*events: tuple[int, int], session: int) -> UserView:
    """`events` are (row, session), oldest first."""
    rows, sessions = zip(*events, strict=True)
    return UserView(np.array(rows, np.int32), np.array(sessions, np.int32), session)


def listed(proposal: Proposal) -> list[tuple[int, float]]:
    return list(zip(proposal.rows.tolist(), proposal.scores.tolist(), strict=True))


def test_cooc_in_one_session(items: ItemTable) -> None:
    # newest milk: sugar 8/4 = 2, tea 1/4; before it tea, at half: milk 4/2/2 = 1, sugar 2/2/2 = .5
    # milk and tea are in the session: halved
    proposal = Cooccurrence(COOC).propose(items, user((TEA, 1), (MILK, 1), session=1), Scratch(items.capacity))
    assert listed(proposal) == [(SUGAR, 2.5), (MILK, 0.5), (TEA, 0.125)]


def test_cooc_on_the_next_visit(items: ItemTable) -> None:
    # every vote is of another session and so halved; nothing is in the new session yet
    proposal = Cooccurrence(COOC).propose(items, user((TEA, 1), (MILK, 1), session=2), Scratch(items.capacity))
    assert listed(proposal) == [(SUGAR, 1.25), (MILK, 0.5), (TEA, 0.125)]


def test_own_continues_the_earlier_session(items: ItemTable) -> None:
    # tea is back: after it came sugar (distance 1) and milk (2), so 1 and 1/2, and base 1/8 each; tea is halved
    own = OwnContinuation(OwnParams(base=0.125, in_session=0.5))
    visits = user((TEA, 1), (SUGAR, 1), (MILK, 1), (TEA, 2), session=2)
    assert listed(own.propose(items, visits, Scratch(items.capacity))) == [
        (SUGAR, 1.125),
        (MILK, 0.625),
        (TEA, 0.0625),
    ]


def test_popularity_without_the_sold_out_item(items: ItemTable) -> None:
    proposal = Popularity().propose(items, user((TEA, 1), session=1), Scratch(items.capacity))
    assert listed(proposal) == [(MILK, 4.0), (TEA, 2.0), (SUGAR, 1.0)]


def test_what_is_excluded_comes_back_when_cleared(items: ItemTable) -> None:
    scratch, hidden = Scratch(items.capacity), np.array([-1, MILK, MILK], np.int32)
    stranger = user((TEA, 1), session=1)
    exclude_rows(scratch, hidden)
    assert Popularity().propose(items, stranger, scratch).rows.tolist() == [TEA, SUGAR]
    clear_exclusions(scratch, hidden)
    assert Popularity().propose(items, stranger, scratch).rows.tolist() == [MILK, TEA, SUGAR]


def test_reasons_name_the_strongest_voter(items: ItemTable) -> None:
    # sugar: milk 8/4 beats tea 2/2/2; milk: only tea speaks for it; tea: only milk; coffee: tea, sold out or not
    chosen = np.array([SUGAR, MILK, TEA, COFFEE], np.int32)
    because = Reasons(COOC).because(items, user((TEA, 1), (MILK, 1), session=1), chosen, Scratch(items.capacity))
    assert because.tolist() == [MILK, TEA, MILK, TEA]


def test_an_item_is_no_reason_for_itself(items: ItemTable) -> None:
    add(items, "lemon", 1.0, {"lemon": 5.0})
    lemon = items.intern("lemon")
    because = Reasons(COOC).because(
        items, user((lemon, 1), session=1), np.array([lemon], np.int32), Scratch(items.capacity)
    )
    assert because.tolist() == [-1]
