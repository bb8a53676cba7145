"""A shop's catalogue from a file, to replay or train with: item_id, title, category, price, text, foreign or not.

A file may name an item often, as a log of invoices does: the first value of each field that says anything counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stream_rec.backtest.log_format import pairs
from stream_rec.backtest.log_rows import id_of, number_of
from stream_rec.backtest.table_file import Table, open_table
from stream_rec.core.state.items import ItemTable
from stream_rec.errors import ConfigError

FIELDS = ("item_id", "title", "category", "price", "text")

KNOWN_COLUMNS: dict[frozenset[str], Mapping[str, str]] = {
    frozenset({"StockCode", "Description", "UnitPrice"}): {
        "item_id": "StockCode",
        "title": "Description",
        "price": "UnitPrice",
    },
    frozenset({"WineID", "WineName", "WineryName", "Type", "Grapes", "RegionName"}): {
        "item_id": "WineID",
        "title": "WineName+WineryName",
        "category": "Type+Grapes+RegionName",
    },
}
"""Columns of the header -> columns of the fields: UCI Online Retail's log itself, X-Wines' wines."""


class CatalogueItem(NamedTuple):
    """What a catalogue says of one item; `None` where it says nothing. `text` is whatever else describes it."""

    item_id: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    text: str | None = None

    def words(self) -> str:
        """Return all that is written of the item, as `core/wire.py` has it of a record: the encoder's texts."""
        return " ".join(filter(None, (self.title, self.category, self.text)))


def parse_items_columns(text: str | None) -> dict[str, str]:
    """Return field -> column of the option `--items-columns`; columns that are joined to one text stand with a plus.

    Raises
    ------
    ConfigError
        A field has no such name.

    Examples
    --------
    >>> parse_items_columns("item_id=StockCode,title=Name+Brand")
    {'item_id': 'StockCode', 'title': 'Name+Brand'}
    """
    named = pairs("--items-columns", text)
    for name, column in named.items():
        if name not in FIELDS:
            raise ConfigError(f"--items-columns: need fields among {', '.join(FIELDS)}; got {name!r}.")
        if name in ("item_id", "price") and "+" in column:
            raise ConfigError(f"--items-columns: need one column for {name}; got {column!r}.")
    return named


def read_catalogue(path: Path, columns: Mapping[str, str] | None = None) -> list[CatalogueItem]:
    """Return the items of a catalogue in the order they first come; rows without an id are passed over.

    Parameters
    ----------
    path
        CSV or JSON lines, gzipped or not.
    columns
        Field -> its column, or several joined by a plus; by default canonical, or known by the header.

    Raises
    ------
    ConfigError
        The file cannot be read, or lacks a column; the message names the line.
    """
    known: dict[str, CatalogueItem] = {}
    complete: set[str] = set()  # of these nothing new can come: a log names each item a hundred times
    with open_table(path) as table:
        fitted = _fitted(columns or {}, table, path)
        (id_column,) = fitted["item_id"]
        for line, row in table.rows:
            try:
                item_id = id_of("item_id", row.get(id_column))
                if not item_id or item_id in complete:
                    continue
                known[item_id] = item = _item(item_id, row, fitted, known.get(item_id))
            except ValueError as error:
                raise ConfigError(f"{path}, line {line}: {error}.") from error
            if all(getattr(item, name) is not None for name in fitted):
                complete.add(item_id)
    return list(known.values())


def load_catalogue(catalogue: Iterable[CatalogueItem], items: ItemTable) -> int:
    """Give every item a row, its words and its price; return how many there are.

    As in a worker these are those of title and category. `items` is changed. Nothing becomes listable by it: that takes
    an event.
    """
    n = 0
    for item in catalogue:
        items.texts.set(items.intern(item.item_id), item.title, item.category, item.price)
        n += 1
    items.texts.reweigh()
    return n


def _fitted(columns: Mapping[str, str], table: Table, path: Path) -> dict[str, tuple[str, ...]]:
    """Return field -> its columns, without the fields the table says nothing of."""
    header = frozenset(table.columns)
    if "item_id" not in header and "item_id" not in columns:
        recognised = (known for names, known in KNOWN_COLUMNS.items() if names <= header)
        columns = {**next(recognised, {}), **columns}
    fitted = {name: tuple(columns.get(name, name).split("+")) for name in FIELDS}
    for name in FIELDS:
        missing = [column for column in fitted[name] if column not in header]
        if not missing or (table.open_ended and name != "item_id"):
            continue
        if name == "item_id" or name in columns:
            raise ConfigError(
                f"{path}, line 1: need a column {missing[0]!r} for {name}; got {', '.join(table.columns)[:200]}. "
                f"Name it with --items-columns {name}=COLUMN."
            )
        del fitted[name]
    return fitted


def _item(
    item_id: str, row: Mapping[str, Any], fitted: Mapping[str, tuple[str, ...]], before: CatalogueItem | None
) -> CatalogueItem:
    """Return what `before` and the row say of an item; raises ValueError in words for a person."""
    title, category, text = (_joined(row, fitted.get(name, ())) for name in ("title", "category", "text"))
    price = number_of("price", row.get(fitted["price"][0])) if "price" in fitted else None
    item = CatalogueItem(item_id, title, category, price if price and price > 0 else None, text)
    if before is None:
        return item
    return item._replace(**{name: value for name, value in before._asdict().items() if value is not None})


def _joined(row: Mapping[str, Any], columns: tuple[str, ...]) -> str | None:
    return " ".join(str(row[column]) for column in columns if row.get(column) not in (None, "")) or None
