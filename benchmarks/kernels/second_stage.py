"""What the second stage adds to a list: features of 60 candidates, a forest of 100 trees over them, the new order."""

from __future__ import annotations

import numpy as np

from stream_rec.core.features import SECOND_FEATURES
from stream_rec.core.presets import Preset
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.trees import DEPTH, N_LEAVES, Forest
from stream_rec.core.types import Float32Array

TREES = 100


def cascade_over(features: Float32Array, preset: Preset, seed: int = 5) -> Cascade:
    """Return a second stage whose live forest asks random questions that tell these lists apart.

    Parameters
    ----------
    features
        float32[n, F] of candidates, to take split values from.
    """
    rng = np.random.default_rng(seed)
    asked = rng.integers(0, len(SECOND_FEATURES), (TREES, DEPTH)).astype(np.uint8)
    at: Float32Array = features[rng.integers(0, len(features), (TREES, DEPTH)), asked]
    leaves = rng.normal(0.0, 0.05, (TREES, N_LEAVES)).astype(np.float32)
    cascade = Cascade(SECOND_FEATURES, preset.cascade)
    cascade.load(encode_forest(Forest(asked, at, leaves), SECOND_FEATURES))
    return cascade
