"""From a text to its terms: words in lower case, hashed to 16 bits.

The vocabulary is never stored: two words in some thousand share an id, and then count as one.

References
----------
Weinberger et al. (2009), "Feature hashing for large scale multitask learning", ICML.
https://doi.org/10.1145/1553374.1553516
"""

from __future__ import annotations

import re
from zlib import crc32

TERM_IDS = 1 << 16
TERMS = 16
"""Terms kept of an item."""

CATEGORY_TERMS = 4
"""Places that a long title leaves to the category."""

MOST_REPEATS = 4
"""A term's count within one text is kept in two bits."""

_WORD = re.compile(r"[^\W_]+")


def terms_of(title: str, category: str) -> list[tuple[int, int]]:
    """Return the terms of a text and how often each comes (at most 4 times): title first, then category.

    A text's first 16 distinct terms, of which the category has up to 4 for itself. Which ones these are does not
    depend on other items, so every process that reads the catalogue keeps the same.

    Examples
    --------
    >>> terms_of("Mug, red mug", "") == [(term_id("mug"), 2), (term_id("red"), 1)]
    True
    """
    counts: dict[int, int] = {}
    for word in _WORD.findall(title.lower()):
        term = term_id(word)
        counts[term] = counts.get(term, 0) + 1
    of_title = len(counts)
    for word in _WORD.findall(category.lower()):
        term = term_id(word)
        counts[term] = counts.get(term, 0) + 1
    kept = list(counts.items())
    if len(kept) > TERMS:
        left = TERMS - min(CATEGORY_TERMS, len(kept) - of_title)
        kept = (kept[: min(of_title, left)] + kept[of_title:])[:TERMS]
    return [(term, min(times, MOST_REPEATS)) for term, times in kept]


def term_id(word: str) -> int:
    """Return a word's 16-bit term, the same in every process: CRC-32, folded.

    Examples
    --------
    >>> term_id("lantern")
    44165
    """
    crc = crc32(word.encode())
    return (crc ^ crc >> 16) & 0xFFFF
