from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core import decay
from stream_rec.core.presets import CoocParams, FactorParams, Preset
from stream_rec.core.state import items as items_module
from stream_rec.core.state.item_layout import FADES, FactorRow, ItemRow
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import item_hash
from stream_rec.errors import ContractError

PRESET = Preset(cooc=CoocParams(neighbours=3))


def record(
    item_id: str, delta_offset: int = 0, neighbours: dict[str, float] | None = None, **changes: object
) -> ItemRow:
    named = neighbours or {}
    hashes = np.array([item_hash(name) for name in named], np.uint64)
    row = ItemRow(item_id, delta_offset, 0, 0, 4.0, 1.0, 1, 10, 20, hashes, np.array(list(named.values()), np.float32))
    return row._replace(**changes)  # type: ignore[arg-type]  # names are checked by _replace


def listed(items: ItemTable) -> list[str | None]:
    return [items.ids[row] for row in items.popular_rows[: items.popular_count]]


def neighbours(items: ItemTable, item_id: str) -> dict[int, float]:
    row = items.intern(item_id)
    n = items.neighbour_count[row]
    hashes = items.hashes[items.neighbour_rows[row, :n]].tolist()
    return dict(zip(hashes, items.neighbour_weights[row, :n].tolist(), strict=True))


def test_rows_are_numbered_in_order_of_interning_and_survive_growth() -> None:
    items = ItemTable(PRESET, capacity=2)
    assert [items.intern(item_id) for item_id in ("a", "b", "a", "c", "d", "e", "b")] == [0, 1, 0, 2, 3, 4, 1]
    assert items.ids == ["a", "b", "c", "d", "e"]
    assert items.hashes[: items.n].tolist() == [item_hash(item_id) for item_id in "abcde"]
    assert (items.n, items.capacity) == (5, 8)


def test_looking_up_an_unknown_hash_creates_nothing_unless_asked() -> None:
    items = ItemTable(PRESET)
    assert items.row_of_hash(item_hash("a"), create=False) == -1
    assert items.n == 0
    assert items.row_of_hash(item_hash("a"), create=True) == 0
    assert items.ids == [None]


def test_a_row_known_by_hash_takes_the_id_when_it_comes() -> None:
    items = ItemTable(PRESET)
    row = items.row_of_hash(item_hash("a"), create=True)
    assert items.intern("a") == row
    assert items.ids == ["a"]


def test_two_ids_with_one_hash_are_told_apart_not_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items_module, "item_hash", lambda item_id: 7)
    items = ItemTable(PRESET)
    items.intern("a")
    with pytest.raises(ContractError, match="need a 64-bit hash of its own; got 'b'") as caught:
        items.intern("b")
    assert caught.value.reason == "hash-clash"
    assert not items.absorb(record("b", delta_offset=9))
    assert (items.ids, items.delta_offset[0]) == (["a"], -1)


def test_views_follow_the_table_when_it_grows() -> None:
    items = ItemTable(PRESET, capacity=1)
    before = items.cooc_arrays()
    assert items.cooc_arrays() is before
    items.intern("a")
    items.intern("b")
    assert items.cooc_arrays().neighbour_rows is items.neighbour_rows
    assert items.arrays().delta_offset is items.delta_offset


def test_absorbing_takes_over_everything_and_makes_unknown_neighbours() -> None:
    items = ItemTable(PRESET, capacity=1)
    assert items.absorb(record("a", 5, {"b": 2.0, "c": 1.0}))
    assert neighbours(items, "a") == {item_hash("b"): 2.0, item_hash("c"): 1.0}
    assert items.ids == ["a", None, None]
    assert (items.mass_vote[0], items.mass_candidate[0]) == (4.0**-1.0, 4.0**-0.2)
    assert items.listable[:3].tolist() == [1, 0, 0]
    assert items.export(0)[:9] == record("a", 5)[:9]


@pytest.mark.parametrize(("second", "kept"), [(4, 1.0), (5, 1.0), (6, 2.0)])
def test_the_row_that_includes_more_deltas_wins(second: int, kept: float) -> None:
    items = ItemTable(PRESET)
    items.absorb(record("a", 5, {"b": 1.0}))
    assert items.absorb(record("a", second, {"b": 2.0})) == (kept == 2.0)
    assert neighbours(items, "a") == {item_hash("b"): kept}


def test_a_row_of_an_older_epoch_is_rebased_and_one_of_a_newer_epoch_rebases_the_table() -> None:
    items = ItemTable(PRESET)
    down = decay.rebase_factor(2, 3)
    items.absorb(record("a", 0, {"x": 1.0}, pair_landmark=2, popularity_landmark=2))
    items.absorb(record("b", 0, {"x": 1.0}, pair_landmark=3, popularity_landmark=3))
    items.absorb(record("c", 0, {"x": 1.0}, pair_landmark=2, popularity_landmark=2))
    assert [list(neighbours(items, item_id).values()) for item_id in "abc"] == [[down], [1.0], [down]]
    assert [items.popularity[items.intern(item_id)] for item_id in "abc"] == [down, 1.0, down]
    assert items.mass_vote[items.intern("a")] == pytest.approx(1 / (4.0 * down))
    assert (items.pair_landmark, items.popularity_landmark) == (3, 3)
    assert listed(items) == ["b", "a", "c"]


