"""A list reflects the round it is made in: what the table will count is counted ahead, as if it had been.

Exact, up to the rounding of the table's float32 pairs: which rows are proposed, and every score but the mass P[i]^-be
of the candidates that are pending themselves, which the kernel leaves as it was before the round.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import CoocParams, Preset, SignalParams
from stream_rec.core.publishing import view_of
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import MOST_PENDING
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.types import UserView
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from tests.twins.events import Record, event_record
from tests.twins.kernels import propose

DAY_MS = 86_400_000
DYADIC = CoocParams(decay_ms=1e18, window=2, neighbours=50, candidate_power=0.2)
"""Pairs weigh 1, 1/2 and 1/4, times 1, 2 or 4: a float32 holds their sums exactly."""

FADING = CoocParams(decay_ms=2.0 * DAY_MS, window=5, neighbours=50, distance_power=0.7, other_power=0.5)

SEEDS = st.integers(0, 2**32 - 1)


class Shop:
    """One user and a few others on eight items; `count` is when the item plane hears of a round."""

    def __init__(self, cooc: CoocParams, seed: int) -> None:
        self.preset = Preset(cooc=cooc, signals=SignalParams(purchase=4.0))
        self.items = ItemTable(self.preset)
        self.store = MemoryUserStore()
        self.users = UserPlane(PlaneSettings(partitions=1, fresh_every=0), self.preset, self.items, 1)
        self.plane = ItemPlane(self.items, 1)
        self.plane.assign(0, None)
        self.rng = np.random.default_rng(seed)
        self.offset = 0
        self.now_ms = 0

    def visits(self, user: str, n: int) -> list[Record]:
        """`n` events of a user, an hour or half a day apart, so that some begin a session."""
        return [self._event(user, f"item-{self.rng.integers(8)}") for _ in range(n)]

    def all_items_once(self) -> list[Record]:
        return [self._event("first", f"item-{number}") for number in range(8)]

    def _event(self, user: str, item: str) -> Record:
        self.now_ms += int(self.rng.choice([DAY_MS // 24, DAY_MS // 2])) if self.preset.cooc is FADING else 0
        event = str(self.rng.choice(["view_item", "add_to_wishlist", "purchase"]))
        self.offset += 1
        visit = f"s{self.rng.integers(2)}"
        return event_record(self.offset, user, item, self.now_ms, event=event, session_id=visit)

    def round(self, records: list[Record]) -> bytes:
        result = self.users.process({0: records}, {0: self.store}, None)
        assert result.stats.applied == len(records)
        self.store.write(result.puts[0], 0)
        return result.frames[0]

    def count(self, frame: bytes) -> None:
        self.plane.apply(0, frame, self.plane.next_offset(0))

    def view(self, pending: int) -> UserView:
        state = self.users.cache.load(0, [b"ann"], self.store)[b"ann"].state
        return view_of(state, state.session, self.now_ms, self.items)._replace(pending=pending)

    def cooc(self, pending: int) -> dict[int, float]:
        rows, scores = propose("cooc", self.items, self.view(pending), Scratch(self.items.capacity))
        return dict(zip(rows.tolist(), scores.tolist(), strict=True))


def before_and_after(cooc: CoocParams, seed: int, known: int, n: int) -> tuple[dict[int, float], dict[int, float]]:
    """Scores with the last n lines pending, and once they are counted; of these, P as it was for pending rows."""
    shop = Shop(cooc, seed)
    for user, events in (("bob", 12), ("ann", known)):
        shop.count(shop.round(shop.all_items_once() if user == "bob" else shop.visits(user, events)))
        shop.count(shop.round(shop.visits(user, 9)))
    frame = shop.round(shop.visits("ann", n))
    ahead, mass_before = shop.cooc(pending=n), shop.items.mass_candidate.copy()
    landmark = shop.items.pair_landmark
    shop.count(frame)
    assert shop.items.pair_landmark == landmark
    assert shop.items.neighbour_count.max() < cooc.neighbours
    counted = shop.cooc(pending=0)
    pending_rows = set(shop.view(0).rows[-n:].tolist())
    for row in pending_rows & set(counted):
        assert shop.items.mass_candidate[row] < mass_before[row]
        counted[row] *= mass_before[row] / shop.items.mass_candidate[row]
    return ahead, counted


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, known=st.integers(1, 20), n=st.integers(1, MOST_PENDING))
def test_pending_lines_score_as_counted_ones(seed: int, known: int, n: int) -> None:
    ahead, counted = before_and_after(DYADIC, seed, known, n)
    assert set(ahead) == set(counted)
    np.testing.assert_allclose([ahead[row] for row in counted], [*counted.values()], rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, known=st.integers(1, 20), n=st.integers(1, MOST_PENDING))
def test_pending_lines_fade_as_counted_ones_do(seed: int, known: int, n: int) -> None:
    """Weights that a float32 rounds: the sums agree to its precision."""
    ahead, counted = before_and_after(FADING, seed, known, n)
    assert set(ahead) == set(counted)
    np.testing.assert_allclose([ahead[row] for row in counted], [*counted.values()], rtol=2e-6)


def test_without_counting_ahead_the_scores_would_differ() -> None:
    shop = Shop(DYADIC, 1)
    shop.count(shop.round(shop.all_items_once()))
    shop.round(shop.visits("ann", 4))
    assert shop.cooc(pending=0) != shop.cooc(pending=4)


def test_of_a_backlog_only_the_last_lines_are_counted_ahead() -> None:
    shop = Shop(DYADIC, 1)
    shop.count(shop.round(shop.all_items_once()))
    shop.round(shop.visits("ann", 20))
    assert shop.cooc(pending=20) == shop.cooc(pending=MOST_PENDING) != shop.cooc(pending=MOST_PENDING - 1)
