"""The lists the next fit learns from: a bounded ring of lists as they were scored, each with its target's place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.ranking.half import to_half
from stream_rec.core.ranking.second_stage import MAX_CANDIDATES
from stream_rec.core.types import Float16Array, Float32Array, Int32Array, Int64Array


class TrainingLists(NamedTuple):
    """Lists of one fit, oldest first, laid end to end.

    Attributes
    ----------
    features
        float16[rows, F].
    linear
        float32[rows], the linear ranker's scores.
    ends
        int64[lists], where each list's rows end.
    targets
        int32[lists], the target's place within its list.
    event_ms
        int64[lists], when the target's event was.
    """

    features: Float16Array
    linear: Float32Array
    ends: Int64Array
    targets: Int32Array
    event_ms: Int64Array


class PastLists:
    """A ring of the newest lists whose target was among their candidates.

    Parameters
    ----------
    n_features
        F.
    capacity
        Lists kept; the oldest gives way.

    Notes
    -----
    Memory: 60 · (2 F + 4) + 14 bytes a list, so 24,000 lists of 33 features are 101 MB, taken as they come. Features
    are kept raw, as float16, and not as bins: edges then follow what the shop is like at each fit, and a forest needs
    none of an older one's. Three digits are more than 64 bins tell apart. Values beyond ±65,504 are cut there.

    Examples
    --------
    >>> past = PastLists(n_features=2, capacity=100)
    >>> past.remember(np.ones((3, 2), np.float32), np.zeros(3, np.float32), target_place=1, event_ms=0)
    >>> past.remember(np.ones((3, 2), np.float32), np.zeros(3, np.float32), target_place=-1, event_ms=9)
    >>> len(past), past.training_set().targets.tolist()
    (1, [1])
    """

    def __init__(self, n_features: int, capacity: int) -> None:
        # Pages of np.zeros cost nothing until they are written.
        self._features = np.zeros((capacity, MAX_CANDIDATES, n_features), np.float16)
        self._linear = np.zeros((capacity, MAX_CANDIDATES), np.float32)
        self._sizes = np.zeros(capacity, np.int16)
        self._targets = np.zeros(capacity, np.int32)
        self._event_ms = np.zeros(capacity, np.int64)
        self._half = self._features.reshape(capacity, -1).view(np.uint16)  # the same memory
        self._kept = 0  # ever

    def __len__(self) -> int:
        """Return how many lists are held."""
        return min(self._kept, len(self._sizes))

    def remember(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        """Keep a list; one without its target (-1) is not kept.

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
        n, slot = len(linear), self._kept % len(self._sizes)
        to_half(features.reshape(-1), self._half[slot, : n * features.shape[1]])
        self._linear[slot, :n] = linear
        self._sizes[slot], self._targets[slot], self._event_ms[slot] = n, target_place, event_ms
        self._kept += 1

    def training_set(self) -> TrainingLists:
        """Return a copy of all lists held, oldest first, without the places that short lists leave empty.

        O(lists · 60 · F): about 0.1 s for 24,000 lists of 33 features.
        """
        held, capacity = len(self), len(self._sizes)
        order = np.arange(self._kept - held, self._kept) % capacity
        sizes = self._sizes[order].astype(np.int64)
        ends = np.cumsum(sizes)
        features = np.empty((int(sizes.sum()), self._features.shape[2]), np.float16)
        linear = np.empty(len(features), np.float32)
        for slot, end, n in zip(order.tolist(), ends.tolist(), sizes.tolist(), strict=True):
            features[end - n : end] = self._features[slot, :n]
            linear[end - n : end] = self._linear[slot, :n]
        return TrainingLists(features, linear, ends, self._targets[order], self._event_ms[order])
