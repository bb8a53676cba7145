"""The oracle: the list with the highest probability for a user's next item, from the true model.

It knows what no recommender can: the user's interests, what they may come back to, today's item weights and how
visits go. It does not know the dice: whether the next event is another look, the cart or the checkout.

P(y) = c·[y = x] + v·V(y)/(1 - V(seen)) + b·[y = cart₀], with V the mixture of `visits.py`, c the chance that the
item x on the screen goes to the cart, v that another one is looked at, b that the cart is paid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.shop.catalogue import SET_SIZE
from stream_rec.shop.demand import Demand, Floats, Items
from stream_rec.shop.visits import COMEBACK, COMPLEMENT, INTEREST, MAX_VIEWS, SHELF, SHOP, Visits

LIST_SIZE = 20
_BEST = LIST_SIZE + MAX_VIEWS  # of each shelf: enough for an exact top 20 when all of a visit's items are left out


class Moment(NamedTuple):
    """What may happen next in a visit: chances of the cart, of another look and of the checkout (`paid` first)."""

    cart: float
    look: float
    pay: float
    paid: int


class Oracle:
    """Ranks the next item from the true model. Cost: about 0.2 ms a list, whatever the catalogue's size."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand

    def top(self, visits: Visits, row: int, moment: Moment) -> Items:
        """Return the 20 likeliest next items of visit `row`, best first. Exact; ties go to the lower row."""
        candidates = self._candidates(visits, row, moment)
        chance = self.chances(visits, row, moment, candidates)
        return candidates[np.argsort(-chance, kind="stable")[:LIST_SIZE]]

    def _candidates(self, visits: Visits, row: int, moment: Moment) -> Items:
        """On a shelf the likelier item is the heavier one, so each shelf's best and the shop's best suffice."""
        best, current = self._demand.best, int(visits.current[row])
        parts = [best(int(shelf), _BEST) for shelf in visits.shelves[row]]
        parts += [best(-1, _BEST), visits.memory[row], visits.seen[row], np.array([moment.paid])]
        if current >= 0:
            first = current // SET_SIZE * SET_SIZE
            parts += [best(int(self._demand.shelf[current]), _BEST), np.arange(first, first + SET_SIZE)]
        rows = np.unique(np.concatenate(parts))
        return rows[(rows >= 0) & (rows < len(self._demand.weight))]

    def chances(self, visits: Visits, row: int, moment: Moment, items: Items) -> Floats:
        """Return P(y) of each of `items` (sorted, holding all that the visit has seen), float64 of the same length."""
        chance = self._look(visits, row, items)
        seen = np.searchsorted(items, np.unique(visits.seen[row, : visits.looks[row]]))
        left = 1.0 - chance[seen].sum()
        chance[seen] = 0.0
        chance *= moment.look / max(left, 1e-9)
        chance[items == visits.current[row]] += moment.cart
        chance[items == moment.paid] += moment.pay
        return chance

    def _look(self, visits: Visits, row: int, items: Items) -> Floats:
        """V(y): the mixture the next look is drawn from, before what was seen is left out."""
        demand, current = self._demand, visits.current[row]
        weight, shelf = demand.weight[items], demand.shelf[items]
        share = visits.sources(np.array([row]))[0]
        per_shelf = np.zeros(len(demand.shelf_mass))
        np.add.at(per_shelf, visits.shelves[row], share[INTEREST] * visits.shelf_share[row])
        if current >= 0:
            per_shelf[demand.shelf[current]] += share[SHELF]
        per_weight = per_shelf / np.where(demand.shelf_mass > 0, demand.shelf_mass, 1.0)
        chance: Floats = weight * (per_weight[shelf] + share[SHOP] / demand.total)
        if share[COMPLEMENT] > 0:
            partners, pulls = demand.complements(np.array([current]))
            _add(chance, items, partners[0], share[COMPLEMENT] * pulls[0] / pulls.sum())
        if share[COMEBACK] > 0:
            pull = visits.memory_pull[row]
            _add(chance, items, visits.memory[row], share[COMEBACK] * pull / pull.sum())
        return chance


def _add(chance: Floats, items: Items, at: Items, mass: Floats) -> None:
    some = mass > 0
    np.add.at(chance, np.searchsorted(items, at[some]), mass[some])
