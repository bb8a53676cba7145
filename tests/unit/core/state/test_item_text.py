"""What an item's text is, what of it is kept, and what changes it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rec.core.state.item_text import ItemText
from stream_rec.core.state.text_terms import CATEGORY_TERMS, MOST_REPEATS, TERMS, term_id, terms_of
from tests.twins.kernels import cosines


def cosine(texts: ItemText, a: int, b: int) -> float:
    return float(cosines(texts, a, [b])[0][0])


def words(n: int, prefix: str) -> str:
    return " ".join(f"{prefix}{i}" for i in range(n))


@pytest.mark.parametrize("title", ["red mug", "RED  MUG", "Red, mug!", "red_mug", "'Red' (mug)"])
def test_case_and_punctuation_say_nothing(title: str) -> None:
    assert terms_of(title, "") == [(term_id("red"), 1), (term_id("mug"), 1)]


def test_a_long_title_leaves_places_to_the_category_and_a_short_one_takes_none() -> None:
    def kept(title: int, category: int) -> list[int]:
        return [term for term, _ in terms_of(words(title, "t"), words(category, "c"))]

    def expected(title: int, category: int) -> list[int]:
        return [term_id(f"t{i}") for i in range(title)] + [term_id(f"c{i}") for i in range(category)]

    assert kept(30, 9) == expected(TERMS - CATEGORY_TERMS, CATEGORY_TERMS)
    assert kept(30, 2) == expected(TERMS - 2, 2)
    assert kept(3, 30) == expected(3, TERMS - 3)


def test_repeats_are_counted_up_to_what_two_bits_hold() -> None:
    assert terms_of("set " * 9, "set") == [(term_id("set"), MOST_REPEATS)]


def test_a_rare_word_says_more_than_a_common_one() -> None:
    texts = ItemText()
    for row in range(20):
        texts.set(row, "heart" if row else "heart lantern")
    texts.set(20, "lantern box")
    texts.set(21, "heart box")
    texts.reweigh()
    assert cosine(texts, 0, 20) > cosine(texts, 0, 21) > 0


def test_a_text_is_one_with_itself_and_nothing_with_none() -> None:
    texts = ItemText()
    texts.set(0, "red mug")
    texts.set(1, None)
    assert (cosine(texts, 0, 0), cosine(texts, 0, 1), cosine(texts, 1, 1)) == (pytest.approx(1), 0, 0)


def test_the_last_word_on_an_item_replaces_the_earlier_ones() -> None:
    once, twice = ItemText(), ItemText()
    twice.set(0, "old words", "gone", 9.0)
    for texts in (once, twice):
        texts.set(0, "red mug", price=2.0)
        texts.set(1, "blue mug")
        texts.reweigh()
    for one, other in zip(once.arrays(), twice.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_item_that_loses_its_text_no_longer_counts() -> None:
    texts = ItemText()
    texts.set(0, "red mug", price=2.0)
    texts.set(0, None)
    assert texts.documents == 0
    assert not texts.arrays().document_count.any()
    assert math.isnan(texts.arrays().log_price[0])


@pytest.mark.parametrize(("price", "log_price"), [(None, math.nan), (0.0, math.nan), (1.0, 0.0), (2.5, math.log(2.5))])
def test_prices(price: float | None, log_price: float) -> None:
    texts = ItemText()
    texts.set(3, None, price=price)
    assert texts.arrays().log_price[3] == pytest.approx(log_price, nan_ok=True)


def test_growing_keeps_everything_and_an_item_takes_at_most_64_bytes() -> None:
    texts = ItemText(capacity=1)
    texts.set(0, "red mug", price=2.0)
    before = texts.arrays()
    texts.fit(100)
    for old, new in zip(before[:5], texts.arrays()[:5], strict=True):
        np.testing.assert_array_equal(new[:1], old)
    assert texts.capacity == 100
    assert math.isnan(texts.arrays().log_price[99])
    assert sum(array.nbytes for array in texts.arrays()[:5]) <= 64 * texts.capacity
