"""What the second stage looks at is, name by name, what its slow twin finds out; pending lines included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core import decay
from stream_rec.core.features import SECOND_FEATURES
from stream_rec.core.orders import Orders
from stream_rec.core.presets import PRESETS, SOURCE_NAMES, Preset
from stream_rec.core.ranking.evidence import ABSENT
from stream_rec.core.ranking.second_stage import MAX_CANDIDATES
from stream_rec.core.recommend import Recommender
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import UserView
from tests.twins import evidence
from tests.twins.linear_order import LinearOrder
from tests.twins.second_features import second_features
from tests.twins.small_shop import EVERY_SOURCE, NOW_MS, dump, nobody, small_shop, some_user

SEEDS = st.integers(0, 2**32 - 1)
EXCLUSIONS = st.frozensets(st.integers(0, 59), max_size=30)


def lively_shop(seed: int, preset: Preset = EVERY_SOURCE) -> ItemTable:
    """A small shop whose popularity is of today: a week's decay would leave nothing of 400 days ago."""
    items = small_shop(seed, preset=preset)
    items.popularity[: items.n] *= decay.weight(NOW_MS, items.popularity_landmark, preset.popularity.decay_ms)
    return items


def look(items: ItemTable, user: UserView, excluded: frozenset[int] = frozenset()) -> Orders:
    recommender = Recommender(items.preset, items, 20)
    recommender.second = LinearOrder()
    return recommender.look(user, np.array(sorted(excluded), np.int32))


def expected_of(items: ItemTable, user: UserView, excluded: frozenset[int], orders: Orders) -> dict[str, list[float]]:
    """The factors' ranks are taken over: their logits are float32, and `test_evidence_equals_its_twin.py` has them."""
    assert orders.second is not None
    proposed = evidence.proposals(items, user, items.preset, set(excluded))
    found, ranked = orders.evidence, orders.evidence.ranks[SOURCE_NAMES.index("factors")].tolist()
    factors = {row: rank for row, rank in zip(found.rows.tolist(), ranked, strict=True) if rank != ABSENT}
    ranks = proposed.ranks() | {"factors": factors}
    rows, linear = orders.second.rows.tolist(), orders.second.linear.tolist()
    return second_features(items, user, items.preset, proposed, ranks, rows, linear)


@pytest.mark.parametrize("preset", [*PRESETS.values(), EVERY_SOURCE], ids=lambda preset: preset.name)
@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, events=st.integers(0, 80), excluded=EXCLUSIONS, pending=st.integers(0, 12))
def test_every_name(preset: Preset, seed: int, events: int, excluded: frozenset[int], pending: int) -> None:
    items = lively_shop(seed, preset)
    user = some_user(seed, items, events, pending=pending) if events else nobody()
    orders = look(items, user, excluded)
    if orders.second is None:
        return
    expected = expected_of(items, user, excluded, orders)
    assert sorted(expected) == sorted(SECOND_FEATURES)
    for at, name in enumerate(SECOND_FEATURES):
        np.testing.assert_allclose(orders.second.features[:, at], expected[name], rtol=5e-5, atol=5e-5, err_msg=name)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, events=st.integers(0, 80), pending=st.integers(0, 12))
def test_the_candidates_are_the_linear_rankers_best_in_its_order(seed: int, events: int, pending: int) -> None:
    items = lively_shop(seed)
    user = some_user(seed, items, events, pending=pending)
    orders = look(items, user)
    assert orders.second is not None
    rows, features, linear = orders.second
    n = min(MAX_CANDIDATES, len(orders.evidence.rows))
    assert (len(rows), features.shape, features.dtype, linear.dtype) == (n, (n, len(SECOND_FEATURES)), "f4", "f4")
    assert rows[:20].tolist() == orders.linear.tolist()
    assert (np.diff(linear) <= 0).all()


def test_every_name_tells_some_candidates_or_users_of_this_shop_apart() -> None:
    """Else the comparison above would compare constants."""
    seen = []
    for seed in range(4):
        items = lively_shop(seed)
        second = look(items, some_user(seed, items, events=150, sessions=12, pending=3)).second
        assert second is not None
        seen.append(second.features)
    together = np.concatenate(seen)
    assert [name for at, name in enumerate(SECOND_FEATURES) if len(np.unique(together[:, at])) < 3] == []


@pytest.mark.parametrize("seed", range(6))
def test_pending_lines_change_what_the_last_items_say(seed: int) -> None:
    """They are counted ahead: without them the pairs of the round itself would be missing."""
    items = lively_shop(seed)
    user = some_user(seed, items, events=30, pending=6)
    with_them, without = look(items, user), look(items, user._replace(pending=0))
    assert with_them.second is not None
    assert without.second is not None
    at = [SECOND_FEATURES.index(name) for name in ("pair.last", "pair.second")]
    common = set(with_them.second.rows.tolist()) & set(without.second.rows.tolist())
    of = [
        [second.features[second.rows.tolist().index(row)][at].tolist() for row in sorted(common)]
        for second in (with_them.second, without.second)
    ]
    assert common
    assert of[0] != of[1]


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, events=st.integers(0, 80), excluded=EXCLUSIONS, pending=st.integers(0, 12))
def test_looking_changes_nothing_and_repeats(seed: int, events: int, excluded: frozenset[int], pending: int) -> None:
    items = lively_shop(seed)
    user = some_user(seed, items, events, pending=pending)
    recommender = Recommender(items.preset, items, 20)
    recommender.second = LinearOrder()
    before, rows = dump(items), np.array(sorted(excluded), np.int32)
    first, _, again = recommender.look(user, rows), recommender.look(nobody(), rows), recommender.look(user, rows)
    assert dump(items) == before
    assert first.second is not None
    assert again.second is not None
    assert [column.tobytes() for column in first.second] == [column.tobytes() for column in again.second]
