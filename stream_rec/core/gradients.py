"""The learned part of an item-delta frame: gradients of the factors and of the ranker's weights.

The gradient of one event with respect to a row of factors is a number times a vector that all rows of its kind share
(`core/sources/factors.py`): g · z for items as targets, w · dz for items of the history. So an event ships two vectors
and one number per row it moves, whatever the number of negatives. A shard gets the numbers of its own rows.

Entries are applied once by the same rule as counts: each carries its source offset, and what is at or below the
shard's watermark was applied before. Little-endian columns, widest first::

    n entries, r rows, m members, e examples, d factors, F features : 6 x u32
    hash u64[r]                                              the rows of this part, each once
    offset i64[n + e]                                        entries, then examples
    member u32[m] (index into hash)                          per entry: rows as targets, then rows of the history
    partition i32[n + e]
    gradient f32[e, F]                                       examples of the ranker
    context f16[n, d] | back f16[n, d] | value f16[m]
    n_targets u16[n] | n_history u16[n]
    topic u8[n + e] | weights u8[e]                          context, plus `CONTEXT_ALONE` if it alone learns
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry, inner
from stream_rec.core.kernel_memory import block_of, float32_at, float32_rows_at, int32_at
from stream_rec.core.types import SOURCE_TOPICS, Float32Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from stream_rec.errors import CorruptStateError

BoolArray = npt.NDArray[np.bool_]
UInt16Array = npt.NDArray[np.uint16]
UInt32Array = npt.NDArray[np.uint32]

_HEADER = struct.Struct("<6I")
_BEYOND_HALF = np.float32(65_520.0)  # what is smaller rounds to a finite float16

CONTEXT_ALONE = 0x80
"""Added to an example's context when the shared weights are not to learn from it."""


class LearnedPart(NamedTuple):
    """The decoded part; arrays are aligned copies, f16 widened to f32."""

    hashes: UInt64Array
    offsets: Int64Array
    members: UInt32Array
    partitions: Int32Array
    examples: Float32Array
    context: Float32Array
    back: Float32Array
    values: Float32Array
    n_targets: UInt16Array
    n_history: UInt16Array
    topics: UInt8Array
    weights: UInt8Array


class Members(NamedTuple):
    """Growing columns of the rows that the gradients of a round move.

    `row` int32[capacity], `value` float32[capacity]: members, entry after entry, targets before history.
    `start` int32[entries + 1], `n_targets` int32[entries].
    """

    row: Int32Array
    value: Float32Array
    start: Int32Array
    n_targets: Int32Array


ROUND_SIZE = 9
"""Length of the block of a round."""


@inner(allocates=True)
def round_at(b: Int64Array) -> tuple[Float32Array, Float32Array, Members]:
    """Return context, back and members behind `RoundGradients.block`."""
    entries, d, most = b[0], b[1], b[2]
    members = Members(
        int32_at(b[5], entries * most), float32_at(b[6], entries * most), int32_at(b[7], entries + 1),
        int32_at(b[8], entries),
    )  # fmt: skip
    return float32_rows_at(b[3], entries, d), float32_rows_at(b[4], entries, d), members


