"""Learning from one event: look first, then the user's history, then the counts for the item plane."""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.core.deltas import CountEntry, FrameBuilder
from stream_rec.core.events import Event
from stream_rec.core.factor_learning import FactorLearner
from stream_rec.core.looks import DESCRIBED_EVERY, FreshLook, Observer, ServedLook, describe, note_arm, place_of
from stream_rec.core.presets import Preset
from stream_rec.core.publishing import Publisher, view_of
from stream_rec.core.ranking.second_stage import SecondStage
from stream_rec.core.rounds import RoundStats
from stream_rec.core.signals import kind_weights, lighter_share
from stream_rec.core.sources.cooc import pair_rates
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.marks import FLAG_OF
from stream_rec.core.state.user import UserState
from stream_rec.core.training import RankerTrainer, Sampling
from stream_rec.core.types import KIND_MASK, LIST_SIZE, POSITIVE_KINDS, SourceRecord, item_hash


class _Look(NamedTuple):
    """One line of an event about to be learned; `place` is the event's topic, partition and offset."""

    record: SourceRecord
    place: tuple[int, int, int]
    row: int
    time_ms: int
    event_hash: int
    first_of_session: bool
    coalesced: bool


class Learner:
    """Applies events to user states and collects counts and gradients; `observer` sees every look before that."""

    def __init__(
        self,
        preset: Preset,
        items: ItemTable,
        n_shards: int,
        publisher: Publisher,
        observer: Observer | None,
        sampling: Sampling,
        second: SecondStage | None,
    ) -> None:
        self._preset = preset
        self._items = items
        self._publisher = publisher
        self._observer = observer
        self._sampling = sampling
        self._frames = FrameBuilder(n_shards)
        self._factors = FactorLearner(preset.factors, items, n_shards)
        self._trainer = RankerTrainer(items, publisher, preset.ranker.visit_examples, second)
        cooc = preset.cooc
        self._window = cooc.window
        self._kind_weights: list[float] = kind_weights(preset.signals).tolist()
        self._distance, self._other_session = pair_rates(cooc, preset.signals, 0).weights[:, 1:].tolist()

    def learn(
        self,
        record: SourceRecord,
        topic_index: int,
        event: Event,
        state: UserState,
        coalesced: bool,
        stats: RoundStats,
    ) -> bool:
        """Apply one event; return False when it repeats one already applied.

        `state` and `stats` are changed; counts and gradients wait for `take_frames`. A repeat is told by its offset or
        by its `event_id` among the user's last 32.

        Raises
        ------
        ContractError
            An item id has the hash of another one; nothing is changed.
        """
        event_hash = item_hash(event.event_id)
        if record.offset <= state.offsets[topic_index] or state.has_event(event_hash):
            state.offsets[topic_index] = max(state.offsets[topic_index], record.offset)
            return False
        rows = [self._items.intern(line.item_id) for line in event.lines]
        first_of_session = self._continue_session(state, event)
        for line, row in enumerate(rows):
            if event.kind in POSITIVE_KINDS:
                place = (topic_index, record.partition, record.offset)
                if state.n_total:
                    look = _Look(record, place, row, event.timestamp_ms, event_hash, first_of_session, coalesced)
                    self._look(look, state, stats)
                    self._factors.learn(place, row, state, event_hash + line)
                self._frames.add(self._counts(record, topic_index, line, event, row, state))
                hashed = int(self._items.hashes[row])
                state.append(hashed, row, event.timestamp_ms, state.session, int(event.kind))
                state.marks.take_back(hashed)
            elif event.kind in FLAG_OF:
                state.marks.add(int(self._items.hashes[row]), FLAG_OF[event.kind], state.session)
        _note_applied(state, topic_index, record.offset, event_hash, event.timestamp_ms)
        return True

    def _continue_session(self, state: UserState, event: Event) -> bool:
        """Begin a new session where the shop says so, or after a pause; return whether one began."""
        key = item_hash(event.session_id) if event.session_id else 0
        if state.events_applied == 0:
            begins = True
        elif key:
            begins = key != state.session_key
        else:
            begins = event.timestamp_ms - state.last_event_ms > self._preset.session_gap_ms
        if begins:
            state.session += 1
        state.session_key = key or (0 if begins else state.session_key)
        return begins

    def take_frames(self, stats: RoundStats) -> dict[int, bytes]:
        """Return shard -> frame with what was learned since the last call."""
        stats.gradients_dropped += self._factors.round.drop_unfit()
        parts = self._factors.take_parts()
        stats.gradient_bytes += sum(map(len, parts.values()))
        return self._frames.build(parts)

    def _look(self, look: _Look, state: UserState, stats: RoundStats) -> None:
        row = look.row
        if look.record.offset % DESCRIBED_EVERY == 0:
            describe(row, self._items, bool((state.rows_view() == row).any()), look.first_of_session, stats)
        popular = self._publisher.popular(state)
        popular_place = place_of(row, popular.tolist())
        place = state.list_rank(int(self._items.hashes[row])) + 1
        if look.coalesced:
            stats.coalesced_looks += 1
            stats.coalesced_hits += place > 0
        else:
            stats.looks += 1
            stats.hits += place > 0
            stats.reciprocal_ranks += 1 / place if place else 0.0
            if (arm := self._publisher.arm_of_list(state)) is not None:
                note_arm(arm, place, stats)
            if 0 < popular_place <= LIST_SIZE:
                stats.popular_hits += 1
                stats.popular_reciprocal_ranks += 1 / popular_place
        had = False
        if self._observer is not None:
            had = bool((state.rows_view() == row).any())
            self._observer.served(
                ServedLook(look.record, row, place, popular_place, look.first_of_session, look.coalesced, had)
            )
        if self._sampling.takes(look.event_hash):
            user = view_of(state, state.session, look.time_ms, self._items)
            orders = self._publisher.look(state, user)
            if self._observer is not None:
                served, plain, blend = self._publisher.lists_of(orders)
                self._observer.fresh(
                    FreshLook(look.record, row, orders, served, popular, look.first_of_session, had, plain, blend)
                )
            self._trainer.train(look.place, row, state, user, orders, self._factors.round, stats)

    def _counts(
        self,
        record: SourceRecord,
        topic_index: int,
        line: int,
        event: Event,
        row: int,
        state: UserState,
    ) -> CountEntry:
        """Return the event's counts: popularity of the item, and its pairs with the last W items, newest first."""
        item = int(self._items.hashes[row])
        hashes: list[int] = []
        weights: list[float] = []
        if state.n_total:
            newest_first = slice(None, -self._window - 1, -1)
            hashes = state.history.hashes_view()[newest_first].tolist()
            sessions = state.sessions_view()[newest_first].tolist()
            weights = [
                (same if session == state.session else other)
                for session, same, other in zip(sessions, self._distance, self._other_session, strict=False)
            ]
            if item in hashes:
                kinds = (state.history.tags_view()[newest_first] & KIND_MASK).tolist()
                weights = [
                    w * lighter_share(self._kind_weights, event.kind, kind) if earlier == item else w
                    for w, earlier, kind in zip(weights, hashes, kinds, strict=True)
                ]
        return CountEntry(
            topic=topic_index,
            partition=record.partition,
            offset=record.offset,
            line=line,
            timestamp_ms=event.timestamp_ms,
            item_id=event.lines[line].item_id,
            item_hash=item,
            weight=self._kind_weights[event.kind],
            previous_hashes=hashes,
            previous_weights=weights,
        )


def _note_applied(state: UserState, topic_index: int, offset: int, event_hash: int, timestamp_ms: int) -> None:
    state.offsets[topic_index] = offset
    state.remember_event(event_hash)
    state.first_seen_ms = min(state.first_seen_ms, timestamp_ms) if state.events_applied else timestamp_ms
    state.events_applied += 1
    state.last_event_ms = max(state.last_event_ms, timestamp_ms)  # a late event never rewinds the user's time
    state.as_of_ms = state.last_event_ms
