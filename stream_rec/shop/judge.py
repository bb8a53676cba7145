"""Asks the oracle about a sample of the events, without touching the shop's own random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.shop.demand import Items
from stream_rec.shop.oracle import Moment, Oracle
from stream_rec.shop.visits import Visits

NOT_ASKED, MISS = -1, 0


class Asked(NamedTuple):
    """Positions among the coming events that are judged, and the oracle's list for each; `None`: it is certain."""

    at: Items
    lists: list[Items] | None


class Judge:
    """Samples one event in `every` (0: none) and places it in the oracle's list.

    Parameters
    ----------
    oracle
        The one that knows.
    every
        One event in so many is asked about.
    rng
        Its own random numbers, so that the stream is the same with and without questions.
    """

    def __init__(self, oracle: Oracle, every: int, rng: np.random.Generator) -> None:
        self._oracle, self._every, self._rng = oracle, every, rng

    def ask(self, visits: Visits, rows: Items, moment: Callable[[int], Moment] | None) -> Asked:
        """Let the oracle rank before the event; `moment` `None`: the next item is certain."""
        if not self._every:
            return Asked(np.empty(0, np.int64), [])
        at = np.flatnonzero(self._rng.random(len(rows)) * self._every < 1.0)
        if moment is None:
            return Asked(at, None)
        return Asked(at, [self._oracle.top(visits, int(row), moment(int(row))) for row in rows[at]])

    def ranks(self, asked: Asked, item: Items) -> npt.NDArray[np.int8]:
        """Return the place (1..20) of each event's item in the oracle's list, 0: not in it, -1: not asked."""
        ranks = np.full(len(item), NOT_ASKED, np.int8)
        if asked.lists is None:
            ranks[asked.at] = 1
            return ranks
        for at, top in zip(asked.at, asked.lists, strict=True):
            found = np.flatnonzero(top == item[at])
            ranks[at] = found[0] + 1 if len(found) else MISS
        return ranks
