"""The lists the next fit learns from: the newest ones as they were scored, each with its target's place.

Most candidates of a list have next to no probability and teach next to nothing, so not all of them are kept. With p
the softmax of the linear scores, a negative is kept with probability k_i and stands for w_i of its kind:

    k_i = min(1, floor + share · p_i),  w_i = 1 / k_i

About 13 rows of a list of 60 remain, so four times as many lists fit into the memory that whole ones would take.

They lie end to end in blocks that are filled once and never written again. So a snapshot for a fit is a few views and
costs nothing to take; it is copied where there is time, while new lists go on coming.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.presets import CascadeParams
from stream_rec.core.ranking.half import to_half
from stream_rec.core.ranking.second_stage import MAX_CANDIDATES
from stream_rec.core.types import Float16Array, Float32Array, Int32Array, Int64Array

BLOCK_LISTS = 500


class TrainingLists(NamedTuple):
    """The kept rows of the lists of one fit, oldest list first, laid end to end.

    Attributes
    ----------
    features
        float16[rows, F].
    linear
        float32[rows], the linear ranker's scores, less the highest of the list.
    weights
        float32[rows], how many rows each stands for: 1 for a target.
    ends
        int64[lists], where each list's rows end.
    targets
        int32[lists], the target's place among the kept rows of its list.
    event_ms
        int64[lists], when the target's event was.
    """

    features: Float16Array
    linear: Float32Array
    weights: Float32Array
    ends: Int64Array
    targets: Int32Array
    event_ms: Int64Array


class Snapshot:
    """The lists held at one moment: views of their memory, which later lists leave as it is.

    Parameters
    ----------
    parts
        Oldest first, at least one; the arrays are not copied.
    """

    def __init__(self, parts: list[TrainingLists]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        """Return how many lists there are."""
        return sum(len(part.ends) for part in self._parts)

    def training_set(self) -> TrainingLists:
        """Return a copy of all of them as one; in whichever thread has the time.

        O(rows · F): about 0.1 s for a million rows of 33 features.
        """
        features, linear, weights, ends, targets, event_ms = zip(*self._parts, strict=True)
        before = np.cumsum([0, *(len(part) for part in linear[:-1])])
        return TrainingLists(
            np.concatenate(features),
            np.concatenate(linear),
            np.concatenate(weights),
            np.concatenate([part + rows for part, rows in zip(ends, before, strict=True)]),
            np.concatenate(targets),
            np.concatenate(event_ms),
        )


class PastLists:
    """The newest lists whose target was among their candidates.

    Parameters
    ----------
    n_features
        F.
    params
        How many lists are kept (the oldest give way), and how many of a list's negatives.
    block_lists
        Lists of a block, the unit in which memory is taken and given back.

    Notes
    -----
    Memory: 2 F + 8 bytes a row and 20 a list, so 24,000 lists of 13 rows of 33 features are 24 MB, taken as they come,
    and up to a block more; what a snapshot still needs stays with it. Features are kept raw, as float16, and not as
    bins: edges then follow what the shop is like at each fit, and a forest needs none of an older one's. Three digits
    are more than 64 bins tell apart. Values beyond ±65,504 are cut there. The draws are those of a fixed seed: the same
    lists leave the same rows.

    Examples
    --------
    >>> past = PastLists(n_features=2, params=CascadeParams(past_lists=100))
    >>> past.remember(np.ones((3, 2), np.float32), np.zeros(3, np.float32), target_place=1, event_ms=0)
    >>> past.remember(np.ones((3, 2), np.float32), np.zeros(3, np.float32), target_place=-1, event_ms=9)
    >>> len(past), past.snapshot().training_set().targets.tolist()
    (1, [1])
    """

    def __init__(self, n_features: int, params: CascadeParams, block_lists: int = BLOCK_LISTS) -> None:
        self._n_features, self._capacity, self._block_lists = n_features, params.past_lists, block_lists
        self._floor, self._share = params.negative_floor, params.negative_share
        self._rng, self._kept = np.random.default_rng(0), np.empty(MAX_CANDIDATES, np.int32)
        self._blocks = deque([self._new_block()])
        self._in_last = 0  # lists in the last block

    def __len__(self) -> int:
        """Return how many lists are held."""
        return min(self._in_blocks(), self._capacity)

    def remember(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        """Keep a list's target and a sample of the others; a list without its target (-1) is not kept.

        To train on it, the target would have to be added as a row from below the cut, and "far down" would become the
        mark of a target: that took a measured hit rate from .61 to .016.

        Parameters
        ----------
        features, linear
            float32[n, F], float32[n], as they were when the list was scored; n <= MAX_CANDIDATES. Copied.
        target_place
            0 <= place < n, or -1.
        event_ms
            When the target's event was.
        """
        if target_place < 0:
            return
        if self._in_last == self._block_lists:
            self._begin_block()
        block, at = self._blocks[-1], self._in_last
        draws = self._rng.random(len(linear), np.float32)
        first = _rows(block, at)
        m, place = keep_rows(
            linear, target_place, draws, self._floor, self._share, self._kept, block.linear[first:],
            block.weights[first:],
        )  # fmt: skip
        kept = features.take(self._kept[:m], axis=0)
        to_half(kept.reshape(-1), block.features[first : first + m].reshape(-1).view(np.uint16))
        block.ends[at], block.targets[at], block.event_ms[at] = first + m, place, event_ms
        self._in_last += 1

    def snapshot(self) -> Snapshot:
        """Return the lists held now, oldest first, without copying them: some 50 µs for 24,000."""
        parts, skipped = [], self._in_blocks() - len(self)
        for block in self._blocks:
            held = self._in_last if block is self._blocks[-1] else self._block_lists
            first = min(skipped, held)
            skipped -= first
            parts.append(_part(block, first, held))
        return Snapshot(parts)

    def _begin_block(self) -> None:
        """Take a new block and let go of the oldest where the others hold enough."""
        if (len(self._blocks) - 1) * self._block_lists >= self._capacity:
            self._blocks.popleft()
        self._blocks.append(self._new_block())
        self._in_last = 0

    def _in_blocks(self) -> int:
        return (len(self._blocks) - 1) * self._block_lists + self._in_last

    def _new_block(self) -> TrainingLists:
        lists, rows = self._block_lists, self._block_lists * MAX_CANDIDATES
        return TrainingLists(  # pages cost nothing until they are written
            np.empty((rows, self._n_features), np.float16), np.empty(rows, np.float32), np.empty(rows, np.float32),
            np.empty(lists, np.int64), np.empty(lists, np.int32), np.empty(lists, np.int64),
        )  # fmt: skip


@entry()
def keep_rows(
    linear: Float32Array, target: int, draws: Float32Array, floor: float, share: float, rows: Int32Array,
    above: Float32Array, weights: Float32Array,
) -> tuple[int, int]:  # fmt: skip
    """Choose the rows of a list that are kept; return how many, and the target's place among them.

    Parameters
    ----------
    linear, target
        float32[n], and the target's place.
    draws
        float32[n] in [0, 1). A row is kept where its draw is below its probability; the target always is.
    rows, above, weights
        int32[>= n], float32[>= n], float32[>= n]; written: the rows, ascending, their scores less the highest, and how
        many each stands for.
    """
    highest, total, m, place = linear.max(), 0.0, 0, 0
    for k in range(len(linear)):
        total += math.exp(linear[k] - highest)
    for k in range(len(linear)):
        kept = min(1.0, floor + share * math.exp(linear[k] - highest) / total)
        if k == target:
            kept, place = 1.0, m
        if draws[k] < kept:
            rows[m], above[m], weights[m] = k, linear[k] - highest, 1.0 / kept
            m += 1
    return m, place


def _rows(block: TrainingLists, lists: int) -> int:
    """Return how many rows the first so many lists of a block take."""
    return int(block.ends[lists - 1]) if lists else 0


def _part(block: TrainingLists, first: int, end: int) -> TrainingLists:
    """Return views of the lists [first, end) of a block; `ends` is counted from their first row."""
    start, stop = _rows(block, first), _rows(block, end)
    return TrainingLists(
        block.features[start:stop], block.linear[start:stop], block.weights[start:stop],
        block.ends[first:end] - start, block.targets[first:end], block.event_ms[first:end],
    )  # fmt: skip
