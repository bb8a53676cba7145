"""The second stages' kernels do what their equations say, and leave alone what is not theirs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_rec.core.ranking.bins import N_BINS, NO_EDGE, bin_features, normal_scores, quantile_edges
from stream_rec.core.ranking.boosting import BoostParams, Draws, Rows, boost
from stream_rec.core.ranking.half import LARGEST, to_half
from stream_rec.core.ranking.online_mlp import OnlineMlp
from stream_rec.core.ranking.second_stage import MAX_CANDIDATES, reciprocal_rank
from stream_rec.core.ranking.trees import NEGLIGIBLE, Forest, forest_scratch, learn_list, score_list
from stream_rec.core.types import Float32Array, Float64Array
from tests.twins import second_stages as twin

WIDE = st.floats(allow_nan=True, allow_infinity=True, width=32)
FEW = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32)
SEEDS = st.integers(0, 2**32 - 1)
RANDOM = settings(deadline=None, max_examples=40)


def some_list(rng: np.random.Generator, n: int, n_features: int) -> tuple[Float32Array, Float32Array]:
    """Features of few values, so that splits meet them exactly, and descending scores."""
    features = (rng.integers(-4, 5, (n, n_features)) / 2).astype(np.float32)
    return features, -np.sort(-2 * rng.normal(size=n).astype(np.float32))


def some_forest(rng: np.random.Generator, trees: int, n_features: int) -> Forest:
    return Forest(
        split_feature=rng.integers(0, n_features, (trees, 6)).astype(np.uint8),
        split_value=(rng.integers(-4, 5, (trees, 6)) / 2).astype(np.float32),
        leaves=rng.normal(size=(trees, 64)).astype(np.float32),
    )


def decided(gradients: Float64Array) -> bool:
    """Whether no gradient is so close to the limit that rounding decides if its row counts."""
    return bool((np.abs(np.abs(gradients) - NEGLIGIBLE) > 1e-6).all())


@RANDOM
@given(st.lists(FEW, max_size=300))
def test_edges_share_a_sample_out_as_the_twin_does(values: list[float]) -> None:
    edges = quantile_edges(np.array(values, np.float32).reshape(-1, 1))[0]
    used = twin.used_edges(edges)
    assert used == pytest.approx(twin.edges_of(np.array(values, np.float32).tolist()), rel=1e-6)
    assert used == sorted(set(used))
    assert (edges[len(used) :] == NO_EDGE).all()


@RANDOM
@given(st.lists(st.sampled_from([-1.5, 0.0, 1e-30, 2.0, 7.0]), min_size=1, max_size=100))
def test_few_values_get_a_bin_each_and_none_between_is_lost(values: list[float]) -> None:
    rows = np.array(values, np.float32).reshape(-1, 1)
    bins = np.zeros((1, len(rows)), np.uint8)
    bin_features(rows, quantile_edges(rows), bins)
    assert bins[0].tolist() == np.unique(rows, return_inverse=True)[1].ravel().tolist()


@RANDOM
@given(SEEDS, st.lists(WIDE, min_size=1, max_size=60))
def test_a_bin_is_the_number_of_edges_at_or_below(seed: int, values: list[float]) -> None:
    rng = np.random.default_rng(seed)
    edges = quantile_edges(rng.normal(size=(int(rng.integers(1, 400)), 1)).astype(np.float32))
    rows = np.array([*values, *edges[0, :3]], np.float32).reshape(-1, 1)
    bins = np.zeros((1, len(rows)), np.uint8)
    bin_features(rows, edges, bins)
    assert bins[0].tolist() == [twin.bin_of(value, edges[0]) for value in rows[:, 0].tolist()]


def test_many_values_fill_all_bins_evenly() -> None:
    rows = np.arange(6_400, dtype=np.float32).reshape(-1, 1)
    bins = np.zeros((1, len(rows)), np.uint8)
    bin_features(rows, quantile_edges(rows), bins)
    assert np.bincount(bins[0]).tolist() == [100] * N_BINS


def test_a_heavy_value_takes_one_bin_and_leaves_the_others_to_the_rest() -> None:
    rows = np.concatenate([np.zeros(9_000), np.arange(1, 1_001)]).astype(np.float32).reshape(-1, 1)
    bins = np.zeros((1, len(rows)), np.uint8)
    bin_features(rows, quantile_edges(rows), bins)
    counts = np.bincount(bins[0])
    assert (len(counts), counts[0], counts[1:].min(), counts[1:].max()) == (N_BINS, 9_000, 15, 16)


def test_neighbouring_floats_are_told_apart_and_a_sample_without_numbers_has_no_edge() -> None:
    upper = np.nextafter(np.float32(1), np.float32(2))
    edges = quantile_edges(np.array([[1.0, np.nan], [upper, np.inf]], np.float32))
    assert edges[0, 0] == upper
    assert (edges[1] == NO_EDGE).all()


def test_normal_scores_are_those_of_a_normal_sample() -> None:
    rows = np.random.default_rng(1).normal(size=(20_000, 1)).astype(np.float32)
    edges = quantile_edges(rows)
    scores = normal_scores(rows, edges)[0]
    middles = (edges[0, :-1] + edges[0, 1:]) / 2  # of all bins but the first and the last
    np.testing.assert_allclose(scores[1:-1], middles, atol=0.05)
    np.testing.assert_allclose(scores, -scores[::-1], atol=0.01)


@RANDOM
@given(st.lists(WIDE, max_size=60))
def test_half_is_numpys_but_saturates(values: list[float]) -> None:
    given_values, out = np.array(values, np.float32), np.zeros(len(values), np.uint16)
    to_half(given_values, out)
    expected = np.clip(given_values, -LARGEST, LARGEST).astype(np.float16)
    assert np.array_equal(out.view(np.float16), expected, equal_nan=True)


@RANDOM
@given(SEEDS, st.integers(1, MAX_CANDIDATES), st.integers(1, 9), st.integers(1, 12))
def test_a_forest_scores_as_its_twin(seed: int, n: int, n_features: int, trees: int) -> None:
    rng = np.random.default_rng(seed)
    features, linear = some_list(rng, n, n_features)
    forest, scratch = some_forest(rng, trees, n_features), forest_scratch(trees, n_features)
    before = [array.tobytes() for array in forest]
    score_list(forest, features, linear, scratch)
    np.testing.assert_allclose(scratch.scores[:n], twin.forest_scores(forest, features, linear), rtol=1e-4, atol=1e-4)
    expected = [[twin.leaf_of(forest, t, row) for row in features] for t in range(trees)]
    assert scratch.leaf_of[:, :n].tolist() == expected
    assert [array.tobytes() for array in forest] == before


@RANDOM
@given(SEEDS, st.integers(1, MAX_CANDIDATES), st.integers(1, 5), st.integers(1, 6))
def test_a_step_moves_the_leaves_as_its_twin(seed: int, n: int, n_features: int, trees: int) -> None:
    rng = np.random.default_rng(seed)
    features, linear = some_list(rng, n, n_features)
    forest, target = some_forest(rng, trees, n_features), int(rng.integers(n))
    expected = twin.stepped_leaves(forest, features, linear, target, rate=0.1)
    scores = np.array(twin.forest_scores(forest, features, linear), np.float32)
    assume(decided(np.array(twin.softmax(scores.tolist())) - (np.arange(n) == target)))
    splits = forest.split_feature.tobytes(), forest.split_value.tobytes()
    reached = learn_list(forest, features, linear, target, 0.1, forest_scratch(trees, n_features))
    np.testing.assert_allclose(forest.leaves, expected, rtol=1e-4, atol=1e-4)
    assert (forest.split_feature.tobytes(), forest.split_value.tobytes()) == splits
    if len(set(scores.round(3).tolist())) == n:  # else the sums' order decides
        assert reached == 1 / (1 + int((scores > scores[target]).sum()))


@RANDOM
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.data())
def test_the_rank_is_that_of_a_stable_sort(values: list[int], data: st.DataObject) -> None:
    scores, target = np.array(values, np.float32), data.draw(st.integers(0, len(values) - 1))
    place = np.argsort(-scores, kind="stable").tolist().index(target)
    assert reciprocal_rank(scores, len(scores), target) == 1 / (place + 1)


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.integers(1, 3), st.integers(1, 12), st.floats(0.0, 0.6))
def test_a_fit_takes_the_best_split_there_is(seed: int, depth: int, lists: int, least_hessian: float) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, lists)
    ends, n_rows = np.cumsum(sizes), int(sizes.sum())
    rows = Rows(
        bins=(rng.integers(0, 5, (3, n_rows)) * 15).astype(np.uint8),
        start=rng.normal(size=n_rows),
        weight=rng.choice([1.0, 2.5, 10.0], n_rows),
        ends=ends,
        targets=ends - sizes + rng.integers(0, sizes),
    )
    draws = Draws(rng.random((3, lists)) < 0.7, np.sort([rng.permutation(3)[:2] for _ in range(3)]).astype(np.int32))
    params = BoostParams(depth, rate=0.3, l2=1.0, least_hessian=least_hessian)
    twin.check_boosting(rows, draws, params, *boost(rows, draws, params))


@RANDOM
@given(SEEDS, st.integers(1, MAX_CANDIDATES), st.integers(1, 5))
def test_the_network_scores_as_its_twin_and_steps_against_the_gradient(seed: int, n: int, n_features: int) -> None:
    rng = np.random.default_rng(seed)
    mlp = OnlineMlp(n_features, seed=1, edge_lists=1)
    mlp.learn(*some_list(rng, n, n_features), 0, 0)  # gives the bins their edges
    features, linear = some_list(rng, n, n_features)
    assert mlp._bins is not None
    z = twin.z_of(features, *mlp._bins)
    for weights in mlp.network[:4]:
        weights[...] = rng.normal(size=weights.shape)
    np.testing.assert_allclose(
        mlp.rerank(features, linear), twin.network_scores(mlp.network, z, linear), rtol=1e-3, atol=1e-3
    )
    g = np.array(twin.softmax(twin.network_scores(mlp.network, z, linear).tolist()))
    g[0] -= 1.0
    assume(decided(g))
    g[np.abs(g) < NEGLIGIBLE] = 0.0
    before = [weights.copy() for weights in mlp.network]
    expected = twin.network_gradients(mlp.network, z, g)
    mlp.learn(features, linear, 0, 0)
    for weights, sums, start, start_sums, gradient in zip(
        mlp.network[:4], mlp.network[4:], before[:4], before[4:], expected, strict=True
    ):
        grown = start_sums + gradient**2
        np.testing.assert_allclose(sums, grown, rtol=2e-2, atol=1e-3)
        np.testing.assert_allclose(weights, start - 0.02 * gradient / np.sqrt(grown), rtol=1e-3, atol=3e-3)
