"""Two versions of a student of the usual size with random numbers: what serving costs does not depend on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.core.content_vectors import CONTENT_WIDTH
from stream_rec.core.sequence_tables import HIDDEN, StudentWeights, row_width
from stream_rec.core.types import Float32Array
from stream_rec.core.vector_records import text_hash

WIDTH, HEADS, LENGTH = 64, 2, 50


def new_registry(folder: Path, texts: dict[str, str]) -> tuple[ModelRegistry, list[str]]:
    """Return a registry of two versions over item id → text, none of them live."""
    registry = ModelRegistry(folder)
    versions = []
    for seed in (1, 2):
        files = {TABLES_FILE: tables_bytes(_tables(texts, seed))}
        versions.append(registry.publish(files, code="bench", data={}, settings={}, metrics={}).version)
    return registry, versions


def _tables(texts: dict[str, str], seed: int) -> ModelTables:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Float32Array:
        return rng.normal(0.0, 0.1, shape).astype(np.float32)

    d, wide, n = WIDTH, HIDDEN * WIDTH, len(texts)
    weights = StudentWeights(
        draw(HEADS, LENGTH), draw(d, d), draw(d, wide), draw(wide), draw(wide, d), draw(d), draw(d, d), draw(d)
    )
    content = draw(n, CONTENT_WIDTH)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    hashes = np.array([text_hash(text) for text in texts.values()], np.uint64)
    return ModelTables(list(texts), draw(n, row_width(d)), weights, content, hashes)
