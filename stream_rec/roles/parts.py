"""What a worker is made of: built once, shared by the lanes of every assignment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from stream_rec.adapters.batch_producer import BatchProducer
from stream_rec.adapters.changelog import Contiguity
from stream_rec.adapters.drift import DriftWatch
from stream_rec.adapters.item_tail import ItemTail
from stream_rec.adapters.lease import Lease
from stream_rec.adapters.metrics import Metrics
from stream_rec.adapters.model_tail import ModelTail
from stream_rec.config import Settings
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import UserStore
from stream_rec.core.user_plane import UserPlane


class Source(Protocol):
    """The lanes' view of the consumer."""

    def lags(self, topic: str, partition: int, last_offset: int) -> object | None:
        """Return `None` if nothing beyond `last_offset` is in the log, else a value that changes as the log is read."""
        ...

    def drop(self, event: Any) -> None:
        """Let go of an event that will be delivered again."""
        ...

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on reading from `offset`."""
        ...


@dataclass(slots=True)
class Parts:
    """A worker's parts.

    `outputs`, `changelog` and `rows` are producers of their own because aiokafka keeps about one request in flight
    per node: lists must not wait for state, nor state for item rows.
    """

    settings: Settings
    items: ItemTable
    users: UserPlane
    item_plane: ItemPlane
    tail: ItemTail
    model_tail: ModelTail
    lease: Lease
    contiguity: Contiguity
    outputs: BatchProducer
    changelog: BatchProducer
    rows: BatchProducer
    metrics: Metrics
    drift: DriftWatch
    source: Source
    cascade: Cascade | None = None  # the user plane's second stage
    stores: dict[int, UserStore] = field(default_factory=dict)
    dead_letter_partitions: int = 1
    progress: int = 0  # rounds and flushes done; the watchdog wants to see it move
