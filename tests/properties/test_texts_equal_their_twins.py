"""Text kernels give their slow twins' weights, cosines and neighbours, however the texts came to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.state.item_text import ItemText
from tests.twins import texts as twin
from tests.twins.kernels import cosines

WORDS = ("red", "blue", "mug", "lamp", "heart", "set", "of", "3", "é", "")
titles = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
settings_of = st.lists(st.tuples(st.integers(0, 11), titles, titles), max_size=30)


def shop(said: list[tuple[int, str, str]]) -> tuple[ItemText, dict[int, tuple[str, str]]]:
    """Texts as a topic would bring them, the last word of an item winning; and what they amount to."""
    texts, known = ItemText(capacity=2), {}
    for row, title, category in said:
        texts.set(row, title, category)
        known[row] = (title, category)
    texts.fit(12)
    texts.reweigh()
    return texts, known


@settings(deadline=None, max_examples=80)
@given(said=settings_of)
def test_weights_and_document_counts(said: list[tuple[int, str, str]]) -> None:
    texts, known = shop(said)
    t = texts.arrays()
    for row in range(12):
        kept = t.weights[row] > 0
        assert dict(zip(t.terms[row, kept].tolist(), t.weights[row, kept].tolist(), strict=True)) == (
            twin.weights(known, row)
        )
    counted = np.flatnonzero(t.document_count)
    assert {int(term): int(t.document_count[term]) for term in counted} == twin.document_counts(known)


@settings(deadline=None, max_examples=80)
@given(said=settings_of, row=st.integers(0, 11))
def test_cosine(said: list[tuple[int, str, str]], row: int) -> None:
    texts, known = shop(said)
    whole, half = cosines(texts, row, list(range(12)))
    assert whole.tolist() == pytest.approx([twin.cosine(known, row, other) for other in range(12)], abs=1e-6)
    assert half.tolist() == pytest.approx((whole / 2).tolist(), abs=1e-6)
