"""One step of the factors as the equations say, in plain numpy: sampled softmax, then row-wise AdaGrad."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log

import numpy as np

from stream_rec.core.presets import FactorParams
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, UserView
from tests.twins import sources

MASK = (1 << 64) - 1


def splitmix64(state: int) -> int:
    """The finalizer of Steele, Lea, Flood (2014)."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def negatives(items: ItemTable, x: int, seed: int, n: int) -> list[int]:
    """The rows drawn for an event of x: those not listable, and x itself, are passed over."""
    drawn = [splitmix64((seed + k * 0x9E3779B97F4A7C15) & MASK) % items.n for k in range(1, n + 1)]
    return [y for y in drawn if y != x and items.listable[y]]


@dataclass
class Gradient:
    """`targets` and `history` are (row, number), in order."""

    z: Float64Array
    dz: Float64Array
    targets: list[tuple[int, float]] = field(default_factory=list)
    history: list[tuple[int, float]] = field(default_factory=list)


def gradient(items: ItemTable, user: UserView, x: int, seed: int, params: FactorParams) -> Gradient:
    """p - 1[x] over x and its negatives; small ones are left out."""
    history = sources.context(user, params)
    z = np.zeros(params.dimensions)
    for j, w in history:
        z += w * items.factor_in[j].astype(float)
    q, b = items.factor_out.astype(float), items.facts["factor_bias"].astype(float)
    chosen = [x, *negatives(items, x, seed, params.negatives)]
    correction = log(max(1.0, items.n / max(1, params.negatives)))
    s = np.array([q[c] @ z + b[c] + (correction if place else 0.0) for place, c in enumerate(chosen)])
    p = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
    g = p - (np.arange(len(chosen)) == 0)
    kept = [place for place in range(len(chosen)) if place == 0 or p[place] >= params.negligible]
    dz = sum((g[place] * q[chosen[place]] for place in kept), np.zeros(params.dimensions))
    return Gradient(z, dz, [(chosen[place], float(g[place])) for place in kept], history)


class AdaGradTwin:
    """Factors of a table, moved one event after the other."""

    def __init__(self, items: ItemTable, rate: float) -> None:
        self.rate = rate
        self.out, self.into = items.factor_out.astype(float), items.factor_in.astype(float)
        names = ("factor_bias", "squares_out", "squares_in", "squares_bias")
        self.bias, self.squares_out, self.squares_in, self.squares_bias = (
            items.facts[name].astype(float) for name in names
        )

    def move(self, step: Gradient) -> None:
        """Q[c] by g z, b[c] by g, P[j] by w dz, each scaled by the row's own past."""
        for i, g in step.targets:
            self.squares_out[i] += g * g * float(step.z @ step.z) / len(step.z)
            self.squares_bias[i] += g * g
            self.out[i] -= self.rate * g / np.sqrt(self.squares_out[i]) * step.z
            self.bias[i] -= self.rate * g / np.sqrt(self.squares_bias[i])
        for j, w in step.history:
            self.squares_in[j] += w * w * float(step.dz @ step.dz) / len(step.dz)
            self.into[j] -= self.rate * w / np.sqrt(self.squares_in[j]) * step.dz
