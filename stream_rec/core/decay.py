"""Forward exponential decay: values that fade without ever being touched for it.

A contribution made at time t is stored multiplied by g(t) = exp((t - L) / τ), where L is a landmark. What it is worth
at a later time u is g(t) / g(u), the usual exp(-(u - t) / τ), so two stored values compare and divide correctly at any
time without "now" entering. A late event simply gets a smaller weight: it is discounted, nothing is rewound.

g grows without bound, so the landmark moves: time is cut into epochs of `HALVINGS_PER_EPOCH` · ln 2 · τ (about 32 τ)
and L is the start of the newest epoch seen. Moving it by one epoch multiplies everything stored by exactly
2^-`HALVINGS_PER_EPOCH`. A power of two only changes a float's exponent, so a value rescaled early, late, or in several
steps has the same bits: replays and replicas agree exactly (until a float32 underflows, some 120 τ later).

References
----------
Cormode, Shkapenyuk, Srivastava, Xu (2009), "Forward decay: a practical time decay model for streaming systems",
ICDE. https://dimacs.rutgers.edu/~graham/pubs/papers/fwddecay.pdf
"""

from __future__ import annotations

import math

HALVINGS_PER_EPOCH = 46
"""Stored: never change. 2^46 is about e^32; squares of sums of such weights still fit a float32."""


def epoch_length_ms(decay_ms: float) -> float:
    """Return the length of an epoch, ms."""
    return HALVINGS_PER_EPOCH * math.log(2.0) * decay_ms


def epoch_of(time_ms: int, decay_ms: float) -> int:
    """Return the number of the epoch `time_ms` falls into.

    Examples
    --------
    >>> epoch_of(0, 1000.0), epoch_of(31_884, 1000.0), epoch_of(31_885, 1000.0)
    (0, 0, 1)
    """
    return math.floor(time_ms / epoch_length_ms(decay_ms))


def landmark_ms(epoch: int, decay_ms: float) -> float:
    """Return the landmark L of an epoch, ms."""
    return epoch * epoch_length_ms(decay_ms)


def weight(time_ms: int, epoch: int, decay_ms: float) -> float:
    """Return g(t) = exp((t - L) / τ): at least 1 and at most 2^46 within the epoch, smaller before it.

    Reckoned from the landmark of the time's own epoch and then rebased, so that the bits of a contribution do not
    depend on the epoch it is stored under.

    Examples
    --------
    >>> weight(0, 0, 1000.0)
    1.0
    >>> weight(1000, 0, 1000.0) == math.e
    True
    >>> weight(1000, 1, 1000.0) == math.e * 2.0**-46
    True
    """
    own = epoch_of(time_ms, decay_ms)
    return math.exp((time_ms - landmark_ms(own, decay_ms)) / decay_ms) * rebase_factor(own, epoch)


def rebase_factor(stored_epoch: int, epoch: int) -> float:
    """Return what a value stored under `stored_epoch` is multiplied by to stand under `epoch`; a power of two.

    Examples
    --------
    >>> rebase_factor(3, 3), rebase_factor(3, 4) == 2.0**-46, rebase_factor(3, 5000)
    (1.0, True, 0.0)
    """
    return math.ldexp(1.0, -HALVINGS_PER_EPOCH * (epoch - stored_epoch))
