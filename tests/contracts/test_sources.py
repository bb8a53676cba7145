"""What every source promises, whatever it computes: in its own list, and as a part of the evidence."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import CANDIDATES_PER_SOURCE, SOURCE_NAMES
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.ranking.rules import clear_exclusions, exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.recommend import Recommender
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import NO_ROWS, Float64Array, Int32Array, UserView
from tests.twins import kernels
from tests.twins.kernels import PROPOSING
from tests.twins.small_model import small_model
from tests.twins.small_shop import EVERY_SOURCE, dump, nobody, small_shop, some_user

SEEDS = range(6)
ALL = 10**6
proposing = pytest.mark.parametrize("name", PROPOSING)
every_source = pytest.mark.parametrize("source", range(len(SOURCE_NAMES)), ids=SOURCE_NAMES)


def propose(
    name: str, items: ItemTable, user: UserView, excluded: Int32Array = NO_ROWS
) -> tuple[Int32Array, Float64Array]:
    scratch = Scratch(items.capacity)
    exclude_rows(scratch, excluded)
    return kernels.propose(name, items, user, scratch)


def evidence_of(items: ItemTable, user: UserView, excluded: Int32Array = NO_ROWS) -> Evidence:
    recommender = Recommender(items.preset, items, 20)
    recommender.sequence = small_model(1, items, texts=True)
    (user,), (cold,) = recommender.completed([user]), recommender.cold([user])
    return recommender.look(user, excluded, cold).evidence


def test_all_counting_sources_but_the_factors_name_candidates() -> None:
    assert {*PROPOSING, "factors", "sequence", "content"} == {*SOURCE_NAMES}


@every_source
@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_may_be_shown(source: int, seed: int) -> None:
    items = small_shop(seed)
    excluded = np.array([0, 3, 4, 11, 12, 13], np.int32)
    rows = evidence_of(items, some_user(seed, items), excluded).list_of(source, ALL)
    assert len(rows)
    assert items.listable[rows].all()
    assert not set(rows.tolist()) & set(excluded.tolist())


@every_source
@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_names_candidates_once_and_a_shorter_one_is_its_beginning(source: int, seed: int) -> None:
    items = small_shop(seed)
    evidence = evidence_of(items, some_user(seed, items))
    rows = evidence.list_of(source, ALL).tolist()
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(evidence.rows.tolist())
    assert evidence.list_of(source, 5).tolist() == rows[:5]


@proposing
@pytest.mark.parametrize("seed", SEEDS)
def test_the_evidence_begins_each_list_as_its_kernel_does(name: str, seed: int) -> None:
    items = small_shop(seed)
    user = some_user(seed, items)
    listed = evidence_of(items, user).list_of(SOURCE_NAMES.index(name), ALL)
    rows, _ = propose(name, items, user)
    assert len(listed) >= min(len(rows), 20)
    assert rows[: len(listed)].tolist() == listed.tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_factors_order_what_the_others_name_and_name_nothing_themselves(seed: int) -> None:
    items = small_shop(seed)
    evidence = evidence_of(items, some_user(seed, items))
    ordered = evidence.list_of(SOURCE_NAMES.index("factors"), ALL).tolist()
    assert sorted(ordered) == sorted(evidence.rows.tolist())
    assert ordered != evidence.rows.tolist()


@proposing
@pytest.mark.parametrize("seed", SEEDS)
def test_best_first_and_ties_to_the_lower_row(name: str, seed: int) -> None:
    items = small_shop(seed)
    rows, scores = propose(name, items, some_user(seed, items))
    assert np.lexsort((rows, -scores)).tolist() == list(range(len(rows)))
    assert len(set(rows.tolist())) == len(rows)


@proposing
def test_positive_scores_of_the_promised_types(name: str) -> None:
    items = small_shop(1)
    rows, scores = propose(name, items, some_user(1, items))
    assert rows.dtype == np.int32
    assert scores.dtype == np.float64
    assert len(scores)
    assert (scores > 0).all()


@proposing
def test_no_more_candidates_than_agreed(name: str) -> None:
    items = small_shop(5, n_items=400, neighbours=100)
    rows, scores = propose(name, items, some_user(5, items, events=900))
    assert len(rows) == len(scores) == CANDIDATES_PER_SOURCE


@proposing
def test_of_many_that_tie_at_the_cut_the_lowest_rows_are_proposed(name: str) -> None:
    items = small_shop(5, n_items=400, neighbours=100)
    everything = some_user(5, items, events=900)
    first, scores = propose(name, items, everything)
    # what was left out and scores the same as the last one in has a higher row
    rest, left_out = propose(name, items, everything, first)
    assert len(rest)
    assert (rest[left_out == scores[-1]] > first[-1]).all()


@every_source
def test_without_history_nothing_or_the_same_for_everybody(source: int) -> None:
    items = small_shop(2)
    stranger, known = (evidence_of(items, user).list_of(source, ALL) for user in (nobody(), some_user(2, items)))
    assert not len(stranger) or stranger.tolist() == known.tolist()


def test_only_popularity_knows_something_for_a_stranger() -> None:
    evidence = evidence_of(small_shop(2), nobody())
    heard = [name for source, name in enumerate(SOURCE_NAMES) if len(evidence.list_of(source, ALL))]
    assert heard == ["popularity"]


@every_source
def test_an_empty_shop_gives_nothing(source: int) -> None:
    assert not len(evidence_of(ItemTable(EVERY_SOURCE), nobody()).list_of(source, ALL))


@proposing
@pytest.mark.parametrize("seed", SEEDS)
def test_scratch_is_left_clean(name: str, seed: int) -> None:
    items = small_shop(seed)
    scratch = Scratch(items.capacity)
    excluded = np.array([1, 2], np.int32)
    exclude_rows(scratch, excluded)
    kernels.propose(name, items, some_user(seed, items, pending=4), scratch)
    assert np.flatnonzero(scratch.excluded).tolist() == [1, 2]
    clear_exclusions(scratch, excluded)
    assert not scratch.score.any()
    assert not scratch.in_session.any()
    assert not scratch.excluded.any()
    assert (scratch.slot == -1).all()


@proposing
def test_items_are_read_and_never_changed(name: str) -> None:
    items = small_shop(3)
    user = some_user(3, items, pending=4)
    before = dump(items), user.rows.tobytes(), user.sessions.tobytes(), items.n
    propose(name, items, user)
    assert (dump(items), user.rows.tobytes(), user.sessions.tobytes(), items.n) == before


@proposing
def test_same_state_same_proposal_and_earlier_ones_stay(name: str) -> None:
    items, scratch = small_shop(4), Scratch()
    scratch.fit(items.capacity)
    users = [some_user(seed, items) for seed in SEEDS]
    first = [kernels.propose(name, items, user, scratch) for user in users]
    copies = [(rows.tobytes(), scores.tobytes()) for rows, scores in first]
    again = [kernels.propose(name, items, user, scratch) for user in users]
    assert [(rows.tobytes(), scores.tobytes()) for rows, scores in again] == copies
    assert [(rows.tobytes(), scores.tobytes()) for rows, scores in first] == copies
