"""The bytes of stores and changelogs in the field, pinned: those that are written, and older ones that must be read.

If this test fails, raise the version and keep reading the old one, or say in CHANGELOG.md that a reset is needed.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from stream_rec.core.state.marks import HIDDEN, REMOVED, Mark
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import (
    attach,
    chunk_key,
    deadline_key,
    decode_head,
    encode_head,
    head_key,
    marks_key,
    parse_deadline_key,
    puts_of,
)


def sealed(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc32(body).to_bytes(4, "little")


def small_state() -> UserState:
    state = UserState("u1", 1000)
    state.generation = 3
    state.offsets = [258, -1]
    state.events_applied = 4
    state.session = 5
    state.session_key = 0x0102030405060708
    state.session_deadline_ms = 0x1_0000
    state.last_event_ms = 0x0A0B_0C0D_0E0F
    state.as_of_ms = 0x0A0B_0C0D_0E10
    state.first_seen_ms = 7
    state.publish(np.array([9, 8], np.uint64), 10)
    state.remember_event(0xFFFF_FFFF_FFFF_FFFF)
    state.marks.add(6, HIDDEN, 4)
    state.marks.add(7, REMOVED, 5)
    state.append(0xAABB, 0, 0x0A0B_0C0D_0E0F, 5, 6)
    state.append(0xCCDD, 1, 0x10, 0x1005, 1)
    return state


STAMP_TAIL = "030000000201000000000000ffffffffffffffff"  # generation, offset of clicks, of purchases
HEAD = (
    "01"
    "68" + STAMP_TAIL + "04000000"
    "02000000"
    "05000000"  # events, lines, session
    "0807060504030201"  # session key
    "0000010000000000"
    "0f0e0d0c0b0a0000"
    "100e0d0c0b0a0000"  # deadline, last event, as of
    "0a00000000000000"
    "0700000000000000"  # list published, first seen
    "01"
    "02"
    "02"
    "0000"  # event ids, list, marks, more bytes
    "bbaa000000000000"
    "ddcc000000000000"  # line hashes
    "0f0e0d0c0b0a"
    "100000000000"  # line times
    "5600"
    "5100"  # session mod 4096 << 4 | kind
    "ffffffffffffffff"  # event id
    "0900000000000000"
    "0800000000000000"  # list
)

MARKS = (
    "0600000000000000"
    "0700000000000000"  # items
    "04000000"
    "05000000"  # sessions
    "01"
    "02"  # flags
)


def test_head_of_version_1_and_marks_of_version_2_and_index() -> None:
    assert [(put.key, put.value, put.replicated) for put in puts_of(small_state())] == [
        (b"xu1", sealed("0278" + STAMP_TAIL + MARKS), True),
        (b"hu1", sealed(HEAD), True),
        (b"d\0\0\0\0\0\1\0\0u1", b"", False),
    ]


def test_what_a_head_has_behind_its_list_is_passed_over() -> None:
    longer = HEAD.replace("0102020000bbaa", "0102020300bbaa") + "abcdef"
    state, plain = decode_head("u1", sealed(longer), 1000), decode_head("u1", sealed(HEAD), 1000)
    assert state.last_list.tolist() == plain.last_list.tolist() == [9, 8]
    assert encode_head(state) == encode_head(plain)


def test_hidden_items_of_version_1_are_read() -> None:
    """Hashes only: what was hidden stays hidden, as if before the first session."""
    state = decode_head("u1", sealed(HEAD), 1000)
    attach(state, [sealed("0178" + STAMP_TAIL + "06000000000000000700000000000000")])
    assert list(state.marks) == [(6, Mark(HIDDEN, 0)), (7, Mark(HIDDEN, 0))]
    assert state.marks.kept_out(session=5) == [6, 7]


def test_chunk_of_version_1() -> None:
    state = UserState("u1", 1000)
    state.generation, state.offsets = 3, [258, -1]
    for i in range(33):
        state.append(i, 0, 256 + i, 2, 1)
    first = puts_of(state)[0]
    hashes = "".join(f"{i:02x}" + "00" * 7 for i in range(32))
    times = "".join(f"{i:02x}01" + "00" * 4 for i in range(32))
    assert first.key == b"c\0\0\0\0u1"
    assert first.value == sealed("0163" + STAMP_TAIL + hashes + times + "2100" * 32)


def test_keys_of_version_1() -> None:
    assert head_key(b"u") == b"hu"
    assert marks_key(b"u") == b"xu"
    assert chunk_key(b"u", 258) == b"c\0\0\1\2u"
    assert deadline_key(258, b"u") == b"d\0\0\0\0\0\0\1\2u"
    assert parse_deadline_key(deadline_key(258, b"u")) == (258, b"u")
