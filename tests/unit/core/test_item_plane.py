from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream_rec.core.deltas import CountEntry, FrameBuilder
from stream_rec.core.features import FEATURES
from stream_rec.core.gradients import RoundGradients, encode_part
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import CoocParams, Preset
from stream_rec.core.state.item_codec import decode_row, decode_watermark
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_KEY
from stream_rec.core.types import item_hash
from stream_rec.errors import ConfigError, CorruptStateError
from tests.twins.count_streams import SMALL, new_plane

ALL = 2**31


def event(offset: int, item_id: str, *earlier: str, line: int = 0, time_ms: int = 0) -> CountEntry:
    hashes = [item_hash(name) for name in earlier]
    return CountEntry(0, 0, offset, line, time_ms, item_id, item_hash(item_id), 1.0, hashes, [1.0] * len(hashes))


def frame(*entries: CountEntry, n_shards: int = 1) -> bytes:
    builder = FrameBuilder(n_shards)
    for entry in entries:
        builder.add(entry)
    return builder.build()[0]


def counts(items: ItemTable) -> dict[str | None, int]:
    return {item_id: int(items.event_count[row]) for row, item_id in enumerate(items.ids)}


def test_an_event_counts_in_both_directions() -> None:
    items, plane = new_plane(1)
    plane.apply(0, frame(event(0, "a"), event(1, "b", "a")), 0)
    a, b = items.intern("a"), items.intern("b")
    assert (items.neighbour_rows[a, 0], items.neighbour_weights[a, 0]) == (b, 1.0)
    assert (items.neighbour_rows[b, 0], items.neighbour_weights[b, 0]) == (a, 0.75)
    assert (items.pair_mass[b], items.popularity[b], items.listable[b]) == (1.0, 1.0, 1)


def test_lines_of_one_event_share_an_offset_and_all_count_once() -> None:
    items, plane = new_plane(1)
    purchase = [event(4, "a"), event(4, "b", "a", line=1), event(4, "a", "b", line=2)]
    assert plane.apply(0, frame(*purchase), 0) == 3
    assert plane.apply(0, frame(*purchase, event(5, "a")), 1) == 1
    assert counts(items) == {"a": 3, "b": 1}


def test_every_source_partition_has_a_watermark_of_its_own() -> None:
    items, plane = new_plane(1)
    sources = [replace(event(7, "a"), topic=topic, partition=partition) for topic in (0, 1) for partition in (0, 40)]
    assert [plane.apply(0, frame(source), offset) for offset, source in enumerate(sources)] == [1, 1, 1, 1]
    assert plane.apply(0, frame(*sources), 4) == 0
    assert counts(items) == {"a": 4}


def test_a_late_event_is_discounted_and_moves_no_time_back() -> None:
    items, plane = new_plane(1)
    plane.apply(0, frame(event(0, "a", time_ms=100_000), event(1, "a", time_ms=99_000)), 0)
    assert (items.last_seen_ms[0], items.first_seen_ms[0]) == (100_000, 99_000)
    mass = items.pair_mass[0]
    plane.apply(0, frame(event(2, "a", time_ms=0)), 1)  # 100 decay times late: e^-100 is lost in rounding
    assert items.pair_mass[0] == mass
    assert items.event_count[0] == 3


def test_an_item_known_by_hash_only_is_neither_listed_nor_sent() -> None:
    items, plane = new_plane(1)
    plane.apply(0, frame(event(0, "b", "a")), 0)
    assert items.ids == ["b", None]
    assert items.listable[:2].tolist() == [1, 0]
    assert [key for key, _ in plane.flush(0, ALL)] == [b"b"]
    plane.apply(0, frame(event(1, "a")), 1)
    sent = dict(plane.flush(0, ALL))
    assert list(sent) == [b"a"]
    assert decode_row(b"a", sent[b"a"]).neighbour_hashes.tolist() == [item_hash("b")]


