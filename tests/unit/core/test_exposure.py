"""The controller brings the number of unsold items per list to its target, from both sides and in both contexts."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.compiled import from_python
from stream_rec.core.exposure import LEAST, MOST, Exposure, share_of_boost

CONTINUE, VISIT = range(2)


def shown(exposure: Exposure, context: int, lists: int, per_list: float, seed: int = 0) -> float:
    """Lists of a shop that shows `per_list` unsold items at a boost of 0, e-fold more per logit; their late mean."""
    rng, counts = np.random.default_rng(seed), []
    for _ in range(lists):
        unsold = min(20, int(rng.poisson(per_list * np.exp(exposure.boosts[context]))))
        exposure.note(context, unsold)
        counts.append(unsold)
    return float(np.mean(counts[lists // 2 :]))


@pytest.mark.parametrize("per_list", [0.01, 0.05, 0.25, 1.0, 5.0])
@pytest.mark.parametrize("target", [0.1, 0.25, 1.0])
def test_it_reaches_its_target_from_below_and_from_above(per_list: float, target: float) -> None:
    exposure = Exposure(target)
    assert shown(exposure, CONTINUE, 12_000, per_list) == pytest.approx(target, rel=0.1)
    assert np.sign(exposure.boosts[CONTINUE]) == np.sign(target - per_list) or per_list == target


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
        exposure.note(CONTINUE, 0)
        exposure.note(VISIT, 20)
    assert list(exposure.boosts) == [MOST, LEAST]


def test_switched_off_it_stays_at_nothing() -> None:
    exposure = Exposure(0.0)
    exposure.note(CONTINUE, 3)
    assert list(exposure.boosts) == [0.0, 0.0]


def test_the_fewer_events_the_larger_the_part() -> None:
    part = from_python(share_of_boost)
    assert [part(events) for events in (0, 1, 4, 5, 19, 20, 1000)] == [1.0, 0.5, 0.5, 0.25, 0.25, 0.0, 0.0]
