"""What is known of items' texts and prices: hashed tf-idf, 60 bytes an item, and the cosine of two texts.

Words are 16-bit term ids (`text_terms.py`). Term t of item i weighs::

    w[i, t] = (1 + ln tf[i, t]) * (1 + ln((1 + N) / (1 + df[t])))

with tf counted up to 4, N items that have a text, and df[t] of them with the term. A row keeps w / max(w) in 8 bits, q,
and 1 / |q|, so that the cosine of two texts is one sum of products of bytes and two factors.

References
----------
Salton, Buckley (1988), "Term-weighting approaches in automatic text retrieval", Information Processing & Management
24(5). https://doi.org/10.1016/0306-4573(88)90021-0
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.compiled import entry, inner
from stream_rec.core.prefetch import AHEAD, prefetch
from stream_rec.core.state.text_terms import TERM_IDS, TERMS, terms_of
from stream_rec.core.types import Float32Array, Int32Array, Int64Array, UInt8Array

UInt16Array = npt.NDArray[np.uint16]
UInt32Array = npt.NDArray[np.uint32]


class TextArrays(NamedTuple):
    """What kernels read (and `weigh_rows` writes); one row per item row.

    `terms` uint16[cap, 16] and `weights` uint8[cap, 16]: the first places with a weight above 0 count, each term once.
    `scale` float32[cap]: 1 / |weights|, 0 without a text. `repeats` uint32[cap]: tf - 1 of each place in two bits.
    `log_price` float32[cap]: NaN where no price is known. `document_count` int32[65536]: df. `documents` int64[1]: N.
    """

    terms: UInt16Array
    weights: UInt8Array
    scale: Float32Array
    repeats: UInt32Array
    log_price: Float32Array
    document_count: Int32Array
    documents: Int64Array


class ItemText:
    """Texts and prices of the items of an `ItemTable`, by the same row numbers.

    Arrays are replaced when they grow: ask for `arrays()` again after `fit` or `set`.

    Parameters
    ----------
    capacity
        Rows to make room for at first.

    Examples
    --------
    >>> texts = ItemText()
    >>> for row, title in enumerate(["Red mug", "Blue mug", "Red lamp"]):
    ...     texts.set(row, title, "Kitchen" if "mug" in title else None, price=2.5)
    >>> texts.reweigh()
    >>> weights = texts.arrays().weights * texts.arrays().scale[:, None]
    >>> texts.documents, [round(float(weight), 2) for weight in weights[1, :3]]  # blue, mug, kitchen
    (3, [0.68, 0.52, 0.52])
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._arrays = _empty(max(capacity, 1), np.zeros(TERM_IDS, np.int32), np.zeros(1, np.int64))

    @property
    def capacity(self) -> int:
        """Rows there is room for."""
        return len(self._arrays.scale)

    @property
    def documents(self) -> int:
        """Items that have a text."""
        return int(self._arrays.documents[0])

    def arrays(self) -> TextArrays:
        """Return the arrays for kernels; valid until the next `fit` or `set`."""
        return self._arrays

    def fit(self, capacity: int) -> None:
        """Make room for rows below `capacity`; the new ones have no text and no price."""
        known = self.capacity
        if capacity <= known:
            return
        longer = _empty(capacity, self._arrays.document_count, self._arrays.documents)
        per_row: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = list(zip(self._arrays[:5], longer[:5], strict=True))
        for old, new in per_row:
            new[:known] = old
        self._arrays = longer

    def set(self, row: int, title: str | None, category: str | None = None, price: float | None = None) -> None:
        """Replace what is known of one item; `None` is unknown, and so is a price that is not above 0.

        The weights are those of the moment: `reweigh` makes them anew when many texts have come. About 15 µs.
        """
        if row >= self.capacity:
            self.fit(max(row + 1, 2 * self.capacity))
        counted = terms_of(title or "", category or "")
        terms, repeats = np.zeros(TERMS, np.uint16), 0
        for place, (term, times) in enumerate(counted):
            terms[place] = term
            repeats |= (times - 1) << (2 * place)
        place_terms(self._arrays, row, terms, len(counted), repeats)
        self._arrays.log_price[row] = math.log(price) if price is not None and 0 < price < math.inf else math.nan

    def reweigh(self) -> None:
        """Weigh every text by the document counts of now: 0.1 µs an item."""
        weigh_rows(self._arrays, 0, self.capacity)


