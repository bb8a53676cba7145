"""Which of two rankers is better lately: reciprocal ranks on the same events, averaged with exponential forgetting."""

from __future__ import annotations

FORGET = 1.0 / 2_000
"""Share of a new look in the averages."""

ENOUGH_LOOKS = 200


class Contest:
    """A learned ranker against one that learns nothing.

    Attributes
    ----------
    looks : int
    learned, plain : float
        Average reciprocal rank within the list, 0 where the item was not in it.

    Examples
    --------
    >>> contest = Contest()
    >>> for _ in range(ENOUGH_LOOKS):
    ...     contest.add(learned_place=1, plain_place=2)
    >>> contest.prefers_learned(trained=False), contest.learned > contest.plain
    (True, True)
    """

    __slots__ = ("learned", "looks", "plain")

    def __init__(self) -> None:
        self.looks = 0
        self.learned = 0.0
        self.plain = 0.0

    def add(self, learned_place: int, plain_place: int) -> None:
        """Add one event's places, 1-based, 0 = not in the list."""
        self.looks += 1
        share = max(FORGET, 1.0 / self.looks)
        self.learned += share * ((1.0 / learned_place if learned_place else 0.0) - self.learned)
        self.plain += share * ((1.0 / plain_place if plain_place else 0.0) - self.plain)

    def prefers_learned(self, trained: bool) -> bool:
        """Whether the learned ranker is to serve; before there are enough looks, whether it is `trained` already."""
        return self.learned >= self.plain if self.looks >= ENOUGH_LOOKS else trained
