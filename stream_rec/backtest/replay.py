"""A log through the planes that serve, wired by direct calls: events → user plane → deltas → item plane → lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, NamedTuple

from stream_rec.backtest.event_log import LogEvent, source_topic, to_event_json
from stream_rec.backtest.records import LogRecord
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.looks import Observer
from stream_rec.core.presets import DAY_MS, Preset
from stream_rec.core.ranking.cascade import new_cascade
from stream_rec.core.ranking.mixing import Mix
from stream_rec.core.ranking.second_stage import Frozen
from stream_rec.core.ranking.tree_fit import fit_forest
from stream_rec.core.rounds import RoundResult, RoundStats
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.user_plane import PlaneSettings, UserPlane

SHARD = 0
"""A backtest has one partition and one shard: rows do not depend on how items are sharded."""

SWEEP_LIMIT = 1000

EVERYBODY = 1 << 30
"""The second stage is never left out here: a backtest has no backlog to work off."""

NEVER_MS = 1 << 47
"""Nobody expires in a backtest: whether a user is known is the log's to say."""


@dataclass(frozen=True, slots=True)
class BacktestSettings:
    """How a log is replayed.

    `batch` events make a round, or all events of `batch_ms` of event time where that is above 0; frames reach the item
    plane `replica_lag_events` later.
    """

    exclude: str = "nothing"
    batch: int = 1
    batch_ms: int = 0
    replica_lag_events: int = 0
    fresh_every: int = 1
    cascade: bool = True
    refresh_ms: int = 7 * DAY_MS
    pinned: tuple[tuple[str, float], ...] = ()
    mix: Mix | None = None
    model_share: float = 1.0
    exposure: float = 0.25


class Promotion(NamedTuple):
    """A model, and the event time from which on it serves: the last one it learned from.

    Before, it would foresee what it has seen, and the ranker would learn to trust it more than it deserves.
    """

    model: SequenceModel
    from_ms: int


