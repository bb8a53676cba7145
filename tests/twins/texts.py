"""tf-idf cosines as the equation says, on dictionaries: the oracle for the texts' kernels."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt

from stream_rec.core.state.text_terms import terms_of

Texts = Mapping[int, tuple[str, str]]
"""Row -> (title, category)."""


def document_counts(texts: Texts) -> dict[int, int]:
    counts: dict[int, int] = {}
    for title, category in texts.values():
        for term, _ in terms_of(title, category):
            counts[term] = counts.get(term, 0) + 1
    return counts


def weights(texts: Texts, row: int) -> dict[int, float]:
    """q[t] = round(255 w[t] / max w), w[t] = (1 + ln tf) (1 + ln((1 + N) / (1 + df)))."""
    df = document_counts(texts)
    n = sum(bool(terms_of(*text)) for text in texts.values())
    w = {
        term: (1 + log(times)) * (1 + log((1 + n) / (1 + df[term])))
        for term, times in terms_of(*texts.get(row, ("", "")))
    }
    return {term: max(1, round(255 * value / max(w.values()))) for term, value in w.items()}


def cosine(texts: Texts, a: int, b: int) -> float:
    q_a, q_b = weights(texts, a), weights(texts, b)
    dot = sum(value * q_b.get(term, 0) for term, value in q_a.items())
    return dot / sqrt(sum(v * v for v in q_a.values()) * sum(v * v for v in q_b.values())) if dot else 0.0
