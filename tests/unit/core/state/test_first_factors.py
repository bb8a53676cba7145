from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import FactorParams, Preset
from stream_rec.core.state.first_factors import first_factors, mix
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float32Array, item_hash
from tests.twins.factor_steps import splitmix64


def drawn(h: int, deviation: float = 0.1, d: int = 64) -> tuple[Float32Array, Float32Array]:
    out, into = np.empty(d, np.float32), np.empty(d, np.float32)
    first_factors(h, deviation, out, into)
    return out, into


def test_an_item_begins_with_the_same_factors_in_every_process() -> None:
    """The numbers are pinned: two releases that disagree would compute gradients from different factors."""
    out, into = drawn(item_hash("85123A"), d=2)
    assert out.tolist() == pytest.approx([-0.11471552, 0.131418089], rel=1e-6)
    assert into.tolist() == pytest.approx([-0.024576841, 0.119710208], rel=1e-6)


def test_the_row_it_gets_does_not_matter() -> None:
    preset = Preset(factors=FactorParams(dimensions=8, initial=0.1))
    first, second = ItemTable(preset, capacity=1), ItemTable(preset)
    for item_id in ("a", "b", "c"):
        first.intern(item_id)
    assert second.row_of_hash(item_hash("c"), create=True) == 0
    assert first.factor_out[2].tolist() == second.factor_out[0].tolist() == drawn(item_hash("c"), d=8)[0].tolist()
    assert first.factor_in[2].tolist() == second.factor_in[0].tolist()


@pytest.mark.parametrize("deviation", [0.03, 0.1, 1.0])
def test_mean_and_deviation_are_as_asked_and_no_number_is_beyond_what_is_uniform(deviation: float) -> None:
    numbers = np.concatenate([np.concatenate(drawn(item_hash(f"item-{i}"), deviation)) for i in range(400)])
    assert abs(numbers.mean()) < deviation / 50
    assert numbers.std() == pytest.approx(deviation, rel=0.02)
    assert np.abs(numbers).max() <= deviation * 3**0.5 * (1 + 1e-6)


def test_items_and_both_sides_of_an_item_begin_apart() -> None:
    numbers = np.stack([*drawn(item_hash("a")), *drawn(item_hash("b"))])
    alike = np.corrcoef(numbers) - np.eye(4)
    assert np.abs(alike).max() < 0.4


@pytest.mark.parametrize("state", [0, 1, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15])
def test_the_mixer_is_splitmix64(state: int) -> None:
    assert int(mix(np.uint64(state))) == splitmix64(state)


def test_splitmix64_gives_its_published_numbers() -> None:
    """From seed 1234567, as the reference implementation's."""
    step, seed, found = 0x9E3779B97F4A7C15, 1234567, []
    for k in range(1, 4):
        found.append(int(mix(np.uint64((seed + k * step) % 2**64))))
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]
