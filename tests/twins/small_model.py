"""A sequence model of random numbers over the items of a small shop; every fifth item is unknown to it."""

from __future__ import annotations

import numpy as np

from stream_rec.core.content_vectors import CONTENT_WIDTH
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
    seed: int, items: ItemTable, n_items: int = 60, params: SequenceParams | None = None, version: str = "v0007",
    texts: bool = False,
) -> SequenceModel:  # fmt: skip
    """The model of the items `item-0` to `item-<n - 1>`, as `small_shop` names them; with `texts` it has read them."""
    ids = [f"item-{i}" for i in range(n_items) if knows(i)]
    rows = np.random.default_rng(seed + 1).normal(0.0, 1.0, (len(ids), row_width(WIDTH))).astype(np.float32)
    params, content = params or SequenceParams(proposed=10), small_content(seed, len(ids)) if texts else None
    return SequenceModel(version, items, ids, rows, small_weights(seed), params, content)


def small_content(seed: int, n_items: int) -> Float32Array:
    """Content vectors of a few kinds of texts, some of them the same; every seventh item has none."""
    rng = np.random.default_rng(seed + 2)
    kinds = rng.normal(size=(5, CONTENT_WIDTH))
    vectors = kinds[rng.integers(0, 5, n_items)] + rng.integers(0, 3, (n_items, 1)) * rng.normal(size=CONTENT_WIDTH)
    vectors[::7] = 0.0
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32)