def test_mass_that_has_faded_away_votes_nothing_rather_than_infinity() -> None:
    items = ItemTable(PRESET)
    items.absorb(record("a", 0, {"x": 1.0}))
    items.adopt_landmarks(1000, 1000)
    assert (items.mass_vote[0], items.mass_candidate[0], items.popularity[0]) == (0.0, 0.0, 0.0)
    assert list(neighbours(items, "a").values()) == [0.0]


def test_of_too_many_neighbours_the_heaviest_stay_in_their_order() -> None:
    items = ItemTable(PRESET)
    items.absorb(record("a", 0, {"p": 1.0, "q": 4.0, "r": 2.0, "s": 3.0}))
    assert list(neighbours(items, "a").values()) == [4.0, 2.0, 3.0]


def test_popular_items_are_listed_best_first_ties_to_the_lower_row() -> None:
    items = ItemTable(PRESET)
    for item_id, popularity in (("a", 1.0), ("b", 3.0), ("c", 1.0), ("d", 2.0)):
        items.absorb(record(item_id, popularity=popularity))
    assert listed(items) == ["b", "d", "a", "c"]
    items.absorb(record("b", 1, popularity=0.5))  # another owner's row may stand lower
    assert listed(items) == ["d", "a", "c", "b"]


def test_an_item_out_of_stock_is_not_listed_until_it_is_back() -> None:
    items = ItemTable(PRESET)
    for item_id, popularity in (("a", 1.0), ("b", 3.0)):
        items.absorb(record(item_id, popularity=popularity))
    row = items.intern("b")
    items.set_available(row, False)
    assert (listed(items), items.listable[row]) == (["a"], 0)
    items.absorb(record("b", 1, popularity=4.0))
    assert listed(items) == ["a"]
    items.set_available(row, True)
    assert (listed(items), items.listable[row]) == (["b", "a"], 1)


def test_an_item_nobody_touched_is_not_listed() -> None:
    items = ItemTable(PRESET)
    items.set_available(items.intern("a"), True)
    assert (items.popular_count, items.listable[0]) == (0, 0)


LEARNED = FactorRow(
    np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32), np.array([5.0, 6.0, 7.0, 8.0], np.float32)
)
TWO_FACTORS = Preset(factors=FactorParams(dimensions=2))


def test_what_is_learned_of_an_item_travels_with_its_row() -> None:
    items = ItemTable(TWO_FACTORS, capacity=1)
    items.absorb(record("a", 0, fades=np.array([1, 2, 3, 4], np.float32), factors=LEARNED))
    for number in range(5):
        items.intern(f"another-{number}")  # the table grows
    sent = items.export(0)
    assert sent.fades is not None
    assert sent.factors is not None
    assert sent.fades.tolist() == [items.facts[name][0] for name in FADES] == [1, 2, 3, 4]
    assert [column.tolist() for column in sent.factors] == [[1, 2], [3, 4], [5, 6, 7, 8]]
    assert (items.facts["factor_bias"][0], items.facts["squares_bias"][0]) == (5, 8)


def test_what_was_exported_is_a_copy() -> None:
    items = ItemTable(TWO_FACTORS)
    items.absorb(record("a", 0, {"b": 1.0}, factors=LEARNED))
    sent = items.export(0)
    items.factor_out[0], items.factor_in[0], items.neighbour_weights[0], items.facts["factor_bias"][0] = 0, 0, 0, 0
    assert sent.factors is not None
    assert [column.tolist() for column in sent.factors] == [[1, 2], [3, 4], [5, 6, 7, 8]]
    assert sent.neighbour_weights.tolist() == [1.0]


@pytest.mark.parametrize("factors", [None, LEARNED], ids=["of version 1", "of another number of factors"])
def test_an_item_whose_row_has_no_factors_of_this_kind_keeps_its_first_ones(factors: FactorRow | None) -> None:
    items, fresh = (ItemTable(Preset(factors=FactorParams(dimensions=3))) for _ in range(2))
    fresh.intern("a")
    assert items.absorb(record("a", 0, factors=factors))
    assert items.factor_out[0].tolist() == fresh.factor_out[0].tolist()
    assert items.facts["factor_bias"][0] == 0
    assert len(set(items.factor_out[0].tolist())) == 3


def test_the_factors_of_a_row_that_was_made_before_growing_stay() -> None:
    items = ItemTable(TWO_FACTORS, capacity=1)
    items.intern("a")
    first = items.factor_out[0].tolist(), items.factor_in[0].tolist()
    items.intern("b")
    assert (items.factor_out[0].tolist(), items.factor_in[0].tolist()) == first
    assert items.factor_arrays().out is items.factor_out
