"""How a user is stored: a head rewritten per touch, write-once chunks of 32 lines, a record of marked items.

Bodies, between the stamp and the checksum of `user_records`; little-endian::

    head    events_applied u32 | n_total u32 | session i32 | session_key u64
            session_deadline, last_event, as_of, list_published, first_seen: 5 x i64 ms
            n_event_ids u8 | n_list u8 | n_marks u8 | more_bytes u16, 0
            last min(n_total, 32) lines | event ids u64 | list u64 | more_bytes, passed over
    chunk   lines 32k..32k+31, written when the last of them exists
    marks   item hashes n x u64 | sessions n x i32 | flags n x u8, oldest first (version 1: hidden items, hashes only)

A full head is 1,019 bytes; 64 marked items would not fit, and change rarely.

Keys: ``h`` user | ``c`` u32 BE chunk, user | ``x`` user | ``d`` u64 BE deadline, user (local index, no value).

`puts_of` writes what a head refers to before the head, and deletes after it: every prefix of the changelog reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from stream_rec.core.rounds import Put
from stream_rec.core.state.history import CHUNK_LINES, History
from stream_rec.core.state.marks import MARKED_ITEMS, Marks
from stream_rec.core.state.user import EVENT_IDS, UserState
from stream_rec.core.state.user_records import (
    CHUNK_RECORD,
    CRC,
    HEAD_RECORD,
    LINE_BYTES,
    MARKS_RECORD,
    STAMP,
    VERSIONS,
    check_record,
    decode_hashes,
    decode_lines,
    decode_marks,
    encode_hashes,
    encode_lines,
    encode_marks,
    seal,
    stamp_of,
    wrong_size,
)
from stream_rec.core.types import LIST_SIZE
from stream_rec.errors import CorruptStateError

_HEAD = struct.Struct(STAMP.format + "IIiQqqqqqBBBH")
_DEADLINE = struct.Struct("<q")
_DEADLINE_AT = STAMP.size + struct.calcsize("<IIiQ")
_CHUNK_BYTES = STAMP.size + CHUNK_LINES * LINE_BYTES + CRC.size


def head_key(user_id: bytes) -> bytes:
    """Store key of a user's head."""
    return b"h" + user_id


def marks_key(user_id: bytes) -> bytes:
    """Store key of a user's marked items."""
    return b"x" + user_id


def chunk_key(user_id: bytes, chunk: int) -> bytes:
    """Store key of chunk number `chunk` of a user."""
    return b"c" + chunk.to_bytes(4, "big") + user_id


def deadline_key(deadline_ms: int, user_id: bytes) -> bytes:
    """Key of the local session index; keys sort by deadline."""
    return b"d" + deadline_ms.to_bytes(8, "big") + user_id


def parse_deadline_key(key: bytes) -> tuple[int, bytes]:
    """Return (deadline_ms, user_id) of an index key."""
    return int.from_bytes(key[1:9], "big"), key[9:]


def encode_head(state: UserState) -> bytes:
    """Return the head record; the state is not changed. At most 1,019 bytes; about 5 µs."""
    n_total = state.history.n_total
    published = state.last_list
    clicks, purchases = state.offsets
    fixed = _HEAD.pack(
        VERSIONS[HEAD_RECORD],
        HEAD_RECORD,
        state.generation,
        clicks,
        purchases,
        state.events_applied,
        n_total,
        state.session,
        state.session_key,
        state.session_deadline_ms,
        state.last_event_ms,
        state.as_of_ms,
        state.list_published_ms,
        state.first_seen_ms,
        len(state.event_ids),
        len(published),
        len(state.marks),
        0,
    )
    lines = encode_lines(state.history, max(0, n_total - CHUNK_LINES), n_total)
    return seal(b"".join((fixed, *lines, encode_hashes(state.event_ids), published.tobytes())))


