"""First-order Markov chain: what followed the user's last item, lately."""

from __future__ import annotations

import numpy as np

from stream_rec.backtest.baselines.fading import Fading
from stream_rec.backtest.baselines.protocol import Moment, Sizes
from stream_rec.backtest.baselines.selection import best_rows
from stream_rec.core.presets import DAY_MS
from stream_rec.core.types import Int32Array


class MarkovChain:
    """Decayed transitions from an item to the same user's next one.

    Score of item i for a user whose last item is j, over the times t at which somebody went from j to i::

        S[i] = sum of exp(-(now - t) / τ)

    Divided by the sum over all i it would be the chain's P(i | j); the order is the same.

    Notes
    -----
    O(items + successors of j) per list, O(1) per event. Deterministic.

    References
    ----------
    Rendle, Freudenthaler, Schmidt-Thieme: Factorizing personalized Markov chains for next-basket recommendation
    (2010), the unfactorised chain of its section 3, https://doi.org/10.1145/1772690.1772773
    """

    name = "markov"
    source = "Rendle et al. 2010, the unfactorised Markov chain"

    def __init__(self, sizes: Sizes, decay_ms: float = 90 * DAY_MS) -> None:
        self._next: list[dict[int, float]] = [{} for _ in range(sizes.items)]
        self._fading = Fading(decay_ms)

    def rank(self, moment: Moment, excluded: Int32Array, k: int) -> Int32Array:
        """Return what followed the user's last item most."""
        scores = np.zeros(moment.known)
        if len(moment.rows):
            followers = self._next[moment.rows[-1]]
            rows = np.fromiter(followers.keys(), np.int32, len(followers))
            scores[rows] = np.fromiter(followers.values(), np.float64, len(followers))
        return best_rows(scores, excluded, k, floor=0.0)

    def learn(self, moment: Moment, row: int, *, shared: bool = True) -> None:
        """Count the step from the user's last item to this one."""
        if not (shared and len(moment.rows)):
            return
        rescale, weight = self._fading.step(moment.now_ms)
        if rescale != 1.0:
            for followers in self._next:
                followers.update({item: mass * rescale for item, mass in followers.items()})
        followers = self._next[moment.rows[-1]]
        followers[row] = followers.get(row, 0.0) + weight
