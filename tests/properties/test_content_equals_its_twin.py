"""The kernel of text neighbours finds what the equation finds, whoever asks together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.cold_items import COLD_EVENTS, ColdItems
from stream_rec.core.content_table import ContentTable
from stream_rec.core.presets import ContentParams, Preset
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Cold, UserView
from tests.twins.content import content_scores, content_votes, may_be_the_reason
from tests.twins.small_model import small_content

SEEDS = st.integers(0, 2**32 - 1)


def some_items(seed: int, n: int) -> ItemTable:
    rng, items = np.random.default_rng(seed), ItemTable(Preset(), capacity=4)
    for i in range(n):
        items.intern(f"item-{i}")
    items.event_count[:n] = rng.choice([0, 0, 1, 4, 19, 20, 300], n)
    items.unavailable[:n] = rng.random(n) < 0.1
    return items


def visitor(rng: np.random.Generator, n: int, events: int) -> UserView:
    sessions = np.sort(rng.integers(0, 4, events)).astype(np.int32)
    return UserView(rng.integers(0, n, events).astype(np.int32), sessions, np.zeros(events, np.int64), 3, 0, 0)


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS, n=st.integers(1, 40), users=st.integers(1, 5), history=st.integers(1, 12), unsold=st.integers(1, 8),
    few=st.integers(1, 8), other_session=st.sampled_from([0.0, 0.5, 1.0]), kept=st.sampled_from([1, 7, 100]),
)  # fmt: skip
def test_the_nearest_of_both_kinds_and_their_reasons(
    seed: int, n: int, users: int, history: int, unsold: int, few: int, other_session: float, kept: int
) -> None:
    """Also when asked again, with what was kept, and after texts have changed."""
    items, rng = some_items(seed, n), np.random.default_rng(seed)
    params = ContentParams(history=history, other_session=other_session, unsold=unsold, few=few)
    content = ContentTable(items)
    content.put([f"item-{i}" for i in range(n)], small_content(seed % 1000, n))
    visitors = [visitor(rng, n, int(rng.integers(0, 20))) for _ in range(users)]
    pool = ColdItems(items, content, params, kept)
    check(items, content, params, visitors, pool.propose(visitors))
    check(items, content, params, visitors, pool.propose(visitors))
    content.put([f"item-{i}" for i in range(0, n, 2)], small_content(seed % 1000 + 1, n)[::2])
    check(items, content, params, visitors, pool.propose(visitors))


def check(
    items: ItemTable, content: ContentTable, params: ContentParams, visitors: list[UserView], proposed: list[Cold]
) -> None:
    """Hold what is proposed to each visitor against the twin."""
    n = items.n
    cold = (items.event_count[:n] < COLD_EVENTS) & (items.unavailable[:n] == 0)
    for user, found in zip(visitors, proposed, strict=True):
        votes = content_votes(content, user, params, np.flatnonzero(cold).tolist())
        scores = content_scores(content, user, params, np.flatnonzero(cold).tolist())
        np.testing.assert_allclose(found.scores, [scores[row] for row in found.rows.tolist()], rtol=1e-4)
        assert (np.diff(found.scores) <= 0).all()
        assert all(
            because in may_be_the_reason(votes[row])
            for row, because in zip(found.rows.tolist(), found.because.tolist(), strict=True)
        )
        for kind, most in ((True, params.unsold), (False, params.few)):
            of_kind = sorted((s for row, s in scores.items() if (items.event_count[row] == 0) == kind), reverse=True)
            np.testing.assert_allclose(found.scores[found.unsold == kind], of_kind[:most], rtol=1e-4)
