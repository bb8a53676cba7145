"""How many items nobody had yet a list shows: feedback on what is added to their scores.

    lift(item) = b · (1, ½, ¼)   for 0, 1–4, 5–19 events, in logits
    b ← b + step · (1 − unsold / target)   after every round, step = min(rate · lists, ¼)

`lists` of the round could show an unsold item, and `unsold` is their mean number of such items. Nothing a ranker learns
from the past speaks for an item without a past; a fixed boost that shows some of them in one shop floods another. In
steady state the mean of `unsold` is the target, whatever the catalogue and the ranker; the time constant is about
1 / rate lists, because the number shown grows about e-fold with every logit. All lists of a round are made with one
b: without the bound a round of many would overshoot by what a single one corrects.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_rec.core.compiled import inner
from stream_rec.core.features import CONTEXTS

RATE = 0.006
MOST_STEP = 0.25
"""Bound of a round's step, and of how far b moves in it: an e-fold response converges for any below 2."""

LEAST, MOST = -8.0, 8.0
"""Bounds of b: a shop that cannot reach the target is not to be turned upside down."""


@inner()
def share_of_boost(events: int) -> float:
    """Return which part of b an item with so many events gets."""
    if events >= 20:
        return 0.0
    return 1.0 if events == 0 else 0.5 if events < 5 else 0.25


class Exposure:
    """The controller of one worker: one b per context, because the two rows of weights score differently.

    Parameters
    ----------
    target
        Unsold items per list, on average over the lists that could show one; 0 switches all of it off.

    Examples
    --------
    >>> exposure = Exposure(0.25)
    >>> for _ in range(100):
    ...     exposure.note(0, 0)
    ...     exposure.settle()
    >>> [round(boost, 3) for boost in exposure.boosts]
    [0.6, 0.0]
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self._boosts = [0.0] * len(CONTEXTS)
        self._lists, self._unsold = [0] * len(CONTEXTS), [0] * len(CONTEXTS)  # of this round

    @property
    def boosts(self) -> Sequence[float]:
        """b of each context, in logits."""
        return self._boosts

    def note(self, context: int, unsold: int) -> None:
        """Note that a list of this round that could show unsold items shows so many."""
        self._lists[context] += 1
        self._unsold[context] += unsold

    def settle(self) -> None:
        """Learn from the lists of the round, which ends here."""
        for context, (lists, unsold) in enumerate(zip(self._lists, self._unsold, strict=True)):
            if lists and self.target > 0.0:
                move = min(RATE * lists, MOST_STEP) * (1.0 - unsold / lists / self.target)
                self.set(context, self._boosts[context] + max(move, -MOST_STEP))
            self._lists[context] = self._unsold[context] = 0

    def set(self, context: int, boost: float) -> None:
        """Go on from a boost."""
        self._boosts[context] = min(max(boost, LEAST), MOST)
