"""Contiguity: one writer per partition knows the next offset, so any other offset means another writer.

A worker frozen past its session still believes that it owns its partitions. Comparing group generations does not
catch it: it has not heard of the new one. The log itself tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stream_rec.errors import FencedError


class Written(NamedTuple):
    """One acknowledged batch of records: `n_records` offsets from `base_offset` on."""

    topic: str
    partition: int
    base_offset: int
    n_records: int


class Contiguity:
    """The next offset expected per (topic, partition) of logs that this worker alone may write."""

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    def start(self, topic: str, partition: int, offset: int) -> None:
        """Own the log from `offset` on."""
        self._next[topic, partition] = offset

    def next_offset(self, topic: str, partition: int) -> int:
        """Return the offset the next record will get."""
        return self._next[topic, partition]

    def check(self, written: Iterable[Written]) -> None:
        """Move the expected offsets past `written`, in any order; batches of logs that were not started are ignored.

        Raises
        ------
        FencedError
            A batch did not land where it had to. Stop before anything else is written.
        """
        for topic, partition, base_offset, n_records in sorted(written):
            expected = self._next.get((topic, partition))
            if expected is None:
                continue
            if base_offset != expected:
                raise FencedError(
                    f"{topic}-{partition}: need offset {expected} for the next record; got {base_offset}. "
                    "Another worker writes this partition: this one stops and rejoins."
                )
            self._next[topic, partition] = expected + n_records
