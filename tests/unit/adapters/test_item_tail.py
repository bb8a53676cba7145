"""What records of the catalogue do to the item table and to the items' texts."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import pytest

from stream_rec.adapters.item_tail import absorb_catalogue
from stream_rec.core.presets import PRESETS
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.text_terms import terms_of


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None


class Shop:
    """A table, its texts, and the reasons of what was refused."""

    def __init__(self) -> None:
        self.items = ItemTable(PRESETS["retail"])
        self.texts = self.items.texts
        self.refused: list[str] = []

    def absorb(self, *records: Record) -> None:
        absorb_catalogue(records, self.items, self.refused.append)

    def terms(self, item_id: str) -> set[int]:
        row, t = self.items.intern(item_id), self.texts.arrays()
        return {int(term) for term in t.terms[row, t.weights[row] > 0]}


def said(item_id: str, **fields: Any) -> Record:
    return Record(item_id.encode(), json.dumps({"item_id": item_id, **fields}).encode())


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_title_categories_and_price_are_kept(shop: Shop) -> None:
    shop.absorb(said("mug", title="Red mug", category="Kitchen", categories=["Gifts", "New"], price=2.5))
    assert shop.terms("mug") == {term for term, _ in terms_of("red mug kitchen gifts new", "")}
    assert shop.texts.arrays().log_price[0] == pytest.approx(math.log(2.5))


def test_the_newest_record_wins(shop: Shop) -> None:
    shop.absorb(said("mug", title="Red mug", price=2.5), said("mug", title="Blue mug"))
    assert shop.terms("mug") == {term for term, _ in terms_of("blue mug", "")}
    assert math.isnan(shop.texts.arrays().log_price[0])


@pytest.mark.parametrize("last", [Record(b"mug", None), said("mug", available=False)], ids=["tombstone", "sold out"])
def test_what_is_gone_is_not_available(shop: Shop, last: Record) -> None:
    shop.absorb(said("mug", title="Red mug"), last)
    assert shop.items.unavailable[0] == 1
    assert shop.terms("mug") == set()


def test_what_is_sold_out_and_still_described_keeps_its_text(shop: Shop) -> None:
    shop.absorb(said("mug", title="Red mug", available=False))
    assert shop.terms("mug") == {term for term, _ in terms_of("red mug", "")}


def test_refused_records_are_counted_and_change_nothing(shop: Shop) -> None:
    shop.absorb(Record(None, b"{}"), Record(b"mug", b"no"), Record(b"cup", said("mug").value), Record(b"\xff", None))
    assert shop.refused == ["null-key", "not-json", "key-mismatch", "not-utf8"]
    assert (shop.items.n, shop.texts.documents) == (0, 0)


def test_a_catalogue_makes_nothing_listable(shop: Shop) -> None:
    shop.absorb(said("mug", title="Red mug"))
    assert not shop.items.listable.any()