def test_the_watermark_moves_only_when_everything_before_it_was_handed_out() -> None:
    _, plane = new_plane(1)
    untouched = plane.watermark(0)
    plane.apply(0, frame(*(event(offset, name) for offset, name in enumerate("abc"))), 0)
    assert [key for key, _ in plane.flush(0, 1)] == [b"a"]
    plane.apply(0, frame(event(3, "d"), event(4, "b")), 1)
    assert [key for key, _ in plane.flush(0, 1)] == [b"b"]
    assert plane.watermark(0) == untouched
    assert [key for key, _ in plane.flush(0, 1)] == [b"c"]
    assert decode_watermark(plane.watermark(0))[::4] == (1, {(0, 0): 2})
    assert [key for key, _ in plane.flush(0, ALL)] == [b"d"]  # b went with its newest counts already
    assert decode_watermark(plane.watermark(0))[::4] == (2, {(0, 0): 4})
    assert plane.flush(0, ALL) == []


def test_the_watermark_moves_past_frames_that_changed_nothing() -> None:
    _, plane = new_plane(1)
    plane.apply(0, frame(event(0, "a")), 0)
    plane.flush(0, ALL)
    plane.apply(0, frame(event(0, "a")), 1)
    assert plane.flush(0, ALL) == []
    assert decode_watermark(plane.watermark(0)).next_offset == plane.next_offset(0) == 2


def test_one_call_without_a_limit_drains_what_an_earlier_one_left() -> None:
    _, plane = new_plane(1)
    plane.apply(0, frame(event(0, "a"), event(1, "b")), 0)
    plane.flush(0, 1)
    plane.apply(0, frame(event(2, "c")), 1)
    assert [key for key, _ in plane.flush(0, ALL)] == [b"b", b"c"]
    assert decode_watermark(plane.watermark(0)).next_offset == 2


def test_rows_that_were_not_handed_out_are_noted_anew_after_an_assignment() -> None:
    _, plane = new_plane(1)
    for offset, give_back in enumerate((plane.revoke, lambda _: None)):
        plane.apply(0, frame(event(offset, "a", "b")), offset)
        give_back(0)
        plane.assign(0, None)
    plane.apply(0, frame(event(2, "b", "a")), 2)
    assert [key for key, _ in plane.flush(0, 10**9)] == [b"b", b"a"]


def test_a_frame_of_another_number_of_shards_is_a_setting_not_data() -> None:
    _, plane = new_plane(1)
    with pytest.raises(ConfigError, match="item shard 0: need state written with shards 1; got 4"):
        plane.apply(0, frame(replace(event(0, "a"), item_hash=4), n_shards=4), 0)


def test_rows_of_another_decay_time_are_refused_before_anything_starts() -> None:
    _, plane = new_plane(1)
    other = ItemPlane(ItemTable(Preset(cooc=CoocParams(decay_ms=5.0))), 1)
    with pytest.raises(ConfigError, match=r"pair_decay_ms 5\.0; got 1000\.0"):
        other.assign(0, plane.watermark(0))


def test_junk_is_refused() -> None:
    _, plane = new_plane(1)
    with pytest.raises(CorruptStateError):
        plane.apply(0, b"junk", 0)
    with pytest.raises(CorruptStateError):
        plane.assign(0, b"junk")


def learned_frame(
    offset: int, item_id: str, n_features: int = len(FEATURES), dimensions: int = 6,
    gradient: tuple[float, float, float] = (-1.0, 0.5, 1.0),
) -> bytes:  # fmt: skip
    """An event of a first-time item, the gradient of that item as its own target, and an example.

    `gradient`: the item's number, every element of the context, and every element of the example.
    """
    value, context, example = gradient
    round_ = RoundGradients(dimensions, 4)
    round_.members.value[0], round_.members.n_targets[0], round_.members.start[1] = value, 1, 1
    round_.context[0] = context
    round_.commit((0, 0, offset))
    round_.add_example((0, 0, offset), 0, np.full(n_features, example, np.float32))
    hashes, slot = np.array([item_hash(item_id)], np.uint64), np.full(1, -1, np.int32)
    builder = FrameBuilder(1)
    builder.add(event(offset, item_id))
    return builder.build({0: encode_part(round_, hashes, 0, 1, slot, True)})[0]


def learned(items: ItemTable) -> tuple[bytes, list[int]]:
    return items.factor_out[: items.n].tobytes(), items.ranker.examples.tolist()


