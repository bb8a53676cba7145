"""The first factors of an item: random, and the same in every process, because they are drawn from its hash."""

from __future__ import annotations

import math

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.types import Float32Array

FIRST_SQUARE = np.float32(1e-6)
"""What every sum of squared gradients starts at."""


@entry()
def mix(state: np.uint64) -> np.uint64:
    """Return 64 well-mixed bits for each state (SplitMix64's finalizer).

    References
    ----------
    Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014,
    https://doi.org/10.1145/2660193.2660195
    """
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@entry()
def _fill(seed: np.uint64, spread: float, out: Float32Array, into: Float32Array) -> None:
    step = np.uint64(0x9E3779B97F4A7C15)
    for f in range(len(out)):
        seed += step
        bits = mix(seed)
        out[f] = ((bits >> np.uint64(40)) * 2.0**-23 - 1.0) * spread
        into[f] = ((bits & np.uint64(0xFFFFFF)) * 2.0**-23 - 1.0) * spread


def first_factors(item_hash: int, deviation: float, out: Float32Array, into: Float32Array) -> None:
    """Fill an item's factors with uniform numbers of mean 0 and the given standard deviation. About 1 µs.

    Examples
    --------
    >>> a, b = np.empty(64, np.float32), np.empty(64, np.float32)
    >>> first_factors(7, 0.1, a, b)
    >>> round(float(np.concatenate((a, b)).std()), 2)
    0.1
    """
    _fill(np.uint64(item_hash), deviation * math.sqrt(3.0), out, into)
