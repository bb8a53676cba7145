"""One compiled pass ranks exactly as the sources called one by one, and leaves nothing behind."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.presets import PRESETS
from stream_rec.core.recommend import Recommender
from tests.twins.small_shop import nobody, small_shop, some_user

RETAIL = PRESETS["retail"]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    events=st.integers(0, 80),
    excluded=st.lists(st.integers(-1, 59), max_size=30),
    list_size=st.integers(1, 30),
)
def test_one_pass_equals_the_sources_one_by_one(seed: int, events: int, excluded: list[int], list_size: int) -> None:
    items = small_shop(seed)
    user = some_user(seed, items, events) if events else nobody()
    rows = np.array(excluded, np.int32)
    recommender = Recommender(RETAIL, items, list_size)
    fast, slow = recommender.recommend(user, rows), recommender.explain(user, rows)
    for got, expected in zip((*fast.ranked, fast.because), (*slow.ranked, slow.because), strict=True):
        assert got.dtype == expected.dtype
        assert got.tolist() == expected.tolist()
    again = recommender.recommend(user, rows)
    assert again.ranked.rows.tolist() == fast.ranked.rows.tolist()
