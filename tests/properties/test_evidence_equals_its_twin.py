"""One compiled pass finds out what its slow twin finds out, and leaves nothing behind."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.compiled import from_python
from stream_rec.core.features import FEATURES
from stream_rec.core.presets import CANDIDATES_PER_SOURCE, PRESETS, SOURCE_NAMES, Preset
from stream_rec.core.ranking.blocks import NO_OUTPUTS
from stream_rec.core.ranking.evidence import Evidence, copy_of, gather_evidence
from stream_rec.core.ranking.rules import exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.ranking.workspace import ABSENT, ItemSide, Workspace, new_workspace, tables_of
from stream_rec.core.recommend import Recommender
from stream_rec.core.sources.cooc import pair_rates
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import UserView
from tests.twins import evidence as twin
from tests.twins import sources
from tests.twins.small_shop import EVERY_SOURCE, dump, nobody, small_shop, some_user

SEEDS = st.integers(0, 2**32 - 1)
EXCLUSIONS = st.frozensets(st.integers(0, 59), max_size=30)
FACTORS = SOURCE_NAMES.index("factors")
_gather = from_python(gather_evidence)


class Gathered(NamedTuple):
    evidence: Evidence
    scratch: Scratch
    workspace: Workspace


def item_side(items: ItemTable) -> ItemSide:
    return ItemSide(
        items.cooc_arrays(), items.factor_arrays(), items.facts, items.listable, items.popular_rows,
        items.popular_size, items.popularity, items.event_count,
        pair_rates(items.preset.cooc, items.preset.signals, items.pair_landmark),
        items.texts.arrays(), items.popularity_landmark, items.preset.popularity.decay_ms, NO_OUTPUTS,
    )  # fmt: skip


def gather(items: ItemTable, user: UserView, preset: Preset, excluded: frozenset[int]) -> Gathered:
    scratch = Scratch(items.capacity)
    exclude_rows(scratch, np.array(sorted(excluded), np.int32))
    workspace = new_workspace(scratch, preset.factors.dimensions)
    workspace.features[:] = np.nan  # what is not written shows
    n = _gather(item_side(items), user, tables_of(preset), workspace)
    return Gathered(copy_of(workspace, n), scratch, workspace)


def ranks_of(evidence: Evidence, source: int) -> dict[int, int]:
    rows, ranks = evidence.rows.tolist(), evidence.ranks[source].tolist()
    return {row: rank for row, rank in zip(rows, ranks, strict=True) if rank != ABSENT}


def assert_equal(items: ItemTable, user: UserView, preset: Preset, excluded: frozenset[int]) -> None:
    evidence = gather(items, user, preset, excluded).evidence
    proposed = twin.proposals(items, user, preset, set(excluded))
    assert evidence.rows.tolist() == proposed.union()
    ranks = {name: ranks_of(evidence, source) for source, name in enumerate(SOURCE_NAMES)}
    assert {name: ranks[name] for name in proposed._fields} == proposed.ranks()
    assert_ranked_by_factors(items, user, preset, evidence)
    expected = twin.features(items, user, preset, proposed, ranks)
    assert set(expected) == (set(FEATURES) if proposed.union() else set())
    for name, values in expected.items():
        found = evidence.features[FEATURES.index(name)]
        np.testing.assert_allclose(found, values, rtol=2e-5, atol=2e-5, err_msg=name)


def assert_ranked_by_factors(items: ItemTable, user: UserView, preset: Preset, evidence: Evidence) -> None:
    """The first ones by logit, all of them if there is room; logits are float32, so near ones may change places."""
    logits = sources.logits(items, user, preset.factors, evidence.rows.tolist())
    order = evidence.list_of(FACTORS, len(evidence.rows)).tolist()
    assert sorted(ranks_of(evidence, FACTORS).values()) == list(range(min(len(logits), CANDIDATES_PER_SOURCE)))
    falling = [logits[row] for row in order]
    assert all(a >= b - 1e-5 for a, b in pairwise(falling))
    assert all(logit <= falling[-1] + 1e-5 for row, logit in logits.items() if row not in order)


@pytest.mark.parametrize("preset", [*PRESETS.values(), EVERY_SOURCE], ids=lambda preset: preset.name)
@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, events=st.integers(0, 80), excluded=EXCLUSIONS, pending=st.integers(0, 10))
def test_union_ranks_and_every_feature(
    preset: Preset, seed: int, events: int, excluded: frozenset[int], pending: int
) -> None:
    items = small_shop(seed, preset=preset)
    user = some_user(seed, items, events, pending=pending) if events else nobody()
    assert_equal(items, user, preset, excluded)


def test_every_source_may_have_more_to_say_than_is_taken() -> None:
    items = small_shop(5, n_items=400, neighbours=100)
    user = some_user(5, items, events=900)
    assert_equal(items, user, EVERY_SOURCE, frozenset())
    evidence = gather(items, user, EVERY_SOURCE, frozenset()).evidence
    assert [len(evidence.list_of(source, 10**6)) for source in range(len(SOURCE_NAMES))] == [
        100, 64, 100, 50, 0, 0, 32,
    ]  # fmt: skip
    assert len(evidence.rows) > CANDIDATES_PER_SOURCE


def test_every_feature_tells_some_candidates_of_this_shop_apart() -> None:
    """Else the comparisons above would compare constants."""
    items = small_shop(7, n_items=400, neighbours=100)
    values = gather(items, some_user(7, items, events=300, pending=3), EVERY_SOURCE, frozenset()).evidence.features
    constant = [name for f, name in enumerate(FEATURES) if len(np.unique(values[f])) == 1]
    assert [name for name in constant if not name.startswith(("sequence.", "content."))] == []


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, events=st.integers(0, 80), excluded=EXCLUSIONS, pending=st.integers(0, 10))
def test_buffers_are_left_clean_and_state_untouched(
    seed: int, events: int, excluded: frozenset[int], pending: int
) -> None:
    items = small_shop(seed)
    user = some_user(seed, items, events, pending=pending)
    before, history = dump(items), [column.tobytes() for column in user[:3]]
    first = gather(items, user, EVERY_SOURCE, excluded)
    assert (dump(items), [column.tobytes() for column in user[:3]]) == (before, history)
    scratch = first.scratch
    assert np.flatnonzero(scratch.excluded).tolist() == sorted(excluded)
    assert not scratch.score.any()
    assert not scratch.in_session.any()
    assert not first.workspace.terms.any()
    assert (scratch.slot == -1).all()
    n = _gather(item_side(items), user, tables_of(EVERY_SOURCE), first.workspace)
    again = copy_of(first.workspace, n)
    assert [column.tobytes() for column in again] == [column.tobytes() for column in first.evidence]


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, events=st.integers(0, 80), excluded=EXCLUSIONS, more=st.integers(0, 200))
def test_a_recommender_finds_out_the_same_through_its_addresses(
    seed: int, events: int, excluded: frozenset[int], more: int
) -> None:
    """Also after the table, whose arrays it knows by address, has grown, moved its landmarks and got texts."""
    items = small_shop(seed)
    recommender, user, rows = (
        Recommender(items.preset, items, 20),
        some_user(seed, items, events, pending=3),
        [*excluded],
    )
    recommender.look(user, np.array(rows, np.int32))
    for number in range(more):
        items.texts.set(items.intern(f"new-{number}"), "red mug")
    items.adopt_landmarks(1, 1)
    found = recommender.look(user, np.array(rows, np.int32)).evidence
    expected = gather(items, user, items.preset, excluded).evidence
    assert [column.tolist() for column in found] == [column.tolist() for column in expected]
