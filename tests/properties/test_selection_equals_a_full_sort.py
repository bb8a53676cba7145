"""Selecting the best few, and fusing lists, is the same as sorting everything."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_rec.core.compiled import from_python
from stream_rec.core.presets import FusionParams
from stream_rec.core.ranking.fusion import fusion_scores, fusion_shares, fusion_weights
from stream_rec.core.ranking.list_kernels import in_order
from stream_rec.core.ranking.select import Scratch, best_logits, best_of, floor_of_best, select_top
from tests.twins import sources as twin

_floor = from_python(floor_of_best)
any_score = st.floats(allow_nan=False, width=64)
few_scores = st.sampled_from([-2.0, -0.0, 0.0, 5e-324, 0.1, 0.1 + 2**-56, 0.5, 1.0, float("inf")])
near_normal = st.floats(2.0**-135, 2.0**-120)
scores = st.lists(any_score | few_scores, max_size=200)
ranking = st.lists(st.integers(0, 40), unique=True, max_size=41)


@settings(deadline=None, max_examples=200)
@given(scores=scores, k=st.integers(0, 12), floor=st.sampled_from([-np.inf, 0.0, 0.1]))
@example(scores=[1.0] * 150, k=7, floor=0.0)
def test_select_top(scores: list[float], k: int, floor: float) -> None:
    n = len(scores)
    rows = np.random.default_rng(n).permutation(n).astype(np.int32)
    score = np.array(scores, np.float64)
    listable = (np.arange(n) % 7 != 3).astype(np.uint8)
    excluded = (np.arange(n) % 5 == 2).astype(np.uint8)
    out_rows, out_scores = np.empty(k, np.int32), np.empty(k)
    shown = {i: scores[i] for i in range(n) if listable[i] and not excluded[i]}
    m = select_top(score, rows, n, excluded, listable, floor, out_rows, out_scores)
    assert list(zip(out_rows[:m].tolist(), out_scores[:m].tolist(), strict=True)) == twin.top(shown, k, floor)
    assert not score.any()


@settings(deadline=None, max_examples=100)
@given(scores=st.lists(any_score | few_scores, max_size=80), m=st.integers(0, 60))
def test_in_order(scores: list[float], m: int) -> None:
    m = min(m, len(scores))
    order, ordered = in_order(np.array(scores, np.float64), m)
    assert order.tolist() == sorted(range(m), key=lambda at: -scores[at]) + list(range(m, len(scores)))
    assert ordered.tolist() == [scores[at] for at in order.tolist()]


def test_a_row_that_was_touched_twice_is_listed_once() -> None:
    score, twice = np.array([0.0, 2.0, 1.0]), np.array([2, 1, 2, 1], np.int32)
    ones, out_rows, out_scores = np.ones(3, np.uint8), np.empty(5, np.int32), np.empty(5)
    m = select_top(score, twice, 4, 1 - ones, ones, 0.0, out_rows, out_scores)
    assert (out_rows[:m].tolist(), out_scores[:m].tolist()) == ([1, 2], [2.0, 1.0])


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 0.01, 1.0, 30.0]), logits=st.booleans())
def test_best_of_many_however_far_they_spread(seed: int, spread: float, logits: bool) -> None:
    rng = np.random.default_rng(seed)
    values, keys = rng.normal(0.0, spread, 3000) + 0.0, rng.permutation(3000).astype(np.int32)
    if not logits:
        values = np.exp(values)
    out_keys, out_values = np.empty(100, np.int32), np.empty(100)
    select = best_logits if logits else best_of
    assert select(keys, values, 3000, out_keys, out_values) == 100
    best = np.lexsort((keys, -values))[:100]
    assert (out_keys.tolist(), out_values.tolist()) == (keys[best].tolist(), values[best].tolist())


@settings(deadline=None, max_examples=200)
@given(values=st.lists((any_score | few_scores).map(lambda score: score + 0.0), max_size=200), k=st.integers(0, 12))
def test_best_of_any_values(values: list[float], k: int) -> None:
    keys, n = np.arange(len(values), dtype=np.int32)[::-1].copy(), len(values)
    for select in (best_of, best_logits):
        out_keys, out_values = np.empty(k, np.int32), np.empty(k)
        m = select(keys, np.array(values), n, out_keys, out_values)
        best = sorted(zip(-np.array(values), keys.tolist(), strict=True))[:k]
        assert list(zip((-out_values[:m]).tolist(), out_keys[:m].tolist(), strict=True)) == best


@settings(deadline=None, max_examples=200)
@given(
    values=st.lists(st.floats(5e-324, allow_nan=False) | near_normal, min_size=1, max_size=200), k=st.integers(1, 12)
)
def test_the_best_reach_their_floor(values: list[float], k: int) -> None:
    k = min(k, len(values))
    floor = _floor(np.array(values), len(values), k)
    assert 0.0 < floor <= sorted(values)[-k]


@settings(deadline=None, max_examples=100)
@given(
    rankings=st.lists(ranking, min_size=1, max_size=4),
    weights=st.lists(st.sampled_from([0.0, 0.05, 0.5, 1.0]), min_size=4, max_size=4),
    k=st.integers(0, 20),
)
def test_fusion(rankings: list[list[int]], weights: list[float], k: int) -> None:
    union = list(dict.fromkeys(row for rows in rankings for row in rows))
    places = [{row: place for place, row in enumerate(rows)} for rows in rankings]
    ranks = np.array([[of.get(row, -1) for row in union] for of in places], np.int32).reshape(len(rankings), -1)
    params = FusionParams(weights=tuple(weights[: len(rankings)]))
    prepared = fusion_weights(params, len(rankings))
    scores, best, best_scores = fusion_scores(ranks, len(union), prepared), np.empty(k, np.int32), np.empty(k)
    m = best_of(np.arange(len(union), dtype=np.int32), scores, len(union), best, best_scores)
    ranked = [(union[place], score) for place, score in zip(best[:m], best_scores[:m].tolist(), strict=True)]
    assert ranked == twin.fuse(places, params, union, k)
    np.testing.assert_allclose(fusion_shares(ranks, len(union), prepared).sum(axis=0), scores, rtol=1e-6)


@given(before=st.integers(0, 50), after=st.integers(0, 50))
def test_scratch_grows_and_keeps_the_exclusions(before: int, after: int) -> None:
    scratch = Scratch(before)
    scratch.excluded[::2] = 1
    scratch.fit(after)
    size = max(before, after)
    lengths = {len(scratch.score), len(scratch.in_session), len(scratch.excluded), len(scratch.slot)}
    assert lengths == {size}
    assert np.flatnonzero(scratch.excluded).tolist() == list(range(0, before, 2))
