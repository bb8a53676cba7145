"""`stream-rec shop` writes logs that the reader of event logs reads back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from stream_rec.cli.shop import command
from stream_rec.shop import Shop
from stream_rec.shop.files import write_events


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.jsonl", "log.jsonl.gz"])
def test_a_log_reads_back_as_it_was_drawn(tmp_path: Path, name: str) -> None:
    from stream_rec.backtest.event_log import read_log

    command(out=tmp_path / name, events=400, users=30, items=60, seed=9)
    drawn = [tuple(event[:4]) for event in Shop(30, 60, 9).events(400)]
    read = [(event.timestamp_ms, event.user_id, event.item_id, event.event) for event in read_log(tmp_path / name)]
    assert read == drawn


def test_the_same_shop_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        command(out=tmp_path / name, events=400, users=30, items=60, seed=9)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_the_catalogue_comes_with_titles(tmp_path: Path) -> None:
    command(out=tmp_path / "log.csv", events=10, users=3, items=60, seed=9, catalogue_out=tmp_path / "items.jsonl.gz")
    with gzip.open(tmp_path / "items.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert len(rows) == 60
    assert set(rows[0]) == {"item_id", "title", "category", "price"}


def test_a_name_that_says_no_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"need a name that ends in \.csv"):
        write_events(tmp_path / "log.txt", Shop(3, 6, 1), [])
