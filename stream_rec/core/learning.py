"""Learning from one event: look first, then the user's history, then the counts for the item plane."""

from __future__ import annotations

from stream_rec.core.deltas import CountEntry, FrameBuilder
from stream_rec.core.events import Event
from stream_rec.core.looks import DESCRIBED_EVERY, FreshLook, Observer, ServedLook, describe, place_of
from stream_rec.core.presets import Preset
from stream_rec.core.publishing import Publisher
from stream_rec.core.rounds import RoundStats
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.types import LIST_SIZE, POSITIVE_KINDS, EventKind, SourceRecord, UserView, item_hash

HIDING_KINDS = frozenset({EventKind.DISLIKE, EventKind.HIDE})


class Learner:
    """Applies events to user states and collects their counts; `observer` sees every look before the learning."""

    def __init__(
        self, preset: Preset, items: ItemTable, publisher: Publisher, observer: Observer | None, fresh_every: int
    ) -> None:
        self._preset = preset
        self._items = items
        self._publisher = publisher
        self._observer = observer
        self._fresh_every = fresh_every
        cooc = preset.cooc
        self._window = cooc.window
        self._distance = [k**-cooc.distance_power for k in range(1, cooc.window + 1)]
        self._other_session = [w * cooc.other_session for w in self._distance]

    def learn(
        self,
        record: SourceRecord,
        topic_index: int,
        event: Event,
        state: UserState,
        coalesced: bool,
        frames: FrameBuilder,
        stats: RoundStats,
    ) -> bool:
        """Apply one event; return False when it repeats one already applied.

        `state`, `frames` and `stats` are changed. A repeat is told by its offset or by its `event_id` among the
        user's last 32.

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
                if state.n_total:
                    self._look(record, row, state, first_of_session, coalesced, stats)
                frames.add(self._counts(record, topic_index, line, event, row, state))
                hashed = int(self._items.hashes[row])
                state.append(hashed, row, event.timestamp_ms, state.session, int(event.kind))
            elif event.kind in HIDING_KINDS:
                state.hide(int(self._items.hashes[row]))
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

    def _look(
        self,
        record: SourceRecord,
        row: int,
        state: UserState,
        first_of_session: bool,
        coalesced: bool,
        stats: RoundStats,
    ) -> None:
        if record.offset % DESCRIBED_EVERY == 0:
            describe(row, self._items, bool((state.rows_view() == row).any()), first_of_session, stats)
        popular = self._publisher.popular(state)
        popular_place = place_of(row, popular.tolist())
        place = state.list_rank(int(self._items.hashes[row])) + 1
        if coalesced:
            stats.coalesced_looks += 1
            stats.coalesced_hits += place > 0
        else:
            stats.looks += 1
            stats.hits += place > 0
            stats.reciprocal_ranks += 1 / place if place else 0.0
            if 0 < popular_place <= LIST_SIZE:
                stats.popular_hits += 1
                stats.popular_reciprocal_ranks += 1 / popular_place
        if self._observer is None:
            return
        had = bool((state.rows_view() == row).any())
        self._observer.served(ServedLook(record, row, place, popular_place, first_of_session, coalesced, had))
        if self._fresh_every and record.offset % self._fresh_every == 0:
            user = UserView(state.rows_view(), state.sessions_view(), state.session)
            recommendation = self._publisher.explain(state, user)
            self._observer.fresh(FreshLook(record, row, recommendation, popular, first_of_session, had))

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
        return CountEntry(
            topic=topic_index,
            partition=record.partition,
            offset=record.offset,
            line=line,
            timestamp_ms=event.timestamp_ms,
            item_id=event.lines[line].item_id,
            item_hash=int(self._items.hashes[row]),
            weight=1.0,
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
