"""What a trainer makes of the records of a topic."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

from stream_rec.adapters.topic_log import texts_of


def record(item_id: str, value: str | None) -> SimpleNamespace:
    return SimpleNamespace(key=item_id.encode(), value=None if value is None else value.encode())


def test_the_newest_text_counts_and_a_tombstone_leaves_it() -> None:
    passed_over: Counter[str] = Counter()
    records = [
        record("mug", '{"item_id": "mug", "title": "red mug"}'),
        record("cup", '{"item_id": "cup", "title": "old cup"}'),
        record("mug", None),
        record("cup", '{"item_id": "cup", "title": "new cup"}'),
        record("never-described", None),
        record("cup", "{"),
    ]
    assert texts_of(records, passed_over) == {"mug": "red mug", "cup": "new cup"}
    assert passed_over == {"not-json": 1}