def puts_of(state: UserState) -> list[Put]:
    """Return all writes that store the state as it is now, in their only safe order, and mark them handed out.

    New chunks and changed marks, then the head, then the session index and deletes of chunks that left the
    history. Not idempotent: the caller stops the worker if the write fails.
    """
    puts, deletes = _chunk_puts(state) if state.history.n_total - state.history.chunked >= CHUNK_LINES else ([], [])
    if state.marks.changed:
        puts.append(_marks_put(state))
    puts.append(Put(head_key(state.key), encode_head(state), True))
    if state.stored_deadline_ms != state.session_deadline_ms:
        puts += index_puts(state.key, state.stored_deadline_ms, state.session_deadline_ms)
        state.stored_deadline_ms = state.session_deadline_ms
    return puts + deletes


def _chunk_puts(state: UserState) -> tuple[list[Put], list[Put]]:
    history = state.history
    stamp = stamp_of(state, CHUNK_RECORD)
    done, complete = history.chunked // CHUNK_LINES, history.n_total // CHUNK_LINES
    forgotten = _first_chunk(history.n_total, history.keep)
    puts = []
    for k in range(max(forgotten, done), complete):
        lines = encode_lines(history, k * CHUNK_LINES, (k + 1) * CHUNK_LINES)
        puts.append(Put(chunk_key(state.key, k), seal(b"".join((stamp, *lines))), True))
    left = range(_first_chunk(history.chunked, history.keep), min(forgotten, done))
    history.chunked = complete * CHUNK_LINES
    return puts, [Put(chunk_key(state.key, k), None, True) for k in left]


def _marks_put(state: UserState) -> Put:
    # An emptied set is written too: a delete before the new head would break the head before it.
    state.marks.changed = False
    state.marks_stored = len(state.marks)
    body = stamp_of(state, MARKS_RECORD) + encode_marks(state.marks)
    return Put(marks_key(state.key), seal(body), True)


def index_puts(user_id: bytes, old_deadline_ms: int, new_deadline_ms: int) -> list[Put]:
    """Return the local writes that move a user's entry in the session index (0 = no entry)."""
    if old_deadline_ms == new_deadline_ms:
        return []
    puts = [Put(deadline_key(old_deadline_ms, user_id), None, False)] if old_deadline_ms else []
    if new_deadline_ms:
        puts.append(Put(deadline_key(new_deadline_ms, user_id), b"", False))
    return puts


