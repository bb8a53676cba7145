"""A user plane over one partition and one shard, its store and its item plane: what a test of the whole path needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.looks import Observer
from stream_rec.core.presets import FactorParams, Preset
from stream_rec.core.ranking.second_stage import SecondStage
from stream_rec.core.rounds import PublishedList, RoundResult
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.types import Float32Array
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from tests.twins.events import Record, event_record

START_MS = 1_700_000_000_000
SMALL = Preset(factors=FactorParams(dimensions=4, negatives=4))


class PlaneShop:
    """`send` is one round, counted before the next; times are milliseconds after `START_MS`."""

    def __init__(
        self,
        preset: Preset = SMALL,
        second: SecondStage | None = None,
        observer: Observer | None = None,
        sequence: Callable[[ItemTable], SequenceModel] | None = None,
        **settings: Any,
    ) -> None:
        self.preset, self.items, self.store = preset, ItemTable(preset), MemoryUserStore()
        plane = PlaneSettings(partitions=1, **settings)
        model = None if sequence is None else sequence(self.items)
        self.users = UserPlane(plane, preset, self.items, 1, second=second, observer=observer, sequence=model)
        self.plane = ItemPlane(self.items, 1)
        self.plane.assign(0, None)
        self.offset = 0

    def record(self, user: str, item: str, at_ms: int, **changes: Any) -> Record:
        self.offset += 1
        return event_record(self.offset, user, item, START_MS + at_ms, **changes)

    def send(self, *records: Record) -> RoundResult:
        result = self.users.process({0: records}, {0: self.store}, None)
        assert result.stats.dead == 0
        return self._write(result)

    def view(self, user: str, items: str, at_ms: int, every_ms: int = 1000) -> RoundResult:
        """Each item is a round of its own; return the last one's result."""
        for number, item in enumerate(items):
            result = self.send(self.record(user, item, at_ms + number * every_ms))
        return result

    def sweep(self, at_ms: int, clock_ms: int | None = None) -> list[PublishedList]:
        """Return the lists of known users; both times are after `START_MS`."""
        now_ms = None if clock_ms is None else START_MS + clock_ms
        result = self._write(self.users.sweep(0, self.store, START_MS + at_ms, now_ms, 1000))
        return [one for one in result.lists if one.user_id != b"*"]

    def state(self, user: str) -> UserState:
        return self.users.cache.load(0, [user.encode()], self.store)[user.encode()].state

    def _write(self, result: RoundResult) -> RoundResult:
        self.store.write(result.puts.get(0, []), 0)
        for frame in result.frames.values():
            self.plane.apply(0, frame, self.plane.next_offset(0))
        return result


@dataclass(frozen=True, slots=True)
class Listed:
    """A published list as a shop reads it."""

    list_id: str
    items: list[str]
    kinds: list[str]
    scores: list[float]


def listed(published: PublishedList) -> Listed:
    value = msgspec.json.decode(published.value or b"")
    items = value["items"]
    return Listed(
        value["list_id"],
        [item["item_id"] for item in items],
        [item["reason"]["kind"] for item in items],
        [item["score"] for item in items],
    )


class Given(NamedTuple):
    """One list a second stage was given; `place` is None where it was to rank it."""

    features: Float32Array
    linear: Float32Array
    place: int | None
    event_ms: int | None


class Backwards:
    """A second stage that turns every list around and keeps what it was given."""

    def __init__(self) -> None:
        self.ranked: list[Given] = []
        self.learned: list[Given] = []

    def rerank(self, features: Float32Array, linear: Float32Array) -> Float32Array:
        self.ranked.append(Given(features.copy(), linear.copy(), None, None))
        return -linear

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        self.learned.append(Given(features.copy(), linear.copy(), target_place, event_ms))
