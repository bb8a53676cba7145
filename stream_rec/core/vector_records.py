"""How item vectors travel on `item-vectors`: one record per version and item, and an end marker per partition.

Keys are version, NUL, item id: ``v0003\\0teapot``. An end marker's is version, NUL, NUL: no item id begins with one.

Little-endian::

    row   layout u8 | record u8 ('v') | encoding u8 (0 fp16, 1 int8) | 0 u8 | d u16 | c u16 | text hash u64
          the student's row, as `sequence_codec` packs it | scale f32 and content vector i8[c], if c > 0
          CRC-32 of the key and of all before u32
    end   layout u8 | record u8 ('e') | 0 u16 | rows u32 | CRC-32 of the key and of all before u32

An end marker says how many items of its version the partition holds: who has met as many has them all. Text hash is
`text_hash` of what the row was made from, so that an encoder knows which items to make anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from stream_rec.core.content_vectors import no_content, pack_content, unpack_content
from stream_rec.core.sequence_codec import ENCODINGS, Encoding, pack_rows, row_bytes, unpack_rows
from stream_rec.core.sequence_tables import PARTS
from stream_rec.core.types import Float32Array, UInt8Array, item_hash
from stream_rec.errors import CorruptStateError

LAYOUT = 1
ROW_RECORD, END_RECORD = 0x76, 0x65  # "v", "e"
_ROW = struct.Struct("<BBBBHHQ")
_END = struct.Struct("<BBHI")
_CRC = struct.Struct("<I")
_SEPARATOR = b"\0"


class VectorRows(NamedTuple):
    """Rows of items of one version, with the hashes of their texts: float32[n, row_width] and float32[n, c].

    `content` holds unit vectors, and zeros where an item has no text; c is 0 where the model knows no texts.
    """

    item_ids: list[str]
    text_hashes: list[int]
    rows: Float32Array
    content: Float32Array


def text_hash(text: str) -> int:
    """Return the stable 64-bit hash of an item's text; 0 without one.

    Examples
    --------
    >>> text_hash("Red mug") != text_hash("Blue mug"), text_hash("  ")
    (True, 0)
    """
    return item_hash(text) if text.strip() else 0


def vector_key(version: str, item_id: str) -> bytes:
    """Return the key of an item's row."""
    return version.encode() + _SEPARATOR + item_id.encode()


def end_key(version: str) -> bytes:
    """Return the key of a version's end marker, the same in every partition."""
    return version.encode() + 2 * _SEPARATOR


def parse_vector_key(key: bytes) -> tuple[str, str | None]:
    """Return (version, item id) of a key; the item id is `None` for an end marker.

    Raises
    ------
    CorruptStateError
        It is no such key.

    Examples
    --------
    >>> parse_vector_key(vector_key("v0003", "teapot")), parse_vector_key(end_key("v0003"))
    (('v0003', 'teapot'), ('v0003', None))
    """
    version, separator, item_id = key.partition(_SEPARATOR)
    try:
        if separator and version and item_id:
            return version.decode(), None if item_id == _SEPARATOR else item_id.decode()
    except UnicodeDecodeError:
        pass
    raise CorruptStateError(f"item vectors: need a key of version, NUL and item id; got {key[:80]!r}. Pass it over.")


