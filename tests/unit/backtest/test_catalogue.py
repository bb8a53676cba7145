"""Catalogues from files: canonical and foreign, known by their header, the log itself among them."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from stream_rec.backtest.catalogue import CatalogueItem, load_catalogue, parse_items_columns, read_catalogue
from stream_rec.backtest.run import BacktestRequest, run_backtest
from stream_rec.core import wire
from stream_rec.core.presets import PRESETS
from stream_rec.core.state.items import ItemTable
from stream_rec.errors import ConfigError

CANONICAL = "item_id,title,category,price\nmug,Red mug,Kitchen,2.5\ncup,,,\n"
JSONL = (
    '{"item_id":"mug","title":"Red mug","category":"Kitchen","price":2.5}\n'
    '{"title":null,"item_id":"cup"}\n'
)  # fmt: skip
ITEMS = [CatalogueItem("mug", "Red mug", "Kitchen", 2.5), CatalogueItem("cup")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


def written(path: Path, text: str, packed: bool = False) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("text", [CANONICAL, CANONICAL.replace(",", ";"), JSONL])
def test_the_same_items_whatever_the_packing(file: Path, text: str, packed: bool) -> None:
    assert read_catalogue(written(file, text, packed)) == ITEMS


def test_an_optional_text_joins_what_models_read_as_it_does_on_the_topic(file: Path) -> None:
    (item,) = read_catalogue(written(file, "item_id,title,text,category\nmug,Red mug,Holds a pint.,Kitchen\n"))
    assert item == CatalogueItem("mug", "Red mug", "Kitchen", None, "Holds a pint.")
    for title, category, text in (
        (None, None, None), (None, None, "a"), ("a", None, "b"), ("Red mug", "Kitchen", "Holds a pint."),
    ):  # fmt: skip
        sent = wire.CatalogueItem("mug", title, category, text=text)
        assert CatalogueItem("mug", title, category, None, text).words() == sent.words()
    (renamed,) = read_catalogue(file, parse_items_columns("item_id=item_id,title=title,text=title+text"))
    assert renamed.words() == "Red mug Kitchen Red mug Holds a pint."
    items = ItemTable(PRESETS["clicks"])
    load_catalogue([item], items)
    assert int(items.texts.arrays().weights[0].astype(bool).sum()) == 3, "ranked by title and category, as in a worker"


def test_foreign_columns_and_several_in_one_field(file: Path) -> None:
    written(file, "sku,name,brand,cost\n7,Lamp,Acme,3\n8,,Acme,\n")
    columns = parse_items_columns("item_id=sku,title=name+brand,price=cost")
    assert read_catalogue(file, columns) == [
        CatalogueItem("7", "Lamp Acme", None, 3.0),
        CatalogueItem("8", "Acme"),
    ]


def test_the_log_of_online_retail_is_its_catalogue_and_the_first_word_counts(file: Path) -> None:
    written(
        file,
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "1,A,,1,2010-12-01 08:26:00,0.0,,UK\n"
        "2,A,RED MUG,1,2010-12-01 08:26:00,2.5,17850.0,UK\n"
        "3,A,wrongly sold,1,2010-12-01 08:26:00,9.5,17850.0,UK\n"
        "4,,POSTAGE,1,2010-12-01 08:26:00,9.5,17850.0,UK\n",
    )
    assert read_catalogue(file) == [CatalogueItem("A", "RED MUG", None, 2.5)]


def test_the_wines_of_x_wines_are_known_by_their_header(file: Path) -> None:
    written(
        file,
        "WineID,WineName,Type,Grapes,RegionName,WineryName\n7,Moscatel,Sparkling,['Muscat'],Serra Gaúcha,Casa Perini\n",
    )
    assert read_catalogue(file) == [
        CatalogueItem("7", "Moscatel Casa Perini", "Sparkling ['Muscat'] Serra Gaúcha"),
    ]


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("", "", "line 1: need a header"),
        ("sku,title\n1,x\n", "", "line 1: need a column 'item_id' for item_id"),
        ("item_id\n1\n", "title=name", "line 1: need a column 'name' for title"),
        ("item_id,price\n1,cheap\n", "", "line 2: price: need a number"),
    ],
)
def test_errors_name_the_line(file: Path, text: str, columns: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_catalogue(written(file, text), parse_items_columns(columns))


def test_only_fields_of_a_catalogue_can_be_named() -> None:
    with pytest.raises(ConfigError, match=r"--items-columns: need fields among .*; got 'user_id'"):
        parse_items_columns("user_id=who")


def test_only_texts_are_made_of_several_columns() -> None:
    with pytest.raises(ConfigError, match="need one column for price; got 'net\\+tax'"):
        parse_items_columns("price=net+tax")


def test_loading_gives_rows_texts_and_prices_and_makes_nothing_listable() -> None:
    items = ItemTable(PRESETS["retail"], capacity=1)
    assert load_catalogue(ITEMS, items) == 2
    texts, t = items.texts, items.texts.arrays()
    assert items.ids == ["mug", "cup"]
    assert not items.listable.any()
    assert np.isnan(t.log_price[1])
    assert t.log_price[0] == pytest.approx(math.log(2.5))
    assert (texts.documents, texts.capacity) == (1, items.capacity)


def test_a_backtest_knows_the_texts_before_the_first_event_and_fusion_does_not_look_at_them(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log",
        "timestamp_ms,user_id,item_id,event\n"
        + "".join(f"{i * 60_000},u{i % 3},i{i * i % 7},view_item\n" for i in range(60)),
    )
    items = written(tmp_path / "items", "item_id,title\n" + "".join(f"i{i * i % 7},Item {i}\n" for i in range(9)))
    without, with_them = (run_backtest(BacktestRequest(log, items=path), iter) for path in (None, items))
    assert (without["texts"], with_them["texts"]) == (0, 4)
    assert without["rankers"]["fusion"] == with_them["rankers"]["fusion"]
