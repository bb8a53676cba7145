"""How many items nobody had yet a list shows: feedback on what is added to their scores.

    lift(item) = b · (1, ½, ¼)   for 0, 1–4, 5–19 events, in logits
    b ← b + rate · (1 − unsold / target)   after every list that could show an unsold item

Nothing a ranker learns from the past speaks for an item without a past; a fixed boost that shows some of them in one
shop floods another. In steady state the mean of `unsold` is the target, whatever the catalogue and the ranker; the time
constant is about 1 / rate lists, because the number shown grows about e-fold with every logit.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_rec.core.compiled import inner
from stream_rec.core.features import CONTEXTS

RATE = 0.003
LEAST, MOST = -4.0, 8.0
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
    >>> [round(boost, 3) for boost in exposure.boosts]
    [0.3, 0.0]
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self._boosts = [0.0] * len(CONTEXTS)

    @property
    def boosts(self) -> Sequence[float]:
        """b of each context, in logits."""
        return self._boosts

    def note(self, context: int, unsold: int) -> None:
        """Learn that a list that could show unsold items shows so many."""
        if self.target > 0.0:
            self.set(context, self._boosts[context] + RATE * (1.0 - unsold / self.target))

    def set(self, context: int, boost: float) -> None:
        """Go on from a boost."""
        self._boosts[context] = min(max(boost, LEAST), MOST)