def encode_vectors(version: str, some: VectorRows, encoding: Encoding) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of each row; about 3 µs each."""
    packed, (numbers, scales) = pack_rows(some.rows, encoding), pack_content(some.content)
    width, content_width = (some.rows.shape[1] - 1) // PARTS, some.content.shape[1]
    for place, (item_id, hashed) in enumerate(zip(some.item_ids, some.text_hashes, strict=True)):
        key = vector_key(version, item_id)
        head = _ROW.pack(LAYOUT, ROW_RECORD, ENCODINGS.index(encoding), 0, width, content_width, hashed)
        content = scales[place].astype("<f4").tobytes() + numbers[place].tobytes() if content_width else b""
        body = head + packed[place].tobytes() + content
        yield key, body + _CRC.pack(crc32(body, crc32(key)))


def decode_vectors(records: Sequence[tuple[bytes, bytes]]) -> VectorRows:
    """Return the rows of (key, value) of one version; about 2 µs each.

    Raises
    ------
    CorruptStateError
        One of them is damaged, is no row, or is of another shape than the others.
    """
    item_ids, hashes = [], []
    first = records[0][1][: _ROW.size - 8]
    for key, value in records:
        _check(key, value, ROW_RECORD, _ROW.size)
        _, item_id = parse_vector_key(key)
        if item_id is None or value[: len(first)] != first:
            raise CorruptStateError(
                f"{_named(key)}: need a row like the version's others; got another. Write it again."
            )
        item_ids.append(item_id)
        hashes.append(int(_ROW.unpack_from(value)[-1]))
    *_, encoding_number, _, width, content_width, _ = _ROW.unpack_from(records[0][1])
    if encoding_number >= len(ENCODINGS):
        raise CorruptStateError(f"item vectors: need one of {ENCODINGS}; got encoding {encoding_number}. Upgrade.")
    encoding = ENCODINGS[encoding_number]
    size = row_bytes(width, encoding)
    parts = _equal_parts([value[_ROW.size : -_CRC.size] for _, value in records])
    if parts.shape[1] != size + (4 + content_width if content_width else 0):
        raise CorruptStateError(f"{_named(records[0][0])}: need {size} bytes and the content; got {parts.shape[1]}.")
    rows = unpack_rows(parts[:, :size], width, encoding)
    return VectorRows(item_ids, hashes, rows, _unpack_content(parts[:, size:]))


def encode_end(version: str, rows: int) -> tuple[bytes, bytes]:
    """Return (key, value) of the marker that a partition holds `rows` items of a version."""
    key, body = end_key(version), _END.pack(LAYOUT, END_RECORD, 0, rows)
    return key, body + _CRC.pack(crc32(body, crc32(key)))


def decode_end(key: bytes, value: bytes) -> int:
    """Return how many items of its version a partition holds; raises CorruptStateError."""
    _check(key, value, END_RECORD, _END.size)
    return int(_END.unpack_from(value)[-1])


def stored_text_hash(key: bytes, value: bytes) -> int:
    """Return the text hash of a row, nothing else decoded; raises CorruptStateError."""
    _check(key, value, ROW_RECORD, _ROW.size)
    return int(_ROW.unpack_from(value)[-1])


def _unpack_content(parts: UInt8Array) -> Float32Array:
    if parts.shape[1] == 0:
        return no_content(len(parts))
    scales = np.ascontiguousarray(parts[:, :4]).view("<f4")[:, 0]
    content = unpack_content(parts[:, 4:].view(np.int8), scales)
    if not np.isfinite(content).all():
        raise CorruptStateError("item vectors: need finite content; got other numbers. Write the rows again.")
    return content


def _equal_parts(values: Iterable[bytes]) -> UInt8Array:
    """Return uint8[n, bytes] of values of equal length."""
    parts = list(values)
    if any(len(part) != len(parts[0]) for part in parts):
        raise CorruptStateError("item vectors: need rows of one length; got several. Write the version again.")
    return np.frombuffer(b"".join(parts), np.uint8).reshape(len(parts), -1)


def _check(key: bytes, value: bytes, record: int, least_bytes: int) -> None:
    whole = len(value) >= least_bytes + _CRC.size and value[0] == LAYOUT and value[1] == record
    if not whole or _CRC.unpack_from(value, len(value) - _CRC.size)[0] != crc32(value[: -_CRC.size], crc32(key)):
        raise CorruptStateError(f"{_named(key)}: need a whole record of layout {LAYOUT}; got another. Write it again.")


def _named(key: bytes) -> str:
    return f"item vectors, {key[:80]!r}"
