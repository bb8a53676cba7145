"""The controller brings the number of unsold items per list to its target, from both sides and in both contexts."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.compiled import from_python
from stream_rec.core.exposure import LEAST, MOST, MOST_FALL, MOST_FEW, MOST_STEP, RATE, Exposure, lift_of

CONTINUE, VISIT = range(2)


def means(exposure: Exposure, context: int, rounds: int, per_list: float, size: int = 1, seed: int = 0) -> np.ndarray:
    """Rounds of `size` lists of a shop that shows `per_list` unsold items at a boost of 0, e-fold more per logit.

    Return the mean of each round.
    """
    rng, shown = np.random.default_rng(seed), np.empty(rounds)
    for number in range(rounds):
        unsold = np.minimum(20, rng.poisson(per_list * np.exp(exposure.boosts[context]), size))
        for one in unsold.tolist():
            exposure.note(context, one, -1)
        exposure.settle()
        shown[number] = unsold.mean()
    return shown


def shown(exposure: Exposure, context: int, lists: int, per_list: float, seed: int = 0) -> float:
    """Return the late mean of rounds of one list."""
    return float(means(exposure, context, lists, per_list, seed=seed)[lists // 2 :].mean())


@pytest.mark.parametrize("per_list", [0.01, 0.05, 0.25, 1.0, 5.0])
@pytest.mark.parametrize("target", [0.1, 0.25, 1.0])
def test_it_reaches_its_target_from_below_and_from_above(per_list: float, target: float) -> None:
    exposure = Exposure(target)
    assert shown(exposure, CONTINUE, 12_000, per_list) == pytest.approx(target, rel=0.1)
    assert np.sign(exposure.boosts[CONTINUE]) == np.sign(target - per_list) or per_list == target


@pytest.mark.parametrize("size", [1, 64, 1000])
@pytest.mark.parametrize("per_list", [0.002, 0.01, 0.25, 1.0, 5.0])
def test_rounds_of_any_size_come_to_the_target_and_stay_there(size: int, per_list: float) -> None:
    """All lists of a round are made with the same boost, so a large round must not move it as its lists one by one."""
    exposure, target = Exposure(0.25), 0.25
    settling = max(100, 3_000 // size)
    rounds = settling + max(200, 40_000 // size)
    shown = means(exposure, CONTINUE, rounds, per_list, size)[settling:]
    assert shown.mean() == pytest.approx(target, rel=0.05)
    per_window = max(1, 4_000 // size)  # rounds: where the count of fewer lists is mostly chance
    windows = shown[: len(shown) // per_window * per_window].reshape(-1, per_window).mean(axis=1)
    assert (np.abs(windows / target - 1) < 0.2).all()
    assert abs(per_list * np.exp(exposure.boosts[CONTINUE]) / target - 1) < 0.35


def test_a_round_of_one_list_moves_as_far_as_ever_and_one_of_many_no_further_than_it_can_see() -> None:
    exposure = Exposure(0.25)
    exposure.note(CONTINUE, 1, -1)
    exposure.settle()
    assert exposure.boosts[CONTINUE] == pytest.approx(RATE * (1 - 1 / 0.25))
    exposure.settle()
    assert exposure.boosts[CONTINUE] == pytest.approx(RATE * (1 - 1 / 0.25))  # nothing new has been seen
    for _ in range(1000):
        exposure.note(VISIT, 0, -1)
    assert exposure.boosts[VISIT] == 0.0
    exposure.settle()
    assert exposure.boosts[VISIT] == MOST_STEP
    for _ in range(1000):
        exposure.note(VISIT, 20, -1)
    exposure.settle()
    assert exposure.boosts[VISIT] == MOST_STEP - MOST_FALL


def test_it_follows_a_catalogue_that_changes() -> None:
    exposure = Exposure(0.25)
    shown(exposure, CONTINUE, 4_000, 0.02)
    assert shown(exposure, CONTINUE, 4_000, 0.5, seed=1) == pytest.approx(0.25, rel=0.15)


def test_visits_have_a_boost_of_their_own() -> None:
    exposure = Exposure(0.25)
    shown(exposure, VISIT, 4_000, 0.02)
    assert exposure.boosts[CONTINUE] == 0.0
    assert exposure.boosts[VISIT] > 1.0


def test_what_cannot_be_reached_is_not_forced() -> None:
    exposure = Exposure(0.25)
    for _ in range(10_000):
        exposure.note(CONTINUE, 0, -1)
        exposure.note(VISIT, 20, -1)
        exposure.settle()
    assert list(exposure.boosts) == [MOST, LEAST]


def test_switched_off_it_stays_at_nothing() -> None:
    exposure = Exposure(0.0)
    exposure.note(CONTINUE, 3, 3)
    exposure.settle()
    assert list(exposure.boosts) == list(exposure.few_boosts) == [0.0, 0.0]


@pytest.mark.parametrize("size", [1, 64, 1000])
@pytest.mark.parametrize("per_list", [0.001, 0.02, 0.2])
def test_few_events_bring_in_as_many_as_the_target_where_two_logits_are_enough(size: int, per_list: float) -> None:
    """Lists that show `per_list` · (e^2f − 1) items only for their lift, as the dumps of three shops do, roughly."""
    exposure, rng, late = Exposure(0.25), np.random.default_rng(size), []
    rounds = max(400, 12_000 // size)
    for number in range(rounds):
        expected = per_list * np.expm1(2 * exposure.few_boosts[CONTINUE])
        brought = np.minimum(20, rng.poisson(expected, size))
        for one in brought.tolist():
            exposure.note(CONTINUE, -1, one)
        exposure.settle()
        late += [brought.mean()] if number >= rounds // 2 else []
    most = per_list * np.expm1(2 * MOST_FEW)
    assert np.mean(late) == pytest.approx(min(0.25, most), rel=0.2)
    assert (exposure.few_boosts[CONTINUE] > MOST_FEW - 0.1) == (most < 0.25)
    assert list(exposure.boosts) == [0.0, 0.0]


def test_the_two_kinds_have_a_boost_each_and_few_events_never_lose_by_it() -> None:
    exposure = Exposure(0.25)
    for _ in range(100):
        exposure.note(CONTINUE, 0, 20)
        exposure.note(VISIT, 20, 0)
        exposure.settle()
    assert exposure.boosts[CONTINUE] > 0.0 > exposure.boosts[VISIT]
    assert exposure.few_boosts[CONTINUE] == 0.0 < exposure.few_boosts[VISIT]


def test_what_has_no_event_is_lifted_by_one_boost_and_what_has_few_by_the_other() -> None:
    lift = from_python(lift_of)
    assert [lift(events, 3.0, 1.0) for events in (0, 1, 4, 5, 19, 20, 1000)] == [3.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
