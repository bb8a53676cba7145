"""From hashes to rows: an open-addressing table that a kernel looks many of them up in.

A slot holds the row of one hash, -1 for none; the hash itself is read from the item table's own column. A hash begins
at the slot its low bits name and takes the next free one; half of the slots at least are free, so that a look-up ends
after one or two. It costs 8 to 16 bytes an item, where a dictionary takes more than 100.

References
----------
Knuth (1998), "The Art of Computer Programming", vol. 3, 6.4 (linear probing).
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry, inner
from stream_rec.core.types import Int32Array, UInt64Array

_NONE = -1


class HashRows:
    """Rows by hash; the hashes are the caller's column, which every method is given.

    Examples
    --------
    >>> hashes, known = np.array([7, 9, 0], np.uint64), HashRows(2)
    >>> known.add(hashes, 0, 2)
    >>> known.find(hashes, np.array([9, 8, 7], np.uint64)).tolist()
    [1, -1, 0]
    """

    def __init__(self, capacity: int) -> None:
        self._slots = _empty(capacity)

    def fit(self, hashes: UInt64Array, n: int, capacity: int) -> None:
        """Make room for `capacity` rows, of which the first `n` are there."""
        self._slots = _empty(capacity)
        self.add(hashes, 0, n)

    def add(self, hashes: UInt64Array, start: int, end: int) -> None:
        """Add rows [start, end), whose hashes are not there yet."""
        _add(self._slots, hashes, start, end)

    def find(self, hashes: UInt64Array, wanted: UInt64Array) -> Int32Array:
        """Return int32[n]: the row of each wanted hash, -1 where there is none. About 5 ns each in a small table."""
        return _find(self._slots, hashes, wanted)


def _empty(capacity: int) -> Int32Array:
    return np.full(1 << (2 * capacity - 1).bit_length(), _NONE, np.int32)


@inner()
def _slot_of(slots: Int32Array, hashes: UInt64Array, h: np.uint64) -> np.uint64:
    """Return the slot that holds the row of `h`, or the free one where it would be."""
    last = np.uint64(len(slots) - 1)
    slot = h & last
    while slots[slot] >= 0 and hashes[slots[slot]] != h:
        slot = (slot + np.uint64(1)) & last
    return slot


@entry()
def _add(slots: Int32Array, hashes: UInt64Array, start: int, end: int) -> None:
    for row in range(start, end):
        slots[_slot_of(slots, hashes, hashes[row])] = row


@entry()
def _find(slots: Int32Array, hashes: UInt64Array, wanted: UInt64Array) -> Int32Array:
    rows = np.empty(len(wanted), np.int32)
    for at in range(len(wanted)):
        rows[at] = slots[_slot_of(slots, hashes, wanted[at])]
    return rows