class Backtest:
    """The planes, a memory store, and nothing in between.

    Parameters
    ----------
    settings, preset
        How to replay; the algorithms' parameters.
    items
        The table the item plane fills; the observer reads ids from it.
    observer
        Sees every look.
    promotion
        A sequence model over `items`, and from when on it serves.
    """

    def __init__(
        self,
        settings: BacktestSettings,
        preset: Preset,
        items: ItemTable,
        observer: Observer | None,
        promotion: Promotion | None = None,
    ) -> None:
        self._settings = settings
        plane_settings = PlaneSettings(
            partitions=1,
            exclude=settings.exclude,
            fresh_every=settings.fresh_every,
            thorough_users=EVERYBODY,
            pinned=settings.pinned,
            mix=settings.mix,
            model_share=settings.model_share,
            exposure=settings.exposure,
            idle_user_ms=NEVER_MS,
            refresh_ms=settings.refresh_ms,
        )
        self._plane_settings, self._preset = plane_settings, preset
        self._frozen = False
        self.items = items
        self.store = MemoryUserStore()
        self.cascade = new_cascade(preset) if settings.cascade and not settings.pinned else None
        self._fit = preset.fit
        self._promotion = promotion
        self._user_plane = UserPlane(plane_settings, preset, items, 1, observer=observer, second=self.cascade)
        self._item_plane = ItemPlane(items, 1)
        self._item_plane.assign(SHARD, None)
        self._frames: deque[tuple[int, bytes]] = deque()
        self._next_delta_offset = 0
        self._events_in = 0
        self._changelog_position = 0
        self._lists_by_model = 0
        self._next_offset = {plane_settings.clicks_topic: 0, plane_settings.purchases_topic: 0}
        self.stats: RoundStats = RoundStats()

    def run(self, events: Iterable[LogEvent], on_lists: Callable[[RoundResult, list[LogRecord]], None]) -> None:
        """Replay the log; `on_lists` gets every round's result with the records that made it."""
        settings = self._settings
        rounds = _by_time(events, settings.batch_ms) if settings.batch_ms else _batches(events, settings.batch)
        for batch in rounds:
            records = [self._record(event) for event in batch]
            self._promote(records[0].timestamp)
            self._sweep(records[0].timestamp)
            result = self._user_plane.process({0: records}, {0: self.store}, None)
            self._write(result, len(records))
            self._refit(records[-1].timestamp)
            on_lists(result, records)

    def exposure(self) -> dict[str, Any]:
        """Return how many items nobody had yet were to be in a list, how many were where there could be one, and b.

        Also how many items of few events were brought into a list, and f.
        """
        exposure = self._user_plane.exposure
        return {
            "target": exposure.target,
            "published": self.stats.unsold_listed / max(1, self.stats.unsold_lists),
            "boosts": list(exposure.boosts),
            "brought": self.stats.few_brought / max(1, self._lists_by_model),
            "few_boosts": list(exposure.few_boosts),
        }

    def freeze(self, observer: Observer) -> None:
        """Apply what is still on its way to the item table, then nothing more; users go on, and `observer` sees them.

        The user plane is a new one over the same store, as after a restart.
        """
        while self._frames:
            self._apply_next_frame()
        self._frozen = True
        looking = replace(self._plane_settings, fresh_every=1)
        second = None if self.cascade is None else Frozen(self.cascade)
        self.cascade = None
        self._user_plane = UserPlane(looking, self._preset, self.items, 1, observer=observer, second=second)

    def _record(self, event: LogEvent) -> LogRecord:
        topic = source_topic(event)
        offset = self._next_offset[topic]
        self._next_offset[topic] = offset + 1
        return LogRecord(
            event.index, topic, 0, offset, event.timestamp_ms, event.user_id.encode(), to_event_json(event)
        )

    def _promote(self, event_ms: int) -> None:
        """Let the sequence model serve once it has nothing to remember."""
        if self._promotion is not None and event_ms > self._promotion.from_ms:
            self._user_plane.serve(self._promotion.model)
            self._promotion = None

    def _refit(self, event_ms: int) -> None:
        """Fit the second stage where it is due; a worker does so in another process and goes on meanwhile."""
        if self.cascade is not None and self.cascade.fit_due(event_ms):
            past = self.cascade.begin_fit(event_ms)
            self.cascade.offer(fit_forest(past.training_set(), self._fit, self.cascade.decisions))

    def _sweep(self, before_ms: int) -> None:
        """Publish the visit lists of sessions that ended before the next event, as the clock would have."""
        while self.store.due_sessions(before_ms, 1):
            self._write(self._user_plane.sweep(0, self.store, before_ms, None, SWEEP_LIMIT), 0)

    def _write(self, result: RoundResult, events: int) -> None:
        puts = result.puts.get(0, [])
        self._changelog_position += sum(put.replicated for put in puts)
        self.store.write(puts, self._changelog_position)
        self._events_in += events
        if not self._frozen:
            self._frames.extend((self._events_in, frame) for frame in result.frames.values())
        while self._frames and self._frames[0][0] + self._settings.replica_lag_events <= self._events_in:
            self._apply_next_frame()
        self.stats.read += result.stats.read
        self.stats.applied += result.stats.applied
        self.stats.duplicates += result.stats.duplicates
        self.stats.dead += result.stats.dead
        self.stats.gradient_bytes += result.stats.gradient_bytes
        self.stats.arm_looks += result.stats.arm_looks
        self.stats.arm_hits += result.stats.arm_hits
        self.stats.unsold_listed += result.stats.unsold_listed
        self.stats.unsold_lists += result.stats.unsold_lists
        self.stats.few_brought += result.stats.few_brought
        self._lists_by_model += result.stats.lists if self._user_plane.sequence is not None else 0

    def _apply_next_frame(self) -> None:
        self._item_plane.apply(SHARD, self._frames.popleft()[1], self._next_delta_offset)
        self._next_delta_offset += 1

    def bytes_per_user(self) -> float:
        """Return the mean stored bytes (keys and values) of a user, the deadline index left out."""
        users = stored = 0
        for prefix in (b"h", b"c", b"x"):
            for key, value in self.store.scan(prefix):
                users += prefix == b"h"
                stored += len(key) + len(value)
        return stored / max(1, users)

    def bytes_per_item(self) -> float:
        """Return the bytes of the arrays of the table and its texts per row of its capacity."""
        items, texts = self.items, self.items.texts
        arrays = (
            items.facts, items.counts, items.mass_candidate, items.neighbour_rows, items.neighbour_weights,
            items.factor_out, items.factor_in,
        )  # fmt: skip
        own = sum(array.nbytes for array in arrays)
        return own / items.capacity + sum(array.nbytes for array in texts.arrays()[:5]) / texts.capacity


def _batches(events: Iterable[LogEvent], size: int) -> Iterator[list[LogEvent]]:
    iterator = iter(events)
    while batch := list(islice(iterator, size)):
        yield batch


def _by_time(events: Iterable[LogEvent], width_ms: int) -> Iterator[list[LogEvent]]:
    for _, batch in groupby(events, key=lambda event: event.timestamp_ms // width_ms):
        yield list(batch)


def counts(stats: RoundStats) -> dict[str, Any]:
    """Return the balance: `in == applied + duplicates + dead`."""
    return {"in": stats.read, "applied": stats.applied, "duplicates": stats.duplicates, "dead": stats.dead}
