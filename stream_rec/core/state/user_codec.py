"""How a user's state is stored: a head rewritten per touch, write-once chunks, a record of hidden items.

Every record, little-endian::

    stamp   version u8 | record u8 ('h' 'c' 'x') | generation i32 | offsets 2 x i64        22 bytes
    body    by record, below
    crc     CRC-32 of all before                                                           4 bytes

    head    events_applied u32 | n_total u32 | session i32 | session_key u64
            session_deadline, last_event, as_of, list_published, first_seen: 5 x i64 ms
            n_event_ids u8 | n_list u8 | n_hidden u8 | factor_bytes u16                    65 bytes
            last min(n_total, 32) lines | event ids u64 | list u64 | factors               <= 928 + factors
    chunk   32 lines
    hidden  item hashes u64, oldest first
    lines   hashes n x u64 | times n x u48 ms | tags n x u16 (session mod 4096 << 4 | kind)

A full head is 1,019 bytes without factors. Chunk k holds lines 32k..32k+31 and is written when the last of them
exists. `puts_of` gives the order that keeps every prefix of the changelog readable: what a head needs comes
before it, what it no longer needs is deleted after it.

Keys: ``h`` user | ``c`` u32 BE chunk, user | ``x`` user | ``d`` u64 BE deadline, user (local index, no value).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from stream_rec.core.rounds import Put
from stream_rec.core.state.history import CHUNK_LINES, History, UInt16Array
from stream_rec.core.state.user import EVENT_IDS, HIDDEN_ITEMS, NO_DEADLINE_MS, UserState
from stream_rec.core.types import LIST_SIZE, Int64Array, UInt64Array
from stream_rec.errors import CorruptStateError

VERSION = 1
HEAD_RECORD, CHUNK_RECORD, HIDDEN_RECORD = 0x68, 0x63, 0x78  # "h", "c", "x": also the first byte of the key

_STAMP = struct.Struct("<BBiqq")
_HEAD = struct.Struct("<BBiqqIIiQqqqqqBBBH")
_HEAD_DEADLINE = struct.Struct("<q")
_HEAD_DEADLINE_AT = _STAMP.size + 20
_CRC = struct.Struct("<I")
_HASHES = [struct.Struct(f"<{n}Q") for n in range(HIDDEN_ITEMS + 1)]
_LINE_BYTES = 16
_TIME_BYTES = 6

Lines = tuple[UInt64Array, Int64Array, UInt16Array]


def head_key(user_id: bytes) -> bytes:
    """Store key of a user's head."""
    return b"h" + user_id


def hidden_key(user_id: bytes) -> bytes:
    """Store key of a user's hidden items."""
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
    """Return the head record; the state is not changed. At most 1,019 bytes + factors."""
    history = state.history
    n_total = history.n_total
    fixed = _HEAD.pack(
        VERSION,
        HEAD_RECORD,
        state.generation,
        *state.offsets,
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
        len(state.last_list),
        len(state.hidden),
        len(state.factors),
    )
    body = b"".join(
        (
            fixed,
            _encode_lines(history, max(0, n_total - CHUNK_LINES), n_total),
            _HASHES[len(state.event_ids)].pack(*state.event_ids),
            state.last_list.tobytes(),
            state.factors,
        )
    )
    return body + _CRC.pack(crc32(body))


def _encode_lines(history: History, first: int, last: int) -> bytes:
    hashes, times_ms, tags = history.stored_columns(first, last)
    times = times_ms.view(np.uint8).reshape(-1, 8)[:, :_TIME_BYTES]
    return hashes.tobytes() + times.tobytes() + tags.tobytes()


def _decode_lines(data: bytes, at: int, n: int) -> Lines:
    times = np.zeros((n, 8), np.uint8)
    times[:, :_TIME_BYTES] = np.frombuffer(data, np.uint8, n * _TIME_BYTES, at + 8 * n).reshape(n, _TIME_BYTES)
    return (
        np.frombuffer(data, np.uint64, n, at),
        times.view(np.int64)[:, 0],
        np.frombuffer(data, np.uint16, n, at + (8 + _TIME_BYTES) * n),
    )


