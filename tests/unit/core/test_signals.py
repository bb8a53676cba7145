"""What each kind of event does to the lists, from the event on the wire to the published list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import DAY_MS, PRESETS, FactorParams, Preset, SignalParams
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.types import POSITIVE_KINDS
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from tests.twins.events import event_record
from tests.twins.small_shop import dump

NOW_MS = 1_700_000_000_000
NO_WEIGHTS = SignalParams(add_to_wishlist=1.0, add_to_cart=1.0, purchase=1.0)
EVERY_PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
NEGATIVE = pytest.mark.parametrize("kind", ["dislike", "hide", "remove_from_cart", "refund"])


class Listed(NamedTuple):
    """A published list: its items, and for each of those that were said to be near others, near which."""

    items: list[str]
    because: dict[str, list[str]]

    def order(self, *among: str) -> list[str]:
        return [item for item in self.items if item in among]

    def speakers(self) -> set[str]:
        return {item for why in self.because.values() for item in why}


class Shop:
    """One partition with its planes; every event is a round of its own and counted at once."""

    def __init__(self, preset: Preset = PRESETS["retail"]) -> None:
        self.items = ItemTable(preset)
        self.store = MemoryUserStore()
        self.users = UserPlane(PlaneSettings(partitions=1, fresh_every=0), preset, self.items, 1)
        self.plane = ItemPlane(self.items, 1)
        self.plane.assign(0, None)
        self.offset = 0

    def event(self, user: str, kind: str, item: str, visit: int = 1) -> Listed:
        """The list published for one event of a user's visit number `visit`."""
        self.offset += 1
        record = event_record(self.offset, user, item, NOW_MS, event=kind, session_id=f"{user}-{visit}")
        result = self.users.process({0: [record]}, {0: self.store}, NOW_MS)
        assert result.stats.applied == 1
        return self._written(result)[user]

    def visits(self, n: int, *items: str, kind: str = "view_item") -> None:
        """`n` strangers each look at all items but the last, and do `kind` to that."""
        for _ in range(n):
            stranger = f"stranger-{self.offset}"
            for item in items[:-1]:
                self.event(stranger, "view_item", item)
            self.event(stranger, kind, items[-1])

    def for_visitors(self) -> list[str]:
        return self._written(self.users.sweep(0, self.store, NOW_MS, NOW_MS, 0))["*"].items

    def next_visit(self, user: str) -> Listed:
        """The list made for a user once the visit has ended."""
        return self._written(self.users.sweep(0, self.store, NOW_MS + DAY_MS, NOW_MS, 1000))[user]

    def restart(self) -> None:
        self.users.forget(0)

    def neighbours(self, item: str) -> dict[str, float]:
        at = self.items.intern(item)
        n = self.items.neighbour_count[at]
        names = [str(self.items.ids[row]) for row in self.items.neighbour_rows[at, :n]]
        return dict(zip(names, self.items.neighbour_weights[at, :n].tolist(), strict=True))

    def _written(self, result: RoundResult) -> dict[str, Listed]:
        self.store.write(result.puts.get(0, []), 0)
        for frame in result.frames.values():
            self.plane.apply(0, frame, self.plane.next_offset(0))
        lists: dict[str, Listed] = {}
        for one in result.lists:
            entries: list[dict[str, Any]] = msgspec.json.decode(one.value or b"")["items"]
            because = {entry["item_id"]: entry["reason"]["because"] for entry in entries}
            lists[one.user_id.decode()] = Listed([entry["item_id"] for entry in entries], because)
        return lists


# What is done to an item says how much it counts.


def shop_of_lookers_and_buyers(preset: Preset) -> Shop:
    """As many strangers look at "looked" as buy "bought", all after a look at "tea"."""
    shop = Shop(preset)
    for _ in range(4):
        shop.visits(1, "tea", "looked")
        shop.visits(1, "tea", "bought", kind="purchase")
    return shop


@EVERY_PRESET
def test_what_was_bought_outranks_what_was_looked_at_as_often(preset: Preset) -> None:
    shop = shop_of_lookers_and_buyers(preset)
    assert [item for item in shop.for_visitors() if item != "tea"] == ["bought", "looked"]
    near = shop.neighbours("tea")
    assert near["bought"] == pytest.approx(5 * near["looked"])
    assert shop.event("ann", "view_item", "tea").order("bought", "looked") == ["bought", "looked"]