class RoundGradients:
    """Collects the gradients of a round.

    Parameters
    ----------
    dimensions
        d, factors per item.
    most_members
        Most rows one entry can move.

    Attributes
    ----------
    n : int
        Entries so far.
    context, back : float32[>= n, d]
        z and dz of each entry.
    members : Members
    block : int64[9]
        All three as a kernel takes them (`round_at`); another one when they have grown.
    """

    def __init__(self, dimensions: int, most_members: int) -> None:
        self._most = most_members
        self._dimensions = dimensions
        self.n = 0
        self.places: list[tuple[int, int, int]] = []
        self.examples: list[tuple[tuple[int, int, int], int, Float32Array]] = []
        self.context: Float32Array
        self.back: Float32Array
        self.members: Members
        self._room(64)

    def _room(self, entries: int) -> None:
        d, n = self._dimensions, self.n
        context, back = np.zeros((entries, d), np.float32), np.zeros((entries, d), np.float32)
        members = Members(
            np.zeros(entries * self._most, np.int32),
            np.zeros(entries * self._most, np.float32),
            np.zeros(entries + 1, np.int32),
            np.zeros(entries, np.int32),
        )
        if n:
            context[:n], back[:n] = self.context[:n], self.back[:n]
            for new, old in zip(members, self.members, strict=True):
                new[: len(old)] = old
        self.context, self.back, self.members = context, back, members
        self.block = block_of(entries, d, self._most, context, back, *members)

    def reserve(self) -> None:
        """Make room for one more entry."""
        if self.n == len(self.context):
            self._room(2 * self.n)

    def commit(self, place: tuple[int, int, int]) -> None:
        """Count the entry the kernel has just written at `n` as the gradient of the record at `place`."""
        self.places.append(place)
        self.n += 1

    def add_example(self, place: tuple[int, int, int], weights: int, gradient: Float32Array) -> None:
        """Add a gradient float32[F] of the ranker's weights, of the record at `place`; `weights` as in the frame."""
        self.examples.append((place, weights, gradient))

    def drop_unfit(self) -> int:
        """Leave out entries and examples a frame cannot carry as finite numbers; return how many.

        One that reached the item plane would spoil for ever what it is added to.
        """
        before = self.n + len(self.examples)
        self.examples = [example for example in self.examples if np.isfinite(example[2]).all()]
        fit = _fit_entries(self.context, self.back, self.members, self.n)
        if not fit.all():
            self._keep(np.flatnonzero(fit).tolist())
        return before - self.n - len(self.examples)

    def _keep(self, entries: list[int]) -> None:
        """Move these entries to the front and forget the others."""
        m, end = self.members, 0
        for to, e in enumerate(entries):
            start, size = int(m.start[e]), int(m.start[e + 1] - m.start[e])
            for column in (m.row, m.value):
                column[end : end + size] = column[start : start + size].copy()
            end += size
            m.start[to + 1], m.n_targets[to] = end, m.n_targets[e]
            self.context[to], self.back[to] = self.context[e], self.back[e]
        self.places[:] = [self.places[e] for e in entries]
        self.n = len(entries)

    def clear(self) -> None:
        """Start a new round; buffers are kept."""
        self.n = 0
        self.places.clear()
        self.examples.clear()


@entry()
def _fit_entries(context: Float32Array, back: Float32Array, members: Members, n: int) -> BoolArray:
    """Return bool[n]: whether all numbers of an entry are finite as float16."""
    fit = np.ones(n, np.bool_)
    for e in range(n):
        for f in range(context.shape[1]):
            if not (abs(context[e, f]) < _BEYOND_HALF and abs(back[e, f]) < _BEYOND_HALF):
                fit[e] = False
        for m in range(members.start[e], members.start[e + 1]):
            if not abs(members.value[m]) < _BEYOND_HALF:
                fit[e] = False
    return fit


@entry()
def _choose(
    members: Members, n: int, hashes: UInt64Array, shard: int, n_shards: int, slot: Int32Array
) -> tuple[Int32Array, Int32Array, UInt32Array, Int32Array, UInt16Array, UInt16Array]:
    """Return (entries, rows, member, at, n_targets, n_history) of one shard; `slot` is left at -1."""
    total = members.start[n]
    entries, rows = np.empty(n, np.int32), np.empty(total, np.int32)
    member, at = np.empty(total, np.uint32), np.empty(total, np.int32)
    n_targets, n_history = np.empty(n, np.uint16), np.empty(n, np.uint16)
    n_entries, n_rows, n_members = 0, 0, 0
    for e in range(n):
        before, targets = n_members, 0
        for m in range(members.start[e], members.start[e + 1]):
            row = members.row[m]
            if hashes[row] % np.uint64(n_shards) != np.uint64(shard):
                continue
            if slot[row] < 0:
                slot[row] = n_rows
                rows[n_rows] = row
                n_rows += 1
            member[n_members], at[n_members] = slot[row], m
            n_members += 1
            targets += m < members.start[e] + members.n_targets[e]
        if n_members > before:
            entries[n_entries], n_targets[n_entries] = e, targets
            n_history[n_entries] = n_members - before - targets
            n_entries += 1
    for r in range(n_rows):
        slot[rows[r]] = -1
    return (
        entries[:n_entries], rows[:n_rows], member[:n_members], at[:n_members], n_targets[:n_entries],
        n_history[:n_entries],
    )  # fmt: skip


