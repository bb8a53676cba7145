"""User records: what goes in comes out, heads stay small, damaged bytes are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.state.history import CHUNK_LINES
from stream_rec.core.state.marks import HIDDEN, REFUNDED, REMOVED
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import (
    attach,
    decode_head,
    encode_head,
    erase_puts,
    head_deadline_ms,
    head_key,
    keys_to_load,
    puts_of,
)
from stream_rec.errors import CorruptStateError

FLAGS = st.sampled_from([HIDDEN, REMOVED, REFUNDED])
MARKS = st.tuples(st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1)), FLAGS, st.integers(0, 2**31 - 1))
Records = dict[bytes, bytes]
HASHES = st.integers(0, 2**64 - 1)
TIMES = st.integers(0, 2**48 - 1)
LINES = st.tuples(HASHES, TIMES, st.integers(0, 3), st.integers(1, 15))


def write(state: UserState, records: Records) -> None:
    for key, value, _ in puts_of(state):
        if value is None:
            records.pop(key, None)
        else:
            records[key] = value


def load(user_id: str, records: Records, history_events: int) -> UserState:
    state = decode_head(user_id, records[head_key(user_id.encode())], history_events)
    attach(state, [records.get(key) for key in keys_to_load(state)])
    return state


def add_lines(state: UserState, lines: list[tuple[int, int, int, int]]) -> None:
    for item_hash, time_ms, new_session, kind in lines:
        state.session += new_session
        state.append(item_hash, 0, time_ms, state.session, kind)


NOT_STORED = ("history", "last_list", "marks", "event_ids", "marks_stored", "pending_lines")
"""Compared apart below, or of this round only."""


def contents(state: UserState) -> dict[str, object]:
    """Everything of a state that must survive a round trip, as plain values."""
    history = state.history
    columns = history.hashes_view(), history.times_view(), history.sessions_view(), history.kinds()
    plain = {name: getattr(state, name) for name in UserState.__slots__ if name not in NOT_STORED}
    return plain | {
        "lines": list(zip(*(column.tolist() for column in columns), strict=True)),
        "n_total": history.n_total,
        "last_list": state.last_list.tolist(),
        "marks": list(state.marks),
        "event_ids": list(state.event_ids),
    }


@st.composite
def user_states(draw: st.DrawFn) -> UserState:
    state = UserState(draw(st.text(min_size=1, max_size=20)), draw(st.sampled_from([10, 32, 50, 100])))
    state.generation = draw(st.integers(0, 2**31 - 1))
    state.offsets = draw(st.lists(st.integers(-1, 2**62), min_size=2, max_size=2))
    state.events_applied = draw(st.integers(0, 2**32 - 1))
    state.session = draw(st.sampled_from([0, 1, 4090, 70_000, 2_000_000_000]))
    state.session_key = draw(HASHES)
    for name in ("session_deadline_ms", "last_event_ms", "as_of_ms", "first_seen_ms"):
        setattr(state, name, draw(TIMES))
    for event_hash in draw(st.lists(HASHES, max_size=40)):
        state.remember_event(event_hash)
    for item_hash, flag, session in draw(st.lists(MARKS, max_size=70)):
        state.marks.add(item_hash, flag, session)
    state.publish(np.array(draw(st.lists(HASHES, max_size=25)), np.uint64), draw(TIMES))
    return state


@settings(deadline=None, max_examples=60)
@given(user_states(), st.lists(st.lists(LINES, max_size=70), max_size=5))
def test_a_state_written_after_every_round_loads_equal(
    state: UserState, rounds: list[list[tuple[int, int, int, int]]]
) -> None:
    records: Records = {}
    for lines in [[], *rounds]:
        add_lines(state, lines)
        write(state, records)
        loaded = load(state.user_id, records, state.history.keep)
        assert contents(loaded) == contents(state)
        assert encode_head(loaded) == encode_head(state)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 90), max_size=12), st.integers(0, 11), st.sampled_from([10, 64, 100]))
def test_a_restart_between_any_two_rounds_changes_nothing(sizes: list[int], restart: int, keep: int) -> None:
    steady, restarted = UserState("u", keep), UserState("u", keep)
    steady_records: Records = {}
    records: Records = {}
    for i, size in enumerate(sizes):
        lines = [(n, n, 0, 1) for n in range(steady.n_total, steady.n_total + size)]
        add_lines(steady, lines)
        add_lines(restarted, lines)
        write(steady, steady_records)
        write(restarted, records)
        if i == restart:
            restarted = load("u", records, keep)
    assert records == steady_records


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=8), st.sampled_from([10, 64, 100]))
def test_every_prefix_of_the_writes_can_be_read(sizes: list[int], keep: int) -> None:
    state = UserState("u", keep)
    records: Records = {}
    for size in sizes:
        add_lines(state, [(n, n, 0, 1) for n in range(state.n_total, state.n_total + size)])
        state.marks.add(size, HIDDEN, 1)
        for key, value, _ in puts_of(state):
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value
            if head_key(b"u") in records:
                seen = load("u", records, keep)
                expected = list(range(max(0, seen.n_total - keep), seen.n_total))
                assert seen.history.hashes_view().tolist() == expected


def full_state(user_id: str, n_lines: int) -> UserState:
    state = UserState(user_id, 1000)
    for i in range(n_lines):
        state.append(2**64 - 1 - i, i, 2**48 - 1, 2**31 - 1, 10)
    state.session = 2**31 - 1
    for i in range(100):
        state.remember_event(2**64 - 1 - i)
        state.marks.add(2**64 - 1 - i, HIDDEN, 2**31 - 1)
    state.publish(np.full(30, 2**64 - 1, np.uint64), 2**48)
    return state


@pytest.mark.parametrize("n_lines", [0, 1, 31, 32, 33, 1000])
def test_a_head_with_everything_full_fits_into_1024_bytes(n_lines: int) -> None:
    assert len(encode_head(full_state("x" * 256, n_lines))) <= 1024


def test_a_user_of_92_lines_costs_at_most_3_kb_all_records_and_keys_counted() -> None:
    records: Records = {}
    write(full_state("12345", 92), records)
    assert sum(len(key) + len(value) for key, value in records.items()) <= 3 * 1024


def test_chunks_outside_the_history_are_deleted() -> None:
    state = UserState("u", 100)
    records: Records = {}
    for n in range(1000):
        state.append(n, 0, n, 1, 1)
        write(state, records)
    assert sum(key.startswith(b"c") for key in records) <= 100 // CHUNK_LINES + 1


def test_a_longer_history_setting_takes_what_is_left() -> None:
    state = UserState("u", 64)
    records: Records = {}
    for n in range(320):
        state.append(n, 0, n, 1, 1)
        write(state, records)
    assert load("u", records, 1000).history.hashes_view().tolist() == list(range(256, 320))


def test_erasing_leaves_nothing() -> None:
    state = full_state("u", 500)
    state.session_deadline_ms = 77
    records: Records = {}
    write(state, records)
    for key, value, _ in erase_puts(load("u", records, 100)):
        assert value is None
        records.pop(key, None)
    assert records == {}


def test_encoding_changes_nothing_and_needs_no_chunks() -> None:
    state = full_state("u", 40)
    assert encode_head(state) == encode_head(state)
    assert decode_head("u", encode_head(state), 1000).history.n_held == CHUNK_LINES


def test_the_deadline_is_read_without_decoding() -> None:
    state = full_state("u", 3)
    state.session_deadline_ms = 1_700_000_000_123
    assert head_deadline_ms(encode_head(state)) == 1_700_000_000_123


def _load_damaged(records: Records, key: bytes, damage: Callable[[bytes], bytes | None]) -> None:
    damaged = damage(records[key])
    rest = {k: v for k, v in records.items() if k != key}
    load("u", rest if damaged is None else rest | {key: damaged}, 1000)


class TestDamage:
    records: Records = {}  # noqa: RUF012  # filled once, never changed
    write(full_state("u", 92), records)
    key = st.sampled_from([key for key in records if key[:1] in b"hcx"])

    @settings(deadline=None)
    @given(key, st.data())
    def test_any_flipped_bit_is_told(self, key: bytes, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, 8 * len(self.records[key]) - 1))
        with pytest.raises(CorruptStateError, match=r"user 'u': need .*; got "):
            _load_damaged(
                self.records, key, lambda v: v[: at // 8] + bytes([v[at // 8] ^ 1 << at % 8]) + v[at // 8 + 1 :]
            )

    @settings(deadline=None)
    @given(key, st.data())
    def test_any_truncation_is_told(self, key: bytes, data: st.DataObject) -> None:
        length = data.draw(st.integers(0, len(self.records[key]) - 1))
        with pytest.raises(CorruptStateError, match=r"user 'u': need .*; got "):
            _load_damaged(self.records, key, lambda v: v[:length])

    @settings(deadline=None, max_examples=30)
    @given(st.binary(max_size=1200))
    def test_any_bytes_are_a_head_or_corrupt(self, data: bytes) -> None:
        with pytest.raises(CorruptStateError):
            decode_head("u", data, 1000)

    def test_an_unknown_version_names_the_way_out(self) -> None:
        with pytest.raises(CorruptStateError, match=r"need version 1, record 104; got 2, 104.*stream-rec reset"):
            decode_head("u", b"\2" + self.records[b"hu"][1:], 1000)

    def test_a_missing_middle_chunk_or_missing_marks_are_told(self) -> None:
        with pytest.raises(CorruptStateError, match="chunk 1 of user 'u': need its record; got none"):
            _load_damaged(self.records, b"c\0\0\0\1u", lambda _: None)
        with pytest.raises(CorruptStateError, match="marked items of user 'u': need their record; got none"):
            _load_damaged(self.records, b"xu", lambda _: None)
