"""What the kernel benchmark compares: the same lists three ways, over tables that look as they say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels.big_table import CLUSTER_SIZE, FAR, NEAR, BigTable, big_table
from benchmarks.kernels.numpy_twin import NumpyTwin
from benchmarks.kernels.stages import Stages
from benchmarks.kernels.visitors import EVENTS, visitors
from stream_rec.core.presets import PRESETS
from stream_rec.core.recommend import Recommender
from stream_rec.core.types import NO_ROWS


@pytest.fixture(scope="module")
def table() -> BigTable:
    return big_table(3 * CLUSTER_SIZE, PRESETS["retail"])


def test_the_numpy_twin_and_the_clocked_kernel_give_the_lists_that_are_served(table: BigTable) -> None:
    recommender = Recommender(PRESETS["retail"], table.items, 20)
    recommender.linear = True
    twin, stages = NumpyTwin(table.items, 20), Stages(table.items, 20)
    for user in visitors(table, 20):
        served, expected = recommender.recommend(user, NO_ROWS), twin.recommend(user)
        assert served.ranked.rows.tolist() == expected.rows.tolist() == stages.rows_of(user).tolist()
        assert served.because.tolist() == expected.because.tolist()
        np.testing.assert_allclose(served.ranked.scores, expected.scores, rtol=1e-4)
        assert served.ranked.sources.tolist() == expected.sources.tolist()


def test_every_row_is_full_of_different_neighbours(table: BigTable) -> None:
    ordered = np.sort(table.items.neighbour_rows, axis=1)
    assert (table.items.neighbour_count == NEAR + FAR).all()
    assert (ordered[:, 1:] != ordered[:, :-1]).all()


def test_visitors_have_several_sessions_in_the_order_of_time(table: BigTable) -> None:
    for user in visitors(table, 10):
        assert (len(user.rows), len(set(user.sessions.tolist())) > 2) == (EVENTS, True)
        assert (np.diff(user.times_ms) >= 0).all()
        assert user.session == user.sessions[-1]
