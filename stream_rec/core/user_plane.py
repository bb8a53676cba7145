"""The user plane, one page: in, look, learn, rank, out. Everything it wants written is in the `RoundResult`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stream_rec.core.events import Event, decode_event
from stream_rec.core.exposure import Exposure
from stream_rec.core.learning import Learner
from stream_rec.core.lists import ListEncoder
from stream_rec.core.looks import Observer
from stream_rec.core.presets import DAY_MS, SOURCE_NAMES, Preset
from stream_rec.core.publishing import Asked, Publisher
from stream_rec.core.ranking.linear import pinned_weights
from stream_rec.core.ranking.mixing import Mix
from stream_rec.core.ranking.second_stage import SecondStage
from stream_rec.core.recommend import Recommender
from stream_rec.core.refresh import Refreshed, Refresher
from stream_rec.core.rounds import DeadLetter, RoundResult, RoundStats, UserStoreReader
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_codec import puts_of
from stream_rec.core.sweep import Pauses, Sweeper
from stream_rec.core.training import Sampling
from stream_rec.core.types import LIST_SIZE, SourceRecord
from stream_rec.core.user_cache import CachedUser, UserCache
from stream_rec.errors import ContractError


@dataclass(frozen=True, slots=True)
class PlaneSettings:
    """What the user plane needs to know of the settings."""

    clicks_topic: str = "clicks"
    purchases_topic: str = "purchases"
    partitions: int = 4
    list_size: int = LIST_SIZE
    exclude: str = "nothing"  # or "current" (the last item), "bought", or "had" (every item of the history)
    foreign_partition_is_dead: bool = False
    fresh_every: int = 4  # rank one in so many events just before learning from it, to train the ranker; 0 = never
    thorough_users: int = 64  # the second stage is left out of a round with more users: a backlog comes first
    pinned: tuple[tuple[str, float], ...] = ()  # weights of sources the shop has set, instead of learned ones
    mix: Mix | None = None  # how the sequence model is mixed with all other sources; None: it is one of them
    model_share: float = 1.0  # of the users, whose lists the sequence model helps to make (`core/arms.py`)
    cached_users: int = 20_000
    idle_user_ms: int = 365 * DAY_MS
    exposure: float = 0.25  # items nobody had yet per list, on average, where a model knows texts; 0 = none
    refresh_ms: int = 7 * DAY_MS  # a user's visit list is made anew this often; 0 = never


@dataclass(slots=True)
class _Touched:
    """A user with at least one applied event in this round; `trigger` is the last one's record."""

    partition: int
    user: CachedUser
    trigger: SourceRecord


def _no_clock() -> float:
    return 0.0


