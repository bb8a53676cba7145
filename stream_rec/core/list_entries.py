"""The entries of a list as JSON text, written by a kernel from an arena that holds every item id once.

An entry is `{"item_id":ID,"score":S,"reason":{"kind":KIND,"because":[ID]}}`. Joining such text in Python costs 2 µs an
entry, most of it in making texts of scores nobody had before; the kernel needs 0.1 µs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.orders import Listing, Recommendation
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, Int32Array, Int64Array, UInt8Array

SCORE_STEPS = 1000
"""Scores are published to three decimals: nobody reads more."""

_MOST_DIGITS = 20
_LARGEST_SCORE = 1e15  # beyond it a score in steps would leave int64's range; no ranker comes near
_UNKNOWN = -1
_PUNCTUATION = (b'{"item_id":', b',"score":', b"]}},")
_ZERO, _MINUS, _POINT = ord("0"), ord("-"), ord(".")


@inner()
def _put(out: UInt8Array, at: int, text: UInt8Array, start: int, length: int) -> int:
    for i in range(length):
        out[at + i] = text[start + i]
    return at + length


@inner()
def _put_score(out: UInt8Array, at: int, score: float) -> int:
    """Write a score to three decimals without trailing zeros; return where the text ends."""
    steps = int(np.rint(min(max(score, -_LARGEST_SCORE), _LARGEST_SCORE) * SCORE_STEPS))
    if steps < 0:
        out[at] = _MINUS
        at, steps = at + 1, -steps
    whole, decimals = steps // SCORE_STEPS, steps % SCORE_STEPS
    digits, rest = 1, whole
    while rest >= 10:
        digits, rest = digits + 1, rest // 10
    for place in range(digits):
        out[at + digits - 1 - place] = _ZERO + whole % 10
        whole //= 10
    at += digits
    if decimals:
        out[at] = _POINT
        at += 1
        unit = SCORE_STEPS // 10
        while decimals:
            out[at] = _ZERO + decimals // unit
            at, decimals, unit = at + 1, decimals % unit, unit // 10
    return at


@entry()
def write_entries(
    rows: Int32Array, scores: Float64Array, sources: Int32Array, because: Int32Array, text: UInt8Array,
    places: Int64Array, pieces: Int64Array, out: UInt8Array,
) -> int:  # fmt: skip
    """Write the entries of a list, each with a comma behind it.

    Parameters
    ----------
    rows, scores, sources, because
        int32[n], float64[n], int32[n], int32[n] of a `Recommendation`; `because` is -1 where there is no reason.
    text
        uint8[bytes]: the arena.
    places
        int64[capacity, 2]: where in `text` the id of an item row starts and how long it is; start -1: not written yet.
    pieces
        int64[3 + sources, 2]: the same for the punctuation, then for the beginning of each source's reason.
    out
        uint8[enough], written.

    Returns
    -------
    int
        Bytes written, or -1 - row for a row whose id is not in the arena.
    """
    at = 0
    for c in range(len(rows)):
        row, reason, opening = rows[c], because[c], 3 + sources[c]
        if places[row, 0] < 0:
            return int(-1 - row)
        if reason >= 0 and places[reason, 0] < 0:
            return int(-1 - reason)
        at = _put(out, at, text, pieces[0, 0], pieces[0, 1])
        at = _put(out, at, text, places[row, 0], places[row, 1])
        at = _put(out, at, text, pieces[1, 0], pieces[1, 1])
        at = _put_score(out, at, scores[c])
        at = _put(out, at, text, pieces[opening, 0], pieces[opening, 1])
        if reason >= 0:
            at = _put(out, at, text, places[reason, 0], places[reason, 1])
        at = _put(out, at, text, pieces[2, 0], pieces[2, 1])
    return at


class EntryWriter:
    """Keeps the arena: each id's text is put into it when it is first needed.

    Parameters
    ----------
    items
        Whose ids are written.
    reason_kinds
        The `reason.kind` of each source, by its number.
    """

    def __init__(self, items: ItemTable, reason_kinds: Sequence[str]) -> None:
        self._items = items
        openings = [b',"reason":{"kind":%b,"because":[' % msgspec.json.encode(kind) for kind in reason_kinds]
        self._text: UInt8Array = np.empty(0, np.uint8)
        self._used = 0
        self._longest = 0
        self._places: Int64Array = np.full((0, 2), _UNKNOWN, np.int64)
        self._out: UInt8Array = np.empty(0, np.uint8)
        self._pieces = np.array([self._add(piece) for piece in (*_PUNCTUATION, *openings)], np.int64)

    def write(self, listing: Listing | Recommendation) -> bytes:
        """Return the entries with commas between them; about 4 µs for 20."""
        (rows, scores, sources), because = listing.ranked, listing.because
        if len(self._places) < self._items.capacity:
            self._make_room_for_rows()
        while True:
            self._make_room_for(len(rows))
            n = write_entries(rows, scores, sources, because, self._text, self._places, self._pieces, self._out)
            if n >= 0:
                return self._out[: max(0, n - 1)].tobytes()  # without the last comma
            because = self._learn(-1 - n, because)

    def _learn(self, row: int, because: Int32Array) -> Int32Array:
        """Put the id of a row into the arena. A reason whose id has not arrived yet is left out this time."""
        item_id = self._items.ids[row]
        if item_id is None:
            if row not in because:
                raise ValueError(f"list entries: need an id for every listed row; got none for row {row}.")
            return np.where(because == row, np.int32(-1), because)
        self._places[row] = self._add(msgspec.json.encode(item_id))
        return because

    def _add(self, text: bytes) -> tuple[int, int]:
        start, end = self._used, self._used + len(text)
        if end > len(self._text):
            self._text = np.concatenate((self._text, np.empty(end, np.uint8)))
        self._text[start:end] = np.frombuffer(text, np.uint8)
        self._used, self._longest = end, max(self._longest, len(text))
        return start, len(text)

    def _make_room_for(self, entries: int) -> None:
        needed = entries * ((len(_PUNCTUATION) + 3) * self._longest + _MOST_DIGITS)
        if needed > len(self._out):
            self._out = np.empty(needed, np.uint8)

    def _make_room_for_rows(self) -> None:
        missing = self._items.capacity - len(self._places)
        self._places = np.concatenate((self._places, np.full((missing, 2), _UNKNOWN, np.int64)))
