"""Gradients and steps of the factors are those of the equations; what a frame carries loses no more than float16."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.gradients import LearnedPart, RoundGradients, decode_part, encode_part
from stream_rec.core.presets import PRESETS, FactorParams, Preset
from stream_rec.core.sources.factors import context_table, factor_gradient
from stream_rec.core.state.factor_steps import apply_gradients
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import UserView
from tests.twins import factor_steps as twin
from tests.twins.small_shop import dump, small_shop, some_user

SEEDS = st.integers(0, 2**32 - 1)
EVENT_SEEDS = st.integers(0, 2**64 - 1)
PLAIN = FactorParams(dimensions=12, history=5, negatives=8, negligible=0.0)
CUT = FactorParams(dimensions=12, history=5, negatives=8, negligible=0.05)
ALL_NEW = np.full((2, 1), -1, np.int64)


def shop_of(seed: int, params: FactorParams) -> ItemTable:
    return small_shop(seed, preset=Preset(factors=params))


def add_gradient(round_: RoundGradients, items: ItemTable, user: UserView, x: int, seed: int) -> None:
    """The gradient of one event; its offset is its number in the round."""
    p = items.preset.factors
    round_.reserve()
    factor_gradient(
        items.factor_arrays(), user.rows, user.sessions, user.session, context_table(p), x, items.n, np.uint64(seed),
        p.negatives, p.negligible, round_.context, round_.back, round_.members, round_.n,
    )  # fmt: skip
    round_.commit((0, 0, round_.n))


def new_round(params: FactorParams) -> RoundGradients:
    return RoundGradients(params.dimensions, params.negatives + 1 + params.history)


def part_of(round_: RoundGradients, items: ItemTable, shard: int = 0, n_shards: int = 1) -> LearnedPart:
    slot = np.full(items.capacity, -1, np.int32)
    part = decode_part(encode_part(round_, items.hashes, shard, n_shards, slot, shard == 0))
    assert (slot == -1).all()
    return part


def apply(items: ItemTable, part: LearnedPart, rate: float) -> None:
    rows = items.rows_of_hashes(part.hashes.tolist())
    apply_gradients(items.factor_arrays(), part, rows, np.ones(len(rows), np.bool_), ALL_NEW, rate)


@pytest.mark.parametrize("params", [PLAIN, CUT, *(preset.factors for preset in PRESETS.values())], ids=str)
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, events=st.integers(1, 60), event_seed=EVENT_SEEDS)
def test_a_gradient_is_that_of_the_sampled_softmax(
    params: FactorParams, seed: int, events: int, event_seed: int
) -> None:
    items = shop_of(seed, params)
    user, x = some_user(seed, items, events), seed % items.n
    before, round_ = dump(items), new_round(params)
    add_gradient(round_, items, user, x, event_seed)
    expected = twin.gradient(items, user, x, event_seed, params)
    assert dump(items) == before
    rows = round_.members.row[: round_.members.start[1]].tolist()
    values = round_.members.value[: round_.members.start[1]].tolist()
    moved = dict(zip(range(len(rows)), zip(rows, values, strict=True), strict=True))
    near_the_cut = any(abs(g - params.negligible) < 1e-5 for _, g in expected.targets[1:])
    if not near_the_cut:
        assert round_.members.n_targets[0] == len(expected.targets)
        assert [row for row, _ in moved.values()] == [row for row, _ in (*expected.targets, *expected.history)]
        numbers = [value for _, value in (*expected.targets, *expected.history)]
        np.testing.assert_allclose(values, numbers, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(round_.back[0], expected.dz, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(round_.context[0], expected.z, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    """-log p[x] over x and its negatives, by finite differences, with respect to every number that moves."""
    items = shop_of(3, PLAIN)
    user, x, seed = some_user(3, items, 20), 5, 99
    step = twin.gradient(items, user, x, seed, PLAIN)

    def loss() -> float:
        return -float(np.log(1.0 + twin.gradient(items, user, x, seed, PLAIN).targets[0][1]))

    for rows, factors, vector in ((step.targets, items.factor_out, step.z), (step.history, items.factor_in, step.dz)):
        for row in {row for row, _ in rows}:
            number = sum(value for other, value in rows if other == row)
            slope = number * float(vector @ vector)
            kept = factors[row].copy()
            factors[row] = kept + 0.01 * vector
            after = loss()
            factors[row] = kept - 0.01 * vector
            assert (after - loss()) / 0.02 == pytest.approx(slope, rel=0.02, abs=1e-4)
            factors[row] = kept


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, n_events=st.integers(1, 12))
def test_a_round_moves_the_rows_as_one_event_after_the_other(seed: int, n_events: int) -> None:
    """All gradients of a round are those of the factors before it; steps are AdaGrad's, event by event."""
    items, round_ = shop_of(seed, PLAIN), new_round(PLAIN)
    expected, steps = twin.AdaGradTwin(items, rate=0.2), []
    for event in range(n_events):
        user, x = some_user(seed + event, items, 20), (seed + event) % items.n
        add_gradient(round_, items, user, x, seed + event)
        steps.append(twin.gradient(items, user, x, seed + event, PLAIN))
    for step in steps:
        expected.move(step)
    apply(items, part_of(round_, items), rate=0.2)
    for got, wanted in (
        (items.factor_out, expected.out),
        (items.factor_in, expected.into),
        (items.facts["factor_bias"], expected.bias),
        (items.facts["squares_out"], expected.squares_out),
        (items.facts["squares_in"], expected.squares_in),
        (items.facts["squares_bias"], expected.squares_bias),
    ):
        np.testing.assert_allclose(got, wanted, rtol=5e-3, atol=2e-3)  # the wire's float16 and its smallest numbers