@entry()
def place_terms(t: TextArrays, row: int, terms: UInt16Array, n: int, repeats: int) -> None:
    """Give a row its `n` terms: the counts of its old ones go down, those of the new ones up.

    Parameters
    ----------
    t
        Mutated: the row, `document_count`, `documents`.
    terms
        uint16[16], the first `n` distinct.
    repeats
        tf - 1 of each, two bits a place.
    """
    if t.scale[row] > 0.0:
        t.documents[0] -= 1
    for place in range(TERMS):
        if t.weights[row, place] == 0:
            break
        t.document_count[t.terms[row, place]] -= 1
    for place in range(TERMS):
        t.terms[row, place] = terms[place]
        t.weights[row, place] = 1 if place < n else 0
        if place < n:
            t.document_count[terms[place]] += 1
    t.repeats[row] = repeats
    t.scale[row] = 0.0
    if n > 0:
        t.documents[0] += 1
        t.scale[row] = 1.0
        weigh_rows(t, row, row + 1)


@entry()
def weigh_rows(t: TextArrays, start: int, end: int) -> None:
    """Compute `weights` and `scale` of rows [start, end) from their terms, the counts and the repeats."""
    raw = np.empty(TERMS)
    for row in range(start, end):
        if t.scale[row] == 0.0:
            continue
        most, n = 0.0, 0
        for place in range(TERMS):
            if t.weights[row, place] == 0:
                break
            times = 1 + ((np.int64(t.repeats[row]) >> (2 * place)) & 3)
            idf = 1.0 + math.log((1.0 + t.documents[0]) / (1.0 + t.document_count[t.terms[row, place]]))
            raw[place] = (1.0 + math.log(times)) * idf
            most = max(most, raw[place])
            n += 1
        squares = 0.0
        for place in range(n):
            q = max(1, round(255.0 * raw[place] / most))
            t.weights[row, place] = q
            squares += q * q
        t.scale[row] = 1.0 / math.sqrt(squares)


@inner()
def scatter_text(t: TextArrays, row: int, first: np.float32, second: np.float32, scratch: Float32Array) -> None:
    """Add a row's term weights, times each factor, to the two columns of `scratch` float32[65536, 2]."""
    for place in range(TERMS):
        term, q = t.terms[row, place], np.float32(t.weights[row, place])
        scratch[term, 0] += q * first
        scratch[term, 1] += q * second


@inner()
def clear_text(t: TextArrays, row: int, scratch: Float32Array) -> None:
    """Set the places of a row's terms in `scratch` back to 0."""
    for place in range(TERMS):
        scratch[t.terms[row, place], 0] = scratch[t.terms[row, place], 1] = 0.0


@inner()
def text_cosines(
    t: TextArrays, candidates: Int32Array, n: int, scratch: Float32Array, factor: np.float32, first: Float32Array,
    second: Float32Array,
) -> None:  # fmt: skip
    """Write the product of each candidate's unit text with both columns of `scratch`, at most 1.

    Parameters
    ----------
    candidates
        int32[>= n] rows; the first n count.
    scratch
        float32[65536, 2], from `scatter_text`.
    factor
        Multiplies what goes into `second`.
    first, second
        float32[>= n]; the first n are written.

    Notes
    -----
    O(terms of the candidates), whatever the catalogue.
    """
    terms, weights, scale = t.terms, t.weights, t.scale
    for c in range(n):
        ahead = candidates[min(c + AHEAD, n - 1)]
        prefetch(terms, ahead)
        prefetch(weights, ahead)
        prefetch(scale, ahead)
        row, one, other = np.uint32(candidates[c]), np.float32(0.0), np.float32(0.0)
        for place in range(TERMS):
            q = np.float32(weights[row, place])
            if q == 0:
                break
            term = terms[row, place]
            one += scratch[term, 0] * q
            other += scratch[term, 1] * q
        first[c] = min(np.float32(1.0), one * scale[row])
        second[c] = min(np.float32(1.0), other * (factor * scale[row]))


def _empty(capacity: int, document_count: Int32Array, documents: Int64Array) -> TextArrays:
    return TextArrays(
        np.zeros((capacity, TERMS), np.uint16),
        np.zeros((capacity, TERMS), np.uint8),
        np.zeros(capacity, np.float32),
        np.zeros(capacity, np.uint32),
        np.full(capacity, np.nan, np.float32),
        document_count,
        documents,
    )
