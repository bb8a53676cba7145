"""Small shops full of ties: random item tables and users for contracts and properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stream_rec.core.features import CONTEXTS, FEATURES
from stream_rec.core.presets import DAY_MS, HOUR_MS, PRESETS, HopParams, Preset
from stream_rec.core.state.item_layout import FactorRow, ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import POSITIVE_KINDS, UserView, item_hash

NOW_MS = 400 * DAY_MS
"""When the lists of the users here are for; some items are seen a little after it, as by a late user."""


EVERY_SOURCE = replace(PRESETS["retail"], name="every source", hop=HopParams(items=3))
"""No source is switched off."""

WORDS = ("red", "blue", "mug", "lamp", "heart", "set", "tea")


def small_shop(seed: int, n_items: int = 60, neighbours: int = 20, preset: Preset = EVERY_SOURCE) -> ItemTable:
    """A table in which every eighth item is out of stock and every ninth known by its hash only.

    Weights and masses come from a handful of values, so that many scores tie. Counts, times and factors are spread,
    most items have a text, and the ranker's weights have moved, so that every feature tells items apart.
    """
    rng = np.random.default_rng(seed)
    items = ItemTable(preset, capacity=4)
    hashes = np.array([item_hash(f"item-{i}") for i in range(n_items)], np.uint64)
    for i in range(n_items):
        if i % 9 == 8:
            items.row_of_hash(int(hashes[i]), create=True)
            continue
        near = rng.choice(n_items, size=int(rng.integers(0, min(neighbours, n_items) + 1)), replace=False)
        items.absorb(_row(rng, i, hashes[near], preset.factors.dimensions))
        if i % 8 == 7:
            items.set_available(items.intern(f"item-{i}"), False)
        if i % 5:
            items.texts.set(items.intern(f"item-{i}"), " ".join(rng.choice(WORDS, 3)), str(rng.choice(WORDS)))
    items.texts.reweigh()
    for context in range(len(CONTEXTS)):
        for _ in range(3):
            items.ranker.step(context, True, rng.normal(size=len(FEATURES)).astype(np.float32))
    return items


def _row(rng: np.random.Generator, i: int, near: np.ndarray, dimensions: int) -> ItemRow:
    first_ms, last_ms = sorted(rng.integers(NOW_MS - 100 * DAY_MS, NOW_MS + HOUR_MS, 2).tolist())
    return ItemRow(
        item_id=f"item-{i}",
        delta_offset=i,
        pair_landmark=0,
        popularity_landmark=0,
        pair_mass=float(rng.choice([1.0, 2.0, 5.0])),
        popularity=float(rng.choice([1.0, 1.5, 4.0, 8.0])),
        event_count=int(rng.integers(1, 9)),
        first_seen_ms=first_ms,
        last_seen_ms=last_ms,
        neighbour_hashes=near,
        neighbour_weights=rng.choice([0.25, 0.3, 1.0, 3.0], size=len(near)).astype(np.float32),
        fades=rng.uniform(0.0, 5.0, 4).astype(np.float32),
        factors=FactorRow(
            rng.normal(0.0, 0.3, dimensions).astype(np.float32),
            rng.normal(0.0, 0.3, dimensions).astype(np.float32),
            np.array([rng.normal(), *rng.uniform(0.1, 1.0, 3)], np.float32),
        ),
    )


def some_user(seed: int, items: ItemTable, events: int = 60, sessions: int = 4, pending: int = 0) -> UserView:
    """A user with `events` events of all kinds; with an even seed the session to continue has none of them yet.

    Every third user has hidden a few items, one of them unknown here.
    """
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, items.n, events).astype(np.int32)
    numbers = np.sort(rng.integers(1, sessions + 1, events)).astype(np.int32)
    times_ms = np.sort(rng.integers(NOW_MS - 50 * DAY_MS, NOW_MS, events))
    last = int(numbers[-1]) if events else 0
    session = last if seed % 2 else last + 1
    tags = rng.choice(sorted(POSITIVE_KINDS), events).astype(np.uint16)
    n_hidden = 4 if seed % 3 == 0 else 0
    hidden = np.stack([rng.integers(-1, items.n, n_hidden), rng.integers(0, session + 1, n_hidden)]).astype(np.int32)
    return UserView(rows, numbers, times_ms, session, NOW_MS, min(pending, events), tags, hidden)


def nobody() -> UserView:
    """A user without history."""
    no_rows = np.empty(0, np.int32)
    return UserView(no_rows, no_rows, np.empty(0, np.int64), 1, NOW_MS, 0)


def dump(items: ItemTable) -> dict[str, bytes]:
    """Every byte a table holds."""
    arrays = {name: value.tobytes() for name, value in vars(items).items() if isinstance(value, np.ndarray)}
    texts = {f"text {at}": column.tobytes() for at, column in enumerate(items.texts.arrays())}
    return {**arrays, **texts, "ranker": items.ranker.encode(), "ids": repr(items.ids).encode()}
