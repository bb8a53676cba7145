"""Decayed popularity: the same list for everybody."""

from __future__ import annotations

import numpy as np

from stream_rec.backtest.baselines.fading import Fading
from stream_rec.backtest.baselines.protocol import Moment, Sizes
from stream_rec.backtest.baselines.selection import best_rows
from stream_rec.core.presets import DAY_MS
from stream_rec.core.types import Int32Array


class DecayedPopularity:
    """How often an item was met lately.

    Score of item i at time u, over its events at times t::

        S[i] = sum of exp(-(u - t) / τ)

    Notes
    -----
    O(items) per list, O(1) per event. Deterministic.

    References
    ----------
    Ji, Sun, Zhang, Li: A re-visit of the popularity baseline in recommender systems (2020),
    https://doi.org/10.1145/3397271.3401233
    """

    name = "popularity"
    source = "Ji et al. 2020, A re-visit of the popularity baseline"

    def __init__(self, sizes: Sizes, decay_ms: float = 7 * DAY_MS) -> None:
        self._mass = np.zeros(sizes.items)
        self._fading = Fading(decay_ms)

    def rank(self, moment: Moment, excluded: Int32Array, k: int) -> Int32Array:
        """Return the most popular rows."""
        return best_rows(self._mass[: moment.known].copy(), excluded, k, floor=0.0)

    def learn(self, moment: Moment, row: int, *, shared: bool = True) -> None:
        """Count the event."""
        if shared:
            rescale, weight = self._fading.step(moment.now_ms)
            if rescale != 1.0:
                self._mass *= rescale
            self._mass[row] += weight