def test_without_weights_they_would_tie_and_the_older_item_lead() -> None:
    shop = shop_of_lookers_and_buyers(Preset(signals=NO_WEIGHTS))
    assert shop.event("ann", "view_item", "tea").order("bought", "looked") == ["looked", "bought"]


def test_the_more_a_kind_takes_to_do_the_more_it_says() -> None:
    shop = Shop()
    ladder = ("view_item", "add_to_wishlist", "add_to_cart", "purchase")
    for kind in ladder:
        shop.visits(2, "tea", kind, kind=kind)
    assert shop.event("ann", "view_item", "tea").order(*ladder) == [*reversed(ladder)]


@pytest.mark.parametrize(
    ("preset", "usual"), [("retail", "purchase"), ("clicks", "view_item"), ("movies", "view_item")]
)
def test_a_log_of_the_usual_kind_alone_is_counted_as_if_there_were_no_weights(preset: str, usual: str) -> None:
    weighted, plain = (Shop(replace(PRESETS[preset], signals=s)) for s in (PRESETS[preset].signals, NO_WEIGHTS))
    for shop in (weighted, plain):
        for item in "ABCABBDA":
            shop.event("ann", usual, item)
            shop.event("bob", usual, item, visit=1 + (item > "B"))
    assert dump(weighted.items) == dump(plain.items)
    assert weighted.event("eve", usual, "A") == plain.event("eve", usual, "A")


@pytest.mark.parametrize("kind", sorted(kind.name.lower() for kind in POSITIVE_KINDS))
def test_a_log_of_any_one_kind_is_counted_in_another_unit_only(kind: str) -> None:
    signals = PRESETS["retail"].signals
    weighted, plain = (Shop(replace(PRESETS["retail"], signals=s)) for s in (signals, NO_WEIGHTS))
    for shop in (weighted, plain):
        for item in "ABCABBDA":
            shop.event("ann", kind, item)
    unit = getattr(signals, kind) / signals.purchase
    for name in ("neighbour_weights", "pair_mass", "popularity"):
        np.testing.assert_allclose(getattr(weighted.items, name), unit * getattr(plain.items, name), rtol=1e-6)


def test_looking_carting_and_buying_one_item_is_one_decision() -> None:
    """The pair of an item with itself weighs as the lighter event: 1, then 3 and, from two lines away, 1/2."""
    shop = Shop(Preset())
    for kind in ("view_item", "add_to_cart", "purchase"):
        shop.event("ann", kind, "tea")
    mass = float(shop.items.pair_mass[shop.items.intern("tea")])
    assert shop.neighbours("tea")["tea"] / mass == pytest.approx((1 + 3 + 1 / 2) / (1 + 3 + 5))


# What is turned down goes, and takes along what stands for the same.


def shop_with_two_shelves() -> Shop:
    """After "tea" strangers look at "milk", which goes with "cream" too, and half as often at "honey".

    Without factors, which are noise after so few events.
    """
    shop = Shop(replace(PRESETS["retail"], factors=FactorParams(dimensions=0)))
    shop.visits(8, "tea", "milk")
    shop.visits(4, "tea", "honey")
    shop.visits(4, "cream", "milk")
    return shop


@NEGATIVE
def test_a_negative_event_keeps_the_item_out_of_the_list_and_adds_no_counts(kind: str) -> None:
    shop = shop_with_two_shelves()
    assert "milk" in shop.event("ann", "view_item", "tea").items
    before = dump(shop.items)
    assert "milk" not in shop.event("ann", kind, "milk").items
    assert dump(shop.items) == before


@NEGATIVE
def test_what_one_user_turns_down_is_not_kept_from_others(kind: str) -> None:
    shop = shop_with_two_shelves()
    before = shop.event("bob", "view_item", "tea").items
    shop.event("ann", kind, "milk")
    assert shop.event("bob", kind, "nothing like it").items == before


@NEGATIVE
def test_it_stays_out_after_a_restart(kind: str) -> None:
    shop = shop_with_two_shelves()
    shop.event("ann", kind, "milk")
    shop.restart()
    assert "milk" not in shop.event("ann", "view_item", "tea").items


