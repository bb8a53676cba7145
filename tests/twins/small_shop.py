"""Small shops full of ties: random item tables and users for contracts and properties."""

from __future__ import annotations

import numpy as np

from stream_rec.core.presets import PRESETS, Preset
from stream_rec.core.state.items import ItemRow, ItemTable
from stream_rec.core.types import UserView, item_hash


def small_shop(seed: int, n_items: int = 60, neighbours: int = 20, preset: Preset = PRESETS["retail"]) -> ItemTable:
    """A table in which every eighth item is out of stock and every ninth known by its hash only.

    Weights and masses come from a handful of values, so that many scores tie.
    """
    rng = np.random.default_rng(seed)
    items = ItemTable(preset, capacity=4)
    hashes = np.array([item_hash(f"item-{i}") for i in range(n_items)], np.uint64)
    for i in range(n_items):
        if i % 9 == 8:
            items.row_of_hash(int(hashes[i]), create=True)
            continue
        near = rng.choice(n_items, size=int(rng.integers(0, min(neighbours, n_items) + 1)), replace=False)
        items.absorb(
            ItemRow(
                item_id=f"item-{i}",
                delta_offset=i,
                pair_landmark=0,
                popularity_landmark=0,
                pair_mass=float(rng.choice([1.0, 2.0, 5.0])),
                popularity=float(rng.choice([1.0, 1.5, 4.0, 8.0])),
                event_count=1,
                first_seen_ms=0,
                last_seen_ms=0,
                neighbour_hashes=hashes[near],
                neighbour_weights=rng.choice([0.25, 0.3, 1.0, 3.0], size=len(near)).astype(np.float32),
            )
        )
        if i % 8 == 7:
            items.set_available(items.intern(f"item-{i}"), False)
    return items


def some_user(seed: int, items: ItemTable, events: int = 60, sessions: int = 4) -> UserView:
    """A user with `events` events; with an even seed the session to continue has none of them yet."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, items.n, events).astype(np.int32)
    numbers = np.sort(rng.integers(1, sessions + 1, events)).astype(np.int32)
    last = int(numbers[-1]) if events else 0
    return UserView(rows, numbers, last if seed % 2 else last + 1)


def nobody() -> UserView:
    """A user without history."""
    return UserView(np.empty(0, np.int32), np.empty(0, np.int32), 1)
