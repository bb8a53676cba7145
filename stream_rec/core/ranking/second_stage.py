"""What a second stage is: it puts a short list, already in the linear ranker's order, into a better one.

A list is `features`, float32[n, F], and `linear`, float32[n], the linear ranker's scores; 1 <= n <= MAX_CANDIDATES, the
linear ranker's best first. Features and scores are those of the moment the list was made: a list is kept as it was
scored and learned from when its event arrives, or it would know what it is to predict.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.types import Float32Array

MAX_CANDIDATES = 60
"""Candidates of a list. The linear top 60 holds the target in 55 to 72 % of the lists of the measured shops."""
LANES = 64
"""Places in the kernels' buffers: `MAX_CANDIDATES` up to full vector registers; what lies beyond n means nothing."""


class SecondStage(Protocol):
    """Scores a list anew, and learns where its target stood."""

    def rerank(self, features: Float32Array, linear: Float32Array) -> Float32Array:
        """Return new scores, float32[n]; changes nothing that is learned.

        A candidate's score depends on its own row alone. Scores that tie keep the order of the list.
        """
        ...

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        """Learn from a list that was served and the event that followed.

        Parameters
        ----------
        features, linear
            As they were given to `rerank`.
        target_place
            Place of the event's item in the list; -1 if it was not among the candidates, and nothing is learned.
        event_ms
            The event's time.
        """
        ...


class Frozen:
    """A second stage that goes on ranking and learns no more."""

    def __init__(self, stage: SecondStage) -> None:
        self.rerank = stage.rerank

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        """Do nothing."""


def check_list(features: Float32Array, linear: Float32Array, n_features: int, target_place: int = -1) -> None:
    """Raise ValueError unless this is a list of `n_features` features: the kernels do not look before they read.

    Nor may types or strides differ from call to call: numba would compile them anew, for seconds.
    """
    n = len(linear)
    if not (features.dtype == linear.dtype == np.float32 and features.flags.c_contiguous and linear.flags.c_contiguous):
        raise ValueError(
            "second stage: need contiguous float32 features and scores; "
            f"got {features.dtype} and {linear.dtype}, or a view with gaps. Copy them into such arrays."
        )
    if features.shape != (n, n_features) or not 0 < n <= MAX_CANDIDATES:
        raise ValueError(
            f"second stage: need 1 to {MAX_CANDIDATES} rows of {n_features} features and as many scores; "
            f"got features {features.shape} and {n} scores. Cut the list before it is reranked."
        )
    if not -1 <= target_place < n:
        raise ValueError(
            f"second stage: need a target's place in a list of {n}, or -1; got {target_place}. "
            "A target outside the list is -1."
        )


@entry()
def reciprocal_rank(scores: Float32Array, n: int, target: int) -> float:
    """Return 1 / rank of `target` among `scores[:n]`; ties go to the place that comes first.

    Examples
    --------
    >>> reciprocal_rank(np.array([1.0, 3.0, 3.0], np.float32), 3, 2)
    0.5
    """
    rank = 1
    for k in range(n):
        if scores[k] > scores[target] or (scores[k] == scores[target] and k < target):
            rank += 1
    return 1.0 / rank


@entry()
def softmax(scores: Float32Array, n: int, p: Float32Array) -> None:
    """Write p_i = exp(s_i) / sum_j exp(s_j) of the first n scores into `p`."""
    highest = scores[0]
    for k in range(1, n):
        highest = max(highest, scores[k])
    total = np.float32(0.0)
    for k in range(n):
        p[k] = np.exp(scores[k] - highest)
        total += p[k]
    for k in range(n):
        p[k] /= total
