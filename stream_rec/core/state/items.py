"""The item table: what a worker knows of every item, as dense arrays.

An item is a row number in this process only; across processes it is its 64-bit hash. Rows of shards this worker owns
are written by the item plane, all others are absorbed from `item-rows`; sources only read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_rec.core.decay import rebase_factor
from stream_rec.core.presets import Preset
from stream_rec.core.state.cache_lines import zeros_in_lines
from stream_rec.core.state.first_factors import FIRST_SQUARE, first_factors
from stream_rec.core.state.hash_rows import HashRows
from stream_rec.core.state.item_layout import (
    FACTOR_SCALARS,
    FADES,
    ITEM_COUNTS,
    ITEM_FACTS,
    SMALLEST_MASS,
    CoocArrays,
    FactorArrays,
    FactorRow,
    Facts,
    ItemArrays,
    ItemRow,
)
from stream_rec.core.state.item_text import ItemText
from stream_rec.core.state.popular import POPULAR_SIZE, popular_raise, popular_rebuild
from stream_rec.core.state.ranker_weights import RankerWeights
from stream_rec.core.types import (
    Float32Array,
    Float64Array,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt64Array,
    item_hash,
)
from stream_rec.errors import ContractError


class ItemTable:
    """Every known item, one row each, in the order they were first heard of.

    Arrays are attributes that are replaced when the table grows: never keep one across a call that may add a row.

    Parameters
    ----------
    preset
        Decay times, neighbours kept per row, powers of the mass.
    capacity
        Rows to make room for at first; doubles when full.

    Attributes
    ----------
    n : int
        Rows in use.
    ids : list of str or None
        `None`: known by its hash only, never listed.
    hashes : uint64[capacity]
    neighbour_rows, neighbour_weights : int32[capacity, K], float32[capacity, K]
        The first `neighbour_count[row]` entries count, in no particular order.
    neighbour_count : int32[capacity]
    pair_mass, mass_vote, mass_candidate : float64[capacity]
        P, P^-al and P^-be; the powers are 0 where there is no mass, and P^-be where the row is not listable.
    popularity : float64[capacity]
    event_count, first_seen_ms, last_seen_ms : int64[capacity]
    delta_offset : int64[capacity]
        Offset of the newest item-delta frame the row includes, -1 for none.
    listable : uint8[capacity]
        1: has an id, has an event, is not out of stock.
    named, unavailable : uint8[capacity]
    facts : ITEM_FACTS[capacity]
        The memory behind most columns above, and behind four event counts that decay over 6 hours, 1, 30 and 180 days,
        as of `last_seen_ms`, and the scalars of the factors.
    counts : ITEM_COUNTS[capacity]
        The memory behind the others but `mass_candidate`.
    factor_out, factor_in : float32[capacity, d]
        Factors of the item as a target (Q) and as a part of a history (P).
    ranker : RankerWeights
        The linear ranker's weights.
    texts : ItemText
        The catalogue's titles, categories and prices, by the same rows.
    popular_rows : int32[POPULAR_SIZE]
        Most popular listable rows, best first; `popular_count` of them.
    pair_landmark, popularity_landmark : int
        Epochs (see `decay`) under which weights and masses, and popularity, are stored.
    """

    hashes: UInt64Array
    neighbour_rows: Int32Array
    neighbour_weights: Float32Array
    neighbour_count: Int32Array
    pair_mass: Float64Array
    mass_vote: Float64Array
    mass_candidate: Float64Array
    popularity: Float64Array
    event_count: Int64Array
    first_seen_ms: Int64Array
    last_seen_ms: Int64Array
    delta_offset: Int64Array
    listable: UInt8Array
    named: UInt8Array
    unavailable: UInt8Array
    facts: Facts
    counts: Facts
    factor_out: Float32Array
    factor_in: Float32Array

    def __init__(self, preset: Preset, capacity: int = 1024) -> None:
        self.preset = preset
        self.n = 0
        self.ids: list[str | None] = []
        self.popular_rows: Int32Array = np.zeros(POPULAR_SIZE, np.int32)
        self.popular_size: Int64Array = np.zeros(1, np.int64)
        self.pair_landmark = 0
        self.popularity_landmark = 0
        self.ranker = RankerWeights(preset.ranker)
        self.texts = ItemText(max(capacity, 1))
        self._row_of_hash = HashRows(max(capacity, 1))
        self._row_of_id: dict[str, int] = {}
        self._grow(max(capacity, 1))

    @property
    def capacity(self) -> int:
        """Rows there is room for: the length of every array."""
        return len(self.hashes)

    @property
    def popular_count(self) -> int:
        """Places of `popular_rows` in use."""
        return int(self.popular_size[0])

    def intern(self, item_id: str) -> int:
        """Return the row of an id, made if needed.

        Raises
        ------
        ContractError
            Another id has the same hash (reason ``"hash-clash"``); the two are never merged.
        """
        row = self._row_of_id.get(item_id)
        if row is None:
            row = self.row_of_hash(item_hash(item_id), create=True)
            if not self.name(row, item_id):
                raise ContractError(
                    "hash-clash",
                    f"item id: need a 64-bit hash of its own; got {item_id!r} with the hash of {self.ids[row]!r}. "
                    "Rename one of the two items.",
                )
        return row

    def row_of_hash(self, h: int, create: bool) -> int:
        """Return the row of a hash; -1 if unknown and not to be made."""
        row = int(self._row_of_hash.find(self.hashes, np.array([h], np.uint64))[0])
        if row < 0 and create:
            row = self.n
            if row == self.capacity:
                self._grow(2 * row)
            self.hashes[row] = h
            self._row_of_hash.add(self.hashes, row, row + 1)
            first_factors(h, self.preset.factors.initial, self.factor_out[row], self.factor_in[row])
            self.ids.append(None)
            self.n += 1
        return row

    def rows_of_hashes(self, hashes: UInt64Array | Sequence[int], *, create: bool = True) -> Int32Array:
        """Return the rows of many hashes, int32[n], made where needed, or -1 if they are not to be made."""
        wanted = np.array(hashes, np.uint64)
        rows = self._row_of_hash.find(self.hashes, wanted)
        if create:
            for at in np.flatnonzero(rows < 0).tolist():
                rows[at] = self.row_of_hash(int(wanted[at]), create=True)
        return rows

    def name(self, row: int, item_id: str) -> bool:
        """Give a row its id; `False` and no change if it has another one already (a hash clash)."""
        known = self.ids[row]
        if known is None:
            self.ids[row] = item_id
            self.named[row] = 1
            self._row_of_id[item_id] = row
            self._list(row)
            return True
        return known == item_id

    def set_available(self, row: int, available: bool) -> None:
        """Note whether an item is in stock; O(n log n) when a popular one goes out of it."""
        self.unavailable[row] = not available
        if available:
            self._list(row)
        elif self.listable[row]:
            self.listable[row] = 0
            self.mass_candidate[row] = 0.0
            if row in self.popular_rows[: self.popular_count]:
                self._rebuild_popular()

    def adopt_landmarks(self, pair_epoch: int, popularity_epoch: int) -> None:
        """Move to newer epochs, rescaling every row once; older or equal ones change nothing.

        O(n K), about once in 32 decay times.
        """
        if pair_epoch > self.pair_landmark:
            factor = rebase_factor(self.pair_landmark, pair_epoch)
            self.pair_landmark = pair_epoch
            self.neighbour_weights[: self.n] *= np.float32(factor)
            self.pair_mass[: self.n] *= factor
            self._raise_masses(0, self.n)
        if popularity_epoch > self.popularity_landmark:
            self.popularity[: self.n] *= rebase_factor(self.popularity_landmark, popularity_epoch)
            self.popularity_landmark = popularity_epoch
            self._rebuild_popular()

    def absorb(self, record: ItemRow) -> bool:
        """Take over a row written elsewhere if it includes more item deltas than the one here.

        Returns
        -------
        bool
            Whether it was taken over; `False` also if its id clashes with another one's hash.
        """
        row = self.row_of_hash(item_hash(record.item_id), create=True)
        if not self.name(row, record.item_id) or record.delta_offset <= self.delta_offset[row]:
            return False
        neighbours = self.rows_of_hashes(record.neighbour_hashes)
        self.adopt_landmarks(record.pair_landmark, record.popularity_landmark)
        pair_factor = rebase_factor(record.pair_landmark, self.pair_landmark)
        self._put_neighbours(row, neighbours, record.neighbour_weights * np.float32(pair_factor))
        self.pair_mass[row] = record.pair_mass * pair_factor
        self._raise_masses(row, row + 1)
        self.event_count[row] = record.event_count
        self.first_seen_ms[row] = record.first_seen_ms
        self.last_seen_ms[row] = record.last_seen_ms
        self._put_factors(row, record)
        self.delta_offset[row] = record.delta_offset
        popularity_factor = rebase_factor(record.popularity_landmark, self.popularity_landmark)
        self._put_popularity(row, record.popularity * popularity_factor)
        return True

    def export(self, row: int) -> ItemRow:
        """Return a named row as it travels; its arrays are copies."""
        item_id = self.ids[row]
        assert item_id is not None, "only named rows travel"
        k = self.neighbour_count[row]
        return ItemRow(
            item_id,
            int(self.delta_offset[row]),
            self.pair_landmark,
            self.popularity_landmark,
            float(self.pair_mass[row]),
            float(self.popularity[row]),
            int(self.event_count[row]),
            int(self.first_seen_ms[row]),
            int(self.last_seen_ms[row]),
            self.hashes[self.neighbour_rows[row, :k]],
            self.neighbour_weights[row, :k].copy(),
            np.array([self.facts[name][row] for name in FADES], np.float32),
            FactorRow(
                self.factor_out[row].copy(),
                self.factor_in[row].copy(),
                np.array([self.facts[name][row] for name in FACTOR_SCALARS], np.float32),
            ),
        )

    def cooc_arrays(self) -> CoocArrays:
        """Return the arrays of the co-occurrence source; valid until the table grows."""
        return self._cooc_arrays

    def arrays(self) -> ItemArrays:
        """Return the arrays of the item plane's kernel; valid until the table grows."""
        return self._arrays

    def factor_arrays(self) -> FactorArrays:
        """Return the factors as kernels take them; valid until the table grows."""
        return self._factor_arrays

    def _grow(self, capacity: int) -> None:
        """Replace every array by a longer one, keeping what is there."""
        facts: Facts = zeros_in_lines(capacity, ITEM_FACTS)
        counts: Facts = zeros_in_lines(capacity, ITEM_COUNTS)
        counts["delta_offset"] = -1
        facts[list(FACTOR_SCALARS[1:])] = FIRST_SQUARE
        d, k, n = self.preset.factors.dimensions, self.preset.cooc.neighbours, self.n
        columns = {
            "facts": facts,
            "counts": counts,
            "mass_candidate": np.zeros(capacity),
            "neighbour_rows": np.zeros((capacity, k), np.int32),
            "neighbour_weights": np.zeros((capacity, k), np.float32),
            "factor_out": zeros_in_lines(capacity * d, np.dtype(np.float32)).reshape(capacity, d),
            "factor_in": zeros_in_lines(capacity * d, np.dtype(np.float32)).reshape(capacity, d),
        }
        for name, longer in columns.items():
            if n:
                longer[:n] = getattr(self, name)[:n]
            setattr(self, name, longer)
        self.texts.fit(capacity)
        for memory in (facts, counts):
            for name in memory.dtype.names or ():
                if not name.startswith(("_", "fade", "factor", "squares")):
                    setattr(self, name, memory[name])
        self._row_of_hash.fit(self.hashes, n, capacity)
        self._cooc_arrays = CoocArrays(*(getattr(self, name) for name in CoocArrays._fields))
        self._arrays = ItemArrays(*(getattr(self, name) for name in ItemArrays._fields))
        self._factor_arrays = FactorArrays(self.factor_out, self.factor_in, facts)

    def _put_factors(self, row: int, record: ItemRow) -> None:
        if record.fades is not None:
            for name, value in zip(FADES, record.fades, strict=True):
                self.facts[name][row] = value
        factors = record.factors
        if factors is not None and len(factors.out) == self.factor_out.shape[1]:
            self.factor_out[row], self.factor_in[row] = factors.out, factors.into
            for name, value in zip(FACTOR_SCALARS, factors.scalars, strict=True):
                self.facts[name][row] = value

    def _list(self, row: int) -> None:
        """Make a row listable if it is entitled to be."""
        if self.named[row] and self.event_count[row] > 0 and not self.unavailable[row]:
            if not self.listable[row]:
                self.listable[row] = 1
                self._raise_masses(row, row + 1)
            popular_raise(self.popular_rows, self.popular_size, self.popularity, row)

    def _put_popularity(self, row: int, popularity: float) -> None:
        fell = popularity < self.popularity[row]
        self.popularity[row] = popularity
        self._list(row)
        if fell and row in self.popular_rows[: self.popular_count]:
            self._rebuild_popular()

    def _put_neighbours(self, row: int, rows: Int32Array, weights: Float32Array) -> None:
        """Replace a row's neighbours; the heaviest K if there are more (K was lowered since they were written)."""
        room = self.neighbour_rows.shape[1]
        if len(rows) > room:
            heaviest = np.sort(np.argsort(-weights, kind="stable")[:room])
            rows, weights = rows[heaviest], weights[heaviest]
        self.neighbour_rows[row, : len(rows)] = rows
        self.neighbour_weights[row, : len(rows)] = weights
        self.neighbour_count[row] = len(rows)

    def _raise_masses(self, start: int, end: int) -> None:
        """Recompute P^-al and P^-be of rows [start, end)."""
        mass = self.pair_mass[start:end]
        known = mass >= SMALLEST_MASS
        safe = np.where(known, mass, 1.0)
        self.mass_vote[start:end] = np.where(known, safe**-self.preset.cooc.mass_power, 0.0)
        listed = known & (self.listable[start:end] != 0)
        self.mass_candidate[start:end] = np.where(listed, safe**-self.preset.cooc.candidate_power, 0.0)

    def _rebuild_popular(self) -> None:
        popular_rebuild(self.popular_rows, self.popular_size, self.popularity[: self.n], self.listable[: self.n])
