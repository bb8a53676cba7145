"""Serving a version of the sequence model: its rows by item row, users' vectors, the nearest of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stream_rec.core.cold_items import ColdItems
from stream_rec.core.content_table import ContentTable
from stream_rec.core.embedding import embed
from stream_rec.core.embedding_scores import score_rows
from stream_rec.core.presets import SequenceParams
from stream_rec.core.sequence_tables import ItemVectors, StudentWeights, empty_vectors, put_rows
from stream_rec.core.sources.sequence import OutputArrays, sequence_nearest
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, Float32Array, Int32Array, UserView, item_hash


class SequenceModel:
    """One version over the item table of this process.

    Parameters
    ----------
    version
        Named in every list it helped to make.
    items
        Items get their row of the model when they get their row of the table: `complete` looks for new ones.
    item_ids, rows, content
        The first items the model knows, and what it knows, as `put` takes them.
    weights
        What all items share.
    params
        How much of it is used.
    identity
        Tells it from every other one, also of another registry; by default the version.

    Attributes
    ----------
    vectors : ItemVectors
        By item row; another tuple when the table has grown.
    outputs : OutputArrays
        The part of it that candidates are scored with.
    content, cold : ContentTable, ColdItems or None
        What it read in the items' texts, and what it proposes of items with few events; none where it knows no texts.
    """

    vectors: ItemVectors
    outputs: OutputArrays

    def __init__(
        self, version: str, items: ItemTable, item_ids: Sequence[str], rows: Float32Array, weights: StudentWeights,
        params: SequenceParams, content: Float32Array | None = None, identity: str = "",
    ) -> None:  # fmt: skip
        self.version, self.identity = version, identity or version
        self._items, self._params = items, params
        self.weights = weights
        self.content: ContentTable | None = None
        self.cold: ColdItems | None = None
        self._waiting: dict[int, Float32Array] = {}  # by hash: rows of items the table has not heard of yet
        self._followed = 0
        self._serve(empty_vectors(items.capacity, weights.width))
        self.put(item_ids, rows, content)

    def put(self, item_ids: Sequence[str], rows: Float32Array, content: Float32Array | None = None) -> None:
        """Learn of items, or of new rows of known ones: float32[n, row_width] (`core/sequence_tables.py`).

        `content` float32[n, 128] is what their texts say, of width 0 or none where the model knows no texts. About
        2 µs an item.
        """
        if content is not None and content.shape[1]:
            if self.content is None:
                self.content = ContentTable(self._items)
                self.cold = ColdItems(self._items, self.content, self._items.preset.content)
            self.content.put(item_ids, content)
        self._follow()
        table_rows = [self._items.row_of_hash(h, create=False) for h in map(item_hash, item_ids)]
        places = np.array(table_rows, np.int64)
        here = places >= 0
        put_rows(self.vectors, places[here], rows[here])
        for place in np.flatnonzero(~here).tolist():
            self._waiting[item_hash(item_ids[place])] = rows[place].copy()

    def complete(self, users: Sequence[UserView]) -> list[UserView]:
        """Return the views with the user vector and the proposed rows; who has no known item gets neither.

        Notes
        -----
        About 6 µs a user in batches of 32 and 26 alone, and 10 µs per thousand items to propose some.
        """
        self._follow()
        if not users:
            return []
        histories = [user.rows for user in users]
        ends = np.cumsum([len(rows) for rows in histories])
        vectors, used = embed(np.concatenate(histories), ends, self.vectors, self.weights, self._params.last)
        near = self._nearest(vectors, used)
        return [
            user._replace(vector=vector, near=rows) if n else user
            for user, vector, rows, n in zip(users, vectors, near, used.tolist(), strict=True)
        ]

    def logits(self, vector: Float32Array, rows: Int32Array) -> Float32Array:
        """Return float32[n], what an embedded user is given for int32[n] rows; `UNKNOWN_SCORE` where none is known."""
        found = np.empty(len(rows), np.float32)
        score_rows(vector, rows, self.vectors, found)
        return found

    def known_items(self) -> int:
        """Return how many items of the table have a row, as of the last `complete`."""
        return int(np.count_nonzero(self.vectors.known))

    def coverage(self) -> float:
        """Return the share of the listable items that have a row, as of the last `complete`; 0 without any."""
        listable = self._items.listable[: len(self.vectors.known)] == 1
        return float(self.vectors.known[listable].mean()) if listable.any() else 0.0

    def _nearest(self, vectors: Float32Array, used: Int32Array) -> Sequence[Int32Array]:
        """Return the rows to propose to each user."""
        items, params = self._items, self._params
        if not params.proposed or items.n > params.most_items:
            return [NO_ROWS] * len(used)
        found = np.empty((len(used), params.proposed), np.int32)
        sequence_nearest(self.outputs, items.listable, items.n, vectors, used, found)
        return [rows[rows >= 0] for rows in found]

    def _serve(self, vectors: ItemVectors) -> None:
        self.vectors = vectors
        self.outputs = OutputArrays(vectors.outputs, vectors.bias, vectors.known)

    def _follow(self) -> None:
        """Fill in the rows of items that are new in the table."""
        items = self._items
        if items.capacity > len(self.vectors.known):
            grown = empty_vectors(items.capacity, self.weights.width)
            columns: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = list(zip(grown, self.vectors, strict=True))
            for new, old in columns:
                new[: len(old)] = old
            self._serve(grown)
        if items.n > self._followed:
            waiting = self._waiting
            if waiting:
                heard_of = enumerate(items.hashes[self._followed : items.n].tolist(), start=self._followed)
                known = [(row, waiting.pop(h)) for row, h in heard_of if h in waiting]
                if known:
                    put_rows(self.vectors, np.array([row for row, _ in known]), np.stack([rows for _, rows in known]))
            self._followed = items.n
