"""Today's demand: one weight per item and the draws that follow it (whole shop, one shelf, one set)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_rec.shop.catalogue import SET_SIZE, Catalogue
from stream_rec.shop.seasons import category_demand

NOVELTY = 2.0  # a new item starts at (1 + NOVELTY) times its appeal
NOVELTY_DAYS = 21.0

Items = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Demand:
    """Weight of item y on a day: w = appeal · (1 + 2·exp(-age/21 d)) · season(category); 0 before its release.

    Attributes
    ----------
    weight
        float64[items].
    shelf
        int16[items].
    season
        float64[n_categories], today's demand by category.
    shelf_mass, total
        Sum of the weights of each shelf, and of all.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.shelf = catalogue.shelf()
        self._order = np.argsort(self.shelf, kind="stable")
        self._bounds = np.searchsorted(self.shelf[self._order], np.arange(catalogue.n_shelves + 1))
        self.version = 0
        self._best: dict[tuple[int, int], Items] = {}
        self.refresh(0.0)

    def refresh(self, day: float) -> None:
        """Set every weight to its value on `day` (days since opening). Cost: about 40 ns per item."""
        catalogue = self._catalogue
        age = day - catalogue.release_day
        fresh = (catalogue.release_day > 0) * NOVELTY * np.exp(-np.maximum(age, 0.0) / NOVELTY_DAYS)
        self.season = category_demand(catalogue.n_categories, day)
        self.weight: Floats = catalogue.appeal * self.season[catalogue.category] * (1.0 + fresh) * (age >= 0)
        self._cumulated = np.concatenate([[0.0], np.cumsum(self.weight[self._order])])
        self.shelf_mass: Floats = np.diff(self._cumulated[self._bounds])
        self.total = float(self._cumulated[-1])
        self._best.clear()
        self.version += 1

    def draw(self, u: Floats) -> Items:
        """Return items drawn from the whole shop by weight, one per uniform number."""
        return self._at(u * self.total, 0, len(self._order) - 1)

    def draw_on_shelf(self, shelf: Items, u: Floats) -> Items:
        """Return items drawn by weight from each given shelf."""
        low, high = self._bounds[shelf], self._bounds[shelf + 1]
        target = self._cumulated[low] + u * (self._cumulated[high] - self._cumulated[low])
        return self._at(target, low, high - 1)

    def _at(self, target: Floats, low: Items | int, high: Items | int) -> Items:
        place = self._cumulated.searchsorted(target, side="right") - 1
        return self._order[np.minimum(np.maximum(place, low), high)]

    def complements(self, item: Items) -> tuple[Items, Floats]:
        """Return the other items of each item's set and their pull, √w (0 for itself and what is not out yet).

        Returns
        -------
        int64[n, SET_SIZE], float64[n, SET_SIZE].
        """
        partners = (item // SET_SIZE * SET_SIZE)[:, None] + np.arange(SET_SIZE)
        beyond = partners >= len(self.weight)
        partners = np.where(beyond, item[:, None], partners)
        pull = np.sqrt(self.weight[partners]) * (partners != item[:, None])
        return partners, pull

    def best(self, shelf: int, n: int) -> Items:
        """Return the `n` items of the highest weight on a shelf (-1: in the shop), best first; cached for the day."""
        key = (shelf, n)
        if key not in self._best:
            rows = self._order if shelf < 0 else self._order[self._bounds[shelf] : self._bounds[shelf + 1]]
            if len(rows) > n:
                rows = rows[np.argpartition(-self.weight[rows], n - 1)[:n]]
            self._best[key] = rows[np.argsort(-self.weight[rows], kind="stable")]
        return self._best[key]


def pick(pull: Floats, u: Floats) -> npt.NDArray[np.int64]:
    """Return one column per row of `pull` [n, m], drawn in proportion to it; 0 where the row sums to 0."""
    cumulated = pull.cumsum(axis=1)
    chosen = (cumulated <= (u * cumulated[:, -1])[:, None]).sum(axis=1)
    chosen[chosen == pull.shape[1]] = 0  # only where the row sums to 0
    return np.asarray(chosen, dtype=np.int64)