def test_the_event_becomes_more_likely_with_every_step() -> None:
    items = shop_of(1, PLAIN)
    user, x = some_user(1, items, 20), 5
    chances = []
    for seed in range(30):
        chances.append(1.0 + twin.gradient(items, user, x, 7, PLAIN).targets[0][1])
        round_ = new_round(PLAIN)
        add_gradient(round_, items, user, x, seed)
        apply(items, part_of(round_, items), rate=0.3)
    assert chances[0] < 0.4
    assert chances[-1] > 0.8


def test_the_same_event_draws_the_same_negatives_in_every_process() -> None:
    items = shop_of(2, PLAIN)
    rows = []
    for _ in range(2):
        round_ = new_round(PLAIN)
        add_gradient(round_, items, some_user(2, items, 20), 5, 2**64 - 1)
        rows.append(round_.members.row[: round_.members.start[1]].tolist())
    other = new_round(PLAIN)
    add_gradient(other, items, some_user(2, items, 20), 5, 12)
    assert rows[0] == rows[1] != other.members.row[: other.members.start[1]].tolist()


def test_a_row_that_may_not_be_changed_and_an_entry_below_the_watermark_move_nothing() -> None:
    items, round_ = shop_of(1, PLAIN), new_round(PLAIN)
    for seed in range(2):
        add_gradient(round_, items, some_user(seed, items, 20), 5, seed)
    part, before = part_of(round_, items), dump(items)
    rows = items.rows_of_hashes(part.hashes.tolist())
    closed, opened = np.zeros(len(rows), np.bool_), np.ones(len(rows), np.bool_)
    apply_gradients(items.factor_arrays(), part, rows, closed, ALL_NEW, 0.2)
    apply_gradients(items.factor_arrays(), part, rows, opened, np.array([[1], [-1]], np.int64), 0.2)
    assert dump(items) == before
    apply_gradients(items.factor_arrays(), part, rows, opened, np.array([[0], [-1]], np.int64), 0.2)
    assert dump(items) != before


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, n_events=st.integers(0, 12), n_shards=st.integers(2, 5))
def test_shards_together_move_what_one_shard_moves(seed: int, n_events: int, n_shards: int) -> None:
    whole, cut = shop_of(seed, PLAIN), shop_of(seed, PLAIN)
    round_ = new_round(PLAIN)
    for event in range(n_events):
        add_gradient(round_, whole, some_user(seed + event, whole, 20), (seed + event) % whole.n, seed + event)
    if n_events:
        apply(whole, part_of(round_, whole), 0.2)
    slot = np.full(cut.capacity, -1, np.int32)
    members = 0
    for shard in range(n_shards):
        encoded = encode_part(round_, cut.hashes, shard, n_shards, slot, False)
        if not encoded:
            continue
        part = decode_part(encoded)
        assert (part.hashes % np.uint64(n_shards) == shard).all()
        members += len(part.members)
        apply(cut, part, 0.2)
    assert members == round_.members.start[n_events]
    assert dump(cut) == dump(whole)
