"""Lists as text: whatever the ids and scores, a JSON reader finds what was ranked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.list_entries import EntryWriter
from stream_rec.core.orders import Recommendation
from stream_rec.core.presets import PRESETS
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Ranked, item_hash

KINDS = ("co_occurrence", "own_continuation", 'qu"oted')
IDS = st.lists(st.text(min_size=1, max_size=40), min_size=2, max_size=8, unique=True)
SCORES = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 0.0005, 0.0015, -0.0004, 9.9996, 99.9, 1e12, -1e300])


def a_list(items: ItemTable, rows: list[int], scores: list[float], because: list[int]) -> Recommendation:
    n, sources = len(rows), len(KINDS)
    by = np.arange(n, dtype=np.int32) % sources
    ranked = Ranked(np.array(rows, np.int32), np.array(scores, np.float64), by)
    return Recommendation(ranked, np.array(because, np.int32))


def read(text: bytes) -> list[tuple[str, float, str, list[str]]]:
    return [
        (one["item_id"], one["score"], one["reason"]["kind"], one["reason"]["because"])
        for one in json.loads(b"[" + text + b"]")
    ]


def expected(items: ItemTable, made: Recommendation) -> list[tuple[str, float, str, list[str]]]:
    (rows, scores, by), because = made.ranked, made.because
    entries = []
    for row, score, source, reason in zip(rows.tolist(), scores.tolist(), by.tolist(), because.tolist(), strict=True):
        item_id, why = items.ids[row], items.ids[reason] if reason >= 0 else None
        assert item_id is not None
        steps = round(min(max(score, -1e15), 1e15) * 1000)
        entries.append((item_id, steps / 1000, KINDS[source], [] if why is None else [why]))
    return entries


@given(IDS, st.data())
@settings(deadline=None)  # the first call compiles
def test_a_reader_finds_every_entry(ids: list[str], data: st.DataObject) -> None:
    items = ItemTable(PRESETS["retail"], capacity=1)
    named = [items.intern(item_id) for item_id in ids]
    hashed = items.row_of_hash(item_hash("nobody has named this one"), create=True)
    writer = EntryWriter(items, KINDS)
    for _ in range(3):
        rows = data.draw(st.lists(st.sampled_from(named), max_size=20))
        n = len(rows)
        scores = data.draw(st.lists(SCORES, min_size=n, max_size=n))
        because = data.draw(st.lists(st.sampled_from([*named, hashed, -1]), min_size=n, max_size=n))
        made = a_list(items, rows, scores, because)
        assert read(writer.write(made)) == expected(items, made)


def test_a_reason_is_named_once_its_id_has_come() -> None:
    items = ItemTable(PRESETS["retail"], capacity=4)
    row, reason = items.intern("milk"), items.row_of_hash(item_hash("bread"), create=True)
    writer, made = EntryWriter(items, KINDS), a_list(items, [row], [1.0], [reason])
    assert read(writer.write(made)) == [("milk", 1.0, KINDS[0], [])]
    items.intern("bread")
    assert read(writer.write(made)) == [("milk", 1.0, KINDS[0], ["bread"])]


def test_a_listed_row_without_an_id_is_an_error_and_no_endless_search() -> None:
    items = ItemTable(PRESETS["retail"], capacity=4)
    nameless = items.row_of_hash(item_hash("bread"), create=True)
    with pytest.raises(ValueError, match="need an id for every listed row"):
        EntryWriter(items, KINDS).write(a_list(items, [nameless], [1.0], [nameless]))


def test_scores_have_no_more_digits_than_they_need() -> None:
    items = ItemTable(PRESETS["retail"], capacity=4)
    row, writer = items.intern("milk"), EntryWriter(items, KINDS)
    for score, text in [(0.25, b"0.25"), (-0.0001, b"0"), (7.0, b"7"), (-12.3456, b"-12.346"), (1000.1, b"1000.1")]:
        assert b'"score":%b,' % text in writer.write(a_list(items, [row], [score], [-1]))
