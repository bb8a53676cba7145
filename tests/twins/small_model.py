"""A sequence model of random numbers over the items of a small shop; every fifth item is unknown to it."""

from __future__ import annotations

import numpy as np

from stream_rec.core.presets import SequenceParams
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.sequence_tables import HIDDEN, StudentWeights, row_width
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float32Array

WIDTH, HEADS, LENGTH = 16, 2, 12


def knows(number: int) -> bool:
    return number % 5 != 4


def small_weights(seed: int) -> StudentWeights:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Float32Array:
        return rng.normal(0.0, 0.3, shape).astype(np.float32)

    wide = HIDDEN * WIDTH
    return StudentWeights(
        draw(HEADS, LENGTH), draw(WIDTH, WIDTH), draw(WIDTH, wide), draw(wide), draw(wide, WIDTH), draw(WIDTH),
        draw(WIDTH, WIDTH), draw(WIDTH),
    )  # fmt: skip


def small_model(
    seed: int, items: ItemTable, n_items: int = 60, params: SequenceParams | None = None, version: str = "v0007"
) -> SequenceModel:
    """The model of the items `item-0` to `item-<n - 1>`, as `small_shop` names them."""
    ids = [f"item-{i}" for i in range(n_items) if knows(i)]
    rows = np.random.default_rng(seed + 1).normal(0.0, 1.0, (len(ids), row_width(WIDTH))).astype(np.float32)
    return SequenceModel(version, items, ids, rows, small_weights(seed), params or SequenceParams(proposed=10))
