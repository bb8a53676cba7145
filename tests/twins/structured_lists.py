"""Lists whose targets follow a rule that no linear ranker can say, and that trees can."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.presets import CascadeParams
from stream_rec.core.ranking.past_lists import PastLists
from stream_rec.core.types import Float32Array, Int64Array

HOUR_MS = 3_600_000


class StructuredLists(NamedTuple):
    """features float32[lists, n, F], linear float32[lists, n] descending, utility float64[lists, n], targets, times."""

    features: Float32Array
    linear: Float32Array
    utility: Float32Array
    targets: Int64Array
    event_ms: Int64Array

    def past(self, first: int, end: int) -> PastLists:
        """The lists [first, end) in a ring."""
        ring = PastLists(self.features.shape[2], CascadeParams(past_lists=end - first))
        for q in range(first, end):
            ring.remember(self.features[q], self.linear[q], int(self.targets[q]), int(self.event_ms[q]))
        return ring


def structured_lists(seed: int, lists: int, n: int = 30, n_features: int = 6) -> StructuredLists:
    """Utility = linear + 3 where the first two features agree in sign, + 2 where the third is between two values."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(lists, n, n_features)).astype(np.float32)
    linear = -np.sort(-rng.normal(size=(lists, n)).astype(np.float32), axis=1)
    agree = (features[..., 0] > 0) == (features[..., 1] > 0)
    between = np.abs(features[..., 2] - 0.5) < 0.4
    utility = linear + 3.0 * agree + 2.0 * between
    targets = (utility + rng.gumbel(size=(lists, n))).argmax(axis=1)  # the softmax of utility, drawn
    return StructuredLists(features, linear, utility.astype(np.float32), targets, HOUR_MS * np.arange(lists))


def mean_reciprocal_rank(scores: Float32Array, targets: Int64Array) -> float:
    """Of float[lists, n] scores; ties go to the place that comes first."""
    places = np.argsort(-scores, axis=1, kind="stable")
    return float((1.0 / (1 + (places == targets[:, None]).argmax(axis=1))).mean())
