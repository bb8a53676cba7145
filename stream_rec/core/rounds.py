"""What one round of the user plane takes and gives: plain values between the pure core and the edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class UserStoreReader(Protocol):
    """The read side of one partition's user store."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, `None` where absent, in the order asked."""
        ...

    def due_sessions(self, before_ms: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` (deadline_ms, user_id) of sessions that ended by `before_ms`, earliest first."""
        ...

    def users_after(self, user_id: bytes, limit: int) -> list[bytes]:
        """Return up to `limit` user ids behind `user_id`, in the order of their bytes; `b""` is before all."""
        ...


class Put(NamedTuple):
    """One write to the user store; `value` `None` deletes. Only `replicated` puts enter the changelog."""

    key: bytes
    value: bytes | None
    replicated: bool


class PublishedList(NamedTuple):
    """One encoded list: it goes to `partition` of `recommendations` under `user_id`; `None` takes it back."""

    partition: int
    user_id: bytes
    value: bytes | None


class DeadLetter(NamedTuple):
    """One record nothing can be learned from, and why."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str


@dataclass(slots=True)
class RoundStats:
    """Counters of one round. `read == applied + duplicates + dead`, always."""

    read: int = 0
    applied: int = 0
    duplicates: int = 0
    dead: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    dead_by_reason: Counter[str] = field(default_factory=Counter)
    foreign_partition: int = 0
    lists: int = 0
    refreshed: int = 0  # ... because another model serves, or knows more items
    looks: int = 0  # item lines that could be looked up in the user's last published list
    hits: int = 0  # ... found among its 20
    reciprocal_ranks: float = 0.0
    popular_hits: int = 0  # the same looks against popularity's top 20
    popular_reciprocal_ranks: float = 0.0
    # looks into lists published since a model serves, by `core/arms.py`
    arm_looks: Counter[str] = field(default_factory=Counter)
    arm_hits: Counter[str] = field(default_factory=Counter)
    arm_reciprocal_ranks: dict[str, float] = field(default_factory=dict)
    coalesced_looks: int = 0  # looks whose user already had an event in this round: counted apart
    coalesced_hits: int = 0
    fresh_looks: int = 0  # events that were ranked just before learning, by both rankers
    linear_reciprocal_ranks: float = 0.0
    fusion_reciprocal_ranks: float = 0.0
    embedded: int = 0  # users the sequence model made a vector of
    embed_seconds: float = 0.0  # ... which took so long, with the search of the catalogue
    gradient_bytes: int = 0  # of the frames: factors and ranker
    gradients_dropped: int = 0  # not finite: learned from by nobody
    linear_serves: bool = False  # whether the linear ranker orders the lists, or fusion; said where events were read
    unsold_listed: int = 0  # items nobody had yet in the published lists
    unsold_lists: int = 0  # lists that could show one
    few_brought: int = 0  # items with few events that are in them only for their lift
    lines: int = 0  # a sample of the item lines of users with a history, for the drift detectors (`looks.describe`)
    session_starts: int = 0  # ... that came with an event which began a session
    repeats: int = 0  # ... whose item the user had before
    new_items: int = 0  # ... whose item nobody had before
    popularity: float = 0.0  # sum over the others: ln of the item's popularity as a share of the most popular one's
    stage_seconds: dict[str, float] = field(default_factory=dict)  # decode, learn, rank


@dataclass(slots=True)
class RoundResult:
    """Everything a round wants written; nothing of it is visible before the edge has written it.

    `frames` maps shard -> one item-delta frame. `puts` maps partition -> writes of its store, in order.
    """

    lists: list[PublishedList] = field(default_factory=list)
    frames: dict[int, bytes] = field(default_factory=dict)
    puts: dict[int, list[Put]] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    stats: RoundStats = field(default_factory=RoundStats)