def erase_puts(state: UserState) -> list[Put]:
    """Return the deletes of everything that may be stored of a user, for expiry and erasure.

    Oldest chunks first and the head after them, so that a torn erasure can be read and repeated.
    """
    chunks = range(state.history.chunked // CHUNK_LINES)
    keys = [*(chunk_key(state.key, k) for k in chunks), head_key(state.key), marks_key(state.key)]
    return [Put(key, None, True) for key in keys] + index_puts(state.key, state.stored_deadline_ms, 0)


def decode_head(user_id: str, data: bytes, history_events: int) -> UserState:
    """Rebuild a state from its head; the history holds its last 32 lines until `attach` brings the rest.

    Raises
    ------
    CorruptStateError
        Truncated, altered, or of another version.
    """
    what = f"head of user {user_id!r}"
    check_record(data, HEAD_RECORD, what)
    if len(data) < _HEAD.size + CRC.size:
        raise wrong_size(what, _HEAD.size + CRC.size, len(data))
    state = UserState(user_id, history_events)
    (
        _, _, state.generation, state.offsets[0], state.offsets[1], state.events_applied, n_total, state.session,
        state.session_key, state.session_deadline_ms, state.last_event_ms, state.as_of_ms,
        state.list_published_ms, state.first_seen_ms, n_ids, n_list, state.marks_stored, more_bytes,
    ) = _HEAD.unpack_from(data)  # fmt: skip
    n_lines = min(n_total, CHUNK_LINES)
    ids_at = _HEAD.size + n_lines * LINE_BYTES
    end = ids_at + 8 * (n_ids + n_list) + more_bytes
    if len(data) != end + CRC.size or n_ids > EVENT_IDS or n_list > LIST_SIZE or state.marks_stored > MARKED_ITEMS:
        raise wrong_size(what, end + CRC.size, len(data))
    if n_lines:
        lines = decode_lines((data[_HEAD.size : ids_at],), n_lines)
        state.history = History.from_lines(history_events, n_total, *lines, state.session)
    state.event_ids = decode_hashes(data, ids_at, n_ids)
    state.last_list = np.frombuffer(data, np.uint64, n_list, ids_at + 8 * n_ids)
    state.stored_deadline_ms = state.session_deadline_ms
    return state


def head_deadline_ms(data: bytes) -> int:
    """Return the session deadline of an encoded head, nothing else decoded: a restore builds the index from it."""
    return int(_DEADLINE.unpack_from(data, _DEADLINE_AT)[0])


def keys_to_load(state: UserState) -> list[bytes]:
    """Return what else to read after `decode_head`, for `attach`: chunks, oldest first, then marks."""
    keys = [chunk_key(state.key, k) for k in _needed_chunks(state.history)]
    if state.marks_stored:
        keys.append(marks_key(state.key))
    return keys


def _first_chunk(n_total: int, keep: int) -> int:
    """Oldest chunk with a visible line."""
    return max(0, n_total - keep) // CHUNK_LINES


def _needed_chunks(history: History) -> range:
    """Chunks with visible lines that the head does not repeat."""
    return range(_first_chunk(history.n_total, history.keep), -(-(history.n_total - CHUNK_LINES) // CHUNK_LINES))


def attach(state: UserState, values: Sequence[bytes | None]) -> None:
    """Complete a decoded state with the values of `keys_to_load`, in the same order. Rows are 0 until `set_rows`.

    The oldest chunks may be missing (deleted under a smaller `history_events`); later ones may not.

    Raises
    ------
    CorruptStateError
        A chunk in the middle or the marks are missing, or a record does not decode.
    """
    if state.marks_stored:
        state.marks = _marks(state.user_id, values[-1])
        values = values[:-1]
    history = state.history
    first = _needed_chunks(history).start
    found = list(values)
    while found and found[0] is None:
        found.pop(0)
        first += 1
    if found:
        blocks = [_chunk_lines(state.user_id, first + i, value) for i, value in enumerate(found)]
        tail_first = (first + len(found)) * CHUNK_LINES
        tail = history.stored_columns(max(tail_first, history.first_held), history.n_total)
        kept = max(history.keep, CHUNK_LINES)  # the head repeats its lines, also where fewer are visible
        skip = max(0, history.n_total - kept - first * CHUNK_LINES)
        older = decode_lines(blocks, CHUNK_LINES)
        hashes = np.concatenate((older[0], tail[0]))[skip:]
        times_ms = np.concatenate((older[1], tail[1]))[skip:]
        tags = np.concatenate((older[2], tail[2]))[skip:]
        state.history = History.from_lines(history.keep, history.n_total, hashes, times_ms, tags, state.session)


def _chunk_lines(user_id: str, chunk: int, data: bytes | None) -> bytes:
    what = f"chunk {chunk} of user {user_id!r}"
    if data is None:
        raise CorruptStateError(f"{what}: need its record; got none. Run `stream-rec reset`.")
    check_record(data, CHUNK_RECORD, what)
    if len(data) != _CHUNK_BYTES:
        raise wrong_size(what, _CHUNK_BYTES, len(data))
    return data[STAMP.size : -CRC.size]


def _marks(user_id: str, data: bytes | None) -> Marks:
    what = f"marked items of user {user_id!r}"
    if data is None:
        raise CorruptStateError(f"{what}: need their record; got none. Run `stream-rec reset`.")
    return decode_marks(data, what)
