"""The slow, readable twin of the item plane: dicts and lists, one event after another, no shards, frames or rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

import numpy as np

from stream_rec.core import decay
from stream_rec.core.deltas import CountEntry
from stream_rec.core.presets import DAY_MS, HOUR_MS, Preset

FADES_MS = (6 * HOUR_MS, DAY_MS, 30 * DAY_MS, 180 * DAY_MS)


@dataclass
class ItemTwin:
    """One item: `neighbours` is [hash, float32 weight], in the order of the row's places.

    `fades` are events that count less the longer they are ago, as of the newest one.
    """

    neighbours: list[tuple[int, np.float32]] = field(default_factory=list)
    pair_mass: float = 0.0
    popularity: float = 0.0
    event_count: int = 0
    first_seen_ms: int = 0
    last_seen_ms: int = 0
    fades: list[np.float32] = field(default_factory=lambda: [np.float32(0.0)] * len(FADES_MS))


def _faded(fade: np.float32, weight: np.float32, age_ms: int, fade_ms: int) -> np.float32:
    """What there was fades up to a newer event; an older one has faded itself."""
    if age_ms >= 0:
        return fade * np.float32(exp(-age_ms / fade_ms)) + weight
    return fade + weight * np.float32(exp(age_ms / fade_ms))


class CoocTwin:
    """P[x] += g; for each earlier item j: C[j, x] += g w, C[x, j] += bw g w; a full row loses its lightest."""

    def __init__(self, preset: Preset) -> None:
        self.preset = preset
        self.items: dict[int, ItemTwin] = {}
        self.pair_landmark = 0
        self.popularity_landmark = 0

    def learn(self, entry: CountEntry) -> None:
        cooc, popularity = self.preset.cooc, self.preset.popularity
        self._move_landmarks(entry.timestamp_ms)
        g = entry.weight * decay.weight(entry.timestamp_ms, self.pair_landmark, cooc.decay_ms)
        x = self._item(entry.item_hash)
        x.pair_mass += g
        x.popularity += entry.weight * decay.weight(entry.timestamp_ms, self.popularity_landmark, popularity.decay_ms)
        age_ms = entry.timestamp_ms - x.last_seen_ms if x.event_count else 0
        x.fades = [
            _faded(fade, np.float32(entry.weight), age_ms, fade_ms)
            for fade, fade_ms in zip(x.fades, FADES_MS, strict=True)
        ]
        x.first_seen_ms = min(x.first_seen_ms, entry.timestamp_ms) if x.event_count else entry.timestamp_ms
        x.last_seen_ms = max(x.last_seen_ms, entry.timestamp_ms) if x.event_count else entry.timestamp_ms
        x.event_count += 1
        for earlier, pair_weight in zip(entry.previous_hashes, entry.previous_weights, strict=True):
            w = g * pair_weight
            self._add(self._item(earlier), entry.item_hash, np.float32(w))
            if earlier != entry.item_hash:
                self._add(x, earlier, np.float32(cooc.backward_weight * w))

    def _item(self, h: int) -> ItemTwin:
        return self.items.setdefault(h, ItemTwin())

    def _add(self, item: ItemTwin, h: int, w: np.float32) -> None:
        hashes = [neighbour for neighbour, _ in item.neighbours]
        weights = [weight for _, weight in item.neighbours]
        if h in hashes:
            place = hashes.index(h)
            item.neighbours[place] = (h, weights[place] + w)
        elif len(hashes) < self.preset.cooc.neighbours:
            item.neighbours.append((h, w))
        else:
            item.neighbours[weights.index(min(weights))] = (h, w)

    def _move_landmarks(self, now_ms: int) -> None:
        pair = max(self.pair_landmark, decay.epoch_of(now_ms, self.preset.cooc.decay_ms))
        popularity = max(self.popularity_landmark, decay.epoch_of(now_ms, self.preset.popularity.decay_ms))
        pair_factor = decay.rebase_factor(self.pair_landmark, pair)
        popularity_factor = decay.rebase_factor(self.popularity_landmark, popularity)
        self.pair_landmark, self.popularity_landmark = pair, popularity
        if pair_factor == popularity_factor == 1.0:
            return
        for item in self.items.values():
            item.neighbours = [(h, weight * np.float32(pair_factor)) for h, weight in item.neighbours]
            item.pair_mass *= pair_factor
            item.popularity *= popularity_factor
