"""A batch of visits under way: where the next item looked at comes from, drawn for all of them at once.

The next item is a mixture: a complement of the current item, another from its shelf, one from the user's
interests, one the user comes back to, or simply what sells. Nothing is looked at twice in a visit.
"""

from __future__ import annotations

import numpy as np

from stream_rec.shop.demand import Demand, Floats, Items, pick
from stream_rec.shop.users import INTEREST_WEIGHTS, Users

MAX_VIEWS = 40
COMPLEMENT, SHELF, INTEREST, COMEBACK, SHOP = range(5)
FIRST_LOOK = np.array([0.0, 0.0, 0.45, 0.35, 0.2])
NEXT_LOOK = np.array([0.25, 0.22, 0.25, 0.18, 0.1])
TRIES = (2, 6, 30)  # draws per round; most visits need the first round only


class Visits:
    """Visits of different users that start on one day.

    Attributes
    ----------
    who
        int64[n], rows of the pool.
    seen
        int64[n, MAX_VIEWS], items looked at so far, -1 where none yet; `looks` int64[n] counts them.
    current
        int64[n], the item on the screen, -1 before the first.
    shelves, shelf_share
        [n, INTERESTS], the user's interests and how likely each is today.
    memory, memory_pull
        [n, MEMORY], what the user may come back to.
    look_chance
        float64[n], that another look follows.
    """

    def __init__(self, who: Items, day: float, users: Users, demand: Demand) -> None:
        self.who, self.day, self._demand = who, day, demand
        self.seen = np.full((len(who), MAX_VIEWS), -1, np.int64)
        self.looks = np.zeros(len(who), np.int64)
        self.current = np.full(len(who), -1, np.int64)
        self.shelves = users.interests[who]
        n_styles = len(demand.shelf_mass) // len(demand.season)
        pull = INTEREST_WEIGHTS * demand.season[self.shelves // n_styles] * (demand.shelf_mass[self.shelves] > 0)
        self.shelf_share = pull / pull.sum(axis=1, keepdims=True)
        self.memory, self.memory_pull = users.comeback(who, day)
        self._comes_back = self.memory_pull.sum(axis=1) > 0
        self.look_chance = users.look_chance[who]

    def sources(self, rows: Items) -> Floats:
        """Return how likely each source gives the next item, float64[len(rows), 5]; what is empty goes to INTEREST."""
        _, pull = self._demand.complements(np.maximum(self.current[rows], 0))
        return self._shares(rows, pull)

    def _shares(self, rows: Items, complement_pull: Floats) -> Floats:
        share = np.where((self.current[rows] < 0)[:, None], FIRST_LOOK, NEXT_LOOK)
        share[:, COMPLEMENT] *= complement_pull.any(axis=1)
        share[:, COMEBACK] *= self._comes_back[rows]
        share[:, INTEREST] += 1.0 - share.sum(axis=1)
        return share

    def look(self, rows: Items, rng: np.random.Generator) -> Items:
        """Draw the next item of the given visits, put it on the screen and return it, int64[len(rows)].

        Several are drawn and the first that was not seen is taken; if all were seen, a repeat is let through
        (about 1 in 10,000).
        """
        chosen = np.empty(len(rows), np.int64)
        partners, pull = self._demand.complements(np.maximum(self.current[rows], 0))
        share = self._shares(rows, pull)
        seen = self.seen[rows, : max(1, int(self.looks[rows].max(initial=0)))]
        left = np.arange(len(rows))
        for tries in TRIES:
            each = np.repeat(left, tries)
            item = self._draw(rows[each], share[each], partners[each], pull[each], rng).reshape(-1, tries)
            fresh = ~(seen[left][:, None, :] == item[:, :, None]).any(axis=2)
            chosen[left] = item[np.arange(len(left)), fresh.argmax(axis=1)]
            left = left[~fresh.any(axis=1)]
            if not len(left):
                break
        self.seen[rows, self.looks[rows]] = chosen
        self.looks[rows] += 1
        self.current[rows] = chosen
        return chosen

    def _draw(self, rows: Items, share: Floats, partners: Items, pull: Floats, rng: np.random.Generator) -> Items:
        """Draw one item per row of the mixture: first the source, then the item."""
        demand = self._demand
        u, v, w = rng.random((3, len(rows)))
        source = pick(share, w)
        item = demand.draw(u)
        at = np.flatnonzero(source == COMPLEMENT)
        item[at] = partners[at, pick(pull[at], u[at])]
        at = np.flatnonzero(source == COMEBACK)
        item[at] = self.memory[rows[at], pick(self.memory_pull[rows[at]], u[at])]
        at = np.flatnonzero((source == SHELF) | (source == INTEREST))
        row = rows[at]
        shelf = self.shelves[row, pick(self.shelf_share[row], v[at])]
        shelf = np.where(source[at] == SHELF, demand.shelf[np.maximum(self.current[row], 0)], shelf)
        item[at] = demand.draw_on_shelf(shelf, u[at])
        return item