class UserPlane:
    """State of this worker's users: applies events, ranks, and says what to write.

    Parameters
    ----------
    settings, preset
        Topic names and rules; parameters of the algorithms.
    items
        The item table this process reads (and whose owned shards the item plane writes).
    n_shards
        Partitions of `item-deltas`.
    seconds
        A monotonic clock for the times in `RoundStats`; without it they stay 0.
    observer
        Sees every look, before the learning.
    second
        The second stage; it learns from the events that are looked at freshly.
    sequence
        The sequence model over `items`.
    """

    def __init__(
        self,
        settings: PlaneSettings,
        preset: Preset,
        items: ItemTable,
        n_shards: int,
        *,
        seconds: Callable[[], float] = _no_clock,
        observer: Observer | None = None,
        second: SecondStage | None = None,
        sequence: SequenceModel | None = None,
    ) -> None:
        self.generation = 0  # of the consumer group; stored with every state, decides forks at a restore
        self._settings = settings
        self._preset = preset
        self._seconds = seconds
        self._topics = {settings.clicks_topic: 0, settings.purchases_topic: 1}
        self._stream_ms: dict[int, int] = {}
        self.cache = UserCache(items, preset.history_events, settings.partitions, settings.cached_users)
        self._encoder = encoder = ListEncoder(items, SOURCE_NAMES, {"preset": preset.name})
        self._recommender = recommender = Recommender(preset, items, settings.list_size)
        recommender.second = second
        recommender.exposure = Exposure(settings.exposure)
        if settings.pinned:
            recommender.pinned = pinned_weights(dict(settings.pinned))
        recommender.mix = settings.mix
        self._publisher = Publisher(items, recommender, encoder, settings.exclude, settings.model_share, seconds)
        sampling = Sampling(settings.fresh_every)
        self._learner = Learner(preset, items, n_shards, self._publisher, observer, sampling, second)
        pauses = Pauses(settings.refresh_ms, settings.idle_user_ms)
        self._sweeper = Sweeper(self.cache, self._publisher, pauses, settings.partitions)
        self._refresher = Refresher(self.cache, self._publisher, preset.session_gap_ms)

        if sequence is not None:
            self.serve(sequence)

    @property
    def exposure(self) -> Exposure:
        """How many items nobody had yet the lists show, and what it takes."""
        return self._recommender.exposure

    @property
    def sequence(self) -> SequenceModel | None:
        """The sequence model that serves."""
        return self._recommender.sequence

    @property
    def model_share(self) -> float:
        """Share of the users whose lists the sequence model helps to make."""
        return self._publisher.model_share

    def serve(self, sequence: SequenceModel, now_ms: int | None = None) -> None:
        """Let a version of the sequence model help with lists from now on, of users who are to have it.

        `now_ms`: the clock that is given to `process`; looks are counted by arm in lists published after it.
        """
        self._publisher.serves_since_ms = self.newest_event_ms() if now_ms is None else now_ms
        self._recommender.sequence = sequence
        self._encoder.sequence = sequence.version

    def process(
        self,
        records: Mapping[int, Sequence[SourceRecord]],
        stores: Mapping[int, UserStoreReader],
        now_ms: int | None,
    ) -> RoundResult:
        """Process one round.

        Parameters
        ----------
        records
            Raw records by partition, in the order in which they are to be learned.
        stores
            The user store of each of those partitions.
        now_ms
            The clock, for the age of lists and to tell events from the future; `None` in a backtest.

        Raises
        ------
        CorruptStateError
            A stored state does not decode: stop the worker.
        """
        result = RoundResult()
        mark = self._seconds()
        admitted = self._take_in(records, stores, now_ms, result)
        mark = self._lap(result.stats, "decode", mark)
        touched: dict[int, _Touched] = {}
        for record, event, user in admitted:
            try:
                self._learn(record, event, user, touched, result.stats)
            except ContractError as error:
                _bury(record, error, result)
        result.frames = self._learner.take_frames(result.stats)
        mark = self._lap(result.stats, "learn", mark)
        result.stats.linear_serves = self._publisher.linear_serves
        self._publish(list(touched.values()), now_ms, result)
        self._lap(result.stats, "rank", mark)
        self._publisher.note_embedding(result.stats)
        return result

    def sweep(
        self, partition: int, store: UserStoreReader, stream_ms: int, now_ms: int | None, limit: int
    ) -> RoundResult:
        """Publish the visit list of users whose session ended by `stream_ms`; expire idle ones (at most `limit`)."""
        result = self._sweeper.sweep(partition, store, stream_ms, now_ms, limit, self.generation)
        self._publisher.note_embedding(result.stats)
        return result

    def refresh(
        self, partition: int, store: UserStoreReader, after: bytes, limit: int, stream_ms: int, now_ms: int,
        since_ms: int,
    ) -> Refreshed:  # fmt: skip
        """Make the lists of at most `limit` users behind `after` anew (`core/refresh.py`)."""
        generation = self.generation
        refreshed = self._refresher.refresh(partition, store, after, limit, stream_ms, now_ms, since_ms, generation)
        self._publisher.note_embedding(refreshed.result.stats)
        return refreshed

    def stream_ms(self, partition: int) -> int:
        """Return the highest event time applied on the partition (0 before the first)."""
        return self._stream_ms.get(partition, 0)

    def newest_event_ms(self) -> int:
        """Return the highest event time applied on any partition (0 before the first)."""
        return max(self._stream_ms.values(), default=0)

    def forget(self, partition: int) -> None:
        """Drop all that is remembered of a revoked partition."""
        self.cache.forget(partition)
        self._sweeper.forget(partition)
        self._stream_ms.pop(partition, None)

    def _take_in(
        self,
        records: Mapping[int, Sequence[SourceRecord]],
        stores: Mapping[int, UserStoreReader],
        now_ms: int | None,
        result: RoundResult,
    ) -> list[tuple[SourceRecord, Event, CachedUser]]:
        """Decode every record; what fails is a dead letter and costs nothing else."""
        admitted = []
        for partition, batch in records.items():
            decoded: list[tuple[SourceRecord, bytes, Event]] = []
            for record in batch:
                try:
                    event = decode_event(record.value, record.key, now_ms)
                    decoded.append((record, record.key or b"", event))
                except ContractError as error:
                    _bury(record, error, result)
            result.stats.read += len(batch)
            users = self.cache.load(partition, (key for _, key, _ in decoded), stores[partition])
            for record, key, event in decoded:
                user = users[key]
                if user.foreign and self._is_dead_foreigner(record, result):
                    continue
                admitted.append((record, event, user))
        return admitted

    def _is_dead_foreigner(self, record: SourceRecord, result: RoundResult) -> bool:
        result.stats.foreign_partition += 1
        if self._settings.foreign_partition_is_dead:
            detail = (
                f"{record.topic}: need the partition murmur2(key) names; got {record.partition}. "
                "Set partitioner=murmur2_random in librdkafka clients."
            )
            _bury(record, ContractError("foreign-partition", detail), result)
        return self._settings.foreign_partition_is_dead

    def _learn(
        self,
        record: SourceRecord,
        event: Event,
        user: CachedUser,
        touched: dict[int, _Touched],
        stats: RoundStats,
    ) -> None:
        state = user.state
        place = id(state)
        topic = self._topics[record.topic]
        if not self._learner.learn(record, topic, event, state, place in touched, stats):
            stats.duplicates += 1
            return
        stats.applied += 1
        stats.by_kind[event.kind.name.lower()] += 1
        touched[place] = _Touched(record.partition, user, record)
        if event.timestamp_ms > self._stream_ms.get(record.partition, 0):
            self._stream_ms[record.partition] = event.timestamp_ms

    def _publish(self, touched: list[_Touched], now_ms: int | None, result: RoundResult) -> None:
        """Rank, then write the lists, then the states: what each step works on stays in the processor's caches."""
        publisher, thorough = self._publisher, len(touched) <= self._settings.thorough_users
        gap_ms, states = publisher.usual_gap_ms, [one.user.state for one in touched]
        asked = [Asked(state, state.session, state.as_of_ms + gap_ms) for state in states]
        ranked = publisher.rank(asked, thorough)
        for one, state, recommendation in zip(touched, states, ranked, strict=True):
            record = one.trigger
            list_id = f"{record.topic}-{record.partition}-{record.offset}"
            result.lists.append(publisher.publish(one.partition, state, recommendation, record, list_id, now_ms))
        for one, state in zip(touched, states, strict=True):
            state.generation = self.generation
            state.pending_lines = 0
            state.session_deadline_ms = state.last_event_ms + self._preset.session_gap_ms
            result.puts.setdefault(one.partition, []).extend(puts_of(state))
        result.stats.lists += len(touched)
        publisher.end_round(result.stats)

    def _lap(self, stats: RoundStats, stage: str, since: float) -> float:
        now = self._seconds()
        stats.stage_seconds[stage] = now - since
        return now


def _bury(record: SourceRecord, error: ContractError, result: RoundResult) -> None:
    result.stats.dead += 1
    result.stats.dead_by_reason[error.reason] += 1
    result.dead_letters.append(
        DeadLetter(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            error.reason,
            error.detail,
        )
    )
