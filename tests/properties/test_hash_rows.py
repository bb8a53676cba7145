"""Looking rows up by hash is what a dictionary does."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.state.hash_rows import HashRows

any_hash = st.integers(0, 2**64 - 1)
crowded = st.integers(0, 63).map(lambda n: n % 8 + (n // 8 << 40))  # many that begin at the same slot


@settings(deadline=None)
@given(
    known=st.lists(any_hash | crowded, unique=True, max_size=200),
    wanted=st.lists(any_hash | crowded, max_size=50),
    capacity=st.integers(1, 8),
    at_once=st.integers(1, 9),
)
def test_a_hash_finds_its_row(known: list[int], wanted: list[int], capacity: int, at_once: int) -> None:
    hashes = np.array(known, np.uint64)
    table, twin = HashRows(capacity), {h: row for row, h in enumerate(known)}
    for start in range(0, len(known), at_once):
        end = min(start + at_once, len(known))
        if end > capacity:
            capacity = 2 * end
            table.fit(hashes, start, capacity)
        table.add(hashes, start, end)
    asked = wanted + known
    found = table.find(hashes, np.array(asked, np.uint64))
    assert found.tolist() == [twin.get(h, -1) for h in asked]
