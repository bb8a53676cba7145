"""Which record of a key wins when a changelog is read back: the rules of a restore.

A changelog may hold records of a zombie: a worker that was frozen, lost its partition and wrote once more. So the
last record of a key need not be the right one, while compaction keeps exactly the last. Hence: find the winner,
and where it is not the last record, publish it again (repair).

Heads and hidden items: the record that includes more events wins, by component-wise dominance of the two offsets;
with the same events, and in a fork ((10, 5) against (8, 7)), the higher generation wins; then the later record.
Chunks are write-once, so they differ only if two writers met the events in another order: the higher generation
wins, since the owner's history goes on; then the later record.
A delete carries no stamp: it beats all before it and loses to all behind it.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.core.state.user_records import CHUNK_RECORD, Stamp, read_stamp


class Merged(NamedTuple):
    """`value`: the winner, `None` if the key is deleted. `repair`: it must be published again."""

    value: bytes | None
    repair: bool


def supersedes(incoming: Stamp, current: Stamp) -> bool:
    """Whether a record that stands later in the log, stamped `incoming`, wins over one stamped `current`."""
    newer_or_same_writer = incoming.generation >= current.generation
    if incoming.record == CHUNK_RECORD:
        return newer_or_same_writer
    ahead = any(i > c for i, c in zip(incoming.offsets, current.offsets, strict=True))
    behind = any(i < c for i, c in zip(incoming.offsets, current.offsets, strict=True))
    return ahead if ahead != behind else newer_or_same_writer


def merge(current: bytes | None, incoming: bytes | None, key: bytes) -> Merged:
    """Merge the next record of a key, in log order, into the winner so far (or into what the local store holds).

    `repair` is about the log that ends with `incoming`: the last call for a key decides.

    Raises
    ------
    CorruptStateError
        A record does not decode; `key` names it.

    Notes
    -----
    With an owner and one zombie the winner does not depend on where the reading starts, so a restore may start
    anywhere before its position. Three writers that fork one user could beat each other in a circle.
    """
    if incoming is None or current is None or incoming == current:
        return Merged(incoming, False)
    what = f"changelog record {key!r}"
    if supersedes(read_stamp(incoming, what), read_stamp(current, what)):
        return Merged(incoming, False)
    return Merged(current, True)
