"""The embedding kernel against its slow twin: any histories, unknown rows, any batch, any number of last items."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.embedding import BLOCK, embed
from stream_rec.core.sequence_tables import ItemVectors, StudentWeights, row_width, vectors_of_rows
from tests.twins.embedding import embed_one

ITEMS, WIDTH, HEADS, LENGTH = 30, 16, 2, 12

histories_of_users = st.lists(st.lists(st.integers(-1, ITEMS + 1), max_size=25), min_size=1, max_size=2 * BLOCK + 3)


def random_student(seed: int) -> tuple[ItemVectors, StudentWeights]:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.7, shape).astype(np.float32)

    vectors = vectors_of_rows(some(ITEMS, row_width(WIDTH)))
    vectors.known[::7] = 0
    hidden = 4 * WIDTH
    weights = StudentWeights(
        some(HEADS, LENGTH), some(WIDTH, WIDTH), some(WIDTH, hidden), some(hidden), some(hidden, WIDTH), some(WIDTH),
        some(WIDTH, WIDTH), some(WIDTH),
    )  # fmt: skip
    return vectors, weights


def flat(histories: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    rows = np.array([row for history in histories for row in history], np.int32)
    return rows, np.cumsum([len(history) for history in histories])


@settings(max_examples=60, deadline=None)
@given(histories=histories_of_users, last=st.integers(1, LENGTH + 5), seed=st.integers(0, 5))
def test_every_user_of_a_batch_is_as_the_twin_says(histories: list[list[int]], last: int, seed: int) -> None:
    vectors, weights = random_student(seed)
    before = [array.copy() for array in (*vectors, *weights)]
    found, used = embed(*flat(histories), vectors, weights, last)
    for user, history in enumerate(histories):
        expected, n = embed_one(history, vectors, weights, min(last, LENGTH))
        assert used[user] == n
        np.testing.assert_allclose(found[user], expected, atol=1e-4, rtol=1e-4)
    for array, old in zip((*vectors, *weights), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_a_user_alone_is_as_in_a_batch() -> None:
    vectors, weights = random_student(1)
    histories = [[1, 2, 3], [4], [5, 6, 8, 9, 10]]
    together, _ = embed(*flat(histories), vectors, weights)
    for user, history in enumerate(histories):
        alone, _ = embed(*flat([history]), vectors, weights)
        np.testing.assert_allclose(alone[0], together[user], atol=1e-6)
