"""What a list of 60 candidates and 35 features costs: `pytest --benchmark-enable` on this file prints it.

Without the option each call is made once, so that it keeps working. No time is asserted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from stream_rec.core.presets import CascadeParams
from stream_rec.core.ranking.bins import bin_features, quantile_edges
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.online_mlp import OnlineMlp
from stream_rec.core.ranking.past_lists import PastLists
from stream_rec.core.ranking.trees import Forest, forest_scratch, learn_list, score_list
from tests.twins.structured_lists import structured_lists

N, F, TREES, TARGET = 60, 35, 100, 3
NAMES = [str(f) for f in range(F)]
LISTS = structured_lists(seed=1, lists=200, n=N, n_features=F)
ONE = LISTS.features[0], LISTS.linear[0]


def some_forest() -> Forest:
    rng = np.random.default_rng(1)
    return Forest(
        split_feature=rng.integers(0, F, (TREES, 6)).astype(np.uint8),
        split_value=rng.normal(size=(TREES, 6)).astype(np.float32),
        leaves=(0.1 * rng.normal(size=(TREES, 64))).astype(np.float32),
    )


def live_cascade() -> Cascade:
    cascade = Cascade(NAMES)
    cascade.load(encode_forest(some_forest(), NAMES))
    return cascade


def learned_mlp() -> OnlineMlp:
    mlp = OnlineMlp(F, seed=1)
    for q in range(200):
        mlp.learn(LISTS.features[q], LISTS.linear[q], TARGET, 0)
    return mlp


forest, scratch, cascade, mlp = some_forest(), forest_scratch(TREES, F), live_cascade(), learned_mlp()
edges, bins = quantile_edges(LISTS.features[:100].reshape(-1, F)), np.zeros((F, 64), np.uint8)
past = PastLists(F, CascadeParams(past_lists=1_000))
CALLS: dict[str, Callable[[], object]] = {
    "bin a list": lambda: bin_features(ONE[0], edges, bins),
    "score a list": lambda: score_list(forest, *ONE, scratch),
    "score a list and step the leaves": lambda: learn_list(forest, *ONE, TARGET, 5e-4, scratch),
    "remember a list": lambda: past.remember(*ONE, TARGET, 0),
    "cascade: rerank": lambda: cascade.rerank(*ONE),
    "cascade: learn": lambda: cascade.learn(*ONE, TARGET, 0),
    "mlp: rerank": lambda: mlp.rerank(*ONE),
    "mlp: learn": lambda: mlp.learn(*ONE, TARGET, 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_speed(benchmark: BenchmarkFixture, name: str) -> None:
    benchmark(CALLS[name])
