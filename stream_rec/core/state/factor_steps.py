"""The item plane's second kernel: gradients of the factors into the item table, with row-wise AdaGrad.

For a row θ (Q or P of one item) and a gradient g · v, v float32[d]:

    G += g² · |v|²/d,    θ −= rate · g/√G · v

and for the bias b with gradient g: G_b += g², b −= rate · g/√G_b. One accumulator per row, kept with the row: a step is
scaled where the row is owned, so that workers who compute gradients from slightly old rows do not scale by old sums.

References
----------
Duchi, Hazan, Singer (2011), "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12.
https://jmlr.org/papers/v12/duchi11a.html
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry, inner
from stream_rec.core.gradients import LearnedPart
from stream_rec.core.state.item_layout import FactorArrays
from stream_rec.core.types import Float32Array, Int32Array, Int64Array

BoolArray = npt.NDArray[np.bool_]
_SUMS = {"reassoc", "contract", "nsz"}


@inner(fastmath=_SUMS)
def _mean_square(v: Float32Array) -> float:
    total = np.float32(0.0)
    for f in range(len(v)):
        total += v[f] * v[f]
    return float(total / len(v))


@inner(fastmath=_SUMS)
def _move(row: Float32Array, scale: np.float32, v: Float32Array) -> None:
    for f in range(len(row)):
        row[f] -= scale * v[f]


@entry()
def apply_gradients(
    t: FactorArrays, part: LearnedPart, rows: Int32Array, opened: BoolArray, before: Int64Array, rate: float
) -> None:
    """Apply the entries that are above the watermark to the rows that do not include the frame.

    What is not finite is passed over: a row it was added to could never be mended.

    Parameters
    ----------
    t
        The table's factors; mutated.
    part
        The learned part of the frame.
    rows, opened
        int32[r], bool[r]: row of each item of the part, and whether it may be changed.
    before
        int64[topics, partitions]: what was applied before this frame.
    rate
        Learning rate.

    Notes
    -----
    O(members · d); about 15 ns a member at d = 64.
    """
    at = 0
    for e in range(len(part.n_targets)):
        targets, end = at + part.n_targets[e], at + part.n_targets[e] + part.n_history[e]
        if part.offsets[e] > before[part.topics[e], part.partitions[e]]:
            z_square, back_square = _mean_square(part.context[e]), _mean_square(part.back[e])
            finite = math.isfinite(z_square + back_square)
            for m in range(at, targets):
                if finite and opened[part.members[m]] and math.isfinite(part.values[m]):
                    _move_target(t, rows[part.members[m]], part.values[m], part.context[e], z_square, rate)
            for m in range(targets, end):
                if finite and opened[part.members[m]] and math.isfinite(part.values[m]):
                    j, w = rows[part.members[m]], part.values[m]
                    square = t.facts[j].squares_in + np.float32(w * w * back_square)
                    t.facts[j].squares_in = square
                    _move(t.into[j], np.float32(rate * w / math.sqrt(square)), part.back[e])
        at = end


@inner()
def _move_target(t: FactorArrays, i: int, g: np.float32, z: Float32Array, z_square: float, rate: float) -> None:
    square = t.facts[i].squares_out + np.float32(g * g * z_square)
    bias_square = t.facts[i].squares_bias + np.float32(g * g)
    t.facts[i].squares_out, t.facts[i].squares_bias = square, bias_square
    t.facts[i].factor_bias -= np.float32(rate * g / math.sqrt(bias_square))
    _move(t.out[i], np.float32(rate * g / math.sqrt(square)), z)
