"""The content vectors of one version, by item row of this process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_rec.core.content_vectors import CONTENT_WIDTH, pack_content
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, Float32Array, Int8Array, Int32Array, item_hash


class ContentTable:
    """What the texts of the items of a table say; 132 bytes an item.

    Attributes
    ----------
    numbers, scale : int8[capacity, 128], float32[capacity]
        As `core/content_vectors.py` packs them; the scale is 0 where there is no text.
    """

    numbers: Int8Array
    scale: Float32Array

    def __init__(self, items: ItemTable) -> None:
        self._items = items
        self._waiting: dict[int, Float32Array] = {}  # by hash: vectors of items the table has not heard of yet
        self._followed = 0
        self._changed: list[Int32Array] = []
        self._make(items.capacity)

    def put(self, item_ids: Sequence[str], vectors: Float32Array) -> None:
        """Learn of items, or of new vectors of known ones: float32[n, 128], zeros where there is no text."""
        self._follow()
        hashes = [item_hash(item_id) for item_id in item_ids]
        rows = np.array([self._items.row_of_hash(h, create=False) for h in hashes], np.int32)
        here = rows >= 0
        self._put_rows(rows[here], vectors[here])
        self._waiting.update((hashes[place], vectors[place].copy()) for place in np.flatnonzero(~here).tolist())

    def take_changed(self) -> Int32Array:
        """Return the rows that got a vector since the last call; fill in those of items that are new in the table."""
        self._follow()
        changed, self._changed = self._changed, []
        return np.concatenate(changed) if changed else NO_ROWS

    def _follow(self) -> None:
        items = self._items
        if items.capacity > len(self.scale):
            numbers, scale = self.numbers, self.scale
            self._make(items.capacity)
            self.numbers[: len(scale)], self.scale[: len(scale)] = numbers, scale
        if items.n > self._followed and self._waiting:
            new = enumerate(items.hashes[self._followed : items.n].tolist(), start=self._followed)
            found = [(row, self._waiting.pop(h)) for row, h in new if h in self._waiting]
            if found:
                self._put_rows(np.array([row for row, _ in found], np.int32), np.stack([vector for _, vector in found]))
        self._followed = items.n

    def _make(self, capacity: int) -> None:
        self.numbers = np.zeros((capacity, CONTENT_WIDTH), np.int8)
        self.scale = np.zeros(capacity, np.float32)

    def _put_rows(self, rows: Int32Array, vectors: Float32Array) -> None:
        self.numbers[rows], self.scale[rows] = pack_content(vectors)
        self._changed.append(rows)
