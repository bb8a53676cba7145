"""The learned part of a frame: what comes back, what goes where, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.deltas import FrameBuilder, decode
from stream_rec.core.gradients import CONTEXT_ALONE, LearnedPart, RoundGradients, decode_part, encode_part
from stream_rec.errors import CorruptStateError

HASHES = np.array([4, 8, 9, 13, 2**64 - 2, 6], np.uint64)
"""Of 4 shards: 0, 0, 1, 1, 2, 2."""

D = 3


def two_events() -> RoundGradients:
    """Event 5 moves rows 0 and 2 as targets, 3 and 4 as history; event 6, of purchases, row 2 as both."""
    round_ = RoundGradients(D, 4)
    for place, targets, history in (((0, 31, 5), [0, 2], [3, 4]), ((1, 2, 2**40), [2], [2])):
        round_.reserve()
        e, m = round_.n, round_.members
        at = int(m.start[e])
        for row in (*targets, *history):
            m.row[at], m.value[at] = row, row + 0.5
            at += 1
        m.n_targets[e], m.start[e + 1] = len(targets), at
        round_.context[e], round_.back[e] = 0.25 * (e + 1), -1.5 * (e + 1)
        round_.commit(place)
    round_.add_example((0, 31, 5), 1, np.array([0.1, -2.0], np.float32))
    round_.add_example((1, 2, 2**40), 1 | CONTEXT_ALONE, np.array([3.0, 0.0], np.float32))
    return round_


def encode(round_: RoundGradients, shard: int = 0, n_shards: int = 1, with_examples: bool = True) -> bytes:
    slot = np.full(len(HASHES), -1, np.int32)
    part = encode_part(round_, HASHES, shard, n_shards, slot, with_examples)
    assert (slot == -1).all()
    return part


def moved(part: LearnedPart) -> list[tuple[list[tuple[int, float]], list[tuple[int, float]]]]:
    """Per entry: its targets and its history as (hash, number)."""
    found, at = [], 0
    for n_targets, n_history in zip(part.n_targets.tolist(), part.n_history.tolist(), strict=True):
        rows = [(int(part.hashes[m]), float(v)) for m, v in zip(part.members, part.values, strict=True)]
        found.append((rows[at : at + n_targets], rows[at + n_targets : at + n_targets + n_history]))
        at += n_targets + n_history
    return found


def test_a_part_comes_back_as_it_went() -> None:
    part = decode_part(encode(two_events()))
    assert moved(part) == [
        ([(4, 0.5), (9, 2.5)], [(13, 3.5), (2**64 - 2, 4.5)]),
        ([(9, 2.5)], [(9, 2.5)]),
    ]
    assert part.context.tolist() == [[0.25] * D, [0.5] * D]
    assert part.back.tolist() == [[-1.5] * D, [-3.0] * D]
    places = list(zip(part.topics.tolist(), part.partitions.tolist(), part.offsets.tolist(), strict=True))
    assert places == [(0, 31, 5), (1, 2, 2**40)] * 2  # of the entries, then of the examples
    assert part.weights.tolist() == [1, 1 | CONTEXT_ALONE]
    np.testing.assert_array_equal(part.examples, np.array([[0.1, -2.0], [3.0, 0.0]], np.float32))


def test_vectors_and_numbers_travel_as_float16_and_examples_whole() -> None:
    round_ = two_events()
    round_.context[0], round_.members.value[0] = 1 / 3, 1 / 3
    part = decode_part(encode(round_))
    assert part.context[0, 0] == part.values[0] == np.float16(1 / 3)
    assert part.examples[0, 0] == np.float32(0.1)


def test_every_shard_gets_its_own_rows_and_one_of_them_the_examples() -> None:
    parts = {shard: encode(two_events(), shard, 4, shard == 0) for shard in range(4)}
    assert parts[3] == b""
    assert {shard: moved(decode_part(part)) for shard, part in parts.items() if part} == {
        0: [([(4, 0.5)], [])],
        1: [([(9, 2.5)], [(13, 3.5)]), ([(9, 2.5)], [(9, 2.5)])],
        2: [([], [(2**64 - 2, 4.5)])],
    }
    assert [len(decode_part(part).weights) for part in parts.values() if part] == [2, 0, 0]


def test_the_examples_travel_also_where_no_row_moves() -> None:
    only_examples = decode_part(encode(two_events(), 3, 4))
    assert (len(only_examples.n_targets), only_examples.weights.tolist()) == (0, [1, 1 | CONTEXT_ALONE])
    assert only_examples.offsets.tolist() == [5, 2**40]


def test_a_round_starts_anew_and_grows_as_it_needs() -> None:
    round_ = two_events()
    round_.clear()
    assert encode(round_) == b""
    for event in range(200):
        round_.reserve()
        at = int(round_.members.start[event])
        round_.members.row[at], round_.members.value[at] = event % 6, 1.0
        round_.members.n_targets[event], round_.members.start[event + 1] = 1, at + 1
        round_.context[event] = event
        round_.commit((0, 0, event))
    part = decode_part(encode(round_))
    assert part.offsets.tolist() == list(range(200))
    assert part.context[:, 0].tolist() == list(range(200))
    assert [int(part.hashes[m]) for m in part.members[:6]] == HASHES.tolist()


def test_a_frame_may_hold_nothing_but_a_learned_part() -> None:
    part = encode(two_events())
    frame = decode(FrameBuilder(1).build({0: part})[0])
    assert (frame.learned, frame.sizes.entries, frame.last_partition) == (part, 0, -1)


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_corrupt_bytes_are_refused_or_stay_within_their_columns(data: st.DataObject) -> None:
    part = bytearray(encode(two_events()))
    for _ in range(data.draw(st.integers(1, 3))):
        part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    check(bytes(part))


@given(junk=st.binary(max_size=200), cut=st.integers(0, 150))
@settings(deadline=None, max_examples=100)
def test_junk_and_pieces_are_refused_or_stay_within_their_columns(junk: bytes, cut: int) -> None:
    whole = encode(two_events())
    for part in (junk, whole[:cut], whole + junk):
        check(part)


def check(part: bytes) -> None:
    """What decodes can be applied: kernels index by it unchecked."""
    try:
        decoded = decode_part(part)
    except CorruptStateError:
        return
    assert (decoded.members < max(1, len(decoded.hashes))).all()
    assert decoded.n_targets.sum() + decoded.n_history.sum() == len(decoded.members)
    assert (decoded.topics < 2).all()
    assert (decoded.partitions >= 0).all()


@pytest.mark.parametrize(("column", "value"), [("topics", 2), ("topics", 255), ("partitions", -1)], ids=str)
def test_an_impossible_source_is_refused(column: str, value: int) -> None:
    round_ = two_events()
    topic, partition, offset = round_.places[0]
    round_.places[0] = (value, partition, offset) if column == "topics" else (topic, value, offset)
    with pytest.raises(CorruptStateError, match="indices within its columns"):
        decode_part(encode(round_))


NOT_FINITE = pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 65_520.0], ids=str)


@NOT_FINITE
@pytest.mark.parametrize("column", ["context", "back", "value"])
@pytest.mark.parametrize("entry", [0, 1])
def test_an_entry_that_would_not_be_finite_in_a_frame_is_left_out(entry: int, column: str, number: float) -> None:
    round_, whole = two_events(), decode_part(encode(two_events()))
    if column == "value":
        round_.members.value[round_.members.start[entry]] = number
    else:
        getattr(round_, column)[entry, D - 1] = number
    assert round_.drop_unfit() == 1
    part, other = decode_part(encode(round_)), 1 - entry
    assert moved(part) == [moved(whole)[other]]
    for name in ("context", "back"):
        assert getattr(part, name).tolist() == [getattr(whole, name)[other].tolist()]
    assert part.offsets.tolist() == [whole.offsets[other], *whole.offsets[2:]]


def test_an_example_that_is_not_finite_is_left_out() -> None:
    round_ = two_events()
    round_.examples[0][2][1] = np.nan
    assert round_.drop_unfit() == 1
    assert decode_part(encode(round_)).examples.tolist() == [[3.0, 0.0]]


def test_the_largest_halves_stay() -> None:
    round_ = two_events()
    round_.context[0], round_.back[0] = 65_519.0, -65_504.0
    before = encode(round_)
    assert (round_.drop_unfit(), encode(round_)) == (0, before)