@pytest.mark.parametrize(
    ("kind", "kept_out"), [("dislike", True), ("hide", True), ("remove_from_cart", False), ("refund", True)]
)
def test_whether_it_stays_out_on_the_next_visit(kind: str, kept_out: bool) -> None:
    shop = shop_with_two_shelves()
    shop.event("ann", "view_item", "tea")
    shop.event("ann", kind, "milk")
    assert ("milk" not in shop.next_visit("ann").items) == kept_out
    assert ("milk" not in shop.event("ann", "view_item", "tea", visit=2).items) == kept_out


@pytest.mark.parametrize(
    ("kind", "kept_out"), [("dislike", True), ("hide", True), ("remove_from_cart", False), ("refund", False)]
)
def test_whether_a_view_brings_it_back(kind: str, kept_out: bool) -> None:
    shop = shop_with_two_shelves()
    shop.event("ann", kind, "milk")
    shop.event("ann", "view_item", "milk")
    shop.restart()
    assert ("milk" not in shop.event("ann", "view_item", "tea").items) == kept_out


@pytest.mark.parametrize("kind", ["dislike", "hide"])
def test_what_is_near_a_hidden_item_falls_for_this_user(kind: str) -> None:
    shop = shop_with_two_shelves()
    assert shop.event("ann", "view_item", "tea").order("milk", "honey") == ["milk", "honey"]
    assert shop.event("ann", kind, "cream").order("milk", "honey") == ["honey", "milk"]
    shop.restart()
    assert shop.event("ann", "view_item", "tea").order("milk", "honey") == ["honey", "milk"]
    assert shop.event("bob", "view_item", "tea").order("milk", "honey") == ["milk", "honey"]


@pytest.mark.parametrize("kind", ["dislike", "hide"])
def test_a_hidden_item_speaks_for_nothing_however_often_it_was_looked_at(kind: str) -> None:
    shop = shop_with_two_shelves()
    assert shop.event("ann", "view_item", "cream").because["milk"] == ["cream"]
    assert shop.event("ann", kind, "cream").speakers() == set()
    shop.restart()
    assert shop.event("ann", "view_item", "cream", visit=2).speakers() == set()


def test_what_was_taken_out_of_the_cart_speaks_for_nothing_in_this_visit() -> None:
    shop = shop_with_two_shelves()
    shop.event("ann", "view_item", "tea")
    assert "cream" in shop.event("ann", "add_to_cart", "cream").speakers()
    assert shop.event("ann", "remove_from_cart", "cream").speakers() == {"tea"}
    shop.restart()
    assert "cream" not in shop.event("ann", "view_item", "tea").speakers()
    assert "cream" in shop.event("ann", "view_item", "biscuit", visit=2).speakers()


def test_what_goes_back_into_the_cart_speaks_again() -> None:
    shop = shop_with_two_shelves()
    for kind in ("add_to_cart", "remove_from_cart"):
        shop.event("ann", kind, "cream")
    assert "cream" in shop.event("ann", "add_to_cart", "cream").speakers()


def test_a_purchase_that_was_sent_back_speaks_for_nothing_until_the_item_is_looked_at_again() -> None:
    shop = shop_with_two_shelves()
    assert "cream" in shop.event("ann", "purchase", "cream").speakers()
    listed = shop.event("ann", "refund", "cream", visit=2)
    assert (listed.speakers(), "cream" in listed.items) == (set(), False)
    shop.restart()
    listed = shop.event("ann", "view_item", "biscuit", visit=2)
    assert (listed.speakers(), "cream" in listed.items) == (set(), False)
    listed = shop.event("ann", "view_item", "cream", visit=3)
    assert ("cream" in listed.speakers(), "cream" in listed.items) == (True, True)


def test_looks_at_what_was_sent_back_go_on_speaking() -> None:
    shop = shop_with_two_shelves()
    shop.event("ann", "view_item", "cream")
    shop.event("ann", "purchase", "cream")
    assert shop.event("ann", "refund", "cream").because["milk"] == ["cream"]


def test_popularity_keeps_what_a_purchase_added_when_it_is_sent_back() -> None:
    shop = shop_with_two_shelves()
    shop.event("ann", "purchase", "milk")
    before = shop.for_visitors()
    shop.event("ann", "refund", "milk")
    assert before[0] == "milk"
    assert shop.items.popular_rows[0] == shop.items.intern("milk")
