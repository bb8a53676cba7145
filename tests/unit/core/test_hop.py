"""Two hops: who is reached, how much it counts, and that a preset without it hears nothing of it."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.features import CURVES, FEATURES
from stream_rec.core.presets import PRESETS, SOURCE_NAMES, HopParams, Preset
from stream_rec.core.ranking.evidence import ABSENT
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.recommend import Recommender
from stream_rec.core.state.item_layout import ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, UserView, item_hash
from tests.twins import sources as twin
from tests.twins.kernels import propose
from tests.twins.small_shop import small_shop, some_user

CHAIN = {"A": {"B": 2.0}, "B": {"A": 1.0, "C": 3.0}, "C": {}}
"""A knows B, B knows C; each was seen 4 times."""


def chain(preset: Preset) -> ItemTable:
    items = ItemTable(preset)
    for item, near in CHAIN.items():
        hashes = np.array([item_hash(other) for other in near], np.uint64)
        weights = np.array([*near.values()], np.float32)
        items.absorb(ItemRow(item, 0, 0, 0, 4.0, 1.0, 1, 0, 0, hashes, weights))
    return items


def user_of(items: ItemTable, history: str) -> UserView:
    n = len(history)
    rows = np.array([items.intern(item) for item in history], np.int32)
    return UserView(rows, np.ones(n, np.int32), np.zeros(n, np.int64), 1, 0, 0)


def proposed(items: ItemTable, history: str) -> dict[str | None, float]:
    rows, scores = propose("hop", items, user_of(items, history), Scratch(items.capacity))
    return {items.ids[row]: score for row, score in zip(rows.tolist(), scores.tolist(), strict=True)}


def test_the_neighbours_of_the_neighbours_are_proposed() -> None:
    """A to B weighs 2/4; from there A weighs 1/4 and C 3/4, each over the square root of its 4."""
    items = chain(Preset(hop=HopParams(items=2)))
    assert proposed(items, "A") == {"C": pytest.approx(0.5 * 0.75 / 2), "A": pytest.approx(0.5 * 0.25 / 2)}


def test_an_earlier_item_counts_less_and_one_too_many_back_not_at_all() -> None:
    items = chain(Preset(hop=HopParams(items=2)))
    assert proposed(items, "AC") == {item: score / 2 for item, score in proposed(items, "A").items()}
    assert proposed(items, "ACC") == {}


def test_a_preset_without_it_proposes_nothing() -> None:
    assert proposed(chain(Preset(hop=HopParams(items=0))), "A") == {}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_heard_of_where_the_preset_has_it_on_and_nowhere_else(name: str, seed: int) -> None:
    preset = PRESETS[name]
    items = small_shop(seed, preset=preset)
    user, recommender = some_user(seed, items), Recommender(preset, items, 20)
    for _ in range(2):  # buffers are used again
        evidence = recommender.look(user, NO_ROWS).evidence
        ranks = evidence.ranks[SOURCE_NAMES.index("hop")]
        features = evidence.features[[FEATURES.index(f"hop.{curve}") for curve in CURVES]]
        expected = twin.propose(twin.hop(items, user, preset.hop), items, set())[:50]
        assert (ranks != ABSENT).any() == features.any() == bool(expected) == (preset.hop.items > 0)
        listed = evidence.list_of(SOURCE_NAMES.index("hop"), 50)
        assert listed.tolist() == [row for row, _ in expected]


def test_where_the_last_items_have_neighbours_enough_there_is_no_second_hop() -> None:
    """A and B have three neighbours together."""
    assert proposed(chain(Preset(hop=HopParams(items=2, most_near=3))), "AB")
    assert proposed(chain(Preset(hop=HopParams(items=2, most_near=2))), "AB") == {}
