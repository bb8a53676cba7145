"""Online eALS: weighted matrix factorisation solved coordinate by coordinate, the user folded in at every event."""

from __future__ import annotations

import numpy as np
from numba import njit

from stream_rec.backtest.baselines.protocol import Moment, Sizes
from stream_rec.backtest.baselines.selection import best_rows
from stream_rec.core.types import Float32Array, Int32Array

_NOBODY = np.int32(-1)


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def element_wise_step(
    x: Float32Array, others: Float32Array, extra: Float32Array, missing: Float32Array, gram: Float32Array,
    regularisation: float,
) -> None:  # fmt: skip
    """Set every coordinate of `x` once, in turn, to the best value given all the others.

    With y_n the vectors met, c_n what they would weigh if they had not been met, e_n what they weigh beyond that (the
    paper's w - c), S the sum of c y yᵀ over all there are, and r_n = x · y_n, coordinate f becomes::

        sum over n of (c_n + e_n - e_n (r_n - x_f y_nf)) y_nf  -  sum over g != f of x_g S_gf
        -------------------------------------------------------------------------------------
        sum over n of e_n y_nf²  +  S_ff  +  λ

    Parameters
    ----------
    x
        float32[d], changed.
    others
        float32[d, n], the vectors met as columns.
    extra, missing
        float32[n], e and c, at least 0.
    gram
        float32[d, d], S.

    Notes
    -----
    O(d n + d²).
    """
    d, n = others.shape
    predicted = np.zeros(n, np.float32)
    for f in range(d):
        for a in range(n):
            predicted[a] += x[f] * others[f, a]
    for f in range(d):
        top, bottom = np.float32(0.0), np.float32(regularisation)
        for g in range(d):
            top -= x[g] * gram[f, g]
        top += x[f] * gram[f, f]
        bottom += gram[f, f]
        for a in range(n):
            y, e = others[f, a], extra[a]
            top += (missing[a] + e - e * (predicted[a] - x[f] * y)) * y
            bottom += e * y * y
        change = top / bottom - x[f]
        x[f] += change
        for a in range(n):
            predicted[a] += change * others[f, a]


class OnlineEals:
    """Every item a user has not met counts as a 0 of weight c_i, every met one as a 1 of a larger weight.

    c_i = `missing` · n_i^α / mean of n^α over the items seen so far, n_i the events of the item: the more popular, the
    surer that it was passed over on purpose. An event folds the user in from their last `history` items, the k-th last
    weighing c + k^-`history_power`, and then refits the item from the last users who met it, each weighing c + 1.

    Parameters
    ----------
    factors, regularisation
        d and λ.
    missing, popularity_power
        The paper's c_0 divided by the number of items, which a stream does not know beforehand; and α.
    history, history_power
        Items that make a user, and how fast their weight falls: recency, which the paper does not have.
    readers
        Last users that make an item; bounds the cost of an event.
    seed
        Of the start, N(0, 0.01²).

    Notes
    -----
    The history power was chosen on the first half of Online Retail, among 1, 1.5 and 2.
    O(items · d) per list, O(d (history + readers + d)) per event. Deterministic for a seed. The item's sums S are
    updated by rank one, and made anew every 1,000 events, when the c_i follow the counts.

    References
    ----------
    He, Zhang, Kan, Chua: Fast matrix factorization for online recommendation with implicit feedback (2016),
    https://arxiv.org/abs/1708.05024
    """

    name = "eals"
    source = "He et al. 2016, Fast matrix factorization for online recommendation"
    refresh_every = 1000

    def __init__(
        self,
        sizes: Sizes,
        factors: int = 64,
        regularisation: float = 0.01,
        missing: float = 0.02,
        popularity_power: float = 0.4,
        history: int = 20,
        history_power: float = 2.0,
        readers: int = 128,
        seed: int = 1,
    ) -> None:
        draw = np.random.default_rng(seed)
        self._user = np.zeros((sizes.users, factors), np.float32)
        self._item = draw.normal(0.0, 0.01, (sizes.items, factors)).astype(np.float32)
        self._count = np.zeros(sizes.items)
        self._missing = np.zeros(sizes.items, np.float32)
        self._readers = np.full((sizes.items, readers), _NOBODY)
        self._user_gram = np.zeros((factors, factors), np.float32)
        self._item_gram = np.zeros((factors, factors), np.float32)
        self._weights = np.arange(1, history + 1, dtype=np.float32) ** np.float32(-history_power)
        self._regularisation, self._mean_missing, self._power = regularisation, missing, popularity_power
        self._learned = 0

    def rank(self, moment: Moment, excluded: Int32Array, k: int) -> Int32Array:
        """Return the rows of the highest predicted value."""
        values = self._item[: moment.known] @ self._user[moment.user]
        return best_rows(values.astype(np.float64), excluded, k)

    def learn(self, moment: Moment, row: int, *, shared: bool = True) -> None:
        """Fold the user in, then refit the item."""
        if shared:
            self._count_event(max(moment.known, row + 1), row)
        self._fold_in(moment, row, shared)
        if shared:
            self._refit(moment.user, row)

    def _count_event(self, known: int, row: int) -> None:
        self._count[row] += 1.0
        if self._learned % self.refresh_every == 0:
            share = (self._count[:known] ** self._power).astype(np.float32)
            self._missing[:known] = self._mean_missing * share / share.mean()
            weighed = self._item[:known] * self._missing[:known, None]
            self._item_gram = (weighed.T @ self._item[:known]).astype(np.float32)
        elif self._missing[row] == 0.0:
            self._missing[row] = self._missing[:known][self._missing[:known] > 0.0].min()
            self._item_gram += self._missing[row] * np.outer(self._item[row], self._item[row])
        self._learned += 1

    def _fold_in(self, moment: Moment, row: int, shared: bool) -> None:
        earlier = moment.rows[max(0, len(moment.rows) - len(self._weights) + 1) :]
        newest_first = np.append(earlier, np.int32(row))[::-1]
        weights = self._weights[: len(newest_first)]
        x = self._user[moment.user]
        before = x.copy()
        others = np.ascontiguousarray(self._item[newest_first].T)
        element_wise_step(x, others, weights, self._missing[newest_first], self._item_gram, self._regularisation)
        if shared:
            self._user_gram += np.outer(x, x) - np.outer(before, before)

    def _refit(self, user: int, row: int) -> None:
        readers = self._readers[row]
        readers[int(self._count[row] - 1) % len(readers)] = user
        users = readers[readers >= 0]
        x, missing = self._item[row], self._missing[row]
        before = x.copy()
        ones = np.ones(len(users), np.float32)
        others = np.ascontiguousarray(self._user[users].T)
        element_wise_step(x, others, ones, missing * ones, missing * self._user_gram, self._regularisation)
        self._item_gram += missing * (np.outer(x, x) - np.outer(before, before))
