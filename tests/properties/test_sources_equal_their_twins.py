"""Kernels give their slow twins' lists, to the last bit of every score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.presets import PRESETS, Preset
from stream_rec.core.ranking.reasons import RECENT_ITEMS, strongest_votes
from stream_rec.core.ranking.rules import exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import vote_table
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import UserView
from tests.twins import sources as twin
from tests.twins.kernels import PROPOSING, propose
from tests.twins.small_shop import EVERY_SOURCE, small_shop, some_user

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(0, 80)
exclusions = st.frozensets(st.integers(0, 59), max_size=30)


def twin_scores(name: str, preset: Preset, items: ItemTable, user: UserView) -> dict[int, float]:
    if name == "cooc":
        return twin.cooc(items, user, preset.cooc)
    if name == "hop":
        return twin.hop(items, user, preset.hop)
    return twin.own(items, user, preset.own) if name == "own" else twin.popularity(items)


@pytest.mark.parametrize("preset", [*PRESETS.values(), EVERY_SOURCE], ids=lambda preset: preset.name)
@pytest.mark.parametrize("name", PROPOSING)
@settings(deadline=None, max_examples=40)
@given(seed=seeds, events=counts, excluded=exclusions, pending=st.integers(0, 12))
def test_source(name: str, preset: Preset, seed: int, events: int, excluded: frozenset[int], pending: int) -> None:
    items = small_shop(seed, preset=preset)
    user = some_user(seed, items, events, pending=pending)
    scratch = Scratch(items.capacity)
    exclude_rows(scratch, np.array(sorted(excluded), np.int32))
    rows, scores = propose(name, items, user, scratch)
    expected = twin.propose(twin_scores(name, preset, items, user), items, set(excluded))
    assert list(zip(rows.tolist(), scores.tolist(), strict=True)) == expected


@settings(deadline=None, max_examples=60)
@given(seed=seeds, events=counts, n_chosen=st.integers(0, 20))
def test_reasons(seed: int, events: int, n_chosen: int) -> None:
    items, cooc = small_shop(seed), PRESETS["retail"].cooc
    user = some_user(seed, items, events)
    chosen = np.random.default_rng(seed).permutation(items.n)[:n_chosen].astype(np.int32)
    slot = np.full(items.capacity, -1, np.int32)
    votes = vote_table(cooc, RECENT_ITEMS)
    actual = strongest_votes(items.cooc_arrays(), user.rows, user.sessions, user.session, votes, chosen, slot)
    assert actual.tolist() == twin.because(items, user, cooc, chosen, RECENT_ITEMS)
    assert (slot == -1).all()
