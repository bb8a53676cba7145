"""The work one event asks for, from the same core the worker uses, one event at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stream_rec.core.events import decode_event
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.learning import Learner
from stream_rec.core.lists import ListEncoder
from stream_rec.core.presets import SOURCE_NAMES, Preset
from stream_rec.core.publishing import Asked, Publisher
from stream_rec.core.ranking.cascade import new_cascade
from stream_rec.core.recommend import Recommender
from stream_rec.core.rounds import Put, RoundStats
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import attach, decode_head, head_key, keys_to_load, puts_of
from stream_rec.core.training import Sampling
from stream_rec.core.types import LIST_SIZE, SourceRecord
from stream_rec.core.user_plane import PlaneSettings

SHARD = 0
"""The naive agent keeps all items in one shard: one delta per event, however many items it pairs."""


class Record(NamedTuple):
    """A message in the shape the core reads."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Effects(NamedTuple):
    """What one event wants written: the user's list, the user's state, and its counts."""

    user_id: bytes
    list_json: bytes | None
    puts: Sequence[Put]
    delta: bytes | None
    item_ids: Sequence[str]


class NaiveWork:
    """Everything between a record and its effects.

    Parameters
    ----------
    preset
        The worker's preset.
    topics
        Names of the clicks and the purchases topic.
    """

    def __init__(self, preset: Preset, topics: tuple[str, str]) -> None:
        self._preset = preset
        self._topics = topics
        self._items = ItemTable(preset)
        encoder = ListEncoder(self._items, SOURCE_NAMES, {"preset": preset.name})
        recommender = Recommender(preset, self._items, LIST_SIZE)
        recommender.second = new_cascade(preset)
        self._publisher = Publisher(self._items, recommender, encoder, "nothing")
        sampling = Sampling(PlaneSettings().fresh_every)
        self._learner = Learner(preset, self._items, 1, self._publisher, None, sampling, recommender.second)
        self._item_plane = ItemPlane(self._items, 1)
        self._item_plane.assign(SHARD, None)
        self._stats = RoundStats()

    def handle(self, record: SourceRecord, read: Callable[[bytes], bytes | None], now_ms: int) -> Effects | None:
        """Decode, load, learn, rank and encode one record; `None` for a repeat.

        Parameters
        ----------
        record
            A record of clicks or purchases.
        read
            Reads a stored value of the user by its key.
        now_ms
            The clock.

        Raises
        ------
        ContractError
            The record is no valid event.
        """
        event = decode_event(record.value, record.key, now_ms)
        state = self._load(event.user_id, read)
        topic = self._topics.index(record.topic)
        if not self._learner.learn(record, topic, event, state, False, self._stats):
            return None
        list_id = f"{record.topic}-{record.partition}-{record.offset}"
        rank_ms = state.as_of_ms + self._publisher.usual_gap_ms
        (ranked,) = self._publisher.rank([Asked(state, state.session, rank_ms)])
        published = self._publisher.publish(record.partition, state, ranked, record, list_id, now_ms)
        state.pending_lines = 0
        state.session_deadline_ms = state.last_event_ms + self._preset.session_gap_ms
        delta = self._learner.take_frames(self._stats).get(SHARD)
        return Effects(state.key, published.value, puts_of(state), delta, [line.item_id for line in event.lines])

    def count(self, delta: bytes, offset: int) -> None:
        """Apply the counts of one event to the item rows."""
        self._item_plane.apply(SHARD, delta, offset)

    def _load(self, user_id: str, read: Callable[[bytes], bytes | None]) -> UserState:
        head = read(head_key(user_id.encode()))
        if head is None:
            return UserState(user_id, self._preset.history_events)
        state = decode_head(user_id, head, self._preset.history_events)
        wanted = keys_to_load(state)
        if wanted:
            attach(state, [read(key) for key in wanted])
        state.history.set_rows(self._items.rows_of_hashes(state.history.hashes_view()))
        return state


def compile_kernels(preset: Preset) -> None:
    """Run a few events through work of its own, so that no kernel is compiled while events wait."""
    stored: dict[bytes, bytes | None] = {}
    work = NaiveWork(preset, ("clicks", "purchases"))
    for offset in range(4):
        ids = (offset, offset % 2)
        value = b'{"event":"view_item","event_id":"%d","user_id":"u","item_id":"i%d","timestamp_ms":1}' % ids
        effects = work.handle(Record("clicks", 0, offset, 1, b"u", value), stored.get, 1)
        assert effects is not None and effects.delta is not None, "a view has effects"
        stored.update((put.key, put.value) for put in effects.puts)
        work.count(effects.delta, offset)
