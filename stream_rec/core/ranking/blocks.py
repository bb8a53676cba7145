"""The item table, the workspace and the preset's tables as blocks of addresses, and back again inside kernels.

See `core/kernel_memory.py` for why. Each pair below, the block and its `…_at`, is one layout: change both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]  # re-exported without saying so

from stream_rec.core.compiled import inner
from stream_rec.core.features import FEATURES
from stream_rec.core.kernel_memory import (
    block_of,
    float32_at,
    float32_rows_at,
    float64_at,
    float64_rows_at,
    int32_at,
    int32_rows_at,
    int64_at,
    pointer,
    uint8_at,
    uint8_rows_at,
    uint16_rows_at,
    uint32_at,
)
from stream_rec.core.presets import CANDIDATES_PER_SOURCE
from stream_rec.core.ranking.workspace import MOST_CANDIDATES, N_SOURCES, ItemSide, Tables, Workspace
from stream_rec.core.sources.cooc import PairRates
from stream_rec.core.sources.sequence import OutputArrays
from stream_rec.core.state.item_layout import ITEM_COUNTS, ITEM_FACTS, CoocArrays, FactorArrays, Facts
from stream_rec.core.state.item_text import TextArrays
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.popular import POPULAR_SIZE
from stream_rec.core.state.text_terms import TERM_IDS, TERMS
from stream_rec.core.types import Int64Array

_PAIR_LANDMARK, _POPULARITY_LANDMARK = 3, 4
_F = len(FEATURES)

NO_OUTPUTS = OutputArrays(np.empty((0, 0), np.float32), np.empty(0, np.float32), np.empty(0, np.uint8))
"""Without a model."""


ITEM_SIZE, WORKSPACE_SIZE, TABLES_SIZE, LIST_SIZE = 22, 18, 18, 8
"""Lengths of the three blocks, and of the one that holds them."""


class ItemBlock:
    """The block of an item table, made anew when the table has grown."""

    def __init__(self, items: ItemTable) -> None:
        self._items = items
        self._facts, self._texts, self._landmarks = items.facts, items.texts.arrays(), (0, 0)
        self._block = self._make()

    def current(self) -> Int64Array:
        """Return the block as of now; valid until a row is added."""
        items = self._items
        if self._facts is not items.facts or self._texts is not items.texts.arrays():
            self._facts, self._texts, self._landmarks = items.facts, items.texts.arrays(), (0, 0)
            self._block = self._make()
        landmarks = items.pair_landmark, items.popularity_landmark
        if landmarks != self._landmarks:
            self._landmarks = landmarks
            self._block[_PAIR_LANDMARK], self._block[_POPULARITY_LANDMARK] = landmarks
        return self._block

    def _make(self) -> Int64Array:
        items, texts = self._items, self._texts
        k, d = items.neighbour_rows.shape[1], items.factor_out.shape[1]
        return block_of(
            items.capacity, k, d, 0, 0, items.facts, items.neighbour_rows, items.neighbour_weights, items.factor_out,
            items.factor_in, items.popular_rows, items.popular_size, texts.terms, texts.weights, texts.scale,
            texts.repeats, texts.log_price, texts.document_count, texts.documents, len(texts.scale), items.counts,
            items.mass_candidate,
        )  # fmt: skip


@inner(allocates=True)
def _facts_at(address: int, length: int) -> Facts:
    return carray(pointer(address), length, ITEM_FACTS)


@inner(allocates=True)
def factors_at(b: Int64Array) -> FactorArrays:
    """Return the factors of the item table behind a block."""
    n, d = b[0], b[2]
    return FactorArrays(float32_rows_at(b[8], n, d), float32_rows_at(b[9], n, d), _facts_at(b[5], n))


@inner(allocates=True)
def item_side_at(b: Int64Array, t: Tables, sequence: OutputArrays) -> ItemSide:
    """Return the item table behind a block."""
    rates = t.rates
    n, k, n_texts = b[0], b[1], b[19]
    facts, counts = _facts_at(b[5], n), carray(pointer(b[20]), n, ITEM_COUNTS)
    cooc = CoocArrays(
        int32_rows_at(b[6], n, k), float32_rows_at(b[7], n, k), facts["neighbour_count"], counts["pair_mass"],
        facts["mass_vote"], float64_at(b[21], n),
    )  # fmt: skip
    factors = factors_at(b)
    pair = PairRates(t.pairs, b[_PAIR_LANDMARK], rates[0], rates[1], rates[2], rates[3], rates[5:])
    texts = TextArrays(
        uint16_rows_at(b[12], n_texts, TERMS), uint8_rows_at(b[13], n_texts, TERMS), float32_at(b[14], n_texts),
        uint32_at(b[15], n_texts), float32_at(b[16], n_texts), int32_at(b[17], TERM_IDS), int64_at(b[18], 1),
    )  # fmt: skip
    return ItemSide(
        cooc, factors, facts, facts["listable"], int32_at(b[10], POPULAR_SIZE), int64_at(b[11], 1),
        counts["popularity"], counts["event_count"], pair, texts, b[_POPULARITY_LANDMARK], rates[4], sequence,
    )  # fmt: skip


def workspace_block(w: Workspace) -> Int64Array:
    """Return the block of a workspace, which must be kept as long."""
    return block_of(len(w.score), len(w.z), *w)


@inner(allocates=True)
def workspace_at(b: Int64Array) -> Workspace:
    """Return the workspace behind a block."""
    n, d, most = b[0], b[1], CANDIDATES_PER_SOURCE
    return Workspace(
        float64_at(b[2], n), int32_at(b[3], n + 1), uint8_at(b[4], n), uint8_at(b[5], n), int32_at(b[6], n),
        int32_at(b[7], MOST_CANDIDATES), int32_rows_at(b[8], N_SOURCES, MOST_CANDIDATES),
        float32_rows_at(b[9], _F, MOST_CANDIDATES), float32_at(b[10], d), int32_rows_at(b[11], N_SOURCES, most),
        float64_rows_at(b[12], N_SOURCES, most), int32_at(b[13], N_SOURCES), int32_rows_at(b[14], N_SOURCES, most),
        int32_at(b[15], MOST_CANDIDATES), int32_at(b[16], MOST_CANDIDATES), float32_rows_at(b[17], TERM_IDS, 2),
    )  # fmt: skip


def tables_block(t: Tables) -> Int64Array:
    """Return the block of a preset's tables, which must be kept as long."""
    sizes = (t.votes.shape[1], t.ahead.shape[0], t.ahead.shape[1], t.behind.shape[1], t.context.shape[1])
    return block_of(*sizes, t.pairs.shape[1], len(t.scalars), len(t.rates), t.recent_votes.shape[1], *t)


