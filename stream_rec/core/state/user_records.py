"""What every stored user record shares: stamp, checksum, and the columns of history lines. Little-endian.

::

    stamp   version u8 | record u8 ('h' 'c' 'x') | generation i32 | offsets [clicks, purchases] 2 x i64   22 bytes
    body    see `user_codec`
    crc     CRC-32 of all before                                                                            4 bytes
    lines   hashes n x u64 | times n x u48 ms | tags n x u16 (session mod 4096 << 4 | kind)             16 bytes each

The stamp says which events a record includes and who wrote it: `user_merge` needs nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

import numpy as np

from stream_rec.core.state.history import History
from stream_rec.core.state.marks import HIDDEN, MARKED_ITEMS, Mark, Marks
from stream_rec.core.state.user import UserState
from stream_rec.core.types import Int64Array, UInt16Array, UInt64Array
from stream_rec.errors import CorruptStateError

HEAD_RECORD, CHUNK_RECORD, MARKS_RECORD = b"hcx"  # also the first byte of the record's key
VERSIONS = {HEAD_RECORD: 1, CHUNK_RECORD: 1, MARKS_RECORD: 2}
"""What is written; older ones are read."""

STAMP = struct.Struct("<BBiqq")
CRC = struct.Struct("<I")
LINE_BYTES = 16
_TIME_BYTES = 6
_HASHES = [struct.Struct(f"<{n}Q") for n in range(MARKED_ITEMS + 1)]
_MARK_BYTES = 13

Lines = tuple[UInt64Array, Int64Array, UInt16Array]


class Stamp(NamedTuple):
    """Which events a record includes (last applied offset per source topic) and the writer's generation."""

    record: int
    generation: int
    offsets: tuple[int, int]


def stamp_of(state: UserState, record: int) -> bytes:
    """Return the encoded stamp of a record written from `state` now."""
    clicks, purchases = state.offsets
    return STAMP.pack(VERSIONS[record], record, state.generation, clicks, purchases)


def read_stamp(data: bytes, what: str) -> Stamp:
    """Return the stamp of any record.

    Raises
    ------
    CorruptStateError
        The record is truncated, altered or of another version.
    """
    check_record(data, data[1] if len(data) > 1 else -1, what)
    _, record, generation, clicks, purchases = STAMP.unpack_from(data)
    return Stamp(record, generation, (clicks, purchases))


def seal(body: bytes) -> bytes:
    """Return `body` with its checksum."""
    return body + CRC.pack(crc32(body))


def check_record(data: bytes, record: int, what: str) -> None:
    """Raise `CorruptStateError` unless `data` is a whole record of a known version and sort; `what` names it."""
    if len(data) < STAMP.size + CRC.size:
        raise wrong_size(what, STAMP.size + CRC.size, len(data))
    newest = VERSIONS.get(record, 0)
    if not 1 <= data[0] <= newest or data[1] != record:
        raise CorruptStateError(
            f"{what}: need version {newest}, record {record}; got {data[0]}, {data[1]}."
            " Use the release that wrote it, or run `stream-rec reset`."
        )
    if CRC.unpack_from(data, len(data) - CRC.size)[0] != crc32(memoryview(data)[: -CRC.size]):
        raise CorruptStateError(f"{what}: need bytes that match their CRC-32; got others. Run `stream-rec reset`.")


def wrong_size(what: str, need_bytes: int, got_bytes: int) -> CorruptStateError:
    """Return the error for a record of the wrong size."""
    return CorruptStateError(f"{what}: need {need_bytes} bytes; got {got_bytes}. Run `stream-rec reset`.")


def encode_hashes(hashes: dict[int, None]) -> bytes:
    """Return up to 64 hashes as u64, in order."""
    return _HASHES[len(hashes)].pack(*hashes)


def decode_hashes(data: bytes, at: int, n: int) -> dict[int, None]:
    """Return `n` hashes stored at byte `at`, as an ordered set."""
    return dict.fromkeys(_HASHES[n].unpack_from(data, at))


def encode_marks(marks: Marks) -> bytes:
    """Return hashes n x u64 | sessions n x i32 | flags n x u8."""
    n = len(marks)
    hashes, sessions = [item for item, _ in marks], [mark.session for _, mark in marks]
    return struct.pack(f"<{n}Q{n}i{n}B", *hashes, *sessions, *(mark.flags for _, mark in marks))


def decode_marks(data: bytes, what: str) -> Marks:
    """Return the marks of a whole record. Version 1 had hashes of hidden items only.

    Raises
    ------
    CorruptStateError
        Truncated, altered, or of another version.
    """
    check_record(data, MARKS_RECORD, what)
    n_bytes = len(data) - STAMP.size - CRC.size
    size = 8 if data[0] == 1 else _MARK_BYTES
    n, rest = divmod(n_bytes, size)
    if rest or n > MARKED_ITEMS:
        raise wrong_size(what, STAMP.size + CRC.size + size * MARKED_ITEMS, len(data))
    hashes = decode_hashes(data, STAMP.size, n)
    sessions, flags = [0] * n, [HIDDEN] * n
    if size == _MARK_BYTES:
        numbers = struct.unpack_from(f"<{n}i{n}B", data, STAMP.size + 8 * n)
        sessions, flags = list(numbers[:n]), list(numbers[n:])
    marks = Marks()
    for item, session, flag in zip(hashes, sessions, flags, strict=True):
        marks.restore(item, Mark(flag, session))
    return marks


def encode_lines(history: History, first: int, last: int) -> Iterable[bytes]:
    """Return the columns of lines first..last-1, to be joined."""
    hashes, times_ms, tags = history.stored_columns(first, last)
    times = times_ms.view(np.uint8).reshape(-1, 8)[:, :_TIME_BYTES]
    return hashes.tobytes(), times.tobytes(), tags.tobytes()


def decode_lines(blocks: Iterable[bytes], n: int) -> Lines:
    """Return the columns of equal blocks of `n` lines each, concatenated."""
    table = np.frombuffer(b"".join(blocks), np.uint8).reshape(-1, n * LINE_BYTES)
    times = np.zeros((len(table) * n, 8), np.uint8)
    times[:, :_TIME_BYTES] = table[:, 8 * n : (8 + _TIME_BYTES) * n].reshape(-1, _TIME_BYTES)
    hashes = table[:, : 8 * n].reshape(-1).view(np.uint64)
    tags = table[:, (8 + _TIME_BYTES) * n :].reshape(-1).view(np.uint16)
    return hashes, times.view(np.int64)[:, 0], tags
