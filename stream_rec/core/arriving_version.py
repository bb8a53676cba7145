"""A version of the sequence model whose item vectors come in record by record; complete by the end markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from stream_rec.core.content_vectors import CONTENT_WIDTH
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.types import item_hash
from stream_rec.core.vector_records import VectorRows, decode_end, decode_vectors, parse_vector_key
from stream_rec.errors import CorruptStateError


class ArrivingVersion:
    """Fills a model from the records of `item-vectors`, in any order of partitions; goes on when it serves.

    Parameters
    ----------
    model
        Without items yet, of the version that is awaited.
    name
        The version's name in the keys.
    partitions
        Partitions of `item-vectors`.
    facts
        What was announced of it: figures of its manifest.
    """

    def __init__(
        self, model: SequenceModel, name: str, partitions: int, facts: Mapping[str, float] = MappingProxyType({})
    ) -> None:  # fmt: skip
        self.model, self.name, self.facts = model, name, facts
        self._met: list[set[int]] = [set() for _ in range(partitions)]
        self._ends: list[int | None] = [None] * partitions
        self._next_offset = [0] * partitions

    @property
    def complete(self) -> bool:
        """Whether every partition has an end marker and has given as many items as it says."""
        return self.complete_partitions == len(self._ends)

    @property
    def complete_partitions(self) -> int:
        """Partitions of which everything has come."""
        return sum(end is not None and len(met) >= end for end, met in zip(self._ends, self._met, strict=True))

    @property
    def items(self) -> int:
        """Items that have come."""
        return sum(map(len, self._met))

    def absorb(self, partition: int, records: Sequence[tuple[int, bytes, bytes | None]]) -> int:
        """Take (offset, key, value) of one partition, in the order of offsets; return how many were damaged.

        Records of other versions and what was taken before are passed over. A tombstone takes back that something lies
        there: a version that was retired is not complete. Until the tombstone is read it may be:
        its rows are the same whenever they were written. About 10 µs a row.
        """
        rows: dict[bytes, bytes] = {}
        damaged = 0
        for offset, key, value in records:
            if offset < self._next_offset[partition]:
                continue
            try:
                version, item_id = parse_vector_key(key)
                if version != self.name:
                    continue
                if item_id is None:
                    self._ends[partition] = None if value is None else decode_end(key, value)
                elif value is not None:
                    rows[key] = value
                else:
                    rows.pop(key, None)
                    self._met[partition].discard(item_hash(item_id))
            except CorruptStateError:
                damaged += 1
        if records:
            self._next_offset[partition] = max(self._next_offset[partition], records[-1][0] + 1)
        return damaged + self._put(partition, list(rows.items()))

    def _put(self, partition: int, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """Hand rows to the model; one by one where they are not all whole."""
        if not rows:
            return 0
        try:
            self._take(partition, decode_vectors(rows))
        except CorruptStateError:
            return 1 if len(rows) == 1 else sum(self._put(partition, [one]) for one in rows)
        return 0

    def _take(self, partition: int, some: VectorRows) -> None:
        widths = some.rows.shape[1], some.content.shape[1]
        if widths[0] != row_width(self.model.weights.width) or widths[1] not in (0, CONTENT_WIDTH):
            raise CorruptStateError(
                f"item vectors of {self.name}: need rows for a width of {self.model.weights.width}; got {widths}. "
                "Start the encoder again."
            )
        self.model.put(some.item_ids, some.rows, some.content)
        self._met[partition].update(map(item_hash, some.item_ids))