def encode_part(
    gradients: RoundGradients, hashes: UInt64Array, shard: int, n_shards: int, slot: Int32Array, with_examples: bool
) -> bytes:
    """Return the part of one shard, empty if nothing concerns it.

    Parameters
    ----------
    hashes
        uint64[capacity] of the item table.
    slot
        int32[capacity] scratch, -1 everywhere before and after.
    with_examples
        Whether the shard owns the ranker's weights.

    Notes
    -----
    About 1 µs an entry. In bytes an entry is 4 d + 21, and 6 per row it moves.
    """
    entries, rows, member, at, n_targets, n_history = _choose(
        gradients.members, gradients.n, hashes, shard, n_shards, slot
    )
    examples = gradients.examples if with_examples else []
    if not len(entries) and not examples:
        return b""
    places = [gradients.places[e] for e in entries.tolist()] + [place for place, _, _ in examples]
    rows_of_weights = [gradient for _, _, gradient in examples]
    features = len(rows_of_weights[0]) if rows_of_weights else 0
    return b"".join(
        (
            _HEADER.pack(len(entries), len(rows), len(member), len(examples), gradients.context.shape[1], features),
            hashes[rows].tobytes(),
            np.array([offset for _, _, offset in places], np.int64).tobytes(),
            member.tobytes(),
            np.array([partition for _, partition, _ in places], np.int32).tobytes(),
            *(gradient.tobytes() for gradient in rows_of_weights),
            gradients.context[entries].astype(np.float16).tobytes(),
            gradients.back[entries].astype(np.float16).tobytes(),
            gradients.members.value[at].astype(np.float16).tobytes(),
            n_targets.tobytes(),
            n_history.tobytes(),
            bytes(topic for topic, _, _ in places),
            bytes(weights for _, weights, _ in examples),
        )
    )


def decode_part(part: bytes) -> LearnedPart:
    """Return the columns of a part.

    Raises
    ------
    CorruptStateError
        Its lengths contradict each other or an index leaves its column.
    """
    if len(part) < _HEADER.size:
        raise _corrupt(f"at least {_HEADER.size} bytes", f"{len(part)}")
    n, r, m, e, d, features = _HEADER.unpack_from(part)
    columns: tuple[tuple[str, int], ...] = (
        ("<u8", r), ("<i8", n + e), ("<u4", m), ("<i4", n + e), ("<f4", e * features), ("<f2", n * d), ("<f2", n * d),
        ("<f2", m), ("<u2", n), ("<u2", n), ("<u1", n + e), ("<u1", e),
    )  # fmt: skip
    size = _HEADER.size + sum(np.dtype(kind).itemsize * count for kind, count in columns)
    if size != len(part):
        raise _corrupt(f"{size} bytes by its header", f"{len(part)}")
    taken: list[Any] = []  # columns of seven dtypes
    at = _HEADER.size
    for kind, count in columns:
        column = np.frombuffer(part, kind, count, at)
        at += column.nbytes
        taken.append(column.astype(np.float32) if kind == "<f2" else column.copy())
    decoded = LearnedPart(*taken)
    decoded = decoded._replace(
        examples=decoded.examples.reshape(e, features), context=decoded.context.reshape(n, d),
        back=decoded.back.reshape(n, d),
    )  # fmt: skip
    counted = int(decoded.n_targets.sum(dtype=np.int64) + decoded.n_history.sum(dtype=np.int64))
    outside = (decoded.partitions < 0).any() or (decoded.topics >= SOURCE_TOPICS).any()
    if counted != m or (m and int(decoded.members.max()) >= r) or outside:
        raise _corrupt("indices within its columns", "one outside")
    return decoded


def _corrupt(expected: str, actual: str) -> CorruptStateError:
    return CorruptStateError(
        f"learned part of an item-delta frame: need {expected}; got {actual}. "
        "Use the release that wrote it, or name new item-deltas and item-rows topics."
    )
