"""Scores of candidates and the best of all items, against all scores computed and sorted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core import embedding_scores
from stream_rec.core.embedding_scores import UNKNOWN_SCORE, best_rows, score_rows
from stream_rec.core.sequence_tables import row_width, vectors_of_rows

WIDTH = 8


@settings(max_examples=60, deadline=None)
@given(
    items=st.integers(1, 40), users=st.integers(1, 5), k=st.integers(1, 12), block=st.integers(1, 50),
    unknown=st.floats(0, 1), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_best_rows_are_those_of_a_full_sort(
    items: int, users: int, k: int, block: int, unknown: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = vectors_of_rows(rng.normal(size=(items, row_width(WIDTH))).astype(np.float32))
    vectors.known[:] = rng.random(items) >= unknown
    embedded = rng.normal(size=(users, WIDTH)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding_scores, "ITEMS_PER_BLOCK", block)
        rows, scores = best_rows(embedded, vectors, k)
    for user in range(users):
        known = np.flatnonzero(vectors.known)
        every = embedded[user] @ vectors.outputs[known].T + vectors.bias[known]
        order = np.argsort(-every)[:k]
        assert rows[user, : len(order)].tolist() == known[order].tolist()
        np.testing.assert_allclose(scores[user, : len(order)], every[order], rtol=1e-4, atol=1e-5)
        assert (rows[user, len(order) :] == -1).all()
        assert (scores[user, len(order) :] == UNKNOWN_SCORE).all()
        candidates = rng.integers(-1, items + 1, 9).astype(np.int32)
        found = np.empty(9, np.float32)
        score_rows(embedded[user], candidates, vectors, found)
        for row, score in zip(candidates.tolist(), found.tolist(), strict=True):
            there = 0 <= row < items and vectors.known[row]
            expected = embedded[user] @ vectors.outputs[row] + vectors.bias[row] if there else UNKNOWN_SCORE
            assert score == pytest.approx(expected, rel=1e-4, abs=1e-5)