@inner(allocates=True)
def tables_at(b: Int64Array) -> Tables:
    """Return the tables behind a block."""
    return Tables(
        float64_rows_at(b[9], 2, b[0]), float64_rows_at(b[10], b[1], b[2]), float64_rows_at(b[11], b[1], b[3]),
        float64_rows_at(b[12], 2, b[4]), float64_at(b[13], b[6]), float64_rows_at(b[14], 2, b[5]),
        float64_at(b[15], b[7]), float64_at(b[16], N_SOURCES + 1), float64_rows_at(b[17], 2, b[8]),
    )  # fmt: skip


def _outputs_block(model: OutputArrays) -> tuple[Any, ...]:
    return (*model.outputs.shape, *model)


class ListBlock:
    """Three blocks behind one address each, and a model's outputs: all that a list needs but the user, in one array.

    Attributes
    ----------
    tables, workspace
        The memory behind the block, which lives as long as it does.
    address : int
        Where the block is, for `list_block_at`: handing an array to a kernel costs more than handing a number.
    """

    def __init__(self, items: ItemBlock, tables: Tables, workspace: Workspace) -> None:
        self.tables, self.workspace = tables, workspace
        self._items, self._item_block = items, items.current()
        self._tables_block, self._workspace_block = tables_block(tables), workspace_block(workspace)
        self._outputs = NO_OUTPUTS
        self._block = block_of(self._item_block, self._tables_block, self._workspace_block, *_outputs_block(NO_OUTPUTS))
        self.address: int = self._block.ctypes.data

    def current(self, outputs: OutputArrays = NO_OUTPUTS) -> Int64Array:
        """Return the block, which stays where it is, as of now, with a sequence model's `outputs`.

        It is valid until a row is added.
        """
        if outputs is not self._outputs:
            self._outputs = outputs
            self._block[3:] = block_of(*_outputs_block(outputs))
        item_block = self._items.current()
        if item_block is not self._item_block:
            self._item_block = item_block
            self._block[0] = item_block.ctypes.data
        return self._block


@inner(allocates=True)
def list_block_at(address: int) -> Int64Array:
    """Return a `ListBlock`'s array."""
    return int64_at(address, LIST_SIZE)


@inner(allocates=True)
def list_tables_at(b: Int64Array) -> Tables:
    """Return the tables behind a `ListBlock`."""
    return tables_at(int64_at(b[1], TABLES_SIZE))


@inner(allocates=True)
def list_items_at(b: Int64Array, t: Tables) -> ItemSide:
    """Return the item table behind a `ListBlock`."""
    n = b[3]
    sequence = OutputArrays(float32_rows_at(b[5], n, b[4]), float32_at(b[6], n), uint8_at(b[7], n))
    return item_side_at(int64_at(b[0], ITEM_SIZE), t, sequence)


@inner(allocates=True)
def list_workspace_at(b: Int64Array) -> Workspace:
    """Return the workspace behind a `ListBlock`."""
    return workspace_at(int64_at(b[2], WORKSPACE_SIZE))