def test_a_frame_of_counts_and_gradients_is_applied_whole_and_once() -> None:
    items, plane = new_plane(1)
    first = ItemTable(SMALL)
    first.intern("a")
    assert plane.apply(0, learned_frame(0, "a"), 0) == 1
    after = learned(items)
    assert after[0] != first.factor_out[:1].tobytes()
    assert (after[1], items.facts["factor_bias"][0] > 0) == ([1, 0], True)
    assert plane.apply(0, learned_frame(0, "a"), 1) == 0
    assert (learned(items), counts(items)) == (after, {"a": 1})


def test_a_step_of_the_factors_is_the_learning_rate_away_from_the_gradient() -> None:
    """The accumulator begins at next to nothing, so the first step has a mean square of rate squared."""
    items, plane = new_plane(1)
    items.intern("a")
    before = items.factor_out[0].copy()
    plane.apply(0, learned_frame(0, "a"), 0)
    np.testing.assert_allclose(items.factor_out[0] - before, SMALL.factors.learning_rate, rtol=1e-3)
    assert items.facts["factor_bias"][0] == pytest.approx(SMALL.factors.learning_rate, rel=1e-3)


def test_gradients_of_another_number_of_factors_are_passed_over_and_counts_are_not() -> None:
    items, plane = new_plane(1)
    items.intern("a")
    before = items.factor_out[0].copy()
    assert plane.apply(0, learned_frame(0, "a", dimensions=5), 0) == 1
    np.testing.assert_array_equal(items.factor_out[0], before)
    assert (counts(items), items.ranker.examples.tolist()) == ({"a": 1}, [1, 0])


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_is_not_finite_is_passed_over_and_the_rest_of_the_frame_is_not(at: int, number: float) -> None:
    """Whoever wrote it: a row or a weight it was added to could never be mended."""
    items, plane = new_plane(1)
    items.intern("a")
    fresh, gradient = items.factor_out[0].copy(), [-1.0, 0.5, 1.0]
    gradient[at] = number
    plane.apply(0, learned_frame(0, "a", gradient=(gradient[0], gradient[1], gradient[2])), 0)
    assert counts(items) == {"a": 1}
    assert (items.factor_out[0] == fresh).all() == (at < 2)
    assert items.ranker.examples.tolist() == [int(at < 2), 0]
    assert np.isfinite(items.factor_out[0]).all()
    assert np.isfinite(items.facts["squares_out"][0])
    assert np.isfinite(items.ranker.serving).all()


def test_examples_of_a_release_with_other_features_are_passed_over() -> None:
    items, plane = new_plane(1)
    plane.apply(0, learned_frame(0, "a", n_features=len(FEATURES) - 1), 0)
    assert (counts(items), items.ranker.examples.tolist()) == ({"a": 1}, [0, 0])


def test_the_weights_are_handed_out_when_they_have_learned() -> None:
    _, plane = new_plane(1)
    plane.apply(0, learned_frame(0, "a"), 0)
    assert [key for key, _ in plane.flush(0, ALL)] == [RANKER_KEY, b"a"]
    assert plane.flush(0, ALL) == []
    plane.apply(0, frame(event(1, "a")), 1)
    assert [key for key, _ in plane.flush(0, ALL)] == [b"a"]


def test_a_repeated_frame_moves_the_offset_of_no_row_back() -> None:
    """A row that reached `item-rows` ahead of the watermark knows better than the frames that come again."""
    items, plane = new_plane(1)
    frames = [learned_frame(offset, "a") for offset in range(3)]
    for offset, one in enumerate(frames):
        plane.apply(0, one, offset)
    after, row = learned(items), items.intern("a")
    plane.revoke(0)
    plane.assign(0, None)
    for offset, one in enumerate(frames):
        plane.apply(0, one, offset)
        assert items.delta_offset[row] == 2
    assert (learned(items), counts(items)) == (after, {"a": 3})


def test_of_two_shards_one_hands_out_the_weights() -> None:
    items, plane = new_plane(2)
    items.ranker.delta_offset = 5
    assert [[key for key, _ in plane.flush(shard, ALL)] for shard in range(2)] == [[RANKER_KEY], []]
