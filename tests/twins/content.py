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
) -> dict[int, list[tuple[int, float]]]:
    """Candidate -> the user's last items, newest first, each with its vote; what nothing votes for is left out."""
    votes: dict[int, list[tuple[int, float]]] = {}
    for row in candidates:
        for k, j in enumerate(user.rows[::-1][: params.history].tolist(), 1):
            weight = (1.0 if user.sessions[-k] == user.session else params.other_session) / k
            vote = weight * max(cosine(content, j, row), 0.0) ** 3
            if vote > 0.0 and j != row:
                votes.setdefault(row, []).append((j, vote))
    return votes


def content_scores(
    content: ContentTable, user: UserView, params: ContentParams, candidates: Iterable[int]
) -> dict[int, float]:
    votes_of = content_votes(content, user, params, candidates)
    return {row: sum(vote for _, vote in votes) for row, votes in votes_of.items()}


def may_be_the_reason(votes: list[tuple[int, float]]) -> set[int]:
    """Return the items with the largest single vote: more than one where they are as close as float32 tells apart."""
    largest = max(vote for _, vote in votes)
    return {j for j, vote in votes if vote >= largest * (1 - 1e-5)}
