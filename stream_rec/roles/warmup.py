"""Compiles every numba kernel before the group is joined: a compile inside the loop looks like a frozen worker."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from stream_rec.core.content_vectors import CONTENT_WIDTH
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import Preset
from stream_rec.core.ranking.cascade import new_cascade, rehearse
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.sequence_tables import HIDDEN, StudentWeights, row_width
from stream_rec.core.state.item_codec import absorb_record
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.types import NO_ROWS, Float32Array
from stream_rec.core.user_plane import PlaneSettings, UserPlane

N_EVENTS = 40
_WIDTH = 4
START_MS = 1_700_000_000_000

log = logging.getLogger(__name__)


class _Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def warm_up(settings: PlaneSettings, preset: Preset) -> None:
    """Run a pretended visit through planes that are thrown away afterwards; a model may be announced at any time."""
    started = time.monotonic()
    items = ItemTable(preset)
    cascade = new_cascade(preset)
    settings = replace(settings, fresh_every=1)
    users, item_plane = UserPlane(settings, preset, items, 1, second=cascade), ItemPlane(items, 1)
    model = _knows_nothing(items)
    users.serve(model)
    model.logits(np.zeros(_WIDTH, np.float32), NO_ROWS)
    store = MemoryUserStore()
    item_plane.assign(0, None)
    for i in range(N_EVENTS):
        result = users.process({0: [_event(settings, i)]}, {0: store}, None)
        store.write(result.puts.get(0, []), i)
        for frame in result.frames.values():
            item_plane.apply(0, frame, i)
    users.sweep(0, store, START_MS + 10 * preset.session_gap_ms, None, 10)
    replica = ItemTable(preset)
    for key, value in item_plane.flush(0, 1 << 20):
        absorb_record(replica, key, value)
    replica.set_available(0, False)
    rehearse()
    items.texts.set(0, "warm mug", "mugs", 1.0)
    items.texts.reweigh()
    log.info("kernels ready after %.2f s", time.monotonic() - started)


def _knows_nothing(items: ItemTable) -> SequenceModel:
    """A sequence model without items: as good as any to compile for."""

    def zeros(*shape: int) -> Float32Array:
        return np.zeros(shape, np.float32)

    d, wide = _WIDTH, HIDDEN * _WIDTH
    weights = StudentWeights(
        zeros(1, 1), zeros(d, d), zeros(d, wide), zeros(wide), zeros(wide, d), zeros(d), zeros(d, d), zeros(d)
    )
    none, no_texts = zeros(0, row_width(d)), zeros(0, CONTENT_WIDTH)
    return SequenceModel("warm", items, (), none, weights, items.preset.sequence, no_texts)


def _event(settings: PlaneSettings, i: int) -> _Record:
    timestamp_ms = START_MS + 60_000 * i
    purchase = i % 8 == 7
    event = {
        "event": "purchase" if purchase else "hide" if i == 5 else "view_item",
        "event_id": f"warm-{i}",
        "user_id": "warm",
        "timestamp_ms": timestamp_ms,
        "item_id": f"item-{i * i % 11}",
    }
    topic = settings.purchases_topic if purchase else settings.clicks_topic
    return _Record(topic, 0, i, timestamp_ms, b"warm", msgspec.json.encode(event))
