"""How many items of few events a list shows for their texts: feedback on what is added to their scores.

    lift(item) = b without an event, f with 1 to 19
    b ← b + step · (1 − shown / target)   after every round, step = min(rate · lists, ¼); f alike

Only what content proposes is lifted. `lists` of the round could show such an item, and `shown` is their mean number:
for b of items without an event, for f of items that stand in the list only for their lift, the others having earned
their place. Nothing a ranker learns from the past speaks for an item without a past, and little for one of a short
past. A fixed boost that shows some of them in one shop floods another; so does one of b's size for both, because a shop
has many items of few events that are nearly good enough.

In steady state the mean of `shown` is the target, whatever the catalogue and the ranker; the time constant is about
1 / rate lists, because the number shown grows about e-fold with every logit. All lists of a round are made with one
b: without the bound a round of many would overshoot by what a single one corrects.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_rec.core.compiled import inner
from stream_rec.core.features import CONTEXTS

RATE = 0.006
MOST_STEP, MOST_FALL = 0.25, 1.0
"""Bounds of a round's step, and of how far b falls in it. An e-fold response converges for any step below 2, and never
overshoots with these. A tighter bound of the fall would cut off what lists with several count: the mean would lie above
the target."""

LEAST, MOST = -8.0, 8.0
"""Bounds of b: a shop that cannot reach the target is not to be turned upside down."""

MOST_FEW = 2.0
"""Bound of f, which is never below 0: a place is not to be lost for the texts."""


@inner()
def lift_of(events: int, boost: float, few: float) -> float:
    """Return what is added to the score of a proposed item with so many events."""
    if events >= 20:
        return 0.0
    return boost if events == 0 else few


class Feedback:
    """A level per context that holds the mean of what lists show at a target.

    Attributes
    ----------
    levels : list of float
        One per context, because the two rows of weights score differently; in logits.
    """

    def __init__(self, target: float, least: float, most: float) -> None:
        self.levels = [0.0] * len(CONTEXTS)
        self._target, self._least, self._most = target, least, most
        self._lists, self._shown = [0] * len(CONTEXTS), [0] * len(CONTEXTS)  # of this round

    def note(self, context: int, shown: int) -> None:
        """Note how many a list of this round shows; -1 where it could show none."""
        if shown >= 0:
            self._lists[context] += 1
            self._shown[context] += shown

    def settle(self) -> None:
        """Learn from the lists of the round, which ends here."""
        for context, (lists, shown) in enumerate(zip(self._lists, self._shown, strict=True)):
            if lists and self._target > 0.0:
                move = min(RATE * lists, MOST_STEP) * (1.0 - shown / lists / self._target)
                self.set(context, self.levels[context] + max(move, -MOST_FALL))
            self._lists[context] = self._shown[context] = 0

    def set(self, context: int, level: float) -> None:
        """Go on from a level."""
        self.levels[context] = min(max(level, self._least), self._most)


class Exposure:
    """The controller of one worker.

    Parameters
    ----------
    target
        Unsold items per list, on average over the lists that could show one, and at most as many items of few events
        that are there only for their lift; 0 switches all of it off.

    Examples
    --------
    >>> exposure = Exposure(0.25)
    >>> for _ in range(100):
    ...     exposure.note(0, 0, -1)
    ...     exposure.settle()
    >>> [round(boost, 3) for boost in exposure.boosts], exposure.few_boosts
    ([0.6, 0.0], [0.0, 0.0])
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self._unsold, self._few = Feedback(target, LEAST, MOST), Feedback(target, 0.0, MOST_FEW)

    @property
    def boosts(self) -> Sequence[float]:
        """b of each context, in logits."""
        return self._unsold.levels

    @property
    def few_boosts(self) -> Sequence[float]:
        """f of each context, in logits."""
        return self._few.levels

    def note(self, context: int, unsold: int, brought: int) -> None:
        """Note what a list of this round shows: unsold items, and items of few events that their lift brought in.

        -1 where it could show none.
        """
        self._unsold.note(context, unsold)
        self._few.note(context, brought)

    def settle(self) -> None:
        """Learn from the lists of the round, which ends here."""
        self._unsold.settle()
        self._few.settle()

    def set(self, context: int, boost: float, few: float = 0.0) -> None:
        """Go on from a boost of each kind."""
        self._unsold.set(context, boost)
        self._few.set(context, few)
