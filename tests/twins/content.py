"""Text neighbours as the equation says, one pair of items at a time: the oracle of `core/sources/content.py`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stream_rec.core.content_table import ContentTable
from stream_rec.core.presets import ContentParams
from stream_rec.core.types import UserView


def cosine(content: ContentTable, a: int, b: int) -> float:
    numbers = content.numbers.astype(np.float64)
    return float(numbers[a] @ numbers[b]) * float(content.scale[a]) * float(content.scale[b])


def content_votes(
    content: ContentTable, user: UserView, params: ContentParams, candidates: Iterable[int]
) -> dict[int, dict[int, float]]:
    """Candidate -> item of the user -> the largest of its votes; what does not vote is left out."""
    votes: dict[int, dict[int, float]] = {}
    for row in candidates:
        for k, j in enumerate(user.rows[::-1][: params.history].tolist(), 1):
            weight = (1.0 if user.sessions[-k] == user.session else params.other_session) / k
            vote = weight * max(cosine(content, j, row), 0.0) ** 3
            if vote > 0.0:
                of_row = votes.setdefault(row, {})
                of_row[j] = of_row.get(j, 0.0) + vote
    return votes


def content_scores(
    content: ContentTable, user: UserView, params: ContentParams, candidates: Iterable[int]
) -> dict[int, float]:
    return {row: sum(votes.values()) for row, votes in content_votes(content, user, params, candidates).items()}
