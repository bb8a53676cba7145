"""Writes a shop's log and catalogue: CSV or JSON lines, packed if the name ends in .gz, the same bytes every time."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from stream_rec.shop.catalogue import Catalogue, CatalogueRow
from stream_rec.shop.stream import EventBlock, Shop

EVENT_COLUMNS = ("timestamp_ms", "user_id", "item_id", "event", "quantity", "price")
KINDS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz")


def write_events(path: Path, shop: Shop, blocks: Iterable[EventBlock]) -> None:
    """Write the blocks' events as a canonical log.

    Raises
    ------
    ValueError
        If the file's name does not say its kind.
    """
    rows = (tuple(event[: len(EVENT_COLUMNS)]) for block in blocks for event in shop.plain(block))
    _write(path, EVENT_COLUMNS, rows)


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Write one row per item.

    Raises
    ------
    ValueError
        If the file's name does not say its kind.
    """
    _write(path, CatalogueRow._fields, catalogue.rows())


def check_kind(path: Path) -> None:
    """Raise ValueError unless the name ends in one of `KINDS`."""
    if not path.name.endswith(KINDS):
        raise ValueError(f"{path}: need a name that ends in {', '.join(KINDS)}; got {path.name!r}.")


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    check_kind(path)
    with _open(path) as file:
        if ".csv" in path.suffixes:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    if path.suffix != ".gz":
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    with path.open("wb") as raw:  # no name and no time in the packed header: the same log is the same bytes
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6)
        with packed, io.TextIOWrapper(packed, encoding="utf-8", newline="") as file:
            yield file
