from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
import pytest

from stream_rec.core.features import CONTEXTS, COUNTED_SOURCES, FEATURES, WEIGHT_ROWS
from stream_rec.core.presets import RankerParams
from stream_rec.core.state import ranker_weights
from stream_rec.core.state.ranker_weights import FIRST_SQUARE, RankerWeights
from stream_rec.core.types import Float32Array
from stream_rec.errors import CorruptStateError

PARAMS = RankerParams(learning_rate=0.5, initial=3.0)
CONTINUE, VISIT = CONTEXTS.index("continue"), CONTEXTS.index("visit")
SHARED = WEIGHT_ROWS.index("shared")


def gradient(seed: int) -> Float32Array:
    return np.random.default_rng(seed).normal(size=len(FEATURES)).astype(np.float32)


def learned(examples: int = 5) -> RankerWeights:
    weights = RankerWeights(PARAMS)
    for seed in range(examples):
        weights.step(seed % 2, seed % 3 > 0, gradient(seed))
    weights.delta_offset = 7
    return weights


def test_before_anything_is_learned_the_sources_ranks_count_alike() -> None:
    weights = RankerWeights(PARAMS)
    for context in (CONTINUE, VISIT):
        theta = dict(zip(FEATURES, weights.serving[context].tolist(), strict=True))
        assert {name for name, value in theta.items() if value} == {f"{source}.r6" for source in COUNTED_SOURCES}
        assert set(theta.values()) == {0.0, 3.0}


def test_a_step_is_adagrads_in_the_shared_row_and_in_that_of_the_context() -> None:
    weights = RankerWeights(PARAMS)
    before, g, squares = weights.theta.copy(), [gradient(1).astype(float), gradient(2).astype(float)], FIRST_SQUARE
    for one in g:
        weights.step(VISIT, True, one.astype(np.float32))
    moved = np.zeros(len(FEATURES))
    for one in g:
        squares = squares + one * one
        moved -= 0.5 * one / np.sqrt(squares)
    for row in (SHARED, 1 + VISIT):
        np.testing.assert_allclose(weights.theta[row], before[row] + moved, rtol=1e-12)
        np.testing.assert_allclose(weights.squares[row], squares, rtol=1e-12)
    np.testing.assert_array_equal(weights.theta[1 + CONTINUE], before[1 + CONTINUE])
    assert weights.examples.tolist() == [0, 2]


def test_an_example_of_its_context_alone_leaves_the_shared_weights() -> None:
    weights = RankerWeights(PARAMS)
    before = weights.theta.copy()
    weights.step(VISIT, False, gradient(1))
    np.testing.assert_array_equal(weights.theta[:2], before[:2])
    assert (weights.theta[1 + VISIT] != before[1 + VISIT]).all()
    assert weights.examples.tolist() == [0, 1]


def test_lists_are_ordered_with_the_shared_weights_and_their_contexts() -> None:
    weights = learned()
    expected = weights.theta[SHARED] + weights.theta[1:]
    np.testing.assert_array_equal(weights.serving, expected.astype(np.float32))
    assert (weights.serving[CONTINUE] != weights.serving[VISIT]).all()


def test_a_gradient_made_with_other_features_does_not_fit() -> None:
    weights = RankerWeights(PARAMS)
    assert weights.fits(VISIT, gradient(1))
    assert not weights.fits(VISIT, gradient(1)[1:])
    assert not weights.fits(len(CONTEXTS), gradient(1))


@pytest.mark.parametrize("number", [np.nan, np.inf], ids=str)
def test_nor_does_one_that_is_not_finite(number: float) -> None:
    spoilt = gradient(1)
    spoilt[3] = number
    assert not RankerWeights(PARAMS).fits(VISIT, spoilt)


@pytest.mark.parametrize("number", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("column", ["theta", "squares"])
def test_of_a_stored_record_the_finite_features_are_taken(column: str, number: float) -> None:
    sent, got = learned(), RankerWeights(PARAMS)
    getattr(sent, column)[SHARED, 2] = number
    before = got.theta[:, 2].tolist()
    assert got.absorb(sent.encode())
    assert got.theta[:, 2].tolist() == before
    assert np.delete(got.theta, 2, axis=1).tolist() == np.delete(sent.theta, 2, axis=1).tolist()
    assert np.isfinite(got.serving).all()


def test_weights_come_back_as_they_went() -> None:
    sent, got = learned(), RankerWeights(PARAMS)
    assert got.absorb(sent.encode())
    for name in ("theta", "squares", "examples", "serving"):
        np.testing.assert_array_equal(getattr(got, name), getattr(sent, name), err_msg=name)
    assert got.delta_offset == 7
    assert got.encode() == sent.encode()


@pytest.mark.parametrize(("offset", "taken"), [(6, False), (7, False), (8, True)])
def test_the_record_that_includes_more_deltas_wins(offset: int, taken: bool) -> None:
    here, other = learned(), RankerWeights(PARAMS)
    other.delta_offset = offset
    before = here.encode()
    assert here.absorb(other.encode()) == taken
    assert (here.encode() == before) != taken


def test_features_are_matched_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer had them in another order, one that is gone since, and did not have the last one yet."""
    theirs = ("gone.since", *reversed(FEATURES[:-1]))
    with monkeypatch.context() as other_release:
        other_release.setattr(ranker_weights, "FEATURES", theirs)
        sent = RankerWeights(PARAMS)
        sent.theta[:] = np.arange(len(theirs)) + 1000.0 * np.arange(len(WEIGHT_ROWS))[:, None]
        sent.squares[:] = 1.0 + sent.theta
        sent.delta_offset = 1
        record = sent.encode()
    got, fresh = RankerWeights(PARAMS), RankerWeights(PARAMS)
    assert got.absorb(record)
    for name in FEATURES[:-1]:
        here, there = FEATURES.index(name), theirs.index(name)
        assert got.theta[:, here].tolist() == sent.theta[:, there].tolist()
        assert got.squares[:, here].tolist() == sent.squares[:, there].tolist()
    assert got.theta[:, -1].tolist() == fresh.theta[:, -1].tolist()
    assert got.squares[:, -1].tolist() == fresh.squares[:, -1].tolist()
    np.testing.assert_array_equal(got.serving, (got.theta[SHARED] + got.theta[1:]).astype(np.float32))


@pytest.mark.parametrize("at", range(0, len(learned().encode()), 97))
def test_a_record_with_one_wrong_byte_is_refused_and_changes_nothing(at: int) -> None:
    record, here = bytearray(learned().encode()), RankerWeights(PARAMS)
    record[at] ^= 0x10
    before = here.encode()
    with pytest.raises(CorruptStateError, match=r"ranker weights: need .*; got"):
        here.absorb(bytes(record))
    assert here.encode() == before


@pytest.mark.parametrize("length", [0, 5, 20, 600])
def test_a_record_cut_short_is_refused(length: int) -> None:
    with pytest.raises(CorruptStateError):
        RankerWeights(PARAMS).absorb(learned().encode()[:length])


def test_the_layout_is_the_documented_one() -> None:
    weights, names = learned(), "\0".join(FEATURES).encode()
    head = struct.pack("<BBHIq2q", 1, ord("k"), len(FEATURES), len(names), 7, *weights.examples)
    body = head + weights.theta.astype("<f8").tobytes() + weights.squares.astype("<f8").tobytes() + names
    assert weights.encode() == body + struct.pack("<I", crc32(body))
