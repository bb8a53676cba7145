"""What every source promises, whatever it computes."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import CANDIDATES_PER_SOURCE, PRESETS, SOURCE_NAMES
from stream_rec.core.ranking.rules import clear_exclusions, exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.registry import Source, build_sources
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Int32Array, Proposal, UserView
from tests.twins.small_shop import nobody, small_shop, some_user

SEEDS = range(6)
SOURCES = build_sources(PRESETS["retail"])


@pytest.fixture(params=SOURCES, ids=SOURCE_NAMES)
def source(request: pytest.FixtureRequest) -> Source:
    chosen: Source = request.param
    return chosen


def propose(source: Source, items: ItemTable, user: UserView, excluded: Int32Array | None = None) -> Proposal:
    scratch = Scratch(items.capacity)
    exclude_rows(scratch, np.empty(0, np.int32) if excluded is None else excluded)
    return source.propose(items, user, scratch)


def dump(items: ItemTable) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in vars(items).items() if isinstance(value, np.ndarray)}


def test_names_are_the_presets_names() -> None:
    assert tuple(source.name for source in SOURCES) == SOURCE_NAMES


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_may_be_shown(source: Source, seed: int) -> None:
    items = small_shop(seed)
    excluded = np.array([0, 3, 4, 11, 12, 13], np.int32)
    proposal = propose(source, items, some_user(seed, items), excluded)
    assert len(proposal.rows)
    assert items.listable[proposal.rows].all()
    assert not set(proposal.rows.tolist()) & set(excluded.tolist())


@pytest.mark.parametrize("seed", SEEDS)
def test_best_first_and_ties_to_the_lower_row(source: Source, seed: int) -> None:
    items = small_shop(seed)
    rows, scores = propose(source, items, some_user(seed, items))
    assert np.lexsort((rows, -scores)).tolist() == list(range(len(rows)))
    assert len(set(rows.tolist())) == len(rows)


def test_positive_scores_of_the_promised_types(source: Source) -> None:
    items = small_shop(1)
    rows, scores = propose(source, items, some_user(1, items))
    assert rows.dtype == np.int32
    assert scores.dtype == np.float64
    assert (scores > 0).all()


def test_no_more_candidates_than_agreed(source: Source) -> None:
    items = small_shop(5, n_items=400, neighbours=100)
    proposal = propose(source, items, some_user(5, items, events=900))
    assert len(proposal.rows) == len(proposal.scores) == CANDIDATES_PER_SOURCE


def test_of_many_that_tie_at_the_cut_the_lowest_rows_are_proposed(source: Source) -> None:
    items = small_shop(5, n_items=400, neighbours=100)
    everything = some_user(5, items, events=900)
    first = propose(source, items, everything)
    # what was left out and scores the same as the last one in has a higher row
    rest = propose(source, items, everything, first.rows)
    tied = rest.rows[rest.scores == first.scores[-1]]
    assert (tied > first.rows[-1]).all()


def test_without_history_nothing_or_the_same_for_everybody(source: Source) -> None:
    items = small_shop(2)
    stranger = propose(source, items, nobody())
    known = propose(source, items, some_user(2, items))
    assert not len(stranger.rows) or stranger.rows.tolist() == known.rows.tolist()


def test_only_popularity_knows_something_for_a_stranger() -> None:
    items = small_shop(2)
    assert [bool(len(propose(source, items, nobody()).rows)) for source in SOURCES] == [False, False, True]


def test_an_empty_shop_gives_nothing(source: Source) -> None:
    assert not len(propose(source, ItemTable(PRESETS["retail"]), nobody()).rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_scratch_is_left_clean(source: Source, seed: int) -> None:
    items = small_shop(seed)
    scratch = Scratch(items.capacity)
    excluded = np.array([1, 2], np.int32)
    exclude_rows(scratch, excluded)
    source.propose(items, some_user(seed, items), scratch)
    assert np.flatnonzero(scratch.excluded).tolist() == [1, 2]
    clear_exclusions(scratch, excluded)
    assert not scratch.score.any()
    assert not scratch.in_session.any()
    assert not scratch.excluded.any()
    assert (scratch.slot == -1).all()


def test_items_are_read_and_never_changed(source: Source) -> None:
    items = small_shop(3)
    user = some_user(3, items)
    before = dump(items), user.rows.tobytes(), user.sessions.tobytes(), items.n
    propose(source, items, user)
    assert (dump(items), user.rows.tobytes(), user.sessions.tobytes(), items.n) == before


def test_same_state_same_proposal_and_earlier_ones_stay(source: Source) -> None:
    items, scratch = small_shop(4), Scratch()
    scratch.fit(items.capacity)
    users = [some_user(seed, items) for seed in SEEDS]
    first = [source.propose(items, user, scratch) for user in users]
    copies = [(p.rows.tobytes(), p.scores.tobytes()) for p in first]
    again = [source.propose(items, user, scratch) for user in users]
    assert [(p.rows.tobytes(), p.scores.tobytes()) for p in again] == copies
    assert [(p.rows.tobytes(), p.scores.tobytes()) for p in first] == copies
