"""How sure a difference is: a paired bootstrap that draws users, not events."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.types import Float64Array, Int32Array


class Difference(NamedTuple):
    """A difference of two shares, and the interval that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float


def clustered_difference(gain: Float64Array, users: Int32Array, draws: int = 2000, seed: int = 1) -> Difference:
    """Return the mean of `gain` and its 95 % percentile interval over users drawn with replacement.

    With G_u and n_u the sum and the number of user u's gains, each draw of users U with replacement gives::

        sum of G_u over U / sum of n_u over U

    Events of one user rise and fall together; drawn by themselves they would make the interval several times too
    narrow.

    Parameters
    ----------
    gain
        float64[n], per event: one method's score minus the other's.
    users
        int32[n], whose event it is.

    Notes
    -----
    O(n + draws · users). Deterministic for a seed.

    References
    ----------
    Field, Welsh: Bootstrapping clustered data (2007), https://doi.org/10.1111/j.1467-9868.2007.00593.x

    Examples
    --------
    >>> clustered_difference(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1], np.int32))
    Difference(mean=0.5, low=0.0, high=1.0)
    """
    if not len(gain):
        return Difference(0.0, 0.0, 0.0)
    sums, counts = _per_user(gain, users)
    draw = np.random.default_rng(seed)
    means = np.empty(draws)
    for number in range(draws):
        chosen = draw.integers(0, len(sums), len(sums))
        means[number] = sums[chosen].sum() / counts[chosen].sum()
    low, high = np.percentile(means, (2.5, 97.5))
    return Difference(float(gain.mean()), float(low), float(high))


def _per_user(gain: Float64Array, users: Int32Array) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    _, number = np.unique(users, return_inverse=True)
    return np.bincount(number, weights=gain).astype(np.float64), np.bincount(number).astype(np.int64)
