"""A version is complete once every partition gave what its end marker says, in whatever order records come."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_rec.core.arriving_version import ArrivingVersion
from stream_rec.core.presets import PRESETS, SequenceParams
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float32Array
from stream_rec.core.vector_records import VectorRows, encode_end, encode_vectors
from tests.twins.small_model import WIDTH, small_weights

VERSION, PARTITIONS = "v0002", 2
Records = list[tuple[int, bytes, bytes | None]]


def rows_of(item_ids: list[str], value: float = 1.0) -> VectorRows:
    rows = np.full((len(item_ids), row_width(WIDTH)), value, np.float32)
    return VectorRows(item_ids, [0] * len(item_ids), rows, np.zeros((len(item_ids), 0), np.float32))


def records(item_ids: list[str], end: int | None, version: str = VERSION, first_offset: int = 0) -> Records:
    pairs: list[tuple[bytes, bytes]] = list(encode_vectors(version, rows_of(item_ids), "fp16"))
    pairs += [] if end is None else [encode_end(version, end)]
    return [(offset, key, value) for offset, (key, value) in enumerate(pairs, start=first_offset)]


class Arrival:
    def __init__(self) -> None:
        self.items = ItemTable(PRESETS["retail"])
        for item_id in "abcd":
            self.items.intern(item_id)
        none: Float32Array = np.zeros((0, row_width(WIDTH)), np.float32)
        model = SequenceModel(VERSION, self.items, (), none, small_weights(1), SequenceParams())
        self.version = ArrivingVersion(model, VERSION, PARTITIONS)

    def known(self) -> list[int]:
        return self.version.model.vectors.known[: self.items.n].tolist()


def test_complete_with_the_last_end_marker() -> None:
    arrival = Arrival()
    assert arrival.version.absorb(0, records(["a", "b"], end=2)) == 0
    assert not arrival.version.complete
    arrival.version.absorb(1, records([], end=0))
    assert arrival.version.complete
    assert (arrival.version.complete_partitions, arrival.version.items) == (2, 2)
    assert arrival.known() == [1, 1, 0, 0]


def test_an_end_marker_before_rows_waits_for_them() -> None:
    """Compaction leaves the newest record of a key: a row that was written again lies behind the marker."""
    arrival = Arrival()
    arrival.version.absorb(1, records([], end=0))
    arrival.version.absorb(0, records(["a"], end=2))
    assert not arrival.version.complete
    arrival.version.absorb(0, records(["b"], end=None, first_offset=2))
    assert arrival.version.complete


def test_one_item_twice_is_one_item() -> None:
    arrival = Arrival()
    arrival.version.absorb(1, records([], end=0))
    arrival.version.absorb(0, records(["a", "a"], end=2))
    assert not arrival.version.complete


def test_other_versions_and_tombstones_say_nothing() -> None:
    arrival = Arrival()
    arrival.version.absorb(0, records(["a"], end=1, version="v0001"))
    key = records(["b"], end=None)[0][1]
    assert arrival.version.absorb(0, [(5, key, None)]) == 0
    assert (arrival.version.complete_partitions, arrival.version.items) == (0, 0)


def test_damaged_records_are_counted_and_cost_nothing_else() -> None:
    arrival = Arrival()
    good, bad, end = records(["a", "b"], end=1)
    assert arrival.version.absorb(0, [good, (bad[0], bad[1], b"junk"), (3, b"no key", b""), end]) == 2
    arrival.version.absorb(1, records([], end=0))
    assert arrival.version.complete
    assert arrival.known() == [1, 0, 0, 0]


def test_what_was_read_before_is_passed_over_when_a_topic_is_read_again() -> None:
    arrival = Arrival()
    arrival.version.absorb(0, records(["a"], end=1))
    newer = next(iter(encode_vectors(VERSION, rows_of(["a"], 2.0), "fp16")))
    arrival.version.absorb(0, [(2, *newer)])
    arrival.version.absorb(0, records(["a"], end=1))
    assert arrival.version.model.vectors.bias[0] == 2.0


def test_items_the_table_hears_of_later_get_their_row_then() -> None:
    arrival = Arrival()
    arrival.version.absorb(0, records(["new"], end=1))
    row = arrival.items.intern("new")
    arrival.version.model.complete([])
    assert arrival.version.model.vectors.known[row] == 1


@given(st.lists(st.sampled_from("abcd"), unique=True), st.integers(1, 3))
def test_any_cut_into_polls_gives_the_same(item_ids: list[str], size: int) -> None:
    arrival, whole = Arrival(), Arrival()
    some = records(item_ids, end=len(item_ids))
    for one in (arrival, whole):
        one.version.absorb(1, records([], end=0))
    for at in range(0, len(some), size):
        arrival.version.absorb(0, some[at : at + size])
    whole.version.absorb(0, some)
    assert arrival.version.complete and whole.version.complete
    np.testing.assert_array_equal(arrival.version.model.vectors.known, whole.version.model.vectors.known)
