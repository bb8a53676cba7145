"""One partition's source topics become one stream, ordered by record timestamp.

A worker that catches up reads each topic in large pieces. Taken as they come, a user's purchases of last week would be
learned before last month's clicks. The merge holds records back until every topic that still has more to give has
shown its next record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from stream_rec.core.types import SourceRecord

Token = TypeVar("Token")


class Taken(NamedTuple, Generic[Token]):
    """What one `take` hands over.

    `records`: in order. `finished`: tokens of the batches whose last record is among them, in the order they were
    pushed per topic; they may be acknowledged once the effects of `records` are durable. `starved`: a lagging topic
    held something back.
    """

    records: list[SourceRecord]
    finished: list[Token]
    starved: bool


class _Batch(Generic[Token]):
    """One pushed batch and how far it is taken."""

    __slots__ = ("next", "records", "token")

    def __init__(self, records: Sequence[SourceRecord], token: Token) -> None:
        self.records = records
        self.token = token
        self.next = 0


class PartitionMerge(Generic[Token]):
    """A k-way merge of one partition's topics by (record timestamp, topic index), offsets kept in order per topic.

    Parameters
    ----------
    topics
        Number of topics; a topic is its index, and the lower index goes first at equal timestamps.

    Notes
    -----
    Records of one topic are never reordered, whatever their timestamps say: the user state skips offsets at or below
    the last applied one. The order is therefore a function of the topics' contents alone, not of how they were fetched,
    as long as no topic was given up waiting for. About 0.1 µs per record: whole runs are sliced.
    """

    def __init__(self, topics: int) -> None:
        self._queues: list[deque[_Batch[Token]]] = [deque() for _ in range(topics)]
        self.held = 0

    def push(self, topic: int, records: Sequence[SourceRecord], token: Token) -> None:
        """Queue one batch of consecutive records of `topic`; an empty batch is refused."""
        if not records:
            raise ValueError("partition merge: need at least one record; got an empty batch. Skip it.")
        self._queues[topic].append(_Batch(records, token))
        self.held += len(records)

    def empty(self, topic: int) -> bool:
        """Tell whether nothing of `topic` is queued."""
        return not self._queues[topic]

    def take(self, lagging: Sequence[bool], limit: int) -> Taken[Token]:
        """Hand over up to `limit` records that nothing still to come can precede.

        Parameters
        ----------
        lagging
            Per topic: the log holds records that were not pushed yet, and they are worth waiting for.
        limit
            Upper bound of the records handed over.
        """
        taken: Taken[Token] = Taken([], [], False)
        while len(taken.records) < limit:
            heads = [(q[0].records[q[0].next].timestamp, topic) for topic, q in enumerate(self._queues) if q]
            if not heads:
                return taken
            if any(wait and not q for wait, q in zip(lagging, self._queues, strict=True)):
                return taken._replace(starved=True)
            heads.sort()
            self._advance(heads[0][1], heads[1] if len(heads) > 1 else None, limit, taken)
        return taken

    def _advance(self, topic: int, rival: tuple[int, int] | None, limit: int, taken: Taken[Token]) -> None:
        """Move the longest run of `topic`'s first batch that goes before `rival` into `taken`."""
        batch = self._queues[topic][0]
        first, records = batch.next, batch.records
        last = min(len(records), first + limit - len(taken.records))
        end = last
        if rival is not None:
            end = first + 1  # the first one was compared already
            while end < last and (records[end].timestamp, topic) < rival:
                end += 1
        taken.records.extend(records[first:end])
        self.held -= end - first
        batch.next = end
        if end == len(records):
            taken.finished.append(batch.token)
            self._queues[topic].popleft()

    def drop(self) -> list[Token]:
        """Forget everything queued and return the tokens of the batches forgotten, partly taken ones included."""
        tokens = [batch.token for queue in self._queues for batch in queue]
        for queue in self._queues:
            queue.clear()
        self.held = 0
        return tokens
