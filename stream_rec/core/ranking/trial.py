"""A trial: a new forest is scored beside what is served, and takes its place only where it is better.

Both are scored on the same lists, each before it learns from them, so neither has seen an answer.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.core.ranking.trees import Forest, ForestScratch


class Decision(NamedTuple):
    """How a trial ended: for the log and the metrics."""

    promoted: bool
    lists: int
    challenger: float  # mean reciprocal rank over these lists
    served: float  # the same of what was served


class Trial:
    """One challenger on trial.

    Parameters
    ----------
    forest, scratch
        The challenger and its buffers.
    lists
        How many lists the trial takes.

    Examples
    --------
    >>> import numpy as np
    >>> from stream_rec.core.ranking.trees import forest_scratch
    >>> stump = Forest(np.zeros((1, 6), np.uint8), np.zeros((1, 6), np.float32), np.zeros((1, 64), np.float32))
    >>> trial = Trial(stump, forest_scratch(1, 1), lists=2)
    >>> trial.note(1.0, 0.5), trial.note(0.5, 0.5)
    (None, Decision(promoted=True, lists=2, challenger=0.75, served=0.5))
    """

    def __init__(self, forest: Forest, scratch: ForestScratch, lists: int) -> None:
        self.forest, self.scratch = forest, scratch
        self._lists, self._noted = lists, 0
        self._challenger, self._served = 0.0, 0.0

    def note(self, challenger: float, served: float) -> Decision | None:
        """Add a list's reciprocal ranks; return the decision with the last one. A tie is no promotion."""
        self._noted += 1
        self._challenger += challenger
        self._served += served
        if self._noted < self._lists:
            return None
        n = self._noted
        return Decision(self._challenger > self._served, n, self._challenger / n, self._served / n)


class RunningMean:
    """Mean with exponentially fading weights: the n-th last value weighs (1 - 1/span)^n; nan before the first.

    The weights of what has been seen are kept to sum to 1, so the first values count in full.

    Examples
    --------
    >>> mean = RunningMean(span=100.0)
    >>> for value in (1.0, 0.0):
    ...     mean.add(value)
    >>> round(mean.value, 4)
    0.4975
    """

    def __init__(self, span: float) -> None:
        self._keep = 1.0 - 1.0 / span
        self._sum, self._weight = 0.0, 0.0

    def add(self, value: float) -> None:
        """Let all before fade a little, then add a value."""
        self._sum = self._keep * self._sum + value
        self._weight = self._keep * self._weight + 1.0

    @property
    def value(self) -> float:
        """The mean so far."""
        return self._sum / self._weight if self._weight else float("nan")
