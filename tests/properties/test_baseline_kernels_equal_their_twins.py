"""The baselines' kernels do what their papers say, written out slowly."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.backtest.baselines.eals import element_wise_step
from stream_rec.backtest.baselines.session_index import add_event, empty_index, knn_scores
from tests.twins import baselines as twin

ITEMS = 9
clicks = st.lists(st.tuples(st.integers(0, 11), st.integers(0, ITEMS - 1)), min_size=1, max_size=80)
evolving = st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=6)


@settings(deadline=None, max_examples=150)
@given(clicks=clicks, evolving=evolving, own=st.integers(-1, 11), m=st.integers(1, 8), k=st.integers(1, 6))
def test_nearest_sessions(clicks: list[tuple[int, int]], evolving: list[int], own: int, m: int, k: int) -> None:
    index, entries, slow = empty_index(len(clicks) + 12, ITEMS), 0, twin.VmisTwin()
    for clock, (session, item) in enumerate(clicks, 1):
        entries = add_event(index, entries, session, item, clock)
        slow.learn(session, item, clock)
    for _ in range(2):  # the second time over the scratch the first one left
        scores = np.zeros(ITEMS)
        knn_scores(index, entries, np.array(evolving, np.int32), own, m, k, scores)
        np.testing.assert_allclose(scores, slow.scores(evolving, own, m, k, ITEMS), rtol=1e-12)
    assert not index.similarity.any()


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 8), n=st.integers(0, 10))
def test_one_step_of_eals(seed: int, d: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, others = rng.normal(size=d), rng.normal(size=(n, d))
    extra, missing = rng.uniform(0.1, 1.0, n), rng.uniform(0.0, 0.1, n)
    half = rng.normal(size=(d + 3, d))
    gram = 0.1 * half.T @ half
    fast = x.astype(np.float32)
    columns = np.ascontiguousarray(others.T.astype(np.float32))
    element_wise_step(fast, columns, extra.astype(np.float32), missing.astype(np.float32), gram.astype(np.float32), 0.1)
    np.testing.assert_allclose(fast, twin.element_wise_step(x, others, extra, missing, gram, 0.1), rtol=2e-3, atol=2e-3)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_step_of_eals_never_raises_the_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = rng.normal(size=(12, 4)).astype(np.float32)
    missing, extra = rng.uniform(0.01, 0.1, 12).astype(np.float32), rng.uniform(0.1, 1.0, 5).astype(np.float32)
    x = rng.normal(size=4).astype(np.float32)

    def loss() -> float:
        values = catalogue @ x
        met = (missing[:5] + extra) * (1 - values[:5]) ** 2
        return float(met.sum() + (missing[5:] * values[5:] ** 2).sum() + 0.1 * x @ x)

    before = loss()
    gram = (catalogue * missing[:, None]).T @ catalogue
    element_wise_step(x, np.ascontiguousarray(catalogue[:5].T), extra, missing[:5], gram, 0.1)
    assert loss() <= before + 1e-4
