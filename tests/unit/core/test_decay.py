from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rec.core import decay

DAY_MS = 86_400_000
TAU_MS = 90.0 * DAY_MS
NOW_MS = 1_700_000_000_000


def test_the_ratio_of_two_weights_is_exponential_decay() -> None:
    epoch = decay.epoch_of(NOW_MS, TAU_MS)
    older, newer = (decay.weight(NOW_MS - age * DAY_MS, epoch, TAU_MS) for age in (30, 0))
    assert older / newer == pytest.approx(math.exp(-30 / 90))


@pytest.mark.parametrize("epoch", [0, 1, 6, 1000])
def test_an_epoch_begins_at_its_landmark_with_weight_one(epoch: int) -> None:
    start_ms = math.ceil(decay.landmark_ms(epoch, TAU_MS))
    assert decay.epoch_of(start_ms, TAU_MS) == epoch
    assert decay.weight(start_ms, epoch, TAU_MS) == pytest.approx(1.0)


@pytest.mark.parametrize("epochs_later", [1, 2, 5])
def test_rebasing_a_weight_gives_the_weight_of_the_newer_epoch_bit_for_bit(epochs_later: int) -> None:
    epoch = decay.epoch_of(NOW_MS, TAU_MS)
    rebased = decay.weight(NOW_MS, epoch, TAU_MS) * decay.rebase_factor(epoch, epoch + epochs_later)
    assert rebased == decay.weight(NOW_MS, epoch + epochs_later, TAU_MS)


def test_rebasing_in_steps_equals_rebasing_at_once_even_in_float32() -> None:
    values = np.array([1.0, 1 / 3, 1e6], np.float32)
    step = np.float32(decay.rebase_factor(4, 5))
    np.testing.assert_array_equal(values * step * step, values * np.float32(decay.rebase_factor(4, 6)))


def test_an_event_far_too_late_weighs_nothing() -> None:
    assert decay.weight(0, decay.epoch_of(NOW_MS, 1000.0), 1000.0) == 0.0