def chunk_puts(state: UserState) -> tuple[list[Put], list[Put]]:
    """Return (new chunks, deletes of chunks no longer in the history) since the last call, and mark them handed out.

    The chunks must be written before the head, the deletes after it; the caller fail-stops if a write fails.
    """
    history = state.history
    done, n_total = history.chunked, history.n_total
    if n_total - done < CHUNK_LINES:
        return [], []
    forgotten = max(0, n_total - history.keep) // CHUNK_LINES
    deletes = range(max(0, done - history.keep) // CHUNK_LINES, min(forgotten, done // CHUNK_LINES))
    stamp = _STAMP.pack(VERSION, CHUNK_RECORD, state.generation, *state.offsets)
    puts = []
    for k in range(max(forgotten, done // CHUNK_LINES), n_total // CHUNK_LINES):
        body = stamp + _encode_lines(history, k * CHUNK_LINES, (k + 1) * CHUNK_LINES)
        puts.append(Put(chunk_key(state.key, k), body + _CRC.pack(crc32(body)), True))
    history.chunked = n_total - n_total % CHUNK_LINES
    return puts, [Put(chunk_key(state.key, k), None, True) for k in deletes]


def _hidden_put(state: UserState) -> Put:
    state.hidden_changed = False
    state.hidden_stored = len(state.hidden)
    if not state.hidden:
        return Put(hidden_key(state.key), None, True)
    stamp = _STAMP.pack(VERSION, HIDDEN_RECORD, state.generation, *state.offsets)
    body = stamp + _HASHES[len(state.hidden)].pack(*state.hidden)
    return Put(hidden_key(state.key), body + _CRC.pack(crc32(body)), True)


def puts_of(state: UserState) -> list[Put]:
    """Return all writes that store the state as it is now, in their only safe order, and mark them handed out.

    Chunks and hidden items, then the head, then the session index and the deletes.
    """
    puts, deletes = chunk_puts(state)
    if state.hidden_changed:
        # An emptied record is deleted after the head that no longer asks for it.
        (puts if state.hidden else deletes).append(_hidden_put(state))
    puts.append(Put(head_key(state.key), encode_head(state), True))
    puts += index_puts(state.key, state.stored_deadline_ms, state.session_deadline_ms)
    state.stored_deadline_ms = state.session_deadline_ms
    return puts + deletes


def index_puts(user_id: bytes, old_deadline_ms: int, new_deadline_ms: int) -> list[Put]:
    """Return the local writes that move a user's entry in the session index."""
    if old_deadline_ms == new_deadline_ms:
        return []
    puts = []
    if old_deadline_ms != NO_DEADLINE_MS:
        puts.append(Put(deadline_key(old_deadline_ms, user_id), None, False))
    if new_deadline_ms != NO_DEADLINE_MS:
        puts.append(Put(deadline_key(new_deadline_ms, user_id), b"", False))
    return puts


def erase_puts(state: UserState) -> list[Put]:
    """Return the writes that remove everything stored of a user (erasure, expiry): the head goes first."""
    history = state.history
    puts = [Put(head_key(state.key), None, True)]
    if state.hidden_stored or state.hidden_changed:
        puts.append(Put(hidden_key(state.key), None, True))
    first = max(0, history.chunked - history.keep) // CHUNK_LINES
    puts += [Put(chunk_key(state.key, k), None, True) for k in range(first, history.chunked // CHUNK_LINES)]
    return puts + index_puts(state.key, state.stored_deadline_ms, NO_DEADLINE_MS)


def _wrong_size(what: str, need_bytes: int, got_bytes: int) -> CorruptStateError:
    return CorruptStateError(f"{what}: need {need_bytes} bytes; got {got_bytes}. Run `stream-rec reset`.")


def check_record(data: bytes, record: int, what: str) -> None:
    """Raise `CorruptStateError` unless `data` is a whole record of this version and sort; `what` names it."""
    if len(data) < _STAMP.size + _CRC.size:
        raise CorruptStateError(
            f"{what}: need at least {_STAMP.size + _CRC.size} bytes; got {len(data)}. Run `stream-rec reset`."
        )
    if data[0] != VERSION or data[1] != record:
        raise CorruptStateError(
            f"{what}: need version {VERSION}, record {record}; got {data[0]}, {data[1]}."
            " Use the release that wrote it, or run `stream-rec reset`."
        )
    if _CRC.unpack_from(data, len(data) - _CRC.size)[0] != crc32(data[: -_CRC.size]):
        raise CorruptStateError(f"{what}: need bytes that match their CRC-32; got others. Run `stream-rec reset`.")


def decode_head(user_id: str, data: bytes, history_events: int) -> UserState:
    """Rebuild a state from its head; the history holds its last 32 lines until `attach` brings the rest.

    Raises
    ------
    CorruptStateError
        Truncated, altered, or of another version.
    """
    check_record(data, HEAD_RECORD, f"head of user {user_id!r}")
    if len(data) < _HEAD.size + _CRC.size:
        raise _wrong_size(f"head of user {user_id!r}", _HEAD.size + _CRC.size, len(data))
    state = UserState.__new__(UserState)
    state.user_id, state.key = user_id, user_id.encode()
    (
        _, _, state.generation, clicks, purchases, state.events_applied, n_total, state.session, state.session_key,
        state.session_deadline_ms, state.last_event_ms, state.as_of_ms, state.list_published_ms,
        state.first_seen_ms, n_ids, n_list, state.hidden_stored, n_factors,
    ) = _HEAD.unpack_from(data)  # fmt: skip
    n_lines = min(n_total, CHUNK_LINES)
    need = _HEAD.size + n_lines * _LINE_BYTES + 8 * (n_ids + n_list) + n_factors + _CRC.size
    if len(data) != need or n_ids > EVENT_IDS or n_list > LIST_SIZE or state.hidden_stored > HIDDEN_ITEMS:
        raise _wrong_size(f"head of user {user_id!r}", need, len(data))
    state.offsets = [clicks, purchases]
    state.history = History.from_lines(
        history_events, n_total, *_decode_lines(data, _HEAD.size, n_lines), state.session
    )
    at = _HEAD.size + n_lines * _LINE_BYTES
    state.event_ids = dict.fromkeys(_HASHES[n_ids].unpack_from(data, at))
    state.last_list = np.frombuffer(data, np.uint64, n_list, at + 8 * n_ids)
    state.factors = data[len(data) - _CRC.size - n_factors : len(data) - _CRC.size]
    state.hidden, state.hidden_changed = {}, False
    state.stored_deadline_ms = state.session_deadline_ms
    return state


def head_deadline_ms(data: bytes) -> int:
    """Return the session deadline of an encoded head without decoding the rest (restore builds the index)."""
    return int(_HEAD_DEADLINE.unpack_from(data, _HEAD_DEADLINE_AT)[0])


def keys_to_load(state: UserState) -> list[bytes]:
    """Return what else to read after `decode_head`, for `attach`: needed chunks, oldest first, then hidden items."""
    keys = [chunk_key(state.key, k) for k in _needed_chunks(state.history)]
    if state.hidden_stored:
        keys.append(hidden_key(state.key))
    return keys


def _needed_chunks(history: History) -> range:
    """Chunks that hold visible lines which the head does not repeat."""
    n_total = history.n_total
    return range(max(0, n_total - history.keep) // CHUNK_LINES, -(-(n_total - CHUNK_LINES) // CHUNK_LINES))


def attach(state: UserState, values: Sequence[bytes | None]) -> None:
    """Complete a decoded state with the values of `keys_to_load`, in the same order. Rows are 0 afterwards.

    The oldest chunks may be missing (they were deleted under a smaller `history_events`); later ones may not.

    Raises
    ------
    CorruptStateError
        A chunk in the middle or the hidden items are missing, or a record does not decode.
    """
    history = state.history
    if state.hidden_stored:
        state.hidden = _decode_hidden(state.user_id, values[-1])
        values = values[:-1]
    chunks = _needed_chunks(history)
    first, parts = chunks.start, list[Lines]()
    for k, value in zip(chunks, values, strict=True):
        if value is None:
            if parts:
                raise CorruptStateError(
                    f"chunk {k} of user {state.user_id!r}: need its record; got none. Run `stream-rec reset`."
                )
            first = k + 1
            continue
        parts.append(_decode_chunk(state.user_id, k, value))
    if not parts:
        return
    tail_first = (first + len(parts)) * CHUNK_LINES
    parts.append(history.stored_columns(max(tail_first, history.first_held), history.n_total))
    skip = max(0, history.n_total - history.keep - first * CHUNK_LINES)
    hashes, times_ms, tags = (np.concatenate(column)[skip:] for column in zip(*parts, strict=True))
    state.history = History.from_lines(history.keep, history.n_total, hashes, times_ms, tags, state.session)


def _decode_chunk(user_id: str, chunk: int, data: bytes) -> Lines:
    what = f"chunk {chunk} of user {user_id!r}"
    check_record(data, CHUNK_RECORD, what)
    need = _STAMP.size + CHUNK_LINES * _LINE_BYTES + _CRC.size
    if len(data) != need:
        raise _wrong_size(what, need, len(data))
    return _decode_lines(data, _STAMP.size, CHUNK_LINES)


def _decode_hidden(user_id: str, data: bytes | None) -> dict[int, None]:
    what = f"hidden items of user {user_id!r}"
    if data is None:
        raise CorruptStateError(f"{what}: need their record; got none. Run `stream-rec reset`.")
    check_record(data, HIDDEN_RECORD, what)
    n_bytes = len(data) - _STAMP.size - _CRC.size
    if n_bytes % 8 or n_bytes > 8 * HIDDEN_ITEMS:
        raise CorruptStateError(f"{what}: need whole hashes; got {n_bytes} bytes. Run `stream-rec reset`.")
    return dict.fromkeys(_HASHES[n_bytes // 8].unpack_from(data, _STAMP.size))
