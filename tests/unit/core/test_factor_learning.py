"""A round's gradients: one per line with a history, cut into the parts of the shards."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.factor_learning import FactorLearner
from stream_rec.core.gradients import LearnedPart, decode_part
from stream_rec.core.presets import FactorParams, Preset
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.types import item_hash
from tests.twins import factor_steps as twin
from tests.twins.small_shop import dump, small_shop, some_user

PARAMS = FactorParams(dimensions=6, history=3, negatives=5, negligible=0.0)
PLACE = (1, 2, 3)


def shop(params: FactorParams = PARAMS) -> ItemTable:
    return small_shop(1, preset=Preset(factors=params))


def somebody(items: ItemTable, events: int = 8) -> UserState:
    state, view = UserState("ann", 100), some_user(2, items, events)
    for row, session, time_ms in zip(view.rows, view.sessions, view.times_ms, strict=True):
        state.append(int(items.hashes[row]), int(row), int(time_ms), int(session), 1)
    state.session = view.session
    return state


def by_hash(part: LearnedPart) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for member, value in zip(part.members.tolist(), part.values.tolist(), strict=True):
        found.setdefault(int(part.hashes[member]), []).append(value)
    return found


def test_an_event_moves_its_item_the_negatives_and_the_history() -> None:
    items = shop()
    state, learner = somebody(items), FactorLearner(PARAMS, items, 1)
    before = dump(items)
    learner.learn(PLACE, 5, state, seed=99)
    part = decode_part(learner.take_parts()[0])
    history = some_user(2, items, 8)
    step = twin.gradient(items, history, 5, 99, PARAMS)
    assert dump(items) == before
    assert (part.topics.tolist(), part.partitions.tolist(), part.offsets.tolist()) == ([1], [2], [3])
    assert (part.n_targets.tolist(), part.n_history.tolist()) == ([len(step.targets)], [PARAMS.history])
    rows = [row for row, _ in (*step.targets, *step.history)]
    assert set(by_hash(part)) == {int(items.hashes[row]) for row in rows}
    np.testing.assert_allclose(part.values, [value for _, value in (*step.targets, *step.history)], atol=2e-3)
    assert int(items.hashes[5]) == int(part.hashes[part.members[0]])


def test_a_negative_seed_of_python_is_64_bits_of_it() -> None:
    """The lines of an event take the hash and what follows it; the sum may leave 64 bits."""
    items = shop()
    state, learner = somebody(items), FactorLearner(PARAMS, items, 1)
    drawn = []
    for seed in (2**64 + 7, 7):
        learner.learn(PLACE, 5, state, seed)
        drawn.append(learner.take_parts())
    assert drawn[0] == drawn[1]


def test_a_round_is_cut_by_shard_and_then_starts_anew() -> None:
    items = shop()
    state, learner = somebody(items), FactorLearner(PARAMS, items, 4)
    for offset in range(3):
        learner.learn((0, 0, offset), offset, state, seed=offset)
    learner.round.add_example(PLACE, 1, np.ones(3, np.float32))
    parts = {shard: decode_part(part) for shard, part in learner.take_parts().items()}
    assert set(parts) == {0, 1, 2, 3}
    for shard, part in parts.items():
        assert {h % 4 for h in part.hashes.tolist()} == {shard}
        assert len(part.weights) == (shard == 0)
    assert learner.take_parts() == {}


def test_without_factors_only_the_ranker_learns() -> None:
    none = FactorParams(dimensions=0)
    items = shop(none)
    learner = FactorLearner(none, items, 2)
    learner.learn(PLACE, 5, somebody(items), seed=1)
    assert learner.take_parts() == {}
    learner.round.add_example(PLACE, 1, np.ones(3, np.float32))
    parts = learner.take_parts()
    assert (list(parts), decode_part(parts[0]).weights.tolist()) == ([0], [1])


def test_the_table_may_grow_between_rounds() -> None:
    items = ItemTable(Preset(factors=PARAMS), capacity=1)
    learner, state = FactorLearner(PARAMS, items, 1), UserState("ann", 100)
    for number in range(20):
        row = items.intern(f"item-{number}")
        learner.learn((0, 0, number), row, state, seed=number)
        assert item_hash(f"item-{number}") in decode_part(learner.take_parts()[0]).hashes.tolist()
        state.append(item_hash(f"item-{number}"), row, 0, 1, 1)


@pytest.mark.parametrize("events", [1, 2, 200])
def test_a_history_of_any_length_gives_a_context_of_unit_weights(events: int) -> None:
    items = shop()
    learner = FactorLearner(PARAMS, items, 1)
    learner.learn(PLACE, 5, somebody(items, events), seed=1)
    part = decode_part(learner.take_parts()[0])
    weights = part.values[int(part.n_targets[0]) :]
    assert len(weights) == min(events, PARAMS.history)
    assert (weights**2).sum() == pytest.approx(1.0, abs=2e-3)
